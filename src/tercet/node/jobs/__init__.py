"""The jobs of a node: taken in, decided, started with the other two nodes, ended, and told."""
