"""Runs as tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from ordebug_plugin.actions import ActionKind
from ordebug_plugin.evaluate.compare import Paired
from ordebug_plugin.metrics import Summary
from ordebug_plugin.statistics import Estimate

# Name, heading, and whether it is shown in percent.
_ROWS: tuple[tuple[str, str, bool], ...] = (
    ("rr@1", "RR@1", True),
    ("rr@5", "RR@5", True),
    ("rr@10", "RR@10", True),
    ("rr@15", "RR@15", True),
    ("rr@20", "RR@20", True),
    ("da", "DA (published)", True),
    ("da_f1", "DA-F1", False),
    ("hit", "first repair hits the culprit", True),
    ("iis_hit", "first repair touches the IIS", True),
    ("op", "OP, all", False),
    ("op_recovered", "OP, recovered", False),
    ("fp", "FP, recovered", False),
    ("preservation", "preservation, all", False),
    ("minimality", "minimality, recovered", False),
    ("steps", "steps, all", False),
    ("steps_recovered", "steps, recovered", False),
    ("tokens", "tokens, all", False),
    ("tokens_recovered", "tokens, recovered", False),
    ("seconds", "seconds, all", False),
    ("seconds_recovered", "seconds, recovered", False),
    ("format", "well-formed answers", True),
    ("invalid", "refused actions", True),
    ("truncated", "truncated answers", True),
    ("limit", "undecided (work limit)", True),
    ("infra", "lost to infrastructure", True),
)
_ACTIONS = tuple((f"action_{kind}", f"answers: {kind}", True) for kind in (*ActionKind, "none"))


@dataclass(frozen=True)
class Measure:
    """How a figure is shown.

    Attributes:
        name: As in ``summary.json``.
        heading: As in tables.
        percent: Whether it is shown in percent.
    """

    name: str
    heading: str
    percent: bool

    def value(self, estimate: Estimate | None) -> str:
        """The figure alone; a dash where it is undefined."""
        return _value(estimate, percent=self.percent)

    def both(self, estimate: Estimate | None) -> str:
        """The figure and its interval."""
        return _with_interval(estimate, percent=self.percent)


def heading_of(name: str) -> str:
    """A measure's heading in tables."""
    return next((heading for measure, heading, _ in _ROWS if measure == name), name)


# The columns of the published comparison.
PUBLISHED = (
    Measure("rr@5", "RR@5", percent=True),
    Measure("rr@10", "RR@10", percent=True),
    Measure("rr@15", "RR@15", percent=True),
    Measure("rr@20", "RR@20", percent=True),
    Measure("da", "DA", percent=True),
    Measure("steps", "steps", percent=False),
    Measure("tokens", "tokens", percent=False),
    Measure("seconds", "seconds", percent=False),
)


def measures(summaries: Iterable[Summary]) -> list[Measure]:
    """What to show: of all measures those that some run defines, of the actions those that occur."""
    listed = list(summaries)
    defined = {name for summary in listed for name, estimate in summary.metrics.items() if estimate.n}
    return [Measure(*row) for row in _rows(listed) if row[0] in defined]


def _rows(summaries: Iterable[Summary]) -> list[tuple[str, str, bool]]:
    """What to show: of the actions only those that occur."""
    taken = {name for summary in summaries for name, estimate in summary.metrics.items() if estimate.value > 0}
    return [*_ROWS, *(row for row in _ACTIONS if row[0] in taken)]


def run_table(title: str, summary: Summary) -> Table:
    """All figures of one run with their intervals, one column per fault label where there are several."""
    table = Table(title=f"{title}, n={summary.size}", title_justify="left")
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("95% interval", justify="right", no_wrap=True)
    labels = list(summary.by_type) if len(summary.by_type) > 1 else []
    for label in labels:
        table.add_column(label, justify="right")
    for name, heading, percent in _rows([summary]):
        estimate = summary.metrics.get(name)
        if estimate is None or estimate.n == 0:
            continue
        by_type = [_value(summary.by_type[label].get(name), percent=percent) for label in labels]
        table.add_row(heading, _value(estimate, percent=percent), _interval(estimate, percent=percent), *by_type)
    return table


def comparison_table(summaries: Mapping[str, Summary]) -> Table:
    """Several runs side by side."""
    table = Table(title="side by side", title_justify="left")
    table.add_column("measure", no_wrap=True)
    for name, summary in summaries.items():
        table.add_column(f"{name}\nn={summary.size}", justify="right")
    for name, heading, percent in _rows(summaries.values()):
        estimates = [summary.metrics.get(name) for summary in summaries.values()]
        if all(estimate is None or estimate.n == 0 for estimate in estimates):
            continue
        cells = [_with_interval(estimate, percent=percent) for estimate in estimates]
        table.add_row(heading, *cells)
    return table


def paired_table(first: str, second: str, pairs: Sequence[Paired], shared: int) -> Table:
    """What may be said of two runs on the problems that both hold, of which there are `shared`."""
    problems = "problem" if shared == 1 else "problems"
    table = Table(title=f"{second} against {first}, on {shared} shared {problems}", title_justify="left")
    for heading in ("measure", "difference", "95% interval", "p", "verdict"):
        table.add_column(heading, justify="left" if heading in ("measure", "verdict") else "right")
    for pair in pairs:
        if pair.difference.n == 0:
            continue
        table.add_row(pair.metric, *paired_cells(pair), pair.verdict)
    return table


def paired_cells(pair: Paired) -> tuple[str, str, str]:
    """The difference, its interval, and p, each empty or a dash where undefined."""
    p = "" if math.isnan(pair.p) else f"{pair.p:.3g}"
    difference = _value(pair.difference, percent=False, signed=True)
    return difference, _interval(pair.difference, percent=False, signed=True), p


def _with_interval(estimate: Estimate | None, *, percent: bool) -> str:
    if estimate is None or estimate.n == 0:
        return "–"
    return f"{_value(estimate, percent=percent)} {_interval(estimate, percent=percent)}".strip()


def _value(estimate: Estimate | None, *, percent: bool, signed: bool = False) -> str:
    return "–" if estimate is None else _number(estimate.value, percent=percent, signed=signed)


def _interval(estimate: Estimate, *, percent: bool, signed: bool = False) -> str:
    if math.isnan(estimate.low):
        return ""
    low, high = (_number(end, percent=percent, signed=signed) for end in (estimate.low, estimate.high))
    return f"[{low}, {high}]"


def _number(value: float, *, percent: bool, signed: bool) -> str:
    if math.isnan(value):
        return "–"
    sign = "+" if signed else ""
    if percent:
        return f"{100 * value:{sign}.1f}%"
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1  # tokens have no thousandths
    return f"{value:{sign}.{digits}f}"
