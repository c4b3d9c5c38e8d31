"""Benchmarks and demonstrations made here, proven by the solver."""
