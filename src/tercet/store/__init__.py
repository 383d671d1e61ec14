"""One node's disk: schema, share files, catalogue, audit chain, backup."""
