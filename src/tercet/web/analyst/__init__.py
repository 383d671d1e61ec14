"""The analyst's page: tables, questions, what they cost and reveal, answers, jobs."""
