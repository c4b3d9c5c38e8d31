"""A verified file of demonstrations as one HTML page that can be sent: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ordebug_plugin.pages import policy, render
from ordebug_plugin.verify.data_report import repetition_figures
from ordebug_plugin.verify.dataset import DatasetCheck
from ordebug_plugin.verify.dimension import Chart, Dimension, Level
from ordebug_plugin.verify.question import QUESTIONS
from ordebug_plugin.verify.repetition import contradictory, repeats
from ordebug_plugin.verify.row import Row

# Rows shown of each kind of finding.
EXAMPLES = 50
# Bars of a chart; the rest are added up.
_BARS = 12
_TEMPLATE = "data.html.j2"


@dataclass(frozen=True)
class Example:
    """One row as it is shown.

    Attributes:
        row: The row.
        remarks: What is to be said about it.
        source: The row as it is in the file, where it is no demonstration; else empty.
    """

    row: Row
    remarks: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True)
class Examples:
    """One kind of finding, and the first rows that have it."""

    name: str
    heading: str
    rows: int
    shown: tuple[Example, ...]


def render_page(check: DatasetCheck, quality: Sequence[Dimension]) -> str:
    """The page: the verdict, the five dimensions, what repeats itself, and examples of each finding.

    Names and texts of the file are untrusted: all of them are escaped.
    """
    return render(
        _TEMPLATE,
        policy=policy(),
        check=check,
        quality=quality,
        worst=_worst(quality),
        proven=sum(row.proven for row in check.rows),
        kept=len(check.kept),
        repetition=repetition_figures(check),
        findings=[found for found in _findings(check) if found.rows],
        bars=_bars,
    )


def _worst(quality: Sequence[Dimension]) -> Level:
    """The level of the page as a whole."""
    order = (Level.POOR, Level.FLAWED, Level.UNKNOWN, Level.SOUND)
    return next(level for level in order if any(dimension.level is level for dimension in quality))


def _findings(check: DatasetCheck) -> list[Examples]:
    """Every kind of finding, in the order of the questions."""
    by_number = {row.number: row for row in check.rows}
    unread = [row for row in check.rows if row.demonstration is None]
    repeated = [by_number[row.number] for row in repeats(check.demonstrations, labels=False)]
    several = {row.number: None for group in contradictory(check.demonstrations) for row, _ in group}
    return [
        _examples(check, "read", "no demonstration", unread),
        *(_examples(check, one.name, one.defect, one.faulty(check.rows)) for one in QUESTIONS if one.defect),
        _examples(check, "duplicates", "repeats an earlier row, but for ID and Type", repeated),
        _examples(
            check, "contradictions", "its prompt has other answers too", [by_number[number] for number in several]
        ),
    ]


def _examples(check: DatasetCheck, name: str, heading: str, rows: Sequence[Row]) -> Examples:
    shown = tuple(
        Example(row, tuple(_remarks(row)), "" if row.demonstration else repr(check.file.rows[row.number - 1]))
        for row in rows[:EXAMPLES]
    )
    return Examples(name, heading, len(rows), shown)


def _remarks(row: Row) -> Iterable[str]:
    if row.reason is not None:
        yield row.reason
    for answer in row.learned:
        if answer.turn.answer.error is not None:
            yield answer.turn.answer.error
        elif answer.played is not None and answer.played.refused is not None:
            yield f"refused: {answer.played.refused}"
        if answer.unknown_names:
            yield f"no prompt shows {', '.join(answer.unknown_names)}"
        if answer.unsourced_numbers:
            yield f"from nowhere: {', '.join(answer.unsourced_numbers)}"
    if row.recovered:
        yield "recovered" if row.op is None else f"recovered, OP {row.op:.4g}"
    if row.hit is not None:
        yield "hits the culprit" if row.hit else "misses the culprit"
    if row.tokens is not None:
        yield f"{row.tokens} tokens"


def _bars(chart: Chart) -> list[tuple[str, int, float]]:
    """Label, count and width in percent of the longest bar."""
    bars = list(chart.bars[:_BARS])
    rest = chart.bars[_BARS:]
    if rest:
        bars.append((f"{len(rest)} others", sum(count for _, count in rest)))
    longest = max((count for _, count in bars), default=0)
    return [(label, count, 100 * count / longest if longest else 0.0) for label, count in bars]
