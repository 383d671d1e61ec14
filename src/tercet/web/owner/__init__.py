"""The owner's page: a table in, checked and shared; what became of it."""
