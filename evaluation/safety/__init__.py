"""Measuring what the rules for stories refuse and let through: `make eval-safety` (docs/stories.md, "Safety")."""
