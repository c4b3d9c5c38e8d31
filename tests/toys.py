"""Tiny models, written as LP files, that tests can reason about by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ordebug_plugin.generate import Wanted
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.solver import Judge
from ordebug_plugin.specification import Specification
from ordebug_plugin.truth import UNKNOWN, Truth

# What `make_benchmark` makes of it needs no specification, and is small.
PLANS = Wanted(families=("plans",))
# Two rows contradict each other by 3: `low` wants x >= 5, `high` x <= 2. Undoing `low` (x >= 1) restores z* = 1.
CONFLICT = """
Minimize
 obj: x + y
Subject To
 low: x >= 5
 high: x <= 2
 side: x + y <= 100
Bounds
 y <= 50
End
"""
# What `CONFLICT` should say: `low` contradicts it. Nobody asked for `side`, of which it says nothing.
CONFLICT_SPECIFICATION = """A baker plans a day. Cost is to be as low as possible.

y: Cakes, at most 50.
high: The oven is available for at most 2 hours.
low: A loaf (x) is wanted at least 1 time.
x: Loaves baked, at least 0.
"""
# Infeasible, and unbounded once `high` is gone.
UNBOUNDED_WITHOUT_HIGH = """
Maximize
 obj: x
Subject To
 low: x >= 5
 high: x <= 2
End
"""
FEASIBLE = """
Minimize
 obj: x
Subject To
 low: x >= 5
End
"""
# Every kind of row with a range, as MPS writes it.
RANGES = """NAME T
ROWS
 N obj
 L le
 G ge
 E eq
 G need
COLUMNS
 x obj 1
 x le 1
 x ge 1
 x need 1
 y eq 1
 y obj 1
RHS
 RHS le 4
 RHS ge 3
 RHS eq 5
 RHS need 7
RANGES
 RNG le 2
 RNG ge 2
 RNG eq -2
ENDATA
"""


def market_split(columns: int = 30) -> str:
    """A market split instance (Cornuéjols and Dawande 1998): tiny, and far too hard for a small work limit."""
    rows, state = 4, 12345
    lines = ["Minimize", " obj: x0", "Subject To"]
    for row in range(rows):
        weights = []
        for _ in range(columns):
            state = state * 1103515245 + 12345 & 0x7FFFFFFF
            weights.append(state // 65536 % 100)
        terms = " + ".join(f"{weight} x{column}" for column, weight in enumerate(weights))
        lines.append(f" r{row}: {terms} = {sum(weights) // 2}")
    lines += ["Binary", " " + " ".join(f"x{column}" for column in range(columns)), "End"]
    return "\n".join(lines)


def write_problem(path: Path, text: str, truth: Truth = UNKNOWN) -> Problem:
    """Writes a model file and returns it as a problem."""
    path.write_text(text, encoding="utf-8")
    return Problem(
        id=path.name.partition(".")[0],
        path=path,
        content_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
        truth=truth,
    )


def describe(benchmark: Path, words: str) -> None:
    """Gives every problem of a benchmark a specification that says the same words of each row and variable."""
    index = json.loads((benchmark / "dataset.json").read_text())
    problems = load_benchmark(benchmark).problems
    (benchmark / "specs").mkdir(exist_ok=True)
    with Judge() as judge:
        for record, problem in zip(index["problems"], problems, strict=True):
            shape = judge.shape(problem)
            specification = Specification(words, dict.fromkeys((*shape.rows, *shape.variables), words))
            record["specification_file"] = f"specs/{problem.id}.txt"
            (benchmark / record["specification_file"]).write_text(str(specification))
    (benchmark / "dataset.json").write_text(json.dumps(index))


def answer(action: str) -> str:
    """A well-formed answer around an action."""
    return f"<think>\nbecause\n</think>\n\nAction: {action}"
