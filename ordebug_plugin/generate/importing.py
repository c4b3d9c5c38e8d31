"""Benchmarks of model files that somebody else wrote: infeasible as they are, or feasible with faults put in.

An infeasible file is taken byte for byte; nobody knows what is at fault, so its record has no culprit and no original
objective, and repairs are measured by minimality. Of a feasible one with an optimum, broken models are made by the
slips of our own benchmarks, proven as those are, and written under the names of the file.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ordebug_plugin.errors import InputError, ProblemError, SolverError
from ordebug_plugin.files import check_new_folder, make_folder, write_text
from ordebug_plugin.generate.difficulty import difficulty
from ordebug_plugin.generate.faults import FAULTS
from ordebug_plugin.generate.foreign import place_added, read_linear_model
from ordebug_plugin.generate.instance import Instance, structure_hash
from ordebug_plugin.generate.model import LinearModel
from ordebug_plugin.generate.proof import Bench, Proof, prove
from ordebug_plugin.generate.record import labels
from ordebug_plugin.generate.undo import undo
from ordebug_plugin.guarded import check_gurobi
from ordebug_plugin.model_files import model_file
from ordebug_plugin.parallel import Crew, call_each, judge_of
from ordebug_plugin.problem import INDEX_NAME, MODEL_SUFFIXES, Problem, load_problem
from ordebug_plugin.scratch import scratch_folder
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, Judge, reading_messages
from ordebug_plugin.specification import Specification
from ordebug_plugin.verdict import Status
from ordebug_plugin.verify.facts import find_facts
from ordebug_plugin.workers import Lost

# Faults drawn for each that is wanted: the first half must be as hard to guess as ours, the rest need only be true,
# unless their kind says more (`Fault.strict`).
_TRIES = 60


@dataclass(frozen=True)
class Refused:
    """A file that gave fewer problems than wanted.

    Attributes:
        path: The file.
        reason: Why.
    """

    path: Path
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What was written.

    Attributes:
        path: The benchmark folder.
        infeasible: Files that were infeasible as they are.
        broken: Problems made of feasible files.
        refused: Files that gave fewer problems than wanted, or none.
        warnings: (file, what Gurobi found odd in it), for files that it can read.
    """

    path: Path
    infeasible: int
    broken: int
    refused: tuple[Refused, ...]
    warnings: tuple[tuple[Path, str], ...] = ()


def import_models(  # noqa: PLR0913  # all but two by keyword
    sources: Sequence[Path],
    out: Path,
    *,
    faults: Sequence[str] = tuple(FAULTS),
    per_model: int = 1,
    seed: int = 0,
    work_limit: float = DEFAULT_WORK_LIMIT,
    workers: Crew = 0,
    on_progress: Callable[[Path], None] | None = None,
) -> ImportReport:
    """Writes a benchmark folder of model files.

    Args:
        sources: Model files, and folders of them.
        out: A folder that does not exist yet, or is empty.
        faults: Kinds of faults that are put into feasible models.
        per_model: Broken models wanted of each feasible one.
        seed: The broken models of a file depend on its content and on this.
        work_limit: Gurobi work units for one solve.
        workers: Who works; the result does not depend on it.
        on_progress: Called with every file that is done.

    Raises:
        InputError: There is no model file, or `out` holds files.
        SolverError: Gurobi failed.
    """
    paths = model_files(sources)
    check_new_folder(out)
    check_gurobi(work_limit=work_limit)
    make_folder(out / "models")
    loaded = [_load(path) for path in paths]
    draws = _Draws(tuple(faults), per_model, seed)
    calls = [
        (work_limit, problem, f"m{number:04d}", draws)
        for number, problem in enumerate(loaded)
        if isinstance(problem, Problem)
    ]
    records: list[dict[str, object]] = []
    refused: list[Refused] = []
    warnings: list[tuple[Path, str]] = []
    infeasible = 0
    left = iter(zip(paths, loaded, strict=True))

    def keep(examined: _Examined | Lost) -> None:
        nonlocal infeasible
        path, problem = next(left)
        while not isinstance(problem, Problem):
            refuse(path, problem.reason)
            path, problem = next(left)
        if isinstance(examined, Lost):
            refuse(path, examined.reason)
            return
        if examined.error is not None:
            raise examined.error
        infeasible += examined.is_infeasible
        warnings.extend((path, message) for message in examined.warnings)
        for record, text in examined.problems:
            records.append(record)
            if text is None:
                shutil.copyfile(path, out / str(record["model_file"]))
            else:
                write_text(out / str(record["model_file"]), text)
        if examined.refused is not None:
            refused.append(Refused(path, examined.refused))
        if on_progress is not None:
            on_progress(path)

    def refuse(path: Path, reason: str) -> None:
        refused.append(Refused(path, reason))
        if on_progress is not None:
            on_progress(path)

    call_each(examine, calls, workers=workers, on_done=keep)
    for path, problem in left:
        if isinstance(problem, Refused):
            refuse(path, problem.reason)
    if not records:
        reasons = "; ".join(
            [f"{one.path.name}: {one.reason}" for one in refused]
            + [f"{path.name}: Gurobi says: {message}" for path, message in warnings]
        )
        raise InputError(f"no problem could be made of these files: {reasons}")
    dataset = {"dataset_name": out.name, "seed": seed, "num_problems": len(records), "problems": records}
    write_text(out / INDEX_NAME, json.dumps(dataset, indent=1, ensure_ascii=False) + "\n")
    return ImportReport(out, infeasible, len(records) - infeasible, tuple(refused), tuple(warnings))


def model_files(sources: Sequence[Path]) -> list[Path]:
    """The model files among some paths, those in folders sorted by name.

    Raises:
        InputError: A path does not exist, or there is no model file.
    """
    found: list[Path] = []
    for source in sources:
        if not source.exists():
            raise InputError(f"{source} not found: name model files ({', '.join(MODEL_SUFFIXES)}), or folders of them")
        inside = sorted(path for path in source.iterdir() if path.is_file()) if source.is_dir() else [source]
        found += [path for path in inside if path.name.endswith(MODEL_SUFFIXES) or not source.is_dir()]
    if not found:
        raise InputError(f"no model file ({', '.join(MODEL_SUFFIXES)}) in {', '.join(map(str, sources))}")
    return found


def _load(path: Path) -> Problem | Refused:
    try:
        return load_problem(path)
    except ProblemError as error:
        return Refused(path, str(error))


@dataclass(frozen=True)
class _Draws:
    """What is to be put into a feasible model; see `import_models`."""

    faults: tuple[str, ...]
    per_model: int
    seed: int


@dataclass(frozen=True)
class _Examined:
    """What came of a file: records, each with its model as text, or None where the file is taken as it is."""

    problems: tuple[tuple[dict[str, object], str | None], ...] = ()
    is_infeasible: bool = False
    refused: str | None = None
    warnings: tuple[str, ...] = ()
    error: SolverError | None = None


def examine(work_limit: float, problem: Problem, name: str, draws: _Draws) -> _Examined:
    """What a worker does; an error of it is a result like any other.

    Args:
        work_limit: See `import_models`.
        problem: The file.
        name: Of its problem, or the beginning of theirs.
        draws: What to do with a feasible one.
    """
    judge = judge_of(work_limit)
    warnings: tuple[str, ...] = ()
    try:
        if judge.shape(problem).is_empty:  # a file that cannot be read is refused with its messages
            return _Examined(refused="there is no row and no variable in it")
        with model_file(problem) as path:
            warnings = reading_messages(path)
        if judge.solve(problem).status is Status.INFEASIBLE:
            record = _infeasible_record(judge, problem, name)
            return _Examined(((record, None),), is_infeasible=True, warnings=warnings)
        made = list(_break(Bench(judge, scratch_folder()), problem, draws))
    except ProblemError as error:
        return _Examined(refused=str(error), warnings=warnings)
    except SolverError as error:
        return _Examined(error=error)
    reason = f"{len(made)} of {draws.per_model} faults were found that make it infeasible, and can be proven"
    return _Examined(
        tuple(_broken_record(problem.path, name, place, one) for place, one in enumerate(made)),
        refused=reason if len(made) < draws.per_model else None,
        warnings=warnings,
    )


@dataclass(frozen=True)
class _Broken:
    fault: str
    instance: Instance
    proof: Proof
    original: LinearModel
    structure_hash: str
    strict: bool


def _infeasible_record(judge: Judge, problem: Problem, name: str) -> dict[str, object]:
    shape, iis, facts = judge.shape(problem), judge.iis(problem), find_facts(judge, problem)
    suffix = next(suffix for suffix in MODEL_SUFFIXES if problem.path.name.endswith(suffix))
    return {
        "problem_id": name,
        "model_file": f"models/{name}{suffix}",
        "source": problem.path.name,
        "action_set": "extended",
        "problem_type": "mip" if shape.binaries | shape.integers else "lp",
        "n_variables": len(shape.variables),
        "n_constraints": len(shape.rows),
        "initial_status": str(Status.INFEASIBLE),
        **({} if iis is None else {"iis_constraints": list(iis.rows), "iis_bounds": list(iis.bounds)}),
        "facts": asdict(facts),
    }


def _break(bench: Bench, problem: Problem, draws: _Draws) -> list[_Broken]:
    """Broken models of a feasible one, no two alike.

    Raises:
        ProblemError: The model has no optimum, or is not linear.
    """
    verdict = bench.judge.solve(problem)
    if verdict.status is not Status.OPTIMAL or verdict.objective is None:
        raise ProblemError(
            f"the model is {verdict.status}: only an infeasible one, or one with an optimum, can be used"
        )
    model = read_linear_model(bench.judge, problem)
    objective = bench.judge.solve(bench.load("original", model)).objective
    if objective is None:
        raise ProblemError("the model has no optimum once it is written as MPS")
    rng = random.Random(f"{draws.seed}/{problem.content_hash}")
    made: list[_Broken] = []
    taken: set[str] = set()
    for attempt in range(_TRIES * draws.per_model):
        fault = FAULTS[rng.choice(draws.faults)]
        broken = fault.break_(rng, model)
        if broken is None or broken == model or structure_hash(broken) in taken:
            continue
        placed = place_added(rng, model, broken)
        if placed is None:
            continue
        instance = Instance(*placed, undo(*placed), Specification("", {}))
        strict = fault.strict or 2 * attempt < _TRIES * draws.per_model
        proof = prove(bench, instance, objective, plain=not strict)
        if proof is not None and fault.holds(proof.evidence):
            made.append(_Broken(fault.name, instance, proof, model, structure_hash(broken), strict))
            taken.add(structure_hash(broken))
        if len(made) == draws.per_model:
            break
    return made


def _broken_record(source: Path, name: str, place: int, made: _Broken) -> tuple[dict[str, object], str]:
    problem_id = f"{name}f{place}"
    pairs = zip(made.instance.original.rows, made.original.rows, strict=True)
    renamed = {new.name: old.name for new, old in pairs if new.name != old.name}
    record = {
        "problem_id": problem_id,
        "model_file": f"models/{problem_id}.mps",
        "source": source.name,
        "error_type": made.fault,
        "difficulty": str(difficulty(made.proof)),
        "strict": made.strict,
        **labels(made.instance, made.proof),
        "structure_hash": made.structure_hash,
        "original_hash": structure_hash(made.original),
        **({"renamed_rows": renamed} if renamed else {}),
    }
    return record, made.instance.broken.to_mps()
