"""The processes that compute: the pool of them at the supervisor, and what each does."""
