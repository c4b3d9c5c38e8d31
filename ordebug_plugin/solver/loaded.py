"""A model inside Gurobi: read from its file, and carrying edits."""

from __future__ import annotations

import math
import weakref
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.edits import NO_EDITS, Edits, Shape
from ordebug_plugin.errors import MemoryLimitError, ProblemError, SolverError
from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import Terms
from ordebug_plugin.model_files import model_file
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver.messages import reading_messages
from ordebug_plugin.solver.reading import readable
from ordebug_plugin.solver.rows import Row, Rows, RowTerms, changed
from ordebug_plugin.solver.search import OUT_OF_MEMORY, Search

SIZE_LIMITED = 10010  # Gurobi's error where a model is too large for the licence
_EMPTY = Shape({}, {})
_READ_ERRORS = frozenset({0, 10003, 10012})  # what gurobipy gives for a file it cannot open, or cannot parse


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

    search: Search
    shape: Shape
    rows: Rows
    columns: list[gp.Var]
    places: dict[str, int]  # of the variables among the columns
    edits: Edits = NO_EDITS
    # The rows that were given a column to write a range, in the order of these columns.
    ranges: list[str] = field(default_factory=list)
    # Where the last solve ended, and under which edits: an audit follows its solve, and needs no other.
    point: tuple[Edits, list[float]] | None = None
    # What was answered: edits to question to answer.
    answers: dict[Edits, dict[str, object]] = field(default_factory=dict)
    # The edits under which the last optimize began at a reset, proved the model infeasible, and nothing came after it.
    proof: Edits | None = None
    # A copy without an objective, made when first asked for (`conflict`).
    pure: Loaded | None = None
    # The model's relaxation, made when first asked for (`elastic`).
    elastic: Elastic | None = None
    _copy: Loaded | None = None

    @property
    def model(self) -> gp.Model:
        """The model inside Gurobi; made whole first where it was relaxed (`Search.relax`), which ends that proof."""
        self.search.relax(False)
        return self.search.model

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
        copy = self.duplicate()
        for name, terms in rewrites:
            new = dict(terms)
            for variable in dict(self.shape.terms[name]) | new:
                copy.model.chgCoeff(copy.rows[name].constr, copy.variable(variable), new.get(variable, 0.0))
        copy.model.update()
        copy.edits = Edits(rewrites=rewrites)
        return copy

    def duplicate(self) -> Loaded:
        """A copy that carries the same edits and is edited by itself; whoever holds it disposes of it."""
        model = self.search.copy()
        constrs, columns = model.getConstrs(), model.getVars()
        search = Search.of(model, self.search.work_limit)
        return Loaded(
            search, self.shape, self.rows.of(constrs, columns), columns, self.places, self.edits, [*self.ranges]
        )

    def carry(self, edits: Edits) -> None:
        """Changes the Gurobi model from the edits it carries to others: only what differs is touched.

        Args:
            edits: They rewrite the rows that this model has rewritten (`rewritten`).
        """
        if edits is self.edits or edits == self.edits:
            return
        self.proof = None
        if self.ranges and self._would_stray(edits):
            self._write(Edits(rewrites=edits.rewrites))
            self.search.model.update()
        self._write(edits)  # Gurobi sees the changes when it is asked the next time; a copy must update first

    def _would_stray(self, edits: Edits) -> bool:
        """Whether the columns of ranges would stand in another order than in a model that never carried anything.

        In another order Gurobi may come to another of several answers, and did in 3 of 1,000 drawn models.
        """
        wanted = {name for name, sides in edits.rows if sides.is_range and not self.rows[name].native}
        kept = [name for name in self.ranges if name in wanted]
        return [*kept, *sorted(wanted.difference(kept))] != sorted(wanted)

    def _write(self, edits: Edits) -> None:
        for name in changed(self.edits.rows, edits.rows):
            row = self.rows[name]
            had = row.slack is not None
            row.set(self.search.model, edits.row(self.shape, name))
            if had and row.slack is None:
                self.ranges.remove(name)
            elif not had and row.slack is not None:
                self.ranges.append(name)
        for name in changed(self.edits.variables, edits.variables):
            bounds = edits.variable(self.shape, name)
            # Gurobi keeps a binary within 0 and 1 by itself, but not while it is searched as continuous.
            least, most = (0.0, 1.0) if name in self.shape.binaries else (-GRB.INFINITY, GRB.INFINITY)
            variable = self.variable(name)
            variable.LB, variable.UB = max(bounds.lower, least), min(bounds.upper, most)
        self.edits = edits

    def variable(self, name: str) -> gp.Var:
        """A variable of the file."""
        return self.columns[self.places[name]]

    def named_variables(self) -> list[tuple[str, gp.Var]]:
        """The variables of the file with their names, in model order."""
        return [(name, self.columns[place]) for name, place in self.places.items()]

    def values(self, point: list[float]) -> dict[str, float]:
        """A point of this model, or of a copy that only added columns, by variable."""
        # Added columns come last, so those of the file keep their places.
        return {name: point[place] for name, place in self.places.items()}

    def retire(self) -> None:
        """Frees what Gurobi holds, once its shape, where somebody still has it, knows all that it may be asked for."""
        if self._copy is not None:
            self._copy.dispose()
        if self.pure is not None:
            self.pure.dispose()
        self._copy = self.pure = None
        terms, self.shape = weakref.ref(self.shape.terms), _EMPTY
        if (kept := terms()) is not None:
            dict(kept)
        self.dispose()

    def dispose(self) -> None:
        """Frees what Gurobi holds."""
        if self._copy is not None:
            self._copy.dispose()
        for other in (self.elastic, self.pure):
            if other is not None:
                other.dispose()
        self.search.model.dispose()


def read(problem: Problem, env: gp.Env, work_limit: float) -> Loaded:
    """Reads a model file.

    Raises:
        ProblemError: Gurobi cannot read it.
        SolverError: Gurobi failed.
    """
    with model_file(problem) as file:
        try:
            with readable(file, problem.path, problem.short_lines) as path:
                model = gp.read(str(path), env)
        except UnicodeEncodeError as error:
            raise ProblemError(f"{problem.path}: Gurobi takes no such name of a file: {error}") from error
        except gp.GurobiError as error:
            if "Out of memory" in str(error):  # of its readers, which give it the number of a line that makes no sense
                raise MemoryLimitError(f"{problem.path}: {OUT_OF_MEMORY}") from error
            if error.errno not in _READ_ERRORS:
                raise SolverError(f"{problem.path}: Gurobi failed: {error} (error {error.errno})") from error
            reason = "; ".join((*reading_messages(file), *(() if error.errno == 0 else (str(error),))))
            reason = " ".join((reason or str(error)).replace(str(file), str(problem.path)).split())
            raise ProblemError(f"{problem.path}: Gurobi cannot read this model file: {reason}") from error
    constrs, columns = model.getConstrs(), model.getVars()
    try:
        written_rows = model.getAttr(GRB.Attr.ConstrName)
        written_columns = model.getAttr(GRB.Attr.VarName)
    except UnicodeDecodeError as error:
        raise ProblemError(f"{problem.path}: a name is not UTF-8 ({error}): save the file as UTF-8") from error
    row_names = _unique(written_rows)
    rows = Rows({name: place for place, name in enumerate(row_names)}, constrs, model.getAttr(GRB.Attr.Sense))
    sides = model.getAttr(GRB.Attr.RHS)
    intervals = {
        name: Interval(-math.inf if sense == GRB.LESS_EQUAL else side, math.inf if sense == GRB.GREATER_EQUAL else side)
        for name, sense, side in zip(row_names, rows.senses, sides, strict=True)
    }
    slack_columns = set()
    for name, place in [row for row in rows.names.items() if rows.senses[row[1]] == GRB.EQUAL]:
        slack = _range_column(model, constrs[place], written_rows[place])
        if slack is not None:
            intervals[name] = _range(model, constrs[place], sides[place], slack)
            rows[name] = Row(constrs[place], GRB.EQUAL, slack, native=True)
            slack_columns.add(slack.index)
    places = [place for place in range(len(columns)) if place not in slack_columns]
    kept_columns = [written_columns[place] for place in places] if slack_columns else written_columns
    names = _unique(kept_columns)
    lower, upper = model.getAttr(GRB.Attr.LB), model.getAttr(GRB.Attr.UB)
    kinds = model.getAttr(GRB.Attr.VType) if model.getAttr(GRB.Attr.IsMIP) else []
    place_of = dict(zip(names, places, strict=True))
    bounds = {ends: Interval(*ends) for ends in set(zip(lower, upper, strict=True))}  # most are the same few
    # `_unique` gives back the very list where there is nothing to be done.
    renamed = [*zip(row_names, written_rows, strict=True)] if row_names is not written_rows else []
    renamed += zip(names, kept_columns, strict=True) if names is not kept_columns else []
    shape = Shape(
        rows=intervals,
        variables={name: bounds[lower[place], upper[place]] for name, place in place_of.items()},
        binaries=_of_kind(place_of, kinds, GRB.BINARY),
        integers=_of_kind(place_of, kinds, GRB.INTEGER),
        aliases={unique: name for unique, name in renamed if unique != name},
        terms=RowTerms(model, rows, dict(zip(places, names, strict=True))),
    )
    return Loaded(Search.of(model, work_limit), shape, rows, columns, place_of)


def _of_kind(places: Mapping[str, int], kinds: list[str], kind: str) -> frozenset[str]:
    return frozenset(name for name, place in places.items() if kinds[place] == kind) if kind in kinds else frozenset()


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


def _range_column(model: gp.Model, constr: gp.Constr, row: str) -> gp.Var | None:
    """The column by which Gurobi reads an MPS RANGES entry: a costless one, in this equality alone, named Rg<row>."""
    for name in (f"MPS_Rg{row}", f"Rg{row}"):
        column = model.getVarByName(name)
        if (
            column is not None
            and column.Obj == 0
            and column.VType == GRB.CONTINUOUS
            and model.getCol(column).size() == 1
        ):
            return column if abs(model.getCoeff(constr, column)) == 1 else None
    return None


def _range(model: gp.Model, constr: gp.Constr, rhs: float, slack: gp.Var) -> Interval:
    ends = [rhs - model.getCoeff(constr, slack) * bound for bound in (slack.LB, slack.UB)]
    return Interval(min(ends), max(ends))
