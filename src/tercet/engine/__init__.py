"""Runs operations at one party."""
