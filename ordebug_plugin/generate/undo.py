"""What a fault changed, read off the two models: the culprit, and the actions that undo it."""

from __future__ import annotations

from dataclasses import dataclass

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.generate.model import Column, LinearModel, Row, Sense


@dataclass(frozen=True)
class Undo:
    """The difference between a broken model and the original.

    Attributes:
        rows: The rows that differ, those that were added included, in the order of the broken model.
        variables: The variables whose bounds differ.
        added_rows: Those of `rows` that the original has not.
        fix: One action for each of `rows` and `variables`; together they make the original of the broken model.
    """

    rows: tuple[str, ...]
    variables: tuple[str, ...]
    added_rows: tuple[str, ...]
    fix: tuple[Action, ...]

    @property
    def elements(self) -> tuple[str, ...]:
        """The culprits, rows and variables."""
        return (*self.rows, *self.variables)


def undo(original: LinearModel, broken: LinearModel) -> Undo:
    """Reads the difference.

    Args:
        original: The model before the fault.
        broken: The same rows, some changed, and perhaps more; the same variables, some with other bounds.
    """
    before = {row.name: row for row in original.rows}
    rows = tuple(row.name for row in broken.rows if before.get(row.name) != row)
    added = tuple(name for name in rows if name not in before)
    now = {row.name: row for row in broken.rows}
    columns = tuple(old for old, new in zip(original.columns, broken.columns, strict=True) if old != new)
    fix = [
        Action(ActionKind.DROP_CONSTRAINT, name) if name in added else _row_fix(before[name], now[name])
        for name in rows
    ]
    fix += [_column_fix(column) for column in columns]
    return Undo(rows, tuple(column.name for column in columns), added, tuple(fix))


def _row_fix(original: Row, broken: Row) -> Action:
    if (original.terms, original.sense) == (broken.terms, broken.sense):
        return Action(ActionKind.UPDATE_RHS, original.name, (original.rhs,))
    return Action(ActionKind.REWRITE_CONSTRAINT, original.name, expression=_expression(original))


def _expression(row: Row) -> str:
    parts = [f"{'-' if value < 0 else '+'} {abs(value)!r} {name}" for name, value in row.terms]
    relation = {Sense.AT_MOST: "<=", Sense.AT_LEAST: ">=", Sense.EQUAL: "="}[row.sense]
    return f"{' '.join(parts).removeprefix('+ ')} {relation} {row.rhs!r}"


def _column_fix(original: Column) -> Action:
    return Action(ActionKind.UPDATE_BOUNDS, original.name, (original.lower, original.upper))
