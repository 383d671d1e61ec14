"""Models, written once against the array namespace."""
