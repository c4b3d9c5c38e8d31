"""A model under edits as the text of a file: what somebody takes home. It is read back, and must be the same."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gurobipy as gp

from ordebug_plugin.edits import Edits, effective
from ordebug_plugin.errors import InputError, OrdebugError, SolverError
from ordebug_plugin.interval import Interval, rounding
from ordebug_plugin.problem import load_problem
from ordebug_plugin.solver.loaded import Loaded, read
from ordebug_plugin.solver.others import others
from ordebug_plugin.solver.outlining import outline

FORMATS = (".lp", ".mps")
# An .lp file loses the 16th digit of some numbers, and what is said of sides in `interval.rounding`.
_LAST_DIGITS = 1e-12
# Gurobi gives every name of an MPS file away where one of them has a colon, or two are the same. So it writes these.
_PLACEHOLDER = "__ordebug_{}__"
_PLACEHOLDERS = re.compile(rb"__ordebug_(\d+)__")


def written(loaded: Loaded, edits: Edits, suffix: str, env: gp.Env) -> bytes:
    """The file of a model under edits. Dropped rows are left out; of rows that share a name, each gets its own.

    Args:
        loaded: The model, with the rows rewritten that the edits rewrite (`Loaded.rewritten`).
        edits: What was changed.
        suffix: One of `FORMATS`.
        env: Reads the file back.

    Raises:
        InputError: The format cannot hold the model: what was read back is another one.
        SolverError: Gurobi cannot write it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        with _edited(loaded, edits) as model:
            names = _disguise(model) if suffix == ".mps" else []
            try:
                model.write(str(path))
            except gp.GurobiError as error:
                raise SolverError(f"Gurobi cannot write this model as {suffix}: {error}") from error
        data = _PLACEHOLDERS.sub(lambda match: names[int(match[1])], path.read_bytes()) if names else path.read_bytes()
        path.write_bytes(data)
        _check(loaded, edits, path, env)
    return data


def _edited(loaded: Loaded, edits: Edits) -> gp.Model:
    """A copy with the edits in it, and nothing that only serves to take them out again."""
    loaded.carry(edits)
    model = loaded.search.copy()
    model.ModelName = loaded.model.ModelName
    constrs, columns = model.getConstrs(), model.getVars()
    dropped = edits.dropped()
    for name, row in loaded.rows.all():
        constr, slack = constrs[row.constr.index], None if row.slack is None else columns[row.slack.index]
        if name in dropped:
            model.remove(constr)
        elif name in loaded.shape.aliases:
            constr.ConstrName = name
        if slack is None:
            continue
        if name in dropped or edits.row(loaded.shape, name).sense != "in":
            model.remove(slack)
        else:  # by this name it is read as part of the row
            slack.VarName = f"Rg{name}" if f"Rg{name}" not in loaded.places else f"MPS_Rg{name}"
    for name in loaded.shape.aliases.keys() & loaded.places.keys():
        columns[loaded.places[name]].VarName = name
    model.update()
    return model


def _disguise(model: gp.Model) -> list[bytes]:
    """Gives everything a plain name; returns the true ones."""
    named: list[tuple[str, list[Any]]] = [
        ("ConstrName", model.getConstrs()),
        ("VarName", model.getVars()),
        ("QCName", model.getQConstrs()),
        ("GenConstrName", model.getGenConstrs()),
    ]
    names: list[bytes] = []
    for attribute, items in named:
        for item in items:
            if name := item.getAttr(attribute):
                item.setAttr(attribute, _PLACEHOLDER.format(len(names)))
                names.append(name.encode())
    return names


def _check(loaded: Loaded, edits: Edits, path: Path, env: gp.Env) -> None:
    """Reads a file back.

    Raises:
        InputError: It is another model, or none.
    """
    advice = (
        f"{path.suffix} cannot hold this model; choose a name ending in {' or '.join(set(FORMATS) - {path.suffix})}"
    )
    try:
        again = read(load_problem(path), env, loaded.search.work_limit)
    except SolverError:
        raise
    except OrdebugError as error:
        raise InputError(f"the repaired model cannot be read back: {error}. {advice}") from error
    try:
        for complaint in _differences(loaded, edits, again):
            raise InputError(f"the repaired model reads back as another one: {complaint}. {advice}")
    finally:
        again.dispose()


def _differences(loaded: Loaded, edits: Edits, again: Loaded) -> Iterator[str]:
    shape, found = loaded.shape, again.shape
    dropped = edits.dropped()
    yield from _unlike("row", [name for name in shape.rows if name not in dropped], found.rows)
    yield from _unlike("variable", shape.variables, found.variables)
    for name, interval in found.rows.items():
        if not _same_sides(interval, edits.row(shape, name)):
            yield f"the sides of row {name!r} differ"
        if not _same_terms(dict(found.terms[name]), dict(edits.terms(shape, name))):
            yield f"the coefficients of row {name!r} differ"
    for name, bounds in found.variables.items():
        if not _same_sides(effective(found, name, bounds), effective(shape, name, edits.variable(shape, name))):
            yield f"the bounds of variable {name!r} differ"
        if (name in found.binaries | found.integers) != (name in shape.binaries | shape.integers):
            yield f"the type of variable {name!r} differs"
    ours, theirs = outline(loaded), outline(again)
    if ours.maximize != theirs.maximize or not _same(ours.constant, theirs.constant):
        yield "the direction or the constant of the objective differs"
    if not _same_terms(ours.costs, theirs.costs):
        yield "the coefficients of the objective differ"
    if others(again) != others(loaded):
        yield "what is not linear differs"


def _same(one: float, two: float, room: float = 0.0) -> bool:
    """Whether two numbers are the same but for their last digits."""
    return math.isclose(one, two, rel_tol=_LAST_DIGITS, abs_tol=room)


def _same_sides(one: Interval, two: Interval) -> bool:
    room = rounding(two)
    return _same(one.lower, two.lower, room) and _same(one.upper, two.upper, room)


def _same_terms(one: Mapping[str, float], two: Mapping[str, float]) -> bool:
    return all(_same(one.get(name, 0.0), two.get(name, 0.0)) for name in {**one, **two})


def _unlike(noun: str, expected: Any, found: Mapping[str, Interval]) -> Iterator[str]:
    for name in expected:
        if name not in found:
            yield f"{noun} {name!r} is not in it"
    if len(found) != len(expected):
        yield f"it has {len(found)} {noun}s, not {len(expected)}"
