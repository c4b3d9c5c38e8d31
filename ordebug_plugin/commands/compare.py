"""``ordebug compare``: runs on the same problems, side by side."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

from ordebug_plugin.commands.common import DONE, RESULTS, Subparsers, print_json
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.compare import Paired, compare_runs
from ordebug_plugin.evaluate.run import load_run, summary_record
from ordebug_plugin.evaluate.table import comparison_table, paired_table
from ordebug_plugin.metrics import summarize


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "compare",
        "put runs side by side, and test each against the one before it on the problems they share",
        "ordebug compare runs/base runs/sft runs/drop-first",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders written by `ordebug eval`")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compares two or more runs.

    Raises:
        InputError: A folder holds no run, or there are fewer than two.
    """
    if len(options.runs) < 2:
        raise InputError("compare needs at least two runs")
    names = _names(options.runs)
    loaded = {name: load_run(folder) for name, folder in zip(names, options.runs, strict=True)}
    summaries = {name: summarize(episodes, int(config["max_steps"])) for name, (config, episodes) in loaded.items()}
    episodes: dict[str, tuple[Episode, ...]] = {name: entry[1] for name, entry in loaded.items()}
    pairs = {(one, two): compare_runs(episodes[one], episodes[two]) for one, two in pairwise(names)}
    if options.json:
        print_json(
            {
                "runs": {name: summary_record(summary) for name, summary in summaries.items()},
                "paired": [
                    {"first": one, "second": two, **_paired_record(pair)}
                    for (one, two), results in pairs.items()
                    for pair in results
                ],
            }
        )
        return DONE
    RESULTS.print(comparison_table(summaries))
    for (one, two), results in pairs.items():
        RESULTS.print(paired_table(one, two, results))
    return DONE


def _names(folders: list[Path]) -> list[str]:
    """Folder names where they are unique, whole paths where they are not."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _paired_record(pair: Paired) -> dict[str, object]:
    record = {**asdict(pair.difference), "p": pair.p}
    defined = {key: None if math.isnan(value) else value for key, value in record.items()}
    return {"metric": pair.metric, **defined, "separable": pair.separable, "verdict": pair.verdict}
