"""A model inside Gurobi: read from its file, and carrying edits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.edits import INFINITY, NO_EDITS, Edits, Interval, Shape
from ordebug_plugin.errors import ProblemError, SolverError
from ordebug_plugin.linear import Terms
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver.search import Search

SIZE_LIMITED = 10010  # Gurobi's error where a model is too large for the licence
_READ_ERRORS = frozenset({0, 10003, 10012})  # what gurobipy gives for a file it cannot open, or cannot parse


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
        """
        lower, upper = interval.lower, interval.upper
        ranged = -INFINITY < lower < upper < INFINITY
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


class RowTerms(Mapping[str, Terms]):
    """The terms of every row as loaded, each read when first asked for, and all before the model goes (`retire`).

    Args:
        model: The model, of which no coefficient ever changes.
        rows: Its rows.
        names: Name of each variable by its place; a column that only writes a range has none.
    """

    def __init__(self, model: gp.Model, rows: Mapping[str, gp.Constr], names: Mapping[int, str]) -> None:
        self._model, self._rows, self._names = model, rows, names
        self._read: dict[str, Terms] = {}

    def __getitem__(self, row: str) -> Terms:
        """The linear terms of a row."""
        if row not in self._read:
            expression = self._model.getRow(self._rows[row])
            pairs = [(expression.getVar(k).index, expression.getCoeff(k)) for k in range(expression.size())]
            self._read[row] = tuple((self._names[place], value) for place, value in pairs if place in self._names)
        return self._read[row]

    def __iter__(self) -> Iterator[str]:
        """The names of the rows, in model order."""
        return iter(self._rows)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._rows)


class Elastic:
    """The relaxation of a model, with the edits that it carries at the moment.

    After the model's own rows feasRelax puts one for every bound: column by column, the lower one first.

    Args:
        model: What feasRelax made of the model as loaded.
        search: How it is solved.
        native: Names of the rows that came as ranges.
        rows: Names of the model's own rows, in order.
        sides: The bounds it has rows for, in order: (variable, whether it is the upper one).
    """

    def __init__(
        self, model: gp.Model, search: Search, native: frozenset[str], rows: list[str], sides: list[tuple[str, bool]]
    ) -> None:
        self.search, self.edits = search, NO_EDITS
        self._model, self._native, self._names = model, native, rows
        self._constrs, self._senses = model.getConstrs(), model.getAttr(GRB.Attr.Sense)
        self._rows: dict[str, Row] = {}
        self._bounds = dict(zip(sides, self._constrs[len(rows) :], strict=True))

    def takes(self, shape: Shape, edits: Edits) -> bool:
        """Whether the edits can be written into it: no side where there was none, and no range of the file's."""
        if any(name in self._native or new.has_side_beside(shape.rows[name]) for name, new in edits.rows):
            return False
        return all(
            ((name, False) in self._bounds or math.isinf(new.lower))
            and ((name, True) in self._bounds or math.isinf(new.upper))
            for name, new in edits.variables
        )

    def carry(self, shape: Shape, edits: Edits) -> None:
        """Writes edits that it `takes`, instead of those it carries."""
        for name in changed(self.edits.rows, edits.rows):
            self._row(name).set(self._model, edits.row(shape, name))
        for name in changed(self.edits.variables, edits.variables):
            bounds = edits.variable(shape, name)
            for upper, side in ((False, bounds.lower), (True, bounds.upper)):
                if (name, upper) in self._bounds:
                    self._bounds[name, upper].RHS = min(max(side, -GRB.INFINITY), GRB.INFINITY)
        self.edits = edits

    def _row(self, name: str) -> Row:
        if name not in self._rows:
            place = self._names.index(name)
            self._rows[name] = Row(self._constrs[place], self._senses[place])
        return self._rows[name]

    def dispose(self) -> None:
        """Frees what Gurobi holds."""
        self._model.dispose()


@dataclass
class Loaded:
    """A model in memory, with the edits it carries at the moment and what was found out about it.

    Its coefficients never change: rewritten rows are in a copy (`rewritten`), since to take a coefficient out and put
    it back leaves it at another place in the matrix, where Gurobi may come to another of several answers.
    """

    model: gp.Model
    search: Search
    shape: Shape
    rows: dict[str, Row]
    variables: dict[str, gp.Var]
    places: dict[str, int]  # of the variables among the columns
    edits: Edits = NO_EDITS
    # Where the last solve ended, and under which edits: an audit follows its solve, and needs no other.
    point: tuple[Edits, dict[str, float]] | None = None
    answers: dict[tuple[str, Edits], object] = field(default_factory=dict)
    # The model's relaxation, made when first asked for (`elastic`).
    elastic: Elastic | None = None
    _copy: Loaded | None = None

    def rewritten(self, rewrites: tuple[tuple[str, Terms], ...]) -> Loaded:
        """The model with these rows rewritten, carrying no other edits than that: itself where there are none.

        The last copy is kept, until this model is disposed of or other rows are asked for.
        """
        if not rewrites:
            return self
        if self._copy is None or self._copy.edits.rewrites != rewrites:
            if self._copy is not None:
                self._copy.dispose()
            self._copy = self._rewrite(rewrites)
        return self._copy

    def _rewrite(self, rewrites: tuple[tuple[str, Terms], ...]) -> Loaded:
        self.carry(NO_EDITS)
        self.model.update()
        model = self.model.copy()
        constrs, columns = model.getConstrs(), model.getVars()
        for name, terms in rewrites:
            constr, new = constrs[self.rows[name].constr.index], dict(terms)
            for variable in dict(self.shape.terms[name]) | new:
                model.chgCoeff(constr, columns[self.places[variable]], new.get(variable, 0.0))
        model.update()
        rows = {
            name: replace(
                row, constr=constrs[row.constr.index], slack=None if row.slack is None else columns[row.slack.index]
            )
            for name, row in self.rows.items()
        }
        variables = {name: columns[place] for name, place in self.places.items()}
        search = Search.of(model, self.search.work_limit)
        return Loaded(model, search, self.shape, rows, variables, self.places, Edits(rewrites=rewrites))

    def carry(self, edits: Edits) -> None:
        """Changes the Gurobi model from the edits it carries to others: only what differs is touched.

        Args:
            edits: They rewrite the rows that this model has rewritten (`rewritten`).
        """
        if edits == self.edits:
            return
        for name in changed(self.edits.rows, edits.rows):
            self.rows[name].set(self.model, edits.row(self.shape, name))
        for name in changed(self.edits.variables, edits.variables):
            bounds = edits.variable(self.shape, name)
            # Gurobi keeps a binary within 0 and 1 by itself, but not while it is searched as continuous.
            least, most = (0.0, 1.0) if name in self.shape.binaries else (-GRB.INFINITY, GRB.INFINITY)
            self.variables[name].LB = max(bounds.lower, least)
            self.variables[name].UB = min(bounds.upper, most)
        self.edits = edits  # Gurobi sees the changes when it is asked the next time; a copy must update first

    def values(self, point: list[float]) -> dict[str, float]:
        """A point of this model, or of a copy that only added columns, by variable."""
        # Added columns come last, so those of the file keep their places.
        return {name: point[place] for name, place in self.places.items()}

    def retire(self) -> None:
        """Frees what Gurobi holds, once there is nothing more that its shape, which outlives it, may be asked for."""
        dict(self.shape.terms)
        self.dispose()

    def dispose(self) -> None:
        """Frees what Gurobi holds."""
        if self._copy is not None:
            self._copy.dispose()
        if self.elastic is not None:
            self.elastic.dispose()
        self.model.dispose()


def changed(old: tuple[tuple[str, Interval], ...], new: tuple[tuple[str, Interval], ...]) -> list[str]:
    """Names whose interval differs between two sides of edits, in a fixed order."""
    return sorted({name for name, _ in set(old) ^ set(new)})


def start_environment(**parameters: float) -> gp.Env:
    """A silent Gurobi environment of one thread.

    Raises:
        SolverError: None can be started (licence).
    """
    try:
        return gp.Env(params={"OutputFlag": 0, "Threads": 1, **parameters})
    except gp.GurobiError as error:
        raise SolverError(
            f"Gurobi cannot start: {error}. Check the licence with `ordebug doctor`; without GRB_LICENSE_FILE the "
            "licence inside gurobipy's own wheel is used, which works offline."
        ) from error


def read(problem: Problem, env: gp.Env, work_limit: float) -> Loaded:
    """Reads a model file.

    Raises:
        ProblemError: Gurobi cannot read it.
        SolverError: Gurobi failed.
    """
    try:
        model = gp.read(str(problem.path), env)
    except gp.GurobiError as error:
        if error.errno not in _READ_ERRORS:
            raise SolverError(f"{problem.path}: Gurobi failed: {error} (error {error.errno})") from error
        reason = " ".join(str(error).split())
        raise ProblemError(f"{problem.path}: Gurobi cannot read this model file: {reason}") from error
    constrs, columns = model.getConstrs(), model.getVars()
    try:
        written_rows = model.getAttr(GRB.Attr.ConstrName)
        written_columns = model.getAttr(GRB.Attr.VarName)
    except UnicodeDecodeError as error:
        raise ProblemError(f"{problem.path}: a name is not UTF-8 ({error}): save the file as UTF-8") from error
    row_names = _unique(written_rows)
    aliases = dict(zip(row_names, written_rows, strict=True))
    rows: dict[str, Row] = {}
    intervals: dict[str, Interval] = {}
    slack_columns = set()
    senses, sides = model.getAttr(GRB.Attr.Sense), model.getAttr(GRB.Attr.RHS)
    for name, constr, sense, side in zip(row_names, constrs, senses, sides, strict=True):
        slack = _range_column(model, constr) if sense == GRB.EQUAL else None
        rows[name] = Row(constr, sense, slack, native=slack is not None)
        intervals[name] = _interval(model, constr, sense, side, slack)
        if slack is not None:
            slack_columns.add(slack.index)
    places = [place for place in range(len(columns)) if place not in slack_columns]
    names = _unique([written_columns[place] for place in places])
    aliases |= {unique: written_columns[place] for place, unique in zip(places, names, strict=True)}
    lower, upper = model.getAttr(GRB.Attr.LB), model.getAttr(GRB.Attr.UB)
    kinds = model.getAttr(GRB.Attr.VType) if model.IsMIP else [GRB.CONTINUOUS] * len(columns)
    shape = Shape(
        rows=intervals,
        variables={name: Interval(lower[place], upper[place]) for name, place in zip(names, places, strict=True)},
        binaries=frozenset(name for name, place in zip(names, places, strict=True) if kinds[place] == GRB.BINARY),
        integers=frozenset(name for name, place in zip(names, places, strict=True) if kinds[place] == GRB.INTEGER),
        aliases={unique: name for unique, name in aliases.items() if unique != name},
        terms=RowTerms(model, {name: row.constr for name, row in rows.items()}, dict(zip(places, names, strict=True))),
    )
    search = Search.of(model, work_limit)
    variables = {name: columns[place] for name, place in zip(names, places, strict=True)}
    return Loaded(model, search, shape, rows, variables, dict(zip(names, places, strict=True)))


def _unique(names: list[str]) -> list[str]:
    """Gives the second and later holders of a name the alias ``name#2``, ``name#3``, …, skipping names in use."""
    taken = set(names)
    if len(taken) == len(names):
        return names
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        alias = name
        while seen[name] > 1 and alias in taken:
            alias = f"{name}#{seen[name]}"
            if alias in taken:
                seen[name] += 1
        taken.add(alias)
        unique.append(alias)
    return unique


def _range_column(model: gp.Model, constr: gp.Constr) -> gp.Var | None:
    """The column by which Gurobi reads an MPS RANGES entry: a costless one, in this equality alone, named Rg<row>."""
    for name in (f"MPS_Rg{constr.ConstrName}", f"Rg{constr.ConstrName}"):
        column = model.getVarByName(name)
        if (
            column is not None
            and column.Obj == 0
            and column.VType == GRB.CONTINUOUS
            and model.getCol(column).size() == 1
        ):
            return column if abs(model.getCoeff(constr, column)) == 1 else None
    return None


def _interval(model: gp.Model, constr: gp.Constr, sense: str, rhs: float, slack: gp.Var | None) -> Interval:
    if slack is not None:
        ends = [rhs - model.getCoeff(constr, slack) * bound for bound in (slack.LB, slack.UB)]
        return Interval(min(ends), max(ends))
    if sense == GRB.LESS_EQUAL:
        return Interval(-math.inf, rhs)
    return Interval(rhs, math.inf if sense == GRB.GREATER_EQUAL else rhs)
