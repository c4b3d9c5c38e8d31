"""Models drawn by seed, what actions make of them, and Gurobi's answer to each state, without a line of our solver.

A model here is data: every state is built anew with gurobipy calls, a range as two rows, a dropped row left out. What
an action does is written a second time, from DESIGN.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.restoration import CoefficientChange, Kind, KindChange, Restoration, SenseChange

INF = math.inf


@dataclass(frozen=True)
class Column:
    """A variable: bounds, cost, type (C, B or I)."""

    lower: float
    upper: float
    cost: float
    kind: str = "C"


@dataclass(frozen=True)
class Line:
    """A row: lower <= terms <= upper."""

    terms: dict[str, float]
    lower: float
    upper: float


@dataclass(frozen=True)
class Model:
    """A model, or a state of it.

    Attributes:
        columns: By name.
        rows: By name; none of them free.
        maximize: The direction.
        ball: A row ``sum of squares <= radius`` over these variables; none where the radius is 0.
        radius: Likewise.
        squares: Weights of squares in the objective.
    """

    columns: dict[str, Column]
    rows: dict[str, Line]
    maximize: bool = False
    ball: tuple[str, ...] = ()
    radius: float = 0.0
    squares: dict[str, float] = field(default_factory=dict)

    @property
    def is_discrete(self) -> bool:
        return any(column.kind != "C" for column in self.columns.values())

    @property
    def is_curved(self) -> bool:
        return bool(self.ball or self.squares)


# --- drawing --------------------------------------------------------------------------------------------------------


def draw(rng: random.Random) -> Model:
    """Mostly small, half of them infeasible; LPs, MIPs, quadratic parts, ranges, equalities, free and fixed
    variables, empty rows; some LPs with more than 200 rows and columns, or more than 200 rows."""
    kind = rng.random()
    if kind < 0.04:
        return _large(rng, *rng.choice([(90, 130), (150, 90), (215, 60)]))
    names = [f"x{n}" for n in range(rng.randint(2, 6))]
    whole = rng.random() < 0.45
    columns = {name: _column(rng, whole=whole) for name in names}
    rows = {f"r{n}": _row(rng, names) for n in range(rng.randint(2, 8))}
    model = Model(columns, rows, maximize=rng.random() < 0.3)
    if kind < 0.10:
        model = replace(model, ball=tuple(rng.sample(names, 2)), radius=float(rng.randint(1, 40)))
    elif kind < 0.14 and not model.maximize:
        model = replace(model, squares={name: float(rng.randint(1, 3)) for name in rng.sample(names, 2)})
    return model


def fractional(rng: random.Random, model: Model) -> Model:
    """The same rows with quarters for coefficients and thirds for sides: hardly a whole point meets an equation."""
    rows = {
        name: Line(
            {column: weight * rng.choice([1, 3, 5]) / 4 for column, weight in row.terms.items()},
            row.lower / 3,
            row.upper / 3,
        )
        for name, row in model.rows.items()
    }
    return replace(model, rows=rows)


def _column(rng: random.Random, *, whole: bool) -> Column:
    cost = float(rng.randint(-3, 9))
    kind = rng.choice("CIB") if whole else "C"
    if kind == "B":
        return Column(0.0, 1.0, cost, "B")
    low, high = sorted((rng.randint(-6, 8), rng.randint(-2, 14)))
    bounds = rng.choice([(0, INF), (0, high), (low, high), (low, low), (-INF, INF), (-INF, high)])
    if kind == "I" and -INF in bounds:
        bounds = (-20, high)
    if kind == "I" and INF in bounds:
        bounds = (0, 30)
    return Column(float(min(bounds)), float(max(bounds)), cost, kind)


def _row(rng: random.Random, names: list[str]) -> Line:
    if rng.random() < 0.04:  # empty
        return _sides(rng, {}, float(rng.randint(-3, 3)))
    members = rng.sample(names, rng.randint(1, min(4, len(names))))
    return _sides(rng, {name: float(rng.choice([-3, -2, -1, 1, 1, 2, 3, 5])) for name in members}, rng.randint(-10, 30))


def _sides(rng: random.Random, terms: dict[str, float], side: float) -> Line:
    sides = [(-INF, side), (side, INF), (side, side), (side - rng.randint(1, 6), side)]
    lower, upper = rng.choices(sides, weights=[4, 4, 2, 2])[0]
    return Line(terms, float(lower), float(upper))


def _large(rng: random.Random, rows: int, columns: int) -> Model:
    """An LP around a point, and two to four rows against others."""
    names = [f"x{n}" for n in range(columns)]
    point = {name: float(rng.randint(0, 9)) for name in names}
    made = {}
    for number in range(rows):
        terms = {name: float(rng.randint(-2, 7) or 1) for name in rng.sample(names, rng.randint(1, 5))}
        value = sum(weight * point[name] for name, weight in terms.items())
        line = _sides(rng, terms, value)
        made[f"r{number}"] = replace(line, lower=line.lower - rng.randint(0, 3))
    for number in range(rng.randint(0, 4)):
        other = made[f"r{rng.randrange(rows)}"]
        side = other.upper + rng.randint(1, 9)
        if side < INF:
            made[f"f{number}"] = Line(other.terms, side, INF)
    return Model({name: Column(0.0, 40.0, float(rng.randint(1, 9))) for name in names}, made)


# --- actions --------------------------------------------------------------------------------------------------------


def draw_action(rng: random.Random, model: Model, state: Model, fixed: set[str]) -> tuple[str, Model]:
    """An action as text, and the state after it.

    Args:
        rng: Draws.
        model: The model as loaded.
        state: The state before the action.
        fixed: Rows that were rewritten; their sides are left alone, since a multiple of a row counts as that row.
    """
    rows = [name for name in state.rows if name not in fixed]
    what = rng.choices(["drop", "relax", "side", "bounds", "rewrite", "reset"], weights=[3, 4, 3, 3, 1, 1])[0]
    if what == "reset" or (not rows and what != "bounds"):
        fixed.clear()
        return "RESET()", model
    if what == "bounds":
        name = rng.choice(list(state.columns))
        old = state.columns[name]
        lower, upper = sorted((rng.randint(-8, 9), rng.randint(-2, 20)))
        if old.kind == "B":
            lower, upper = sorted((rng.randint(0, 1), rng.randint(0, 1)))
        low = "-inf" if old.kind == "C" and rng.random() < 0.2 else str(lower)
        columns = state.columns | {name: replace(old, lower=float(low), upper=float(upper))}
        return f"UPDATE_BOUNDS({name}, {low}, {upper})", replace(state, columns=columns)
    row = rng.choice(rows)
    line = state.rows[row]
    if what == "drop":
        left = {name: other for name, other in state.rows.items() if name != row}
        return f"DROP_CONSTRAINT({row})", replace(state, rows=left)
    if what == "relax":
        amount = rng.choice([0.5, 1.0, 4.0, 30.0])
        new = replace(line, lower=line.lower - amount, upper=line.upper + amount)
        return f"RELAX_CONSTRAINT({row}, {amount})", replace(state, rows=state.rows | {row: new})
    if what == "rewrite":
        members = rng.sample(list(state.columns), min(2, len(state.columns)))
        terms = {name: float(rng.randint(1, 9)) for name in members}
        side = float(rng.randint(0, 30))
        fixed.add(row)
        text = " + ".join(f"{weight:g} {name}" for name, weight in terms.items())
        new = Line(terms, -INF, side)
        return f"REWRITE_CONSTRAINT({row}, {text} <= {side:g})", replace(state, rows=state.rows | {row: new})
    value, loaded = float(rng.randint(-6, 25)), model.rows[row]
    new = replace(
        line,
        lower=value if loaded.lower > -INF else -INF,
        upper=value if loaded.upper < INF else INF,
    )
    return f"UPDATE_RHS({row}, {value:g})", replace(state, rows=state.rows | {row: new})


def draw_restoration(rng: random.Random, model: Model) -> tuple[Restoration, Model]:
    """Changes that no action can make to a model as loaded, often without most of its rows, and what they make of it.

    Senses are of rows with one side, and rows keep a term where a coefficient changes.
    """
    rows, columns = dict(model.rows), dict(model.columns)
    coefficients, senses, kinds = [], [], []
    for name in rng.sample(list(rows), min(2, len(rows))):
        line, variable = rows[name], rng.choice(list(columns))
        if rng.random() < 0.5:
            new = float(rng.choice([-4, 1, 6]))
            coefficients.append(CoefficientChange(name, variable, line.terms.get(variable, 0.0), new))
            rows[name] = replace(line, terms=line.terms | {variable: new})
        elif not -INF < line.lower < line.upper < INF:
            old = "=" if line.lower == line.upper else "<=" if line.lower == -INF else ">="
            turned, side = rng.choice(["<=", ">=", "="]), line.lower if old == ">=" else line.upper
            senses.append(SenseChange(name, old, turned))
            rows[name] = replace(line, lower=-INF if turned == "<=" else side, upper=INF if turned == ">=" else side)
    for name in rng.sample(list(columns), rng.randint(0, 2)):
        kind, lower, upper = rng.choice([(Kind.CONTINUOUS, -9, 9), (Kind.INTEGER, -2, 12), (Kind.BINARY, 0, 1)])
        kinds.append(KindChange(name, kind, float(lower), float(upper)))
        columns[name] = Column(float(lower), float(upper), columns[name].cost, kind.value[0].upper())
    count = rng.choice([0, min(len(rows), rng.randint(1, 3)), max(0, len(rows) - rng.randint(1, 4))])
    removed = rng.sample(list(rows), count)
    left = {name: line for name, line in rows.items() if name not in removed}
    changes = Restoration(tuple(removed), tuple(senses), tuple(coefficients), tuple(kinds))
    return changes, replace(model, rows=left, columns=columns)


# --- files ----------------------------------------------------------------------------------------------------------


def mps(model: Model) -> str:
    """The model as a file."""
    senses = {name: "E" if r.lower == r.upper else "L" if r.upper < INF else "G" for name, r in model.rows.items()}
    text = ["NAME drawn", *(["OBJSENSE", " MAX"] if model.maximize else []), "ROWS", " N cost"]
    text += [f" {senses[name]} {name}" for name in model.rows]
    text += [" L ball"] if model.ball else []
    text.append("COLUMNS")
    whole = False
    for name, column in model.columns.items():
        if whole is not (column.kind != "C"):
            whole = not whole
            text.append(f" MARKER{len(text)} 'MARKER' '{'INTORG' if whole else 'INTEND'}'")
        text.append(f" {name} cost {column.cost!r}")
        text += [f" {name} {row} {line.terms[name]!r}" for row, line in model.rows.items() if name in line.terms]
    text += [f" MARKER{len(text)} 'MARKER' 'INTEND'"] if whole else []
    text.append("RHS")
    for name, line in model.rows.items():
        text.append(f" RHS {name} {(line.lower if senses[name] == 'G' else line.upper)!r}")
    text += [f" RHS ball {model.radius!r}"] if model.ball else []
    ranges = {name: r.upper - r.lower for name, r in model.rows.items() if -INF < r.lower < r.upper < INF}
    text += ["RANGES", *(f" RNG {name} {width!r}" for name, width in ranges.items())] if ranges else []
    text.append("BOUNDS")
    for name, column in model.columns.items():
        if column.kind == "B":
            text.append(f" BV BND {name}")
            continue
        text.append(f" MI BND {name}" if column.lower == -INF else f" LO BND {name} {column.lower!r}")
        text.append(f" PL BND {name}" if column.upper == INF else f" UP BND {name} {column.upper!r}")
    if model.squares:  # the file has half of the matrix of second derivatives
        text += ["QUADOBJ", *(f" {name} {name} {2 * weight!r}" for name, weight in model.squares.items())]
    if model.ball:
        text += ["QCMATRIX ball", *(f" {name} {name} 1.0" for name in model.ball)]
    return "\n".join([*text, "ENDATA", ""])


# --- Gurobi's answer ------------------------------------------------------------------------------------------------


def build(
    env: gp.Env, model: Model, rows: frozenset[str] | None = None, bounds: frozenset[str] | None = None
) -> gp.Model:
    """The model in Gurobi: all of it, or the rows and bounds named, with types as they are and nothing else.

    Integers keep their types and binaries stay within 0 and 1, as in Gurobi's IIS.
    """
    made = gp.Model(env=env)
    made.Params.MIPGap = 0.0
    variables = {}
    for name, column in model.columns.items():
        held = bounds is None or name in bounds
        free = (0.0, 1.0) if column.kind == "B" else (-INF, INF)
        lower, upper = (column.lower, column.upper) if held else free
        variables[name] = made.addVar(lower, upper, 0.0, column.kind, name)
    for name, line in model.rows.items():
        if rows is not None and name not in rows:
            continue
        total = gp.LinExpr([(weight, variables[column]) for column, weight in line.terms.items()])
        if line.lower == line.upper:
            made.addLConstr(total, "=", line.upper)
            continue
        if line.lower > -INF:
            made.addLConstr(total, ">", line.lower)
        if line.upper < INF:
            made.addLConstr(total, "<", line.upper)
    if model.ball and (rows is None or "ball" in rows):
        made.addQConstr(gp.quicksum(variables[name] * variables[name] for name in model.ball) <= model.radius)
    if rows is None:
        cost = gp.LinExpr([(column.cost, variables[name]) for name, column in model.columns.items()])
        squares = gp.quicksum(weight * variables[name] * variables[name] for name, weight in model.squares.items())
        made.setObjective(cost + squares, GRB.MAXIMIZE if model.maximize else GRB.MINIMIZE)
    return made


def is_feasible(
    env: gp.Env, model: Model, rows: frozenset[str] | None = None, bounds: frozenset[str] | None = None
) -> bool:
    """Whether these rows and bounds, by default all, have a point."""
    with build(env, model, rows, bounds) as made:
        made.setObjective(0.0)
        made.optimize()
        assert made.Status in (GRB.OPTIMAL, GRB.INFEASIBLE, GRB.INF_OR_UNBD), made.Status
        return bool(made.Status == GRB.OPTIMAL)


def fresh(env: gp.Env, model: Model, presolve: int = -1) -> tuple[str, float | None]:
    """Status and objective of a state, built and solved by itself, with Gurobi's presolve or (0) without."""
    with build(env, model) as made:
        made.Params.Presolve = presolve
        return optimize(made)


def optimize(made: gp.Model) -> tuple[str, float | None]:
    """Status and objective of a model, which loses its objective where that may be unbounded."""
    made.Params.MIPGap = 0.0
    made.optimize()
    if made.Status == GRB.OPTIMAL:
        return "OPTIMAL", made.ObjVal
    assert made.Status in (GRB.INFEASIBLE, GRB.INF_OR_UNBD, GRB.UNBOUNDED), made.Status
    if made.Status == GRB.INFEASIBLE:
        return "INFEASIBLE", None
    made.setObjective(0.0)
    made.optimize()
    return ("UNBOUNDED" if made.Status == GRB.OPTIMAL else "INFEASIBLE"), None


def cheapest_repair(env: gp.Env, model: Model) -> float:
    """By how much sides of rows and bounds must give way in all; a binary stays within 0 and 1."""
    free = {
        name: Column(*((0.0, 1.0) if column.kind == "B" else (-INF, INF)), 0.0, column.kind)
        for name, column in model.columns.items()
    }
    with build(env, Model(free, {})) as made:
        made.update()
        variables = dict(zip(free, made.getVars(), strict=True))
        held = [(line.terms, line.lower, line.upper) for line in model.rows.values()]
        held += [({name: 1.0}, column.lower, column.upper) for name, column in model.columns.items()]
        for terms, lower, upper in held:
            total = gp.quicksum(weight * variables[name] for name, weight in terms.items())
            if lower > -INF:
                made.addLConstr(total + made.addVar(obj=1.0) >= lower)
            if upper < INF:
                made.addLConstr(total - made.addVar(obj=1.0) <= upper)
        status, cost = optimize(made)
        assert status == "OPTIMAL"
        assert cost is not None
        return cost
