"""What is kept for good: one module a subject, its typed model and the queries on it."""
