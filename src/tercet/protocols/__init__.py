"""Three-party protocols on replicated shares; one file a family."""
