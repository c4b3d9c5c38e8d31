"""Makes a benchmark in the public layout, every problem proven by the judge (`proof`)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError, ProblemError, SolverError
from ordebug_plugin.files import check_new_folder, make_folder, write_text
from ordebug_plugin.generate.drawing import PLANS_TRIED_FIRST, Made, Wanted, draw_proven
from ordebug_plugin.generate.record import labels
from ordebug_plugin.guarded import check_gurobi
from ordebug_plugin.parallel import Crew, call_each
from ordebug_plugin.problem import INDEX_NAME
from ordebug_plugin.workers import Lost

# Other problems drawn in place of one that is there already or excluded.
_OTHERS_TRIED = 50
# The labels by which a benchmark is counted in its report.
_COUNTED = ("family", "error_type", "size", "difficulty", "theme")


@dataclass(frozen=True)
class BenchmarkReport:
    """What was made.

    Attributes:
        path: The benchmark folder.
        n: Number of problems.
        redrawn: Draws thrown away, because the solver did not confirm them or they were in `exclude`.
        counts: For each label (``family``, ``error_type``, …) how many problems have each of its values.
    """

    path: Path
    n: int
    redrawn: int
    counts: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class _Drawn:
    """A problem as it is written: the files, and the record without its id."""

    mps: str
    specification: str
    record: dict[str, object]
    structure_hash: str
    draws: int
    seed: str


def make_benchmark(  # noqa: PLR0913  # all but one by keyword
    out: Path,
    *,
    n: int,
    seed: int,
    wanted: Wanted = Wanted(),  # noqa: B008  # frozen
    exclude: Set[str] = frozenset(),
    workers: Crew = 0,
    on_progress: Callable[[int], None] | None = None,
) -> BenchmarkReport:
    """Writes ``out/dataset.json``, ``out/models/*.mps`` and ``out/specs/*.txt``; the same seed gives the same bytes.

    Args:
        out: A folder that does not exist yet, or is empty.
        n: Number of problems.
        seed: Problem i depends on (seed, i) alone, as long as no problem is drawn twice or in `exclude`.
        wanted: What kinds of problems.
        exclude: Structure hashes (`structure_hashes`) that must not appear, e.g. those of the training problems.
        workers: Who works; the result does not depend on it.
        on_progress: Called with the number of problems done, after each.

    Raises:
        InputError: `n` is below 1, `out` holds files, or there are no problems, or no more, of what is wanted.
        SolverError: Gurobi failed, or a worker was lost.
    """
    if n < 1:
        raise InputError(f"the number of problems must be at least 1, not {n}")
    check_new_folder(out)
    check_gurobi()
    draw_proven(f"{seed}/0", wanted, plans=PLANS_TRIED_FIRST)  # what cannot be had likewise
    make_folder(out / "models")
    make_folder(out / "specs")
    taken: set[str] = set()
    records: list[dict[str, object]] = []
    redrawn = 0

    def keep(drawn: _Drawn | InputError | Lost) -> None:
        nonlocal redrawn
        drawn = _known(drawn, records)
        passed = 0
        while (is_old := drawn.structure_hash in taken or drawn.structure_hash in exclude) and passed < _OTHERS_TRIED:
            passed += 1
            redrawn += drawn.draws
            drawn = _known(draw(drawn.seed, wanted, passed), records)
        if is_old:
            raise InputError(
                f"after {len(records)} of {n} problems there are hardly more of what is asked for: delete {out}, and "
                "ask for fewer, or for more families, faults or sizes"
            )
        taken.add(drawn.structure_hash)
        redrawn += drawn.draws - 1
        name = f"p{len(records):05d}"
        files = {"model_file": f"models/{name}.mps", "specification_file": f"specs/{name}.txt"}
        write_text(out / files["model_file"], drawn.mps)
        write_text(out / files["specification_file"], drawn.specification)
        records.append({"problem_id": name, **files, **drawn.record})
        if on_progress is not None:
            on_progress(len(records))

    call_each(draw, [(f"{seed}/{index}", wanted, 0) for index in range(n)], workers=workers, on_done=keep)
    dataset = {"dataset_name": out.name, "seed": seed, "num_problems": n, "problems": records}
    write_text(out / INDEX_NAME, json.dumps(dataset, indent=1) + "\n")
    counts = {label: dict(Counter(str(record[label]) for record in records).most_common()) for label in _COUNTED}
    return BenchmarkReport(out, n, redrawn, counts)


def draw(seed: str, wanted: Wanted, first: int) -> _Drawn | InputError:
    """What a worker does; an error of it is a result like any other."""
    try:
        made = draw_proven(seed, wanted, first)
    except InputError as error:
        return error
    texts = made.instance.broken.to_mps(), str(made.instance.specification)
    return _Drawn(*texts, _record(made), made.structure_hash, made.draws, seed)


def _known(drawn: _Drawn | InputError | Lost, records: Sequence[object]) -> _Drawn:
    if isinstance(drawn, Lost):
        raise SolverError(f"problem {len(records)} could not be drawn: {drawn.reason}")
    if isinstance(drawn, InputError):
        raise drawn
    return drawn


def structure_hashes(path: Path) -> frozenset[str]:
    """Hashes of the problems in a folder made by `make_benchmark`, before random names and order.

    Two problems that are the same model under other names share the hash, which the content hash of a file misses.

    Raises:
        ProblemError: The folder holds no index made here.
    """
    try:
        index = parse_json((path / INDEX_NAME).read_text(encoding="utf-8"))
        return frozenset(record["structure_hash"] for record in index["problems"])
    except OSError as error:
        raise ProblemError(f"{path / INDEX_NAME} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ProblemError(
            f"{path} was not made by `ordebug bench make`: its problems have no structure_hash"
        ) from error


def _record(made: Made) -> dict[str, object]:
    return {
        "family": made.family,
        "theme": made.theme,
        "size": str(made.size),
        "error_type": made.fault,
        "difficulty": str(made.difficulty),
        **labels(made.instance, made.proof),
        "structure_hash": made.structure_hash,
        "original_hash": made.original_hash,
    }
