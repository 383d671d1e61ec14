"""The operator's page: what waits, what their node does, its policy, its record."""
