"""``ordebug bench …``: benchmarks."""

from __future__ import annotations

from ordebug_plugin.commands import bench_check, bench_import, bench_make, bench_saturation, bench_split
from ordebug_plugin.commands.common import Subparsers


def add_parser(commands: Subparsers) -> None:
    """Adds the commands."""
    group = Subparsers(commands.add("bench", "make, import, check and split benchmarks", "ordebug bench make --help"))
    bench_make.add_parser(group)
    bench_import.add_parser(group)
    bench_check.add_parser(group)
    bench_saturation.add_parser(group)
    bench_split.add_parser(group)
