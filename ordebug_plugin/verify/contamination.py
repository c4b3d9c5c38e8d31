"""Whether what a model is trained on gives away what it is tested on: by content, never by id.

Ids say nothing: the public sets use the same ids for different models. Four things do: the bytes of a model, its
structure under other names and in another order, the model that it was before the fault (these two where both sides
are benchmarks made here, whose records have the hashes), and the first prompt that a test problem gives, less the lines
that leak its label and less its specification: the same conflict told in other words is the same problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.data.alpaca import read_alpaca
from ordebug_plugin.documents import parse_json
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.errors import InputError
from ordebug_plugin.guarded import make_judge
from ordebug_plugin.kinship import identify
from ordebug_plugin.problem import Problem, load_benchmark, load_records
from ordebug_plugin.prompt import Detail, Style, render_state, strip_labels, strip_specification
from ordebug_plugin.solver import Judge
from ordebug_plugin.tasks import COLUMN

# Every way in which a first prompt may have been written.
_STYLES = tuple(Style(detail=detail) for detail in Detail)
# Where a state begins in a message, with labels and without.
_BEGINNINGS = ("## Problem\n", "## Current State\n")


@dataclass(frozen=True)
class Training:
    """What is known of training data.

    Attributes:
        items: Rows of the file, or problems of the benchmark.
        unread: Rows in which neither a prompt nor a model was found.
        models: Content hashes of models.
        structures: Structure hashes of models.
        originals: Hashes of models before their fault.
        states: States shown in prompts, without labels and specifications.
    """

    items: int
    unread: int
    models: frozenset[str]
    structures: frozenset[str]
    originals: frozenset[str]
    states: frozenset[str]


@dataclass(frozen=True)
class Contamination:
    """Test problems that training data give away, by id, in the order of the benchmark.

    Attributes:
        problems: Number of test problems.
        training: What they were held against.
        models: Problems whose model is in the training data, byte for byte.
        structures: Other problems whose model is there under other names or in another order.
        originals: Other problems whose model before the fault is there, with another fault.
        prompts: Problems whose first prompt is there.
    """

    problems: int
    training: Training
    models: tuple[str, ...]
    structures: tuple[str, ...]
    originals: tuple[str, ...]
    prompts: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether anything overlaps."""
        return bool(self.models or self.structures or self.originals or self.prompts)


def find_contamination(
    train: Path, bench: Path, *, work_limit: float, on_progress: Callable[[int], None] = lambda _: None
) -> Contamination:
    """Holds a benchmark against training data.

    Args:
        train: A benchmark folder or model file, or a file of rows: Alpaca, ShareGPT, messages, or GRPO prompts.
        bench: The test problems.
        work_limit: Gurobi work units per solve.
        on_progress: Called with the number of test problems done, after each.

    Raises:
        InputError: One of them cannot be read, or no row of the training data has a prompt or a model.
        ProblemError: A model cannot be read, or is not infeasible.
        SolverError: Gurobi failed.
    """
    problems = load_benchmark(bench).problems
    identities = identify(problems, load_records(bench))
    models, renamed, originals, prompts = [], [], [], []
    with make_judge(work_limit=work_limit, models_kept=1) as judge:
        training = _read_training(train, judge)
        for number, (problem, one) in enumerate(zip(problems, identities, strict=True), 1):
            if one.content in training.models:
                models.append(problem.id)
            elif one.structure in training.structures:
                renamed.append(problem.id)
            elif one.original in training.originals:
                originals.append(problem.id)
            if training.states & _first_states(judge, problem):
                prompts.append(problem.id)
            on_progress(number)
    return Contamination(len(problems), training, tuple(models), tuple(renamed), tuple(originals), tuple(prompts))


def _first_states(judge: Judge, problem: Problem) -> set[str]:
    observation = RepairEnv(judge, problem).reset()
    return {strip_specification(render_state(observation, style)) for style in _STYLES}


def _read_training(path: Path, judge: Judge) -> Training:
    if path.is_dir() or not _holds_rows(path):
        problems = load_benchmark(path).problems
        shown_first = frozenset(state for problem in problems for state in _first_states(judge, problem))
        identities = identify(problems, load_records(path))
        return Training(
            items=len(problems),
            unread=0,
            models=frozenset(one.content for one in identities),
            structures=frozenset(one.structure for one in identities if one.structure is not None),
            originals=frozenset(one.original for one in identities if one.original is not None),
            states=shown_first,
        )
    rows = read_alpaca(path).rows
    models: set[str] = set()
    states: set[str] = set()
    unread = 0
    for row in rows:
        shown = set(_states(row)) if isinstance(row, Mapping) else set()
        model = _model(row) if isinstance(row, Mapping) else None
        unread += not shown and model is None
        states |= shown
        models |= {model} if model is not None else set()
    if unread == len(rows):
        raise InputError(
            f"{path}: not one row has a prompt or a model that can be read; rows are Alpaca, ShareGPT, messages or GRPO"
        )
    return Training(len(rows), unread, frozenset(models), frozenset(), frozenset(), frozenset(states))


def _holds_rows(path: Path) -> bool:
    """Whether a file is one of rows; the index of a benchmark is JSON too."""
    if path.suffix not in (".json", ".jsonl"):
        return False
    if path.suffix == ".jsonl":
        return True
    try:
        document = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return True  # and reading it as rows says what is wrong
    return not (isinstance(document, dict) and "problems" in document)


def _states(row: Mapping[str, object]) -> Iterator[str]:
    """The states that a row shows, without labels and specifications."""
    texts = [row.get("input")]
    for turns, content in (("conversations", "value"), ("messages", "content")):
        listed = row.get(turns)
        if isinstance(listed, list):
            texts += [turn.get(content) for turn in listed if isinstance(turn, Mapping)]
    for text in texts:
        if isinstance(text, str):
            begin = min((text.find(heading) for heading in _BEGINNINGS if heading in text), default=-1)
            if begin >= 0:
                yield strip_specification(strip_labels(text[begin:]))


def _model(row: Mapping[str, object]) -> str | None:
    """The content hash of the model that a row is about."""
    metadata = row.get("metadata")
    value = metadata.get("problem_hash") if isinstance(metadata, Mapping) else None
    task = row.get(COLUMN)
    if value is None and isinstance(task, str):
        try:
            value = parse_json(task)["hash"]
        except (ValueError, TypeError, KeyError):
            return None
    return value if isinstance(value, str) else None
