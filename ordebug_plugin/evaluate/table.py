"""Runs as tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from ordebug_plugin.actions import ActionKind
from ordebug_plugin.evaluate.compare import Paired
from ordebug_plugin.metrics import Summary, judged
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
    taken = {name for summary in listed for name, estimate in summary.metrics.items() if estimate.value > 0}
    rows = [*_ROWS, *(row for row in _ACTIONS if row[0] in taken)]
    return [Measure(*row) for row in rows if row[0] in defined]


def run_tables(title: str, summary: Summary, width: int) -> list[Table]:
    """All figures of one run with their intervals; by fault label beside them, where that fits, else in a table below.

    Args:
        title: What the run is.
        summary: Its figures.
        width: Characters of a line. Nothing is cropped: a table that needs more is as wide as it needs to be.
    """
    labels = list(summary.by_type) if len(summary.by_type) > 1 else []
    title = f"{title}, n={summary.size}"
    whole = _run_table(title, summary, labels)
    if not labels or _width(whole) <= width:
        return [_uncropped(whole)]
    return [_uncropped(_run_table(title, summary, [])), _uncropped(_type_table(summary))]


def _run_table(title: str, summary: Summary, labels: Sequence[str]) -> Table:
    table = _table(title, ["measure"], ["value", "95% interval", *labels])
    for measure in measures([summary]):
        estimate = summary.metrics[measure.name]
        by_type = [measure.value(summary.by_type[label].get(measure.name)) for label in labels]
        table.add_row(measure.heading, measure.value(estimate), _interval(estimate, percent=measure.percent), *by_type)
    return table


# What is shown of each fault type where there are too many for columns.
_BY_TYPE = (
    Measure("rr@1", "RR@1", percent=True),
    Measure("rr@5", "RR@5", percent=True),
    Measure("da", "DA", percent=True),
    Measure("hit", "hit", percent=True),
    Measure("preservation", "preservation", percent=False),
)


def _type_table(summary: Summary) -> Table:
    table = _table("by fault type; all measures: --json", ["type"], ["n", *(measure.heading for measure in _BY_TYPE)])
    for label, figures in summary.by_type.items():
        cells = [measure.value(figures.get(measure.name)) for measure in _BY_TYPE]
        table.add_row(_folded(label, _SHORT), str(judged(figures)), *cells)
    return table


def comparison_tables(summaries: Mapping[str, Summary], width: int) -> list[Table]:
    """Several runs side by side: each interval below its figure where lines are short, and as many runs as fit a table.

    Args:
        summaries: Name of a run to its figures.
        width: As in `run_tables`.
    """
    shown = measures(summaries.values())
    names = list(summaries)
    for stacked in (False, True):
        whole = _comparison_table("side by side", summaries, names, shown, stacked=stacked)
        if _width(whole) <= width:
            return [whole]
    tables: list[Table] = []
    while names:
        title = "side by side" if not tables else "side by side, further runs"
        parts = [
            _comparison_table(title, summaries, names[:size], shown, stacked=True) for size in range(len(names), 0, -1)
        ]
        fitting = next((part for part in parts if _width(part) <= width), parts[-1])
        tables.append(fitting)
        names = names[len(fitting.columns) - 1 :]
    return tables


def _comparison_table(
    title: str, summaries: Mapping[str, Summary], names: Sequence[str], shown: Sequence[Measure], *, stacked: bool
) -> Table:
    heads = [f"{_folded(name, _SHORT if stacked else _LONG)}\nn={summaries[name].size}" for name in names]
    table = _table(title, ["measure"], heads)
    for measure in shown:
        cells = [measure.both(summaries[name].metrics.get(measure.name)) for name in names]
        table.add_row(measure.heading, *(cell.replace(" [", "\n[") if stacked else cell for cell in cells))
    return _uncropped(table)


def paired_table(pairing: tuple[str, str], pairs: Sequence[Paired], shared: int, width: int) -> Table:
    """What may be said of two runs on the problems that both hold.

    Args:
        pairing: Names of the run before, and of the run.
        pairs: The tests.
        shared: How many problems there are.
        width: As in `run_tables`.
    """
    whole = _paired_table(pairing, pairs, shared, apart=" ")
    return whole if _width(whole) <= width else _paired_table(pairing, pairs, shared, apart="\n")


def _paired_table(pairing: tuple[str, str], pairs: Sequence[Paired], shared: int, *, apart: str) -> Table:
    first, second = pairing
    problems = "problem" if shared == 1 else "problems"
    title = f"{second} against {first}, on {shared} shared {problems}"
    table = _table(title, ["measure"], ["difference", "95% interval", "p", "n"])
    table.add_column("verdict", no_wrap=True)
    for pair in pairs:
        if pair.difference.n:
            verdict = pair.verdict if pair.separable else f"not{apart}separable"
            table.add_row(pair.metric, *paired_cells(pair), str(pair.difference.n), verdict)
    return _uncropped(table)


# Characters of a line of a name: about as wide as an interval, and as a figure with its interval.
_SHORT, _LONG = 17, 22


def _folded(name: str, width: int) -> str:
    """A name on as many lines as it takes: cut, it might be another's."""
    return "\n".join(name[start : start + width] for start in range(0, len(name), width))


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    """A table whose columns are as wide as what they hold: a figure without its last digits is another figure."""
    table = Table(title=title, title_justify="left")
    for heading in left:
        table.add_column(heading, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _width(table: Table) -> int:
    return _WIDEST.measure(table).maximum


def _uncropped(table: Table) -> Table:
    table.width = None
    table.width = _width(table)
    return table


_WIDEST = Console(width=10_000)


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
