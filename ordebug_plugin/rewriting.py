"""What REWRITE_CONSTRAINT asks for: its arguments, read by the names of the model.

Rows and variables may hold commas, so the grammar cannot tell where the row's name ends (`actions`). Here every comma
is tried, until a row stands before it and a linear row of the model's variables behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ordebug_plugin.actions import Action
from ordebug_plugin.errors import ActionError
from ordebug_plugin.linear import Terms, read_sum, render_sides, render_sum, split_sides


@dataclass(frozen=True)
class Rewriting:
    """A row and what it becomes: ``lower <= terms <= upper``."""

    row: str
    terms: Terms
    lower: float
    upper: float

    @property
    def expression(self) -> str:
        """The new row as we write it; it reads back to the same numbers."""
        return f"{render_sum(self.terms)} {render_sides(self.lower, self.upper)}"


def read_rewriting(action: Action, rows: Collection[str], variables: Mapping[str, object]) -> Rewriting | None:
    """Reads the arguments of a REWRITE_CONSTRAINT.

    Args:
        action: As the grammar read it, or as it was resolved.
        rows: The rows of the model.
        variables: Its variables, in model order.

    Returns:
        What it asks for; None where no row of the model stands before any comma.

    Raises:
        ActionError: A row does, but what follows is no linear row of the model's variables.
    """
    refusal: ActionError | None = None
    for row, text in _readings(action, rows):
        try:
            left, lower, upper = split_sides(text)
            return Rewriting(row, read_sum(left, variables), lower, upper)
        except ActionError as error:
            refusal = refusal or error
    if refusal is not None:
        raise refusal
    return None


def _readings(action: Action, rows: Collection[str]) -> Iterator[tuple[str, str]]:
    """Every (row, text of what it becomes) that the arguments can mean."""
    longest = max(map(len, rows), default=0)
    for comma in (", ", ","):
        text = f"{action.target}{comma}{action.expression}"
        end = text.find(",")
        while 0 <= end <= longest + 1:  # a blank may stand before it
            for row in dict.fromkeys((text[:end], text[:end].rstrip())):
                if row in rows:
                    yield row, text[end + 1 :]
            end = text.find(",", end + 1)
