"""One dimension of the quality of a file: its figures, and what they come to in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin.verify.question import QUESTIONS, Question
from ordebug_plugin.verify.row import Row
from ordebug_plugin.verify.share import Share

# Findings in up to this share of what they are about are flaws of a file that can be used.
TOLERATED = 0.05
# Where one kind makes up this share, a model learns little else; from the second on, nothing else.
MOSTLY, ALMOST_ALL = 0.8, 0.95
# Findings that a verdict names, the most frequent first.
_NAMED = 3


class Level(StrEnum):
    """How a dimension stands.

    SOUND: no finding. FLAWED: findings, each in 5% at most of what it is about. POOR: more. UNKNOWN: nothing to go by.
    """

    SOUND = "sound"
    FLAWED = "flawed"
    POOR = "poor"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Figure:
    """One figure, by the name it has in JSON; the value is None where there is nothing to count."""

    name: str
    heading: str
    value: Share | int | None


@dataclass(frozen=True)
class Chart:
    """How often something occurs, in the order of the bars."""

    name: str
    heading: str
    bars: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Dimension:
    """One dimension.

    Attributes:
        name: As in JSON.
        heading: As in tables.
        level: How it stands.
        verdict: Why, in a sentence.
        figures: What that rests on.
        charts: Likewise.
    """

    name: str
    heading: str
    level: Level
    verdict: str
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...] = ()


def asked(rows: Sequence[Row], dimension: str) -> list[Figure]:
    """The figures of the questions of a dimension."""
    questions = [question for question in QUESTIONS if question.dimension == dimension]
    return [Figure(question.name, question.heading, question.ask(rows)) for question in questions]


def findings(rows: Sequence[Row], dimension: str, *, without: Iterable[str] = ()) -> list[tuple[str, Share]]:
    """The findings of a dimension in words, with what share they are of, the most frequent first."""
    questions = [one for one in QUESTIONS if one.dimension == dimension and one.name not in without]
    found = [(question.defect, _faults(question, rows)) for question in questions if question.fault is not None]
    return sorted(((words, share) for words, share in found if share.count), key=lambda item: -(item[1].value or 0))


def level_of(found: Sequence[tuple[str, Share]]) -> Level:
    """What findings come to."""
    if not found:
        return Level.SOUND
    return Level.POOR if any((share.value or 0) > TOLERATED for _, share in found) else Level.FLAWED


def told(found: Sequence[tuple[str, Share]]) -> str:
    """Findings as a sentence, without a point."""
    listed = [f"{words}: {share}" for words, share in found[:_NAMED]]
    rest = len(found) - _NAMED
    return "; ".join(listed) + (f"; and {rest} more" if rest > 0 else "")


def chart(name: str, heading: str, labels: Iterable[str], order: Callable[[str], object] | None = None) -> Chart:
    """Counts labels; in the given order, else the most frequent first."""
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    key: Callable[[str], object] = order or (lambda label: (-counts[label], label))
    return Chart(name, heading, tuple((label, counts[label]) for label in sorted(counts, key=key)))  # type: ignore[arg-type]  # keys of one chart compare


def _faults(question: Question, rows: Sequence[Row]) -> Share:
    share = question.ask(rows)
    return share if question.fault else Share(share.of - share.count, share.of)
