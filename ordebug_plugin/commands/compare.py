"""``ordebug compare``: runs on the same problems, side by side."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

from ordebug_plugin.commands.common import DONE, FINDINGS, LOG, RESULTS, Subparsers, print_json
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.compare import Paired, compare_runs
from ordebug_plugin.evaluate.run import load_run, missing_episodes, summary_record
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

    Returns:
        0, or 1 when a run is incomplete.

    Raises:
        InputError: A folder holds no run, two runs share no problem, or there are fewer than two.
    """
    if len(options.runs) < 2:
        raise InputError("compare needs at least two runs")
    names = _names(options.runs)
    partial = False
    loaded = {name: load_run(folder) for name, folder in zip(names, options.runs, strict=True)}
    summaries = {name: summarize(episodes, int(config["max_steps"])) for name, (config, episodes) in loaded.items()}
    episodes: dict[str, tuple[Episode, ...]] = {name: entry[1] for name, entry in loaded.items()}
    pairs = {(one, two): compare_runs(episodes[one], episodes[two]) for one, two in pairwise(names)}
    for (one, two), results in pairs.items():
        if all(pair.difference.n == 0 for pair in results):
            raise InputError(f"{one} and {two} share no problem: they cannot be compared")
    if len({(config["max_steps"], config["benchmark_hash"]) for config, _ in loaded.values()}) > 1:
        LOG.print("note: the runs differ in --max-steps or in their problems; pairs hold the shared problems only")
    for name, folder in zip(names, options.runs, strict=True):
        missing = missing_episodes(folder, *loaded[name])
        if missing:
            partial = True
            LOG.print(
                f"{name} is incomplete, {missing} of {loaded[name][0]['problems']} problems are missing: the ones"
            )
            LOG.print("that ended first are the short ones, so its figures are biased")
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
        return FINDINGS if partial else DONE
    RESULTS.print(comparison_table(summaries))
    for (one, two), results in pairs.items():
        RESULTS.print(paired_table(one, two, results))
    return FINDINGS if partial else DONE


def _names(folders: list[Path]) -> list[str]:
    """Folder names where they are unique, whole paths where they are not."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _paired_record(pair: Paired) -> dict[str, object]:
    record = {**asdict(pair.difference), "p": pair.p}
    defined = {key: None if math.isnan(value) else value for key, value in record.items()}
    return {"metric": pair.metric, **defined, "separable": pair.separable, "verdict": pair.verdict}
