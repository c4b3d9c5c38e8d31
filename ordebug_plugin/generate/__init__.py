"""Benchmarks made here, proven by the solver."""

from ordebug_plugin.generate.benchmark import BenchmarkReport, make_benchmark, structure_hashes
from ordebug_plugin.generate.difficulty import Difficulty
from ordebug_plugin.generate.drawing import Wanted
from ordebug_plugin.generate.family import Size
from ordebug_plugin.generate.instance import Names

__all__ = [
    "BenchmarkReport",
    "Difficulty",
    "Names",
    "Size",
    "Wanted",
    "make_benchmark",
    "structure_hashes",
]
