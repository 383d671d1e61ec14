"""Runs a plan at a party: whole, or in partitions of rows; and what it means in plain NumPy."""
