"""From expressions to a plan: recorded values, the placing of rings and scales, compilation, and its explanation."""
