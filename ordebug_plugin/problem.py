"""Problems and benchmarks: an infeasible model file, what is known about it, and folders of them.

A benchmark is the public layout: ``dataset.json`` with a list ``problems`` and the model files it names, relative to
it. A single model file is a benchmark of one. Problems are keyed by the hash of their content: ids collide between
the public sets with different models behind them.
"""

from __future__ import annotations

import gzip
import hashlib
import stat
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ordebug_plugin.actions import PUBLIC_ACTIONS
from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import ProblemError
from ordebug_plugin.specification import Specification, read_specification
from ordebug_plugin.truth import UNKNOWN, Truth, read_truth

MODEL_SUFFIXES = (".mps", ".mps.gz", ".lp", ".lp.gz")
INDEX_NAME = "dataset.json"
# Of an uncompressed model file; no episode could be played on a larger one.
MOST_BYTES = 1 << 30
# Bytes of a line of an MPS file, its end counted, that Gurobi survives whatever stands in it (`solver.reading`).
LONGEST_LINE = 480
_PIECE = 1 << 20
# A single model file `oven.mps` is described by `oven.spec.txt` beside it.
SPECIFICATION_SUFFIX = ".spec.txt"


@dataclass(frozen=True)
class Problem:
    """One infeasible model.

    Attributes:
        id: Name within its benchmark; not unique across benchmarks.
        path: The model file.
        content_hash: SHA-256 (hex) of the uncompressed model file.
        error_type: Fault type (``A``…``I``) as labelled, or None.
        difficulty: Label of the benchmark, or None.
        truth: What is known about the fault.
        specification: What the model should say, where that is written down.
        extended: Whether the action set is the extended one, with REWRITE_CONSTRAINT; else the public one.
        short_lines: Size (bytes) and time of change (ns) of the model file when every line of it was found to be of at
            most `LONGEST_LINE` bytes, its end counted; None where nobody has looked, or some line is longer.
    """

    id: str
    path: Path
    content_hash: str
    error_type: str | None = None
    difficulty: str | None = None
    truth: Truth = UNKNOWN
    specification: Specification | None = None
    extended: bool = False
    short_lines: tuple[int, int] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Benchmark:
    """An ordered set of problems.

    Attributes:
        name: Name of the folder or file.
        problems: In the order of the index.
    """

    name: str
    problems: tuple[Problem, ...]


def load_benchmark(path: Path) -> Benchmark:
    """Loads a benchmark folder, its ``dataset.json``, or a single model file.

    Raises:
        ProblemError: Something is missing or malformed; names the file, and the entry of the index.
    """
    path = _index_or_model(path)
    if path.name.endswith(".json"):
        return _load_index(path)
    return Benchmark(path.name, (load_problem(path),))


def load_records(path: Path) -> tuple[Mapping[str, object], ...]:
    """What a benchmark says about each of its problems, in their order, read by nobody yet; nothing for a model file.

    Raises:
        ProblemError: The index is missing or malformed.
    """
    path = _index_or_model(path)
    if not path.name.endswith(".json"):
        return ({},)
    records = _read_index(path)
    return tuple(record if isinstance(record, Mapping) else {} for record in records)


def load_problem(path: Path, *, extended: bool = False) -> Problem:
    """Loads a single model file about which nothing is known but the specification beside it, where there is one.

    Args:
        path: The model file.
        extended: Whether its action set is the extended one.

    Raises:
        ProblemError: The file is missing, or not a model file by its name, or its specification is malformed.
    """
    beside = path.with_name(_stem(path) + SPECIFICATION_SUFFIX)
    specification = _load_specification(beside) if beside.exists() else None
    content_hash, short_lines = _look_at(path)
    return Problem(
        _stem(path), path, content_hash, specification=specification, extended=extended, short_lines=short_lines
    )


def _index_or_model(path: Path) -> Path:
    if path.is_dir():
        path = path / INDEX_NAME
        if not path.is_file():
            raise ProblemError(f"{path} not found: a benchmark folder holds {INDEX_NAME} and the models it names")
    if not path.is_file():
        raise ProblemError(f"{path} not found: give a benchmark folder or a model file ({', '.join(MODEL_SUFFIXES)})")
    return path


def _read_index(path: Path) -> list[object]:
    try:
        index = parse_json(path.read_text(encoding="utf-8"), finite=False)
    except (OSError, ValueError) as error:
        raise ProblemError(f"{path} is not JSON: {error}") from error
    records = index.get("problems") if isinstance(index, dict) else None
    if not isinstance(records, list) or not records:
        raise ProblemError(f"{path} needs a non-empty list 'problems'")
    return records


def _load_index(path: Path) -> Benchmark:
    problems = []
    for number, record in enumerate(_read_index(path)):
        try:
            problems.append(_read_record(record, path.parent))
        except ProblemError as error:
            raise ProblemError(f"{path}, problems[{number}]: {error}") from error
    return Benchmark(path.parent.name, tuple(problems))


def _read_record(record: object, root: Path) -> Problem:
    if not isinstance(record, Mapping):
        raise ProblemError("is not an object")
    problem_id, model_file = record.get("problem_id"), record.get("model_file")
    if not isinstance(problem_id, str) or not isinstance(model_file, str):
        raise ProblemError("needs the strings 'problem_id' and 'model_file'")
    model, specification_file = _inside(root, model_file, "model_file"), _optional_string(record, "specification_file")
    described = None if specification_file is None else _inside(root, specification_file, "specification_file")
    truth, extended = read_truth(record), is_extended(record)
    if not extended and any(action.kind not in PUBLIC_ACTIONS for action in truth.fix):
        raise ProblemError('the fix is not among the public actions: the record needs "action_set": "extended"')
    content_hash, short_lines = _look_at(model)
    return Problem(
        id=problem_id,
        path=model,
        content_hash=content_hash,
        error_type=_optional_string(record, "error_type"),
        difficulty=_optional_string(record, "difficulty"),
        truth=truth,
        extended=extended,
        specification=None if described is None else _load_specification(described),
        short_lines=short_lines,
    )


def _load_specification(path: Path) -> Specification:
    try:
        return read_specification(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProblemError(f"specification file {path} not found") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"specification file {path} cannot be read: {error}") from error
    except ProblemError as error:
        raise ProblemError(f"{path}: {error}") from error


def is_extended(record: Mapping[str, object]) -> bool:
    """Whether a record says that its action set is the extended one; it is the public one where it says nothing.

    Raises:
        ProblemError: It says something else.
    """
    stated = record.get("action_set", "public")
    if stated not in ("public", "extended"):
        raise ProblemError(f"action_set must be 'public' or 'extended', not {stated!r}")
    return stated == "extended"


def _optional_string(record: Mapping[str, object], key: str) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise ProblemError(f"{key} must be a string or null, not {value!r}")
    return value


def _stem(path: Path) -> str:
    for suffix in MODEL_SUFFIXES:
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    raise ProblemError(f"{path} is not a model file: its name must end in {', '.join(MODEL_SUFFIXES)}")


def _look_at(path: Path) -> tuple[str, tuple[int, int] | None]:
    """The hash of a model file's content, and what `Problem.short_lines` says."""
    _stem(path)
    digest, longest, unfinished = hashlib.sha256(), 0, 0
    stamp = file_stamp(path)
    for piece in model_bytes(path):
        digest.update(piece)
        lengths = [len(line) + 1 for line in piece.split(b"\n")]
        lengths[0] += unfinished
        longest, unfinished = max(longest, *lengths), lengths[-1] - 1
    return digest.hexdigest(), stamp if longest <= LONGEST_LINE else None


def file_stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file, by which it is told from what is written there later; None where it is not."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


def model_bytes(path: Path) -> Iterator[bytes]:
    """The content of a model file, uncompressed, in pieces: a small .gz may hold more than fits into memory.

    Raises:
        ProblemError: It is not there, is no ordinary file, cannot be read, or holds more than `MOST_BYTES`.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device may have no end
            raise ProblemError(f"model file {path} is no ordinary file")
        size = 0
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            while piece := file.read(_PIECE):
                size += len(piece)
                if size > MOST_BYTES:
                    raise ProblemError(f"model file {path} holds more than {MOST_BYTES >> 20} MiB")
                yield piece
    except FileNotFoundError:
        raise ProblemError(f"model file {path} not found") from None
    except (OSError, ValueError, EOFError, zlib.error) as error:  # a name with a NUL is a ValueError
        raise ProblemError(f"model file {path} cannot be read: {error}") from error


def _inside(root: Path, name: str, key: str) -> Path:
    """A file that a record names; a benchmark may be somebody else's, and what it names is shown to a model.

    Raises:
        ProblemError: It is elsewhere, or behind a link that leads elsewhere.
    """
    path = root / name
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # a NUL, a loop of links
        raise ProblemError(f"{key} {name!r} is no name of a file: {error}") from error
    if not inside:
        raise ProblemError(f"{key} {name!r} is outside the folder: move it inside")
    return path
