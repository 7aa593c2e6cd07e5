"""Benchmarks of the streaming engine beside its peers: `python -m bench` (PERFORMANCE goals, `make bench`)."""
