"""``ordebug bench saturation``: how much of a benchmark is had without reading it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_work_limit_option,
    add_workers_option,
    positive,
    progress,
    workers,
)
from ordebug_plugin.files import check_writable, write_text
from ordebug_plugin.problem import load_records
from ordebug_plugin.statistics import null_for_nan
from ordebug_plugin.verify.saturation import Played, measure_saturation
from ordebug_plugin.verify.saturation_report import guess_table, policy_table, saturation_record, verdict

_SHOWN = 5  # problems named that were not judged; the JSON has all


def add_parser(group: Subparsers) -> None:
    """Adds the command."""
    parser = group.add(
        "saturation",
        "how much a policy gets that reads neither algebra nor text, and what names alone give away",
        "ordebug bench saturation bench/test bench/public --json saturation.json",
    )
    parser.add_argument("benches", type=Path, nargs="+", metavar="BENCH", help="benchmark folders, or model files")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure with its interval")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N problems of each")
    add_work_limit_option(parser)
    add_workers_option(parser)
    parser.set_defaults(run=run_saturation)


def run_saturation(options: argparse.Namespace) -> int:
    """Measures benchmarks.

    Returns:
        0, saturated or not; 1 where problems could not be judged.

    Raises:
        InputError: A benchmark cannot be loaded, or the file not be written.
        SolverError: Gurobi cannot start.
    """
    if options.json is not None:
        check_writable(options.json)
    sizes = [len(load_records(bench)[: options.limit]) for bench in options.benches]
    found = []
    unjudged = 0
    with progress("problems", sum(sizes)) as advance:

        def on_progress(played: Played) -> None:
            nonlocal unjudged
            unjudged += played.failure is not None
            advance(f"{unjudged} not judged" if unjudged else "")

        for bench in options.benches:
            one = measure_saturation(
                bench,
                limit=options.limit,
                workers=workers(options),
                work_limit=options.work_limit,
                on_progress=on_progress,
            )
            found.append(one)
    RESULTS.print(policy_table(found))
    names = guess_table(found)
    if names is not None:
        RESULTS.print(names)
    for one in found:
        RESULTS.print(verdict(one))
        for problem, reason in one.unjudged[:_SHOWN]:
            LOG.print(f"{one.name}: {problem} was not judged: {reason}")
        if len(one.unjudged) > _SHOWN:
            LOG.print(f"{one.name}: and {len(one.unjudged) - _SHOWN} more; --json writes all")
    if options.json is not None:
        record = null_for_nan(saturation_record(found))
        write_text(options.json, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return FINDINGS if unjudged else DONE
