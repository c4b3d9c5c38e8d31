"""What every family of models promises, checked on a draft. Shared by the tests of all families."""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections import Counter
from pathlib import Path

from ordebug_plugin.generate.family import Draft, Family, Size, number
from ordebug_plugin.generate.model import Sense
from ordebug_plugin.generate.themes import THEMES
from ordebug_plugin.problem import load_problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status

ROWS = {Size.SMALL: range(5, 21), Size.MEDIUM: range(21, 121), Size.LARGE: range(121, 1501)}
# feasRelax adds a column for each row (two for an equality) and for each finite bound; the licence allows 2000.
MOST_COLUMNS_RELAXED = 1950
MOST_TERMS = 40
_NAME = re.compile(r"[A-Za-z0-9_]+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")


def draw(family: Family, size: Size, seed: int) -> Draft:
    """A draft, in one theme after the other."""
    themes = list(THEMES.values())
    return family.draw(random.Random(f"{family.name}/{size}/{seed}"), size, themes[seed % len(themes)])


def assert_sound(draft: Draft, size: Size) -> None:
    """Names, sizes, numbers, and a statement for every element with all of its data."""
    _assert_names(draft)
    _assert_sizes(draft, size)
    _assert_numbers(draft)
    _assert_statements(draft)


def assert_has_an_optimum(judge: Judge, draft: Draft, folder: Path) -> None:
    """Gurobi reads the MPS text as it was meant, and finds a finite optimum that costs something."""
    path = folder / f"{hashlib.sha256(draft.model.to_mps().encode()).hexdigest()[:16]}.mps"
    path.write_text(draft.model.to_mps(), encoding="utf-8")
    problem = load_problem(path)
    shape = judge.shape(problem)
    assert list(shape.rows) == [row.name for row in draft.model.rows]
    assert {name: (bounds.lower, bounds.upper) for name, bounds in shape.variables.items()} == {
        column.name: (column.lower, column.upper) for column in draft.model.columns
    }
    assert shape.binaries | shape.integers == {column.name for column in draft.model.columns if column.integer}
    verdict = judge.solve(problem)
    assert verdict.status is Status.OPTIMAL
    assert verdict.objective is not None
    assert verdict.objective > 0


def _assert_names(draft: Draft) -> None:
    elements = (*draft.model.rows, *draft.model.columns)
    names = Counter(element.name for element in elements)
    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if not _NAME.fullmatch(name)] == []
    assert [element.name for element in elements if not element.role] == []
    columns = {column.name for column in draft.model.columns}
    used = set()
    for row in draft.model.rows:
        variables = [name for name, _ in row.terms]
        assert len(variables) == len(set(variables)), row.name
        assert set(variables) <= columns, row.name
        assert row.big_m is None or row.big_m in variables, row.name
        used |= set(variables)
    assert used == columns


def _assert_sizes(draft: Draft, size: Size) -> None:
    rows, columns = draft.model.rows, draft.model.columns
    assert len(rows) in ROWS[size], f"{len(rows)} rows"
    assert [row.name for row in rows if not 1 <= len(row.terms) <= MOST_TERMS] == []
    bounds = sum(math.isfinite(bound) for column in columns for bound in (column.lower, column.upper))
    relaxed = len(columns) + len(rows) + sum(row.sense is Sense.EQUAL for row in rows) + bounds
    assert relaxed <= MOST_COLUMNS_RELAXED


def _assert_numbers(draft: Draft) -> None:
    """No more than two decimals, as people write them, and no empty interval."""
    for row in draft.model.rows:
        values = [row.rhs, *(value for _, value in row.terms)]
        assert all(math.isfinite(value) and value == round(value, 2) for value in values), row
        assert all(value != 0 for _, value in row.terms), row
    for column in draft.model.columns:
        assert column.lower <= column.upper, column
        bounds = [bound for bound in (column.lower, column.upper) if math.isfinite(bound)]
        assert all(value == round(value, 2) for value in (column.cost, *bounds)), column
        assert not column.integer or all(bound == int(bound) for bound in bounds), column


def _assert_statements(draft: Draft) -> None:
    elements = {element.name: element for element in (*draft.model.rows, *draft.model.columns)}
    assert set(draft.statements) == set(elements)
    assert draft.overview.strip()
    assert "\n" not in draft.overview
    for name, statement in draft.statements.items():
        assert statement.strip(), name
        assert "\n" not in statement, name
        named = _PLACEHOLDER.findall(statement)
        assert set(named) <= set(elements), name
        assert not set("{}") & set(_PLACEHOLDER.sub("", statement)), name
    for row in draft.model.rows:
        statement = draft.statements[row.name]
        assert {variable for variable, _ in row.terms} <= set(_PLACEHOLDER.findall(statement)), row.name
        data = [value for _, value in row.terms if abs(value) != 1] + [row.rhs] * (row.rhs != 0)
        _assert_says(statement, data)
    for column in draft.model.columns:
        bounds = [bound for bound in (column.lower, column.upper) if math.isfinite(bound) and bound != 0]
        if column.integer and (column.lower, column.upper) == (0, 1):
            bounds = []  # said as yes or no
        _assert_says(draft.statements[column.name], bounds)


def _assert_says(statement: str, values: list[float]) -> None:
    said = set(_NUMBER.findall(_PLACEHOLDER.sub("", statement)))
    missing = {number(abs(value)) for value in values} - said
    assert not missing, f"{sorted(missing)} not in: {statement}"
