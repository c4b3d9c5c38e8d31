"""``ordebug score``: the figures of a run, computed again from its episodes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ordebug_plugin.commands.common import DONE, FINDINGS, LOG, RESULTS, Subparsers, print_json
from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.run import (
    CONFIG,
    SUMMARY,
    load_run,
    lost_words,
    missing_episodes,
    summary_record,
    summary_text,
)
from ordebug_plugin.evaluate.table import run_tables
from ordebug_plugin.files import write_text
from ordebug_plugin.metrics import summarize


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "score",
        "compute the figures of a run again from its episodes, without a model and without a solver; exit 1 when "
        "summary.json says otherwise",
        "ordebug score runs/sft --write",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder written by `ordebug eval`")
    parser.add_argument(
        "--write", action="store_true", help="write summary.json, where it is missing or says otherwise"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Scores a run.

    Returns:
        0; 1 where summary.json says otherwise and is not written, or the run is incomplete or lost episodes.

    Raises:
        InputError: The folder holds no run, or a file of it cannot be read or written.
    """
    folder: Path = options.run_folder
    config, episodes = load_run(folder)
    summary = summarize(episodes, int(config["max_steps"]))
    record = summary_record(summary)
    if options.json:
        print_json(record)
    else:
        for table in run_tables(folder.resolve().name, summary, RESULTS.width):
            RESULTS.print(table)
    missing = missing_episodes(folder, config, episodes)
    if missing > 0:
        LOG.print(f"{missing} episodes are missing: the figures are those of the others")
    if summary.lost:
        LOG.print(lost_words(summary.lost, summary.n))
    if missing < 0:
        LOG.print(f"there are {-missing} episodes more than {folder / CONFIG} speaks of: some are of another run")
    text, written = summary_text(summary), _written(folder)
    if written == text:
        LOG.print(f"{folder / SUMMARY} says the same")
    elif options.write:
        write_text(folder / SUMMARY, text)
        LOG.print(f"wrote {folder / SUMMARY}")
    elif written is None:
        LOG.print(f"there is no {folder / SUMMARY}: --write makes it")
    else:
        LOG.print(f"{folder / SUMMARY} says otherwise of {_differing(written, record)}: --write replaces it")
    same = written == text or options.write
    return DONE if same and not missing and not summary.lost else FINDINGS


def _written(folder: Path) -> str | None:
    path = folder / SUMMARY
    try:
        return path.read_text(encoding="utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _differing(written: str, record: Mapping[str, Any]) -> str:
    """The parts that differ, in the names of the file."""
    try:
        old = parse_json(written)
    except ValueError:
        return "everything: it is no JSON"
    if not isinstance(old, dict):
        return "everything: it is not the summary of a run"
    return ", ".join(sorted(part for part in {*old, *record} if old.get(part) != record.get(part))) or "the layout"
