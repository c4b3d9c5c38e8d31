"""Tasks as columns of a dataset: what a reward needs to judge an answer, in one JSON string per row.

A string, because the trainers' datasets give every column one type, and problems differ in what is known about them.
The model travels by path and content hash, or inline as text; either way the hash decides whether it is the one meant.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import ActionError, ProblemError
from ordebug_plugin.fields import Fields
from ordebug_plugin.grading import Task
from ordebug_plugin.problem import MODEL_SUFFIXES, is_extended, load_problem
from ordebug_plugin.prompt import Detail, Style
from ordebug_plugin.scratch import scratch_folder
from ordebug_plugin.specification import read_specification
from ordebug_plugin.truth import dump_truth, load_truth

COLUMN = "task"
# How the prompt was rendered: a multi-turn environment must render the later turns likewise.
STYLE_COLUMN = "style"


def dump_task(task: Task, *, inline: bool = False) -> str:
    """Writes a task as one JSON string.

    Args:
        task: The problem and the answers before the one to judge.
        inline: Put the model file's text in, instead of its absolute path.

    Raises:
        ProblemError: The model file cannot be read as text.
    """
    problem = task.problem
    record: dict[str, Any] = {
        "id": problem.id,
        "hash": problem.content_hash,
        "error_type": problem.error_type,
        "truth": dump_truth(problem.truth),
        "history": task.history,
    }
    if problem.specification is not None:  # the later turns of an environment are rendered from it
        record["specification"] = str(problem.specification)
    if problem.extended:
        record["action_set"] = "extended"
    if inline:
        try:
            record |= {"name": problem.path.name, "model": problem.path.read_text(encoding="utf-8")}
        except (OSError, UnicodeDecodeError) as error:
            raise ProblemError(f"model file {problem.path} cannot be put into a dataset: {error}") from error
    else:
        record["path"] = str(problem.path.resolve())
    return json.dumps(record, ensure_ascii=False)


@lru_cache(maxsize=4096)
def load_task(text: str) -> Task:
    """Reads a task.

    Raises:
        ProblemError: The text is no task, the model file is missing, or it is not the one the task was written for.
    """
    try:
        content = parse_json(text)
        record = Fields(content)
        path = (
            Path(record.text("path")) if record.has("path") else _materialize(record.text("name"), record.text("model"))
        )
        truth, extended = load_truth(record.fields("truth")), is_extended(content)
        problem_id, content_hash, error_type = record.text("id"), record.text("hash"), record.text_or_none("error_type")
        history = record.texts("history")
        specification = read_specification(record.text("specification")) if record.has("specification") else None
    except (ValueError, ActionError) as error:
        raise ProblemError(
            f"the dataset column {COLUMN!r} holds no task ({error}): write it with `ordebug data grpo`"
        ) from error
    found = load_problem(path, extended=extended)
    if found.content_hash != content_hash:
        raise ProblemError(f"model file {path} is not the one the dataset was made from: run `ordebug data grpo` again")
    problem = replace(found, id=problem_id, error_type=error_type, truth=truth, specification=specification)
    return Task(problem, history)


def load_style(text: str) -> Style:
    """Reads what `dataclasses.asdict` made of a style, in JSON.

    Raises:
        ProblemError: The text is no style.
    """
    try:
        record = parse_json(text)
        return Style(**{**record, "detail": Detail(record["detail"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ProblemError(
            f"the dataset column {STYLE_COLUMN!r} holds no style ({error!r}): write it with `ordebug data grpo`"
        ) from error


def _materialize(name: str, text: str) -> Path:
    """Writes an inline model below the temporary folder, named by its content: Gurobi reads files."""
    suffix = next((suffix for suffix in MODEL_SUFFIXES if name.endswith(suffix)), None)
    if suffix is None or suffix.endswith(".gz"):
        raise ProblemError(f"an inline model must be text, .mps or .lp, not {name!r}")
    path = scratch_folder() / f"{hashlib.sha256(text.encode()).hexdigest()}{suffix}"
    if not path.exists():
        partial = path.with_name(f"{path.name}.{threading.get_ident()}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    return path
