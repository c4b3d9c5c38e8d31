"""A linear model as plain data, and the MPS text of it: what the generator breaks, renames and writes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Sense(StrEnum):
    """The sense of a row, as the ROWS section of an MPS file writes it."""

    AT_MOST = "L"
    AT_LEAST = "G"
    EQUAL = "E"


@dataclass(frozen=True)
class Column:
    """A variable, its bounds and its cost.

    Attributes:
        name: Unique among rows and columns alike.
        cost: Its coefficient in the objective.
        lower: Lower bound; may be -inf.
        upper: Upper bound; may be inf.
        integer: Whether it must be whole.
        role: What kind of decision it is, e.g. ``ship``; variables of a role can be mistaken for each other.
        index: Which one of its role it is: words for things (a city), numbers for periods.
    """

    name: str
    cost: float
    lower: float = 0.0
    upper: float = math.inf
    integer: bool = False
    role: str = ""
    index: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row ``Σ coefficient·variable  sense  rhs``.

    Attributes:
        name: Unique among rows and columns alike.
        sense: At most, at least, or equal.
        terms: (variable, coefficient), no variable twice, no zero.
        rhs: The right-hand side.
        role: What kind of rule it is, e.g. ``demand``.
        big_m: The variable of `terms` whose coefficient is a big-M, where there is one.
        span: Where it is not 0, the row is a range, from `rhs` less this much up to `rhs`; its sense is at most.
    """

    name: str
    sense: Sense
    terms: tuple[tuple[str, float], ...]
    rhs: float
    role: str = ""
    big_m: str | None = None
    span: float = 0.0


@dataclass(frozen=True)
class LinearModel:
    """A model to minimise. Order is the order in the file.

    Attributes:
        rows: The rows.
        columns: The variables.
        constant: What is added to the objective.
    """

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    constant: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the rows, then those of the columns."""
        return (*(row.name for row in self.rows), *(column.name for column in self.columns))

    @property
    def plain_rows(self) -> tuple[Row, ...]:
        """The rows that are no ranges: those whose one side an action can set back."""
        return tuple(row for row in self.rows if not row.span)

    def with_row(self, row: Row) -> LinearModel:
        """The model with the row of that name replaced."""
        return replace(self, rows=tuple(row if old.name == row.name else old for old in self.rows))

    def with_column(self, column: Column) -> LinearModel:
        """The model with the column of that name replaced."""
        return replace(self, columns=tuple(column if old.name == column.name else old for old in self.columns))

    def renamed(self, names: Mapping[str, str]) -> LinearModel:
        """The model with every row and column renamed."""
        rows = tuple(
            replace(
                row,
                name=names[row.name],
                terms=tuple((names[column], value) for column, value in row.terms),
                big_m=None if row.big_m is None else names[row.big_m],
            )
            for row in self.rows
        )
        columns = tuple(replace(column, name=names[column.name]) for column in self.columns)
        return replace(self, rows=rows, columns=columns)

    def to_mps(self) -> str:
        """The model in free MPS format, numbers written so that they read back to the same float."""
        objective = "cost"
        while objective in self.names:
            objective += "_"
        lines = ["NAME model", "ROWS", f" N {objective}", *(f" {row.sense} {row.name}" for row in self.rows), "COLUMNS"]
        entries = {column.name: [(objective, column.cost)] for column in self.columns}
        for row in self.rows:
            for column_name, value in row.terms:
                entries[column_name].append((row.name, value))
        for column in self.columns:
            block = [f" {column.name} {row} {value!r}" for row, value in entries[column.name]]
            if column.integer:
                block = [" MARKER 'MARKER' 'INTORG'", *block, " MARKER 'MARKER' 'INTEND'"]
            lines += block
        lines += ["RHS", *(f" RHS {row.name} {row.rhs!r}" for row in self.rows)]
        if self.constant:
            lines.append(f" RHS {objective} {-self.constant!r}")  # the format subtracts it
        ranges = [f" RNG {row.name} {row.span!r}" for row in self.rows if row.span]
        lines += [*(["RANGES", *ranges] if ranges else []), "BOUNDS"]
        for column in self.columns:
            lower = f" MI BND {column.name}" if math.isinf(column.lower) else f" LO BND {column.name} {column.lower!r}"
            lines.append(lower)
            # Stated even where it is infinite: readers disagree on the default of an integer column.
            upper = f" PL BND {column.name}" if math.isinf(column.upper) else f" UP BND {column.name} {column.upper!r}"
            lines.append(upper)
        return "\n".join([*lines, "ENDATA", ""])
