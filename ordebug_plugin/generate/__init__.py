"""Benchmarks and demonstrations made here, proven by the solver."""

from ordebug_plugin.generate.benchmark import BenchmarkReport, make_benchmark, structure_hashes
from ordebug_plugin.generate.demonstrations import DemonstrationReport, make_demonstrations

__all__ = [
    "BenchmarkReport",
    "DemonstrationReport",
    "make_benchmark",
    "make_demonstrations",
    "structure_hashes",
]
