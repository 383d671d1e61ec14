"""Tercet: compute together on data nobody may show."""
