"""``ordebug bench split``: a benchmark in parts that share no content."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from ordebug_plugin.commands.common import DONE, RESULTS, Subparsers, print_json, progress, share
from ordebug_plugin.data.split import STRATA, Part, Plan, split_benchmark
from ordebug_plugin.problem import load_records


def add_parser(group: Subparsers) -> None:
    """Adds the command."""
    parser = group.add(
        "split",
        "split a benchmark so that no content is on two sides: the same model under any names, or with another fault",
        "ordebug bench split bench/all bench/split --hold-out-families blending --hold-out-names bakery,steel",
    )
    parser.add_argument("bench", type=Path, metavar="BENCH", help="benchmark folder")
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="folder for train, val, test and what is held out; new or empty"
    )
    parser.add_argument("--test", type=share, default=0.2, help="share of what is not held out (default 0.2)")
    parser.add_argument("--val", type=share, default=0.1, help="likewise (default 0.1); 0 for none")
    parser.add_argument(
        "--hold-out-families", type=_names, default=(), metavar="A,B", help="families for held_out_families alone"
    )
    parser.add_argument(
        "--hold-out-names", type=_names, default=(), metavar="T,U", help="themes for held_out_names alone"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    parser.add_argument("--json", action="store_true", help="print what is in each part as JSON")
    parser.set_defaults(run=run_split)


def run_split(options: argparse.Namespace) -> int:
    """Splits a benchmark.

    Raises:
        InputError: The benchmark cannot be split so, or the folder holds files.
    """
    plan = Plan(options.test, options.val, options.hold_out_families, options.hold_out_names, options.seed)
    with progress("problems", len(load_records(options.bench))) as advance:
        parts = split_benchmark(options.bench, options.out, plan, lambda: advance(""))
    if options.json:
        print_json({name: {**asdict(part), "path": str(part.path)} for name, part in parts.items()})
        return DONE
    table = Table(title=f"{options.bench}, split into {options.out}", title_justify="left")
    table.add_column("part", no_wrap=True)
    for heading in ("problems", "groups of kin"):
        table.add_column(heading, justify="right")
    shown = [key for key in STRATA if any(key in part.strata for part in parts.values())]
    for key in shown:
        table.add_column(key.replace("_", " "))
    for name, part in parts.items():
        table.add_row(name, str(part.n), str(part.kin), *(_counts(part, key) for key in shown))
    RESULTS.print(table)
    RESULTS.print("no two parts share content")
    return DONE


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _counts(part: Part, key: str) -> str:
    return ", ".join(f"{value or 'unlabelled'} {count}" for value, count in part.strata.get(key, {}).items())
