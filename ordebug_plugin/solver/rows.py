"""The rows of a model inside Gurobi: how an interval is written into one, and what terms it has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import Terms


@dataclass
class Row:
    """A row inside Gurobi. `slack` is the column with which Gurobi writes a range: a·x + coefficient·slack = RHS."""

    constr: gp.Constr
    sense: str
    slack: gp.Var | None = None
    native: bool = False  # the slack column came with the file and stays

    def set(self, model: gp.Model, interval: Interval) -> None:
        """Writes an interval: as a plain sense where one will do, else as an equality with a slack column.

        A row is dropped by an infinite right-hand side, not removed: status and IIS are the same, and it can come back.

        Args:
            model: The model of the row.
            interval: What it asks.
        """
        lower, upper = interval.lower, interval.upper
        ranged = interval.is_range
        if self.slack is not None and not self.native and not ranged:
            model.remove(self.slack)
            self.slack = None
        if ranged:
            self._write(GRB.EQUAL, upper)
            if self.slack is None:
                self.slack = model.addVar(ub=upper - lower, column=gp.Column(1.0, self.constr))
            else:
                self.slack.LB, self.slack.UB = 0.0, upper - lower
            if self.native and model.getCoeff(self.constr, self.slack) < 0:
                self.constr.RHS = lower
            return
        if self.slack is not None:
            self.slack.LB = self.slack.UB = 0.0
        if lower == upper:
            self._write(GRB.EQUAL, upper)
        elif interval.is_free and self.sense == GRB.GREATER_EQUAL:
            self._write(GRB.GREATER_EQUAL, -GRB.INFINITY)
        elif lower == -math.inf:
            self._write(GRB.LESS_EQUAL, min(upper, GRB.INFINITY))
        else:
            self._write(GRB.GREATER_EQUAL, lower)

    def _write(self, sense: str, side: float) -> None:
        if sense != self.sense:
            self.constr.Sense = self.sense = sense
        self.constr.RHS = side


class Rows(dict[str, Row]):
    """The rows of a model by name, each made when first asked for: most are never edited.

    Args:
        names: Name to place, in model order.
        constrs: The constraints, by place.
        senses: Their senses as loaded.
    """

    def __init__(self, names: Mapping[str, int], constrs: list[gp.Constr], senses: list[str]) -> None:
        super().__init__()
        self.names, self.constrs, self.senses = names, constrs, senses

    def __missing__(self, name: str) -> Row:
        """Makes a row."""
        place = self.names[name]
        row = self[name] = Row(self.constrs[place], self.senses[place])
        return row

    def all(self) -> list[tuple[str, Row]]:
        """Every row with its name, in model order."""
        return [(name, self[name]) for name in self.names]

    def of(self, constrs: list[gp.Constr], columns: list[gp.Var]) -> Rows:
        """The rows of a copy of the model that has every one of them.

        Args:
            constrs: The constraints of the copy.
            columns: Its columns.
        """
        rows = Rows(self.names, constrs, self.senses)
        for name, row in self.items():
            slack = None if row.slack is None else columns[row.slack.index]
            rows[name] = replace(row, constr=constrs[self.names[name]], slack=slack)
        return rows


class RowTerms(Mapping[str, Terms]):
    """The terms of every row as loaded, each read when first asked for, and all before the model goes (`retire`).

    Args:
        model: The model, of which no coefficient ever changes.
        rows: Its rows.
        columns: Name of each variable by its place; a column that only writes a range has none.
    """

    def __init__(self, model: gp.Model, rows: Rows, columns: Mapping[int, str]) -> None:
        self._model, self._rows, self._names = model, rows, columns
        self._read: dict[str, Terms] = {}

    def __getitem__(self, row: str) -> Terms:
        """The linear terms of a row."""
        if row not in self._read:
            expression = self._model.getRow(self._rows.constrs[self._rows.names[row]])
            pairs = [(expression.getVar(k).index, expression.getCoeff(k)) for k in range(expression.size())]
            self._read[row] = tuple((self._names[place], value) for place, value in pairs if place in self._names)
        return self._read[row]

    def __iter__(self) -> Iterator[str]:
        """The names of the rows, in model order."""
        return iter(self._rows.names)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._rows.names)


def changed(old: tuple[tuple[str, Interval], ...], new: tuple[tuple[str, Interval], ...]) -> list[str]:
    """Names whose interval differs between two sides of edits, in a fixed order."""
    return sorted({name for name, _ in set(old) ^ set(new)}) if old and new else [name for name, _ in old or new]
