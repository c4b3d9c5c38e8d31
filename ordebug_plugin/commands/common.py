"""What the commands share: parsers with examples, consoles, progress."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ordebug_plugin.cluster import Cluster
from ordebug_plugin.errors import InputError
from ordebug_plugin.parallel import Crew
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import SYSTEM_PROMPT, Detail
from ordebug_plugin.reward_pool import default_workers
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, reading_messages
from ordebug_plugin.terminal import SafeConsole, harmless_json

# Results go to stdout, everything about their making to stderr, so that a pipe gets results alone.
# Tables need room, and a file or a pipe has as much as it is given.
RESULTS = SafeConsole(soft_wrap=True, width=None if sys.stdout.isatty() else 150)
LOG = SafeConsole(stderr=True, soft_wrap=True)

T = TypeVar("T", int, float)

DONE, FINDINGS = 0, 1
NO_SYSTEM = "none"
_MOST_WARNINGS = 10  # of one file


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
    return _number(text, int, 1)


def nonnegative(text: str) -> float:
    """An argparse type: a finite number of at least 0."""
    return _number(text, float, 0)


def whole(text: str) -> int:
    """An argparse type: a whole number of at least 0."""
    return _number(text, int, 0)


def share(text: str) -> float:
    """An argparse type: a number from 0 to 1."""
    value = _number(text, float, 0)
    if value > 1:
        raise argparse.ArgumentTypeError(f"must be at most 1, not {text!r}")
    return value


def _number(text: str, kind: Callable[[str], T], least: int) -> T:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if not isinstance(value, int | float) or not least <= value < float("inf"):
        noun = "whole" if kind is int else "finite"
        raise argparse.ArgumentTypeError(f"must be a {noun} number of at least {least}, not {text!r}")
    return value


def add_system_option(parser: argparse._ActionsContainer) -> None:
    """Adds ``--system``; `system_prompt` reads it."""
    parser.add_argument(
        "--system", default=SYSTEM_PROMPT, metavar="TEXT", help=f"system prompt; '{NO_SYSTEM}' leaves it out"
    )


def add_detail_option(parser: argparse._ActionsContainer, *, one: bool = False) -> None:
    """Adds ``--detail``, which must be the same wherever one model is trained and evaluated; `detail_of` reads it.

    Args:
        parser: Where to.
        one: Whether the command takes a single model instead of a benchmark.
    """
    default = (
        "full where there is a specification beside the model, else algebra with --extended, else names"
        if one
        else "full where every problem of the benchmark has a specification, else algebra where rows may be rewritten "
        "(as `bench import` has it), else names"
    )
    parser.add_argument(
        "--detail",
        choices=[detail.value for detail in Detail],
        help="prompts show the conflict by name (names), write it out (algebra), or also say what the specification "
        f"demands of it (full); default: {default}",
    )


def detail_of(options: argparse.Namespace, problems: Iterable[Problem]) -> Detail:
    """What prompts show: as asked for, or by the problems, so that training and evaluation on such agree.

    Raises:
        InputError: Specifications are to be shown, and no problem has one.
    """
    listed = list(problems)
    specified = [problem for problem in listed if problem.specification is not None]
    if options.detail is not None:
        if options.detail == Detail.FULL and listed and not specified:
            raise InputError("--detail full shows specifications, and no problem has one: take --detail algebra")
        return Detail(options.detail)
    if len(specified) == len(listed):
        return Detail.FULL
    # Names alone tell nothing of models that are no public problems.
    return Detail.ALGEBRA if all(problem.extended for problem in listed) else Detail.NAMES


def add_work_limit_option(parser: argparse._ActionsContainer) -> None:
    """Adds ``--work-limit``."""
    parser.add_argument(
        "--work-limit",
        type=nonnegative,
        default=DEFAULT_WORK_LIMIT,
        metavar="W",
        help="Gurobi work units for one solve (default 60)",
    )


def add_cross_check_option(parser: argparse._ActionsContainer, what: str) -> None:
    """Adds ``--cross-check``.

    Args:
        parser: Where to.
        what: What is asked again.
    """
    parser.add_argument(
        "--cross-check",
        choices=["highs"],
        metavar="SOLVER",
        help=f"ask another solver (highs, which comes with scipy and needs no licence) about {what}, and say where and "
        "why it differs; a model beyond the Gurobi licence gets its verdict",
    )


def add_workers_option(parser: argparse._ActionsContainer, whose: str = "") -> None:
    """Adds ``--workers`` and ``--ray``; `workers` reads them.

    Args:
        parser: Where to.
        whose: Said before what they do, where they are not for all the command does.
    """
    parser.add_argument(
        "--workers",
        type=whole,
        metavar="N",
        help=f"{whose}processes; 0 for none but this one (default: one per core, 8 at most; with --ray one per CPU of "
        "the cluster). Results do not depend on it",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help=f"{whose}work on a Ray cluster instead: auto, HOST:6379 or ray://HOST:10001 (needs pip install "
        "-e '.[ray]')",
    )


def workers(options: argparse.Namespace) -> Crew:
    """Who works, as chosen by ``--workers`` and ``--ray``.

    Raises:
        InputError: They contradict each other.
    """
    chosen: int | None = options.workers
    if options.ray is None:
        return default_workers() if chosen is None else chosen
    if not options.ray or "://" in options.ray.removeprefix("ray://"):
        raise InputError(f"--ray takes auto, HOST:6379 or ray://HOST:10001, not {options.ray!r}")
    if chosen == 0:
        raise InputError("--workers 0 is work in this process, and --ray on other machines: leave one of them out")
    return Cluster(options.ray, chosen)


def system_prompt(options: argparse.Namespace) -> str | None:
    """The system prompt chosen by ``--system``; None for none."""
    text: str = options.system
    return None if text in ("", NO_SYSTEM) else text


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on stderr; call what it gives once per item, with a word about how things stand.

    Where the work fails before the first item is done, the bar goes: the error says it all.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}", markup=False),  # it may be a name
    )
    bar = Progress(*columns, console=LOG)
    task = bar.add_task(what, total=total, state="")
    bar.start()
    try:
        yield lambda state: bar.update(task, advance=1, state=state)
    except BaseException:
        if not bar.tasks[0].completed:
            bar.live.transient = True
            bar.live.stop()  # bar.stop() would leave an empty line in a file
        raise
    finally:
        if bar.live.is_started:
            bar.stop()


def print_warnings(*paths: Path) -> None:
    """Says on stderr what Gurobi finds odd in model files that it can read."""
    for path in paths:
        messages = reading_messages(path)
        for message in messages[:_MOST_WARNINGS]:
            LOG.print(f"{path}: Gurobi says: {message}")
        if len(messages) > _MOST_WARNINGS:
            LOG.print(f"{path}: … and {len(messages) - _MOST_WARNINGS} more messages")


def print_json(record: Any) -> None:
    """Writes a result for machines to stdout."""
    print(harmless_json(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)))
