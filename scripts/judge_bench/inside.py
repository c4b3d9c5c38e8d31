"""Time inside Gurobi."""

from __future__ import annotations

import time
from typing import Any

import gurobipy as gp

from judge_bench.apart import KEEP_ALL
from judge_bench.script import Script, edits_of
from ordebug_plugin.edits import Edits
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge, loaded
from ordebug_plugin.solver.rows import Row
from ordebug_plugin.verdict import Status

_WRITE = Row._write  # a row of Gurobi cannot be stood in for


class Clocked:
    """A Gurobi model of which every call and attribute is timed; changes of variables are not."""

    seconds = 0.0
    calls = 0

    def __init__(self, model: gp.Model) -> None:
        object.__setattr__(self, "_model", model)

    def __getattr__(self, name: str) -> Any:  # noqa: D105
        began = time.perf_counter()
        value = getattr(self._model, name)
        if not callable(value):
            Clocked.seconds += time.perf_counter() - began
            Clocked.calls += 1
            return value

        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                result = value(*arguments)
            finally:
                Clocked.seconds += time.perf_counter() - began
                Clocked.calls += 1
            return Clocked(result) if isinstance(result, gp.Model) else result

        return call

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: D105
        setattr(self._model, name, value)

    def __enter__(self) -> Clocked:  # noqa: D105
        return self

    def __exit__(self, *_: object) -> None:  # noqa: D105
        self._model.dispose()


class ClockedModule:
    """gurobipy, with models that are timed."""

    def __getattr__(self, name: str) -> Any:  # noqa: D105
        return getattr(gp, name)

    def read(self, path: str, env: gp.Env) -> Clocked:
        """Reads a model."""
        began = time.perf_counter()
        model = gp.read(path, env)
        Clocked.seconds += time.perf_counter() - began
        Clocked.calls += 1
        return Clocked(model)


def _clocked_write(row: Row, sense: str, side: float) -> None:
    """What writes a side into a row, and nothing but that."""
    began = time.perf_counter()
    _WRITE(row, sense, side)
    Clocked.seconds += time.perf_counter() - began
    Clocked.calls += 1


def gurobi_share(scripts: list[Script]) -> float:
    """Share of the judge's time inside Gurobi: the questions of the scripts alone, each new to it.

    The time inside is taken with clocks around every call, and that of the whole without them, for they take as long
    as some of the calls; what a clock adds to its own call is taken off.
    """
    with Judge(models_kept=1) as planner:
        asked = [(script.problem, edits_of(planner, script)) for script in scripts]
    whole = _ask(asked)
    Clocked.seconds, Clocked.calls = 0.0, 0
    loaded.gp = ClockedModule()  # type: ignore[attr-defined,assignment]
    Row._write = _clocked_write  # type: ignore[method-assign]
    try:
        _ask(asked)
    finally:
        loaded.gp = gp  # type: ignore[attr-defined]
        Row._write = _WRITE  # type: ignore[method-assign]
    return (Clocked.seconds - Clocked.calls * _clock_cost()) / whole


def _ask(asked: list[tuple[Problem, list[Edits]]]) -> float:
    """Seconds until a new judge has answered everything; until it has closed, for Gurobi frees its models too."""
    began = time.perf_counter()
    with Judge(models_kept=KEEP_ALL) as judge:
        started = time.perf_counter() - began
        for problem, states in asked:
            for edits in states:
                if judge.solve(problem, edits).status is Status.INFEASIBLE:
                    judge.iis(problem, edits)
    return time.perf_counter() - began - started


def _clock_cost(n: int = 10_000) -> float:
    """Seconds that two looks at the clock see of each other."""
    began = time.perf_counter()
    for _ in range(n):
        time.perf_counter()
    return (time.perf_counter() - began) / n
