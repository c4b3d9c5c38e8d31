"""How many of how many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """How many of how many; `value` is None where there is nothing to count."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share, from 0 to 1."""
        return self.count / self.of if self.of else None

    @property
    def percent(self) -> str:
        """For a table."""
        return "–" if self.value is None else f"{100 * self.value:.1f}%"

    def __str__(self) -> str:
        """For a table with room."""
        return "–" if self.value is None else f"{self.count} of {self.of} ({self.percent})"


def share_of(answers: Iterable[bool | None]) -> Share:
    """The share of yes among the answers that are yes or no."""
    asked = [answer for answer in answers if answer is not None]
    return Share(sum(asked), len(asked))
