"""What the commands share: parsers with examples, consoles, progress."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Results go to stdout, everything about their making to stderr, so that a pipe gets results alone.
# Tables need room, and a file or a pipe has as much as it is given. No markup: names may hold [brackets].
RESULTS = Console(soft_wrap=True, markup=False, highlight=False, width=None if sys.stdout.isatty() else 150)
LOG = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)

DONE, FINDINGS, USAGE = 0, 1, 2


class Subparsers:
    """Adds commands that all have a summary, an example and a function to run."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._actions = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(self, name: str, summary: str, example: str) -> argparse.ArgumentParser:
        """A command; set its function with ``set_defaults(run=…)``."""
        return self._actions.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )


def positive(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def nonnegative(text: str) -> float:
    """An argparse type: a finite number of at least 0."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a finite number of at least 0, not {text}")
    return value


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on stderr; call what it gives once per item, with a word about how things stand."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=LOG) as bar:
        task = bar.add_task(what, total=total, state="")
        yield lambda state: bar.update(task, advance=1, state=state)


def print_json(record: Any) -> None:
    """Writes a result for machines to stdout."""
    print(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False))
