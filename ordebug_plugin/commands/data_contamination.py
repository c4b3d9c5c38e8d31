"""``ordebug data contamination``: does training data give test problems away?"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_work_limit_option,
    progress,
)
from ordebug_plugin.files import write_text
from ordebug_plugin.problem import load_records
from ordebug_plugin.verify.contamination import Contamination, find_contamination

_SHOWN = 5  # ids named for each kind of overlap; the JSON has all


def add_parser(group: Subparsers) -> None:
    """Adds the command."""
    parser = group.add(
        "contamination",
        "find test problems that training data give away, by content; exit 1 when there are some",
        "ordebug data contamination data/sft_train.json bench/test",
    )
    parser.add_argument(
        "train", type=Path, metavar="TRAIN", help="Alpaca, ShareGPT, messages or GRPO file, or a benchmark folder"
    )
    parser.add_argument("bench", type=Path, metavar="BENCH", help="the test problems")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the ids of all that overlap")
    add_work_limit_option(parser)
    parser.set_defaults(run=run_contamination)


def run_contamination(options: argparse.Namespace) -> int:
    """Holds a benchmark against training data.

    Returns:
        0 when nothing overlaps, 1 when something does.

    Raises:
        InputError: The data or the benchmark cannot be read.
        SolverError: Gurobi failed.
    """
    with progress("problems", len(load_records(options.bench))) as advance:
        found = find_contamination(
            options.train, options.bench, work_limit=options.work_limit, on_progress=lambda _: advance("")
        )
    for meaning, ids in _overlaps(found).items():
        names = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
        RESULTS.print(f"{len(ids)} of {found.problems} problems: {meaning}{f' ({names})' if ids else ''}")
    if found.training.unread:
        LOG.print(f"{found.training.unread} of {found.training.items} rows show no prompt and name no model")
    if options.json is not None:
        write_text(options.json, json.dumps(_record(found), indent=1, ensure_ascii=False) + "\n")
    return FINDINGS if found.found else DONE


def _overlaps(found: Contamination) -> dict[str, tuple[str, ...]]:
    return {
        "the model is in the training data, byte for byte": found.models,
        "same structure under other names": found.structures,
        "the model before its fault is there, with another fault": found.originals,
        "the first prompt is there, its labels left out": found.prompts,
    }


def _record(found: Contamination) -> dict[str, object]:
    training = {"items": found.training.items, "unread": found.training.unread}
    return {**asdict(found), "training": training}
