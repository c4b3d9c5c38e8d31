"""``ordebug bench make``: infeasible models with a known fault."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ordebug_plugin.commands.common import (
    DONE,
    RESULTS,
    Subparsers,
    add_workers_option,
    positive,
    print_json,
    progress,
    workers,
)
from ordebug_plugin.errors import InputError
from ordebug_plugin.generate.benchmark import make_benchmark, structure_hashes
from ordebug_plugin.generate.difficulty import Difficulty
from ordebug_plugin.generate.drawing import Wanted
from ordebug_plugin.generate.families import DEFAULT_FAMILIES, FAMILIES
from ordebug_plugin.generate.family import Size
from ordebug_plugin.generate.faults import FAULTS, Fault
from ordebug_plugin.generate.instance import Names
from ordebug_plugin.generate.themes import THEMES

_RANGE = re.compile(r"([A-Z])-([A-Z])")


def add_parser(group: Subparsers) -> None:
    """Adds the command."""
    parser = group.add(
        "make",
        "make infeasible models with a written specification and a known fault, each proven by the solver",
        "ordebug bench make bench/test --n 200 --seed 1 --faults A-I,unit --exclude bench/train",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; new or empty")
    parser.add_argument("--n", type=positive, default=200, help="number of problems (default 200)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    families = "; ".join(f"{family.name}: {family.summary}" for family in FAMILIES.values())
    parser.add_argument(
        "--families", metavar="A,B", help=f"default: {','.join(DEFAULT_FAMILIES)}. There are: {families}"
    )
    every = {fault.name: fault for family in FAMILIES.values() for fault in family.faults} | dict(FAULTS)
    faults = "; ".join(f"{fault.name}: {fault.summary}" for fault in every.values())
    parser.add_argument(
        "--faults", metavar="LIST", help=f"e.g. A-I,unit (default: all that a family has). There are: {faults}"
    )
    parser.add_argument(
        "--sizes",
        metavar="A,B",
        help="of small (5 to 20 rows), medium (to 120), large (to 1500); default: all that the families have",
    )
    parser.add_argument("--difficulty", metavar="A,B", help="of easy, medium, hard (default: all)")
    parser.add_argument("--themes", metavar="A,B", help=f"worlds that things are named after: of {', '.join(THEMES)}")
    parser.add_argument(
        "--names", choices=tuple(Names), default=Names.NEUTRAL, help="r17 or hours_17 (default %(default)s)"
    )
    parser.add_argument(
        "--exclude",
        type=Path,
        action="append",
        default=[],
        metavar="BENCH",
        help="a benchmark made here whose problems must not appear again; may be repeated",
    )
    add_workers_option(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Makes a benchmark.

    Raises:
        InputError: The folder holds files, a name is unknown, or an excluded benchmark cannot be read.
        SolverError: Gurobi failed.
    """
    exclude: frozenset[str] = frozenset().union(*(structure_hashes(path) for path in options.exclude))
    wanted = _wanted(options)
    with progress("problems", options.n) as advance:
        report = make_benchmark(
            options.out,
            n=options.n,
            seed=options.seed,
            wanted=wanted,
            exclude=exclude,
            workers=workers(options),
            on_progress=lambda _: advance(""),
        )
    if options.json:
        counts = {label: dict(values) for label, values in report.counts.items()}
        print_json({"path": str(report.path), "n": report.n, "redrawn": report.redrawn, "counts": counts})
    else:
        RESULTS.print(f"{report.n} problems written to {report.path}; {report.redrawn} draws were thrown away")
        for label, values in report.counts.items():
            RESULTS.print(f"  {label}: " + ", ".join(f"{count} {name}" for name, count in sorted(values.items())))
    return DONE


def _wanted(options: argparse.Namespace) -> Wanted:
    families = chosen("--families", options.families, FAMILIES, DEFAULT_FAMILIES)
    sizes = chosen("--sizes", options.sizes, tuple(Size), tuple(Size))
    without = [name for name in families if not {str(size) for size in FAMILIES[name].sizes} & set(sizes)]
    if without and options.families is not None:
        has = ", ".join(FAMILIES[without[0]].sizes)
        raise InputError(f"family {without[0]} has no model of size {','.join(sizes)}: {has}")
    families = tuple(name for name in families if name not in without)
    known: dict[str, Fault] = {fault.name: fault for name in families for fault in FAMILIES[name].faults}
    try:
        faults = chosen("--faults", options.faults, known, known)
    except InputError as error:
        raise InputError(f"{error} in {', '.join(families)}") from error
    return Wanted(
        families=families,
        faults=faults,
        sizes=tuple(map(Size, sizes)),
        difficulties=tuple(
            map(Difficulty, chosen("--difficulty", options.difficulty, tuple(Difficulty), tuple(Difficulty)))
        ),
        themes=chosen("--themes", options.themes, THEMES, THEMES),
        names=Names(options.names),
    )


def chosen(option: str, text: str | None, known: Iterable[str], default: Iterable[str]) -> tuple[str, ...]:
    """The names in a list like ``A-I,unit``, each once, in the order of those that there are.

    Raises:
        InputError: A name is unknown.
    """
    names = [str(name) for name in known]
    if text is None:
        return tuple(str(name) for name in default)
    asked = [name for part in text.split(",") for name in _expanded(part.strip(), names)]
    for name in asked:
        if name not in names:
            raise InputError(f"{option}: there is no {name!r}; there are {', '.join(names)}")
    return tuple(name for name in names if name in asked)


def _expanded(part: str, names: Sequence[str]) -> list[str]:
    """``A-I`` becomes the letters from A to I that there are."""
    match = _RANGE.fullmatch(part)
    return [part] if match is None else [name for name in names if len(name) == 1 and match[1] <= name <= match[2]]
