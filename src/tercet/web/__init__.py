"""Pages: what a browser does, with the files that it gets and what writes them."""
