"""The rows of datasets, followed through a plan."""
