"""A node of a federation: its HTTP interface, its jobs, its changes of stored data, its worker processes."""
