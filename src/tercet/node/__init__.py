"""Runs one party: the engine joined with the plan's language."""
