"""Makes a benchmark in the public layout, every problem proven by the judge.

A problem is accepted only when the solver says that the original has an optimum, that the broken model is
infeasible, and that the recorded fix restores the original objective; else it is drawn again. Names are neutral and
random, rows and columns shuffled, so that nothing but the mathematics tells where the fault is.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

from ordebug_plugin.edits import NO_EDITS, apply_action
from ordebug_plugin.errors import InputError, ProblemError
from ordebug_plugin.files import make_folder, write_text
from ordebug_plugin.generate.model import LinearModel
from ordebug_plugin.generate.production import FAULTS, Fault, draw_plan
from ordebug_plugin.problem import INDEX_NAME, load_problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import IIS, Status

# Share of problems with two faults; most of them take two actions.
TWO_FAULTS = 0.2
# Numbers in names are unique within a problem, over rows and variables: a copied number is never ambiguous.
NAME_NUMBERS = range(10, 100)


@dataclass(frozen=True)
class BenchmarkReport:
    """What was made.

    Attributes:
        path: The benchmark folder.
        n: Number of problems.
        redrawn: Draws thrown away, because the solver did not confirm them or they were in `exclude`.
        by_type: Problems per fault type.
    """

    path: Path
    n: int
    redrawn: int
    by_type: Mapping[str, int]


@dataclass(frozen=True)
class _Draft:
    """A problem before the solver saw it, under its final names."""

    error_type: str
    original: LinearModel
    faults: tuple[Fault, ...]
    structure_hash: str

    @property
    def broken(self) -> LinearModel:
        """The model with all faults in it."""
        return self.faults[-1].model


@dataclass(frozen=True)
class _Proof:
    """What the solver found: the objective before the fault, and the conflict after it."""

    objective: float
    iis: IIS


def make_benchmark(
    out: Path,
    *,
    n: int,
    seed: int,
    exclude: Set[str] = frozenset(),
    on_progress: Callable[[int], None] | None = None,
) -> BenchmarkReport:
    """Writes ``out/dataset.json`` and ``out/models/*.mps``; the same seed gives the same bytes.

    Args:
        out: A folder that does not exist yet, or is empty.
        n: Number of problems.
        seed: Problem i depends on (seed, i) alone, as long as `exclude` rejects nothing.
        exclude: Structure hashes (`structure_hashes`) that must not appear, e.g. those of the training problems.
        on_progress: Called with the number of problems done, after each.

    Raises:
        InputError: `n` is below 1, or `out` holds files.
        SolverError: Gurobi failed.
    """
    if n < 1:
        raise InputError(f"the number of problems must be at least 1, not {n}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not empty: name a new folder, or delete it first")
    make_folder(out / "models")
    taken = set(exclude)
    records = []
    redrawn = 0
    with Judge() as judge, tempfile.TemporaryDirectory() as scratch:
        for index in range(n):
            draft, proof, attempts = _draw_proven(judge, f"{seed}/{index}", taken, Path(scratch))
            redrawn += attempts - 1
            taken.add(draft.structure_hash)
            record = _record(f"p{index:05d}", draft, proof)
            write_text(out / str(record["model_file"]), draft.broken.to_mps())
            records.append(record)
            if on_progress is not None:
                on_progress(index + 1)
    dataset = {"dataset_name": out.name, "seed": seed, "num_problems": n, "problems": records}
    write_text(out / INDEX_NAME, json.dumps(dataset, indent=1) + "\n")
    return BenchmarkReport(out, n, redrawn, Counter(str(record["error_type"]) for record in records))


def structure_hashes(path: Path) -> frozenset[str]:
    """Hashes of the problems in a folder made by `make_benchmark`, before random names and order.

    Two problems that are the same model under other names share the hash, which the content hash of a file misses.

    Raises:
        ProblemError: The folder holds no index made here.
    """
    try:
        index = json.loads((path / INDEX_NAME).read_text(encoding="utf-8"))
        return frozenset(record["structure_hash"] for record in index["problems"])
    except OSError as error:
        raise ProblemError(f"{path / INDEX_NAME} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ProblemError(
            f"{path} was not made by `ordebug bench make`: its problems have no structure_hash"
        ) from error


def _draw_proven(judge: Judge, seed: str, taken: Set[str], scratch: Path) -> tuple[_Draft, _Proof, int]:
    """Draws until the solver confirms a problem that is not taken; returns it with the number of draws."""
    for attempt in itertools.count():  # about five draws in six are confirmed
        draft = _draw(random.Random(f"{seed}/{attempt}"))
        proof = None if draft.structure_hash in taken else _prove(judge, draft, scratch)
        if proof is not None:
            return draft, proof, attempt + 1
    raise AssertionError("unreachable: count() does not end")


def _draw(rng: random.Random) -> _Draft:
    original = draw_plan(rng)
    kinds = rng.sample(sorted(FAULTS), 2 if rng.random() < TWO_FAULTS else 1)
    faults: list[Fault] = []
    for kind in kinds:
        faults.append(FAULTS[kind](rng, faults[-1].model if faults else original))
    broken = faults[-1].model
    numbers = iter(rng.sample(NAME_NUMBERS, len(broken.rows) + len(broken.columns)))
    names = {row.name: f"r{next(numbers)}" for row in broken.rows}
    names |= {column.name: f"v{next(numbers)}" for column in broken.columns}
    order = {name: place for place, name in enumerate(rng.sample(sorted(names), len(names)))}
    return _Draft(
        error_type="double" if len(kinds) > 1 else kinds[0],
        original=_neutral(original, names, order),
        faults=tuple(
            Fault(
                model=_neutral(fault.model, names, order),
                rows=tuple(names[row] for row in fault.rows),
                variables=tuple(names[variable] for variable in fault.variables),
                added_rows=tuple(names[row] for row in fault.added_rows),
                fix=replace(fault.fix, target=names[fault.fix.target or ""]),
            )
            for fault in faults
        ),
        structure_hash=hashlib.sha256(broken.to_mps().encode()).hexdigest(),
    )


def _neutral(model: LinearModel, names: Mapping[str, str], order: Mapping[str, int]) -> LinearModel:
    rows = tuple(sorted(model.rows, key=lambda row: order[row.name]))
    columns = tuple(sorted(model.columns, key=lambda column: order[column.name]))
    return LinearModel(rows, columns).renamed(names)


def _prove(judge: Judge, draft: _Draft, scratch: Path) -> _Proof | None:
    """Asks the solver for every claim the record will make; None where one does not hold."""
    original_path, broken_path = scratch / "original.mps", scratch / "broken.mps"
    original_path.write_text(draft.original.to_mps(), encoding="utf-8")
    broken_path.write_text(draft.broken.to_mps(), encoding="utf-8")
    original = judge.solve(load_problem(original_path))
    problem = load_problem(broken_path)
    if original.status is not Status.OPTIMAL or original.objective is None:
        return None
    if judge.solve(problem).status is not Status.INFEASIBLE:
        return None  # two faults can cancel out
    shape = judge.shape(problem)
    edits = NO_EDITS
    for fault in draft.faults:
        edits = apply_action(shape, edits, fault.fix)
        others = NO_EDITS
        for other in draft.faults:
            others = others if other is fault else apply_action(shape, others, other.fix)
        # Each fault counts: with every other one undone the model must still be infeasible.
        if judge.solve(problem, others).status is not Status.INFEASIBLE:
            return None
    repaired = judge.solve(problem, edits)
    tolerance = 1e-6 * max(1.0, abs(original.objective))
    if repaired.objective is None or abs(repaired.objective - original.objective) > tolerance:
        return None
    iis = judge.iis(problem)
    return None if iis is None else _Proof(original.objective, iis)


def _record(problem_id: str, draft: _Draft, proof: _Proof) -> dict[str, object]:
    def names(field: Callable[[Fault], tuple[str, ...]]) -> list[str]:
        return [name for fault in draft.faults for name in field(fault)]

    difficulty = "easy" if len(proof.iis.rows) <= 2 else "medium"
    if len(draft.faults) > 1:
        difficulty = "hard"
    return {
        "problem_id": problem_id,
        "model_file": f"models/{problem_id}.mps",
        "error_type": draft.error_type,
        "difficulty": difficulty,
        "culprit": {"rows": names(lambda fault: fault.rows), "variables": names(lambda fault: fault.variables)},
        "added_rows": names(lambda fault: fault.added_rows),
        "fix": [str(fault.fix) for fault in draft.faults],
        "original_objective": proof.objective,
        "initial_status": str(Status.INFEASIBLE),
        "n_variables": len(draft.broken.columns),
        "n_constraints": len(draft.broken.rows),
        "iis_constraints": list(proof.iis.rows),
        "iis_bounds": list(proof.iis.bounds),
        "structure_hash": draft.structure_hash,
    }
