"""How the catalogue's tables came to be, step by step; `Catalogue.upgrade` runs what is missing."""

HEAD = "0003"
"""The newest form; a test compares it with the steps."""
