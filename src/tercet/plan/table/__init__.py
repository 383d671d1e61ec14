"""The operations table: what every operation takes, gives, means, costs, and does to rows."""
