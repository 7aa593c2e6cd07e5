"""Measuring how well the search finds, refuses and cites: `make eval-search` (docs/search.md)."""
