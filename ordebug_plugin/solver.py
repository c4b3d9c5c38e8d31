"""The judge: what Gurobi says about a model and its edits. The only module that imports gurobipy.

One `Judge` holds one Gurobi environment and belongs to one thread. It reads each model once, applies the difference
between the edits asked for and those in place, and remembers its verdicts per edit set, so a state reached twice is
solved once. Every solve starts from a reset: the answer never depends on what was asked before.

Limits are WorkLimit, never TimeLimit: the same question has the same answer on a slow machine.
"""

from __future__ import annotations

import math
import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.edits import INFINITY, NO_EDITS, TOLERANCE, Edits, Interval, Shape, granted_sides, widened
from ordebug_plugin.errors import LicenseLimitError, ProblemError, SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.verdict import IIS, Audit, Relaxation, Status, Verdict

# Gurobi work units; roughly seconds on a fast core. Benchmark models need under 0.01.
DEFAULT_WORK_LIMIT = 60.0
# Seconds for a single Gurobi call. Not a limit of the question but of our patience: passing it is an infrastructure
# failure, never a verdict, because it would depend on the machine.
DEFAULT_PATIENCE = 600.0
_ANSWERS_KEPT = 4096  # per model
# A side that moved by this many times its own size has no effect any more. Unit errors, the grossest faults there
# are, move one by 1000 times.
NO_EFFECT = 1e6
_SIZE_LIMITED = 10010
_NO_RELAXATION = frozenset({_SIZE_LIMITED, 10024})  # too many extra columns; bounds of a semi-continuous variable
_READ_ERRORS = frozenset({0, 10003, 10012})  # what gurobipy gives for a file it cannot open, or cannot parse

T = TypeVar("T")


@dataclass
class _Row:
    """A row inside Gurobi. `slack` is the column with which Gurobi writes a range: a·x + coefficient·slack = RHS."""

    constr: gp.Constr
    slack: gp.Var | None = None
    native: bool = False  # the slack column came with the file and stays


@dataclass
class _Loaded:
    """A model in memory, with the edits it carries at the moment and what was found out about it."""

    model: gp.Model
    shape: Shape
    rows: dict[str, _Row]
    variables: dict[str, gp.Var]
    edits: Edits = NO_EDITS
    # Where the last solve ended, and under which edits: an audit follows its solve, and needs no other.
    point: tuple[Edits, list[float]] | None = None
    memo: dict[tuple[str, Edits], object] = field(default_factory=dict)


class Judge:
    """Answers questions about a problem under edits. Not thread-safe: one judge per thread.

    Args:
        work_limit: WorkLimit of every single Gurobi call, in work units.
        patience: Seconds of every single Gurobi call, after which it counts as failed.
        models_kept: How many models stay in memory, the most recently used ones.

    Raises:
        SolverError: No Gurobi environment can be started (licence).
    """

    def __init__(
        self,
        *,
        work_limit: float = DEFAULT_WORK_LIMIT,
        patience: float = DEFAULT_PATIENCE,
        models_kept: int = 256,
    ) -> None:
        try:
            parameters = {"OutputFlag": 0, "Threads": 1, "WorkLimit": work_limit, "TimeLimit": patience}
            self._env = gp.Env(params=parameters)
        except gp.GurobiError as error:
            raise SolverError(
                f"Gurobi cannot start: {error}. Check the licence with `ordebug doctor`; without GRB_LICENSE_FILE the "
                "licence inside gurobipy's own wheel is used, which works offline."
            ) from error
        self._models: OrderedDict[str, _Loaded] = OrderedDict()
        self._models_kept = models_kept

    def __enter__(self) -> Judge:
        """Returns the judge itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the judge."""
        self.close()

    def close(self) -> None:
        """Frees every model and the Gurobi environment."""
        for loaded in self._models.values():
            loaded.model.dispose()
        self._models.clear()
        self._env.dispose()

    def shape(self, problem: Problem) -> Shape:
        """The rows and variables of the model as loaded.

        Raises:
            ProblemError: Gurobi cannot read the file.
        """
        return self._load(problem).shape

    def solve(self, problem: Problem, edits: Edits = NO_EDITS) -> Verdict:
        """Status and objective of the model under edits.

        Raises:
            LicenseLimitError: The model is too large for the licence.
            SolverError: Gurobi failed.
        """
        return self._remember(problem, edits, "solve", _solve)

    def iis(self, problem: Problem, edits: Edits = NO_EDITS) -> IIS | None:
        """An IIS of the infeasible model under edits; None where the WorkLimit ends before one is found.

        Raises:
            SolverError: Gurobi failed, or the model is feasible.
        """
        return self._remember(problem, edits, "iis", _iis)

    def relaxation(self, problem: Problem, edits: Edits = NO_EDITS) -> Relaxation | None:
        """The cheapest repair of the model under edits; None where it cannot be computed.

        That is: the WorkLimit ends before it is proven; feasRelax, which adds columns, passes the licence limit where
        the model did not; or the model has semi-continuous variables, which feasRelax cannot relax.

        Raises:
            SolverError: Gurobi failed.
        """
        return self._remember(problem, edits, "relaxation", _relaxation)

    def audit(self, problem: Problem, edits: Edits) -> Audit:
        """What the edits gave away, for edits whose model is feasible.

        Raises:
            SolverError: Gurobi failed, or the model under these edits has no solution.
        """
        return self._remember(problem, edits, "audit", _audit)

    def _remember(self, problem: Problem, edits: Edits, name: str, ask: Callable[[_Loaded], T]) -> T:
        loaded = self._load(problem)
        key = (name, edits)
        if key not in loaded.memo:
            if len(loaded.memo) >= _ANSWERS_KEPT:
                loaded.memo.clear()
            try:
                with _gurobi_errors(problem):
                    _apply(loaded, edits)
                    loaded.memo[key] = ask(loaded)
            except SolverError:
                # The model may carry half of the edits: read it anew next time.
                self._models.pop(problem.content_hash).model.dispose()
                raise
        return loaded.memo[key]  # type: ignore[return-value]  # each name is asked with one function

    def _load(self, problem: Problem) -> _Loaded:
        loaded = self._models.pop(problem.content_hash, None)
        if loaded is None:
            loaded = _read(problem, self._env)
        self._models[problem.content_hash] = loaded
        if len(self._models) > self._models_kept:
            _, oldest = self._models.popitem(last=False)
            oldest.model.dispose()
        return loaded


@dataclass(frozen=True)
class Licence:
    """The Gurobi licence in use: where it comes from, and whether it solves models beyond 2000 rows or columns."""

    source: str
    limited: bool


def gurobi_version() -> str:
    """Version of the Gurobi library."""
    return ".".join(map(str, gp.gurobi.version()))


def probe_licence() -> Licence:
    """Solves a model of 2001 columns to see which licence is in use.

    Raises:
        SolverError: No Gurobi environment can be started.
    """
    source = os.environ.get("GRB_LICENSE_FILE", "a default place, else gurobipy's wheel")
    with Judge() as judge, gp.Model(env=judge._env) as model:
        model.addVars(2001)
        try:
            model.optimize()
        except gp.GurobiError as error:
            if error.errno != _SIZE_LIMITED:
                raise SolverError(f"Gurobi failed: {error}") from error
            return Licence(source, limited=True)
    return Licence(source, limited=False)


@contextmanager
def _gurobi_errors(problem: Problem) -> Iterator[None]:
    try:
        yield
    except SolverError as error:
        raise SolverError(f"{problem.path}: {error}") from error
    except gp.GurobiError as error:
        if error.errno == _SIZE_LIMITED:
            raise LicenseLimitError(
                f"{problem.path}: the model is larger than this Gurobi licence allows (2000 rows, 2000 columns in the "
                "wheel's own). Set GRB_LICENSE_FILE to a full licence."
            ) from error
        raise SolverError(f"{problem.path}: Gurobi failed: {error} (error {error.errno})") from error


def _read(problem: Problem, env: gp.Env) -> _Loaded:
    try:
        model = gp.read(str(problem.path), env)
    except gp.GurobiError as error:
        if error.errno not in _READ_ERRORS:
            raise SolverError(f"{problem.path}: Gurobi failed: {error} (error {error.errno})") from error
        reason = " ".join(str(error).split())
        raise ProblemError(f"{problem.path}: Gurobi cannot read this model file: {reason}") from error
    constrs, columns = model.getConstrs(), model.getVars()
    try:
        row_names = _unique([constr.ConstrName for constr in constrs])
        column_names = [column.VarName for column in columns]
    except UnicodeDecodeError as error:
        raise ProblemError(f"{problem.path}: a name is not UTF-8 ({error}): save the file as UTF-8") from error
    aliases = {unique: constr.ConstrName for unique, constr in zip(row_names, constrs, strict=True)}
    rows: dict[str, _Row] = {}
    intervals: dict[str, Interval] = {}
    slack_columns = set()
    for name, constr in zip(row_names, constrs, strict=True):
        slack = _range_column(model, constr)
        rows[name] = _Row(constr, slack, native=slack is not None)
        intervals[name] = _interval(model, constr, slack)
        if slack is not None:
            slack_columns.add(slack.index)
    own = [column for column in columns if column.index not in slack_columns]
    names = _unique([column_names[column.index] for column in own])
    aliases |= {unique: column.VarName for unique, column in zip(names, own, strict=True)}
    shape = Shape(
        rows=intervals,
        variables={name: Interval(column.LB, column.UB) for name, column in zip(names, own, strict=True)},
        binaries=frozenset(name for name, column in zip(names, own, strict=True) if column.VType == GRB.BINARY),
        aliases={unique: name for unique, name in aliases.items() if unique != name},
    )
    return _Loaded(model, shape, rows, dict(zip(names, own, strict=True)))


def _unique(names: list[str]) -> list[str]:
    """Gives the second and later holders of a name the alias ``name#2``, ``name#3``, …, skipping names in use."""
    taken = set(names)
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
    if constr.Sense != GRB.EQUAL:
        return None
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


def _interval(model: gp.Model, constr: gp.Constr, slack: gp.Var | None) -> Interval:
    rhs = constr.RHS
    if slack is not None:
        ends = [rhs - model.getCoeff(constr, slack) * bound for bound in (slack.LB, slack.UB)]
        return Interval(min(ends), max(ends))
    if constr.Sense == GRB.LESS_EQUAL:
        return Interval(-math.inf, rhs)
    if constr.Sense == GRB.GREATER_EQUAL:
        return Interval(rhs, math.inf)
    return Interval(rhs, rhs)


def _apply(loaded: _Loaded, edits: Edits) -> None:
    """Changes the Gurobi model from the edits it carries to `edits`: only what differs is touched."""
    old_rows, new_rows = dict(loaded.edits.rows), dict(edits.rows)
    for name in sorted(old_rows.keys() | new_rows.keys()):
        target = new_rows.get(name, loaded.shape.rows[name])
        if target != old_rows.get(name, loaded.shape.rows[name]):
            _set_row(loaded.model, loaded.rows[name], target)
    old_bounds, new_bounds = dict(loaded.edits.variables), dict(edits.variables)
    for name in sorted(old_bounds.keys() | new_bounds.keys()):
        target = new_bounds.get(name, loaded.shape.variables[name])
        loaded.variables[name].LB = max(target.lower, -GRB.INFINITY)
        loaded.variables[name].UB = min(target.upper, GRB.INFINITY)
    loaded.model.update()
    loaded.edits = edits


def _set_row(model: gp.Model, row: _Row, interval: Interval) -> None:
    """Writes an interval into a row: as a plain sense where one will do, else as an equality with a slack column.

    A row is dropped by an infinite right-hand side, not removed: status and IIS are the same, and it can come back.
    """
    lower, upper = interval.lower, interval.upper
    ranged = -INFINITY < lower < upper < INFINITY
    if row.slack is not None and not row.native and not ranged:
        model.remove(row.slack)
        row.slack = None
    if ranged:
        row.constr.Sense, row.constr.RHS = GRB.EQUAL, upper
        if row.slack is None:
            row.slack = model.addVar(ub=upper - lower, column=gp.Column(1.0, row.constr))
        else:
            row.slack.LB, row.slack.UB = 0.0, upper - lower
        if row.native and model.getCoeff(row.constr, row.slack) < 0:
            row.constr.RHS = lower
        return
    if row.slack is not None:
        row.slack.LB = row.slack.UB = 0.0
    if lower == upper:
        row.constr.Sense, row.constr.RHS = GRB.EQUAL, upper
    elif lower == -math.inf:
        row.constr.Sense, row.constr.RHS = GRB.LESS_EQUAL, min(upper, GRB.INFINITY)
    else:
        row.constr.Sense, row.constr.RHS = GRB.GREATER_EQUAL, lower


def _solve(loaded: _Loaded) -> Verdict:
    model = loaded.model
    model.reset()
    model.optimize()
    status = model.Status
    if status in (GRB.INF_OR_UNBD, GRB.UNBOUNDED):
        return _resolve_unbounded(model)
    loaded.point = (loaded.edits, model.getAttr(GRB.Attr.X)) if model.SolCount > 0 else None
    return _verdict(model, status)


def _resolve_unbounded(model: gp.Model) -> Verdict:
    """Decides between infeasible and unbounded by solving without an objective.

    Gurobi's UNBOUNDED only says that an improving ray exists, not that a point does (reference manual, status
    codes). Without an objective nothing is unbounded, and the default presolve keeps its strength, which
    DualReductions=0 would give up.
    """
    with model.copy() as feasibility:
        if feasibility.IsMultiObj:
            feasibility.NumObj = 0
        feasibility.setObjective(0.0)
        feasibility.optimize()
        verdict = _verdict(feasibility, feasibility.Status)
    return Verdict(Status.UNBOUNDED) if verdict.status.is_repaired else verdict


def _verdict(model: gp.Model, status: int) -> Verdict:
    if status == GRB.OPTIMAL:
        return Verdict(Status.OPTIMAL, float(model.ObjVal))
    if status == GRB.INFEASIBLE:
        return Verdict(Status.INFEASIBLE)
    if status in (GRB.WORK_LIMIT, GRB.SUBOPTIMAL, GRB.NUMERIC):
        return Verdict(Status.FEASIBLE if model.SolCount > 0 else Status.LIMIT)
    if status == GRB.TIME_LIMIT:
        raise SolverError("Gurobi did not return in time, although within its WorkLimit: the machine is overloaded")
    raise SolverError(f"Gurobi ended with the unexpected status {status}")


def _iis(loaded: _Loaded) -> IIS | None:
    model = loaded.model
    model.reset()  # after edit and undo, the IIS would otherwise depend on the path taken
    model.computeIIS()
    in_rows = model.getAttr(GRB.Attr.IISConstr)
    rows = tuple(name for name, row in loaded.rows.items() if in_rows[row.constr.index])
    lower, upper = model.getAttr(GRB.Attr.IISLB), model.getAttr(GRB.Attr.IISUB)
    bounds = tuple(name for name, var in loaded.variables.items() if lower[var.index] or upper[var.index])
    others = tuple(
        [item.QCName for item in model.getQConstrs() if item.IISQConstr]
        + [f"SOS {item.index}" for item in model.getSOSs() if item.IISSOS]
        + [item.GenConstrName for item in model.getGenConstrs() if item.IISGenConstr]
    )
    if not rows and not bounds and not others:
        return None
    return IIS(rows, bounds, others, minimal=bool(model.IISMinimal))


def _relaxation(loaded: _Loaded) -> Relaxation | None:
    with loaded.model.copy() as relaxed:
        try:
            relaxed.feasRelaxS(0, False, True, True)  # 0: the L1 norm; its L0 variant is unreliable
            relaxed.optimize()
        except gp.GurobiError as error:
            if error.errno in _NO_RELAXATION:
                return None
            raise
        if relaxed.Status != GRB.OPTIMAL:
            return None
        values = relaxed.getAttr(GRB.Attr.X)
        activities = _activities(loaded, values, list(loaded.rows))
        shape, edits = loaded.shape, loaded.edits
        rows = widened({name: edits.row(shape, name) for name in shape.rows}, activities)
        points = {name: values[var.index] for name, var in loaded.variables.items()}
        bounds = widened({name: edits.variable(shape, name) for name in shape.variables}, points)
        return Relaxation(float(relaxed.ObjVal), rows, bounds, tuple(activities.items()))


def _activities(loaded: _Loaded, values: list[float], names: list[str]) -> dict[str, float]:
    """a·x of some rows at a point, without the slack columns that only write a range."""
    activities = {}
    for name in names:
        row = loaded.rows[name]
        expression = loaded.model.getRow(row.constr)
        terms = [(expression.getCoeff(i), expression.getVar(i)) for i in range(expression.size())]
        slack = -1 if row.slack is None else row.slack.index
        activities[name] = float(sum(value * values[var.index] for value, var in terms if var.index != slack))
    return activities


def _audit(loaded: _Loaded) -> Audit:
    shape, edits = loaded.shape, loaded.edits
    if loaded.point is None or loaded.point[0] != edits:
        _solve(loaded)
    if loaded.point is None:
        raise SolverError("the model under these edits has no solution to audit")
    values = loaded.point[1]
    activities = _activities(loaded, values, [name for name, _ in edits.rows])
    granted = sum(max(granted_sides(shape.rows[name], new, activities[name])) for name, new in edits.rows)
    for name, new in edits.variables:
        # A row gives way on one side only; the two bounds of a variable are elements of their own.
        granted += sum(granted_sides(shape.variables[name], new, values[loaded.variables[name].index]))
    return Audit(float(granted), tuple(name for name, interval in edits.rows if _cannot_bind(loaded, name, interval)))


def _cannot_bind(loaded: _Loaded, name: str, interval: Interval) -> bool:
    """Whether the row was dropped or relaxed to no effect: no point within the variable bounds can violate it.

    Variables without bounds let any row bind somewhere, so a side that moved by `NO_EFFECT` its own size is gone too.
    """
    interval = _without_distant_sides(loaded.shape.rows[name], interval)
    if interval.is_free:
        return True
    row = loaded.rows[name]
    expression = loaded.model.getRow(row.constr)
    low = high = 0.0
    for position in range(expression.size()):
        variable, coefficient = expression.getVar(position), expression.getCoeff(position)
        if row.slack is not None and variable.sameAs(row.slack):
            continue
        ends = (coefficient * variable.LB, coefficient * variable.UB)
        low, high = low + min(ends), high + max(ends)
    return low >= interval.lower - TOLERANCE and high <= interval.upper + TOLERANCE


def _without_distant_sides(old: Interval, new: Interval) -> Interval:
    below, above = old.loosened_to(new)
    lower = -math.inf if below > NO_EFFECT * max(1.0, abs(old.lower)) else new.lower
    upper = math.inf if above > NO_EFFECT * max(1.0, abs(old.upper)) else new.upper
    return Interval(lower, upper)
