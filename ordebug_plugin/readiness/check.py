"""One question about a checkpoint: a figure with its interval, held against a threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin.statistics import UNDEFINED, Estimate


class State(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_MEASURED = "not measured"


class Side(StrEnum):
    """On which side of its threshold a figure is to be."""

    LEAST = ">="
    MOST = "<="
    ABOVE = ">"


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        name: As `thresholds.CHECKS` has it.
        title: The same for people.
        side: On which side of the threshold the figure is to be.
        threshold: The threshold.
    """

    name: str
    title: str
    side: Side
    threshold: float

    def held(self, estimate: Estimate, note: str) -> Check:
        """Holds a figure against the threshold.

        The figure itself decides, not an end of its interval: a check that asked for the whole interval would ask for
        more the fewer prompts there are. Whether it is separable from the threshold is said beside it.

        Args:
            estimate: The figure; of an undefined one, the note says why there is none.
            note: What it rests on.
        """
        if math.isnan(estimate.value):
            return self.unmeasured(note)
        above = estimate.value >= self.threshold if self.side is Side.LEAST else estimate.value > self.threshold
        passed = above if self.side is not Side.MOST else estimate.value <= self.threshold
        separable = math.isnan(estimate.low) or not estimate.low <= self.threshold <= estimate.high
        return self.ended(State.PASSED if passed else State.FAILED, estimate, note, separable=separable)

    def ended(self, state: State, estimate: Estimate, note: str, *, separable: bool) -> Check:
        """The check with an end that was decided elsewhere."""
        return Check(self.name, self.title, self.side, self.threshold, estimate, state, note, separable)

    def unmeasured(self, reason: str) -> Check:
        """The check without a figure."""
        return self.ended(State.NOT_MEASURED, UNDEFINED, reason, separable=False)


@dataclass(frozen=True)
class Check(Question):
    """A question and its answer.

    Attributes:
        estimate: The figure with its 95% interval; an interval of NaN where the figure is no estimate.
        state: How it ended.
        note: What the figure rests on, or why there is none.
        separable: Whether the interval leaves the threshold out; a figure without interval is what it is.
    """

    estimate: Estimate
    state: State
    note: str
    separable: bool

    @property
    def words(self) -> str:
        """State in words: that a figure is not separable from its threshold is part of it."""
        if self.state is State.NOT_MEASURED or self.separable:
            return str(self.state)
        return f"{self.state}, not separable from the threshold at n={self.estimate.n}"


def exactly(value: float, n: int) -> Estimate:
    """A figure that is read off, not estimated."""
    return Estimate(value, math.nan, math.nan, n)
