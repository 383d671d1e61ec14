"""Plans: typed operations on secret values, how they are recorded and compiled, what they cost, and how they run."""
