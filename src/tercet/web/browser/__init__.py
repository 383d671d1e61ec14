"""A page that stands alone: splits, seals and uploads in the browser, for people who have nothing installed."""
