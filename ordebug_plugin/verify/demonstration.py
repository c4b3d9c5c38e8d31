"""One row of an Alpaca file as a demonstration: what its text alone says, without a solver."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ordebug_plugin.actions import Action, Answer, parse_answer
from ordebug_plugin.errors import InputError
from ordebug_plugin.prompt import join_instruction, strip_labels
from ordebug_plugin.shown import Shown, read_state

# Not the digits of a name.
_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\w)", re.ASCII)
# How people say that a bound is gone.
_INFINITE = re.compile(r"∞|\b(?:inf|infinity|infinite|unbounded|free|no (?:upper |lower )?bounds?)\b", re.IGNORECASE)


class UnreadableRowError(InputError):
    """One row is no demonstration; the message is the reason, the caller knows file and row number."""


@dataclass(frozen=True)
class Demonstration:
    """One row.

    Attributes:
        number: Its place in the file, from 1.
        prompt: Instruction and state, as they are.
        output: The answer.
        problem_id: As the metadata names it, or None.
        problem_hash: Likewise.
        error_type: Likewise.
        difficulty: Likewise.
        shown: What the prompt shows.
        answer: The answer, taken apart.
        unlabelled: The prompt without the lines that leak the answer: what a model is trained on.
    """

    number: int
    prompt: str
    output: str
    problem_id: str | None
    problem_hash: str | None
    error_type: str | None
    difficulty: str | None
    shown: Shown
    answer: Answer
    unlabelled: str

    @property
    def leaks(self) -> bool:
        """Whether the prompt has lines that tell the answer: ``ID:`` and ``Type:``."""
        return self.unlabelled != self.prompt


def names_decision(think: str, action: Action, kept: Collection[float] = ()) -> bool:
    """Whether reasoning names what an action acts on, and each number that it decides on.

    Args:
        think: The reasoning.
        action: The action that follows it.
        kept: Numbers that are as they were, such as the other bound of a variable: they need no reason.
    """
    if action.target is None:
        return bool(think.strip())
    decided = [number for number in action.numbers if number not in kept]
    return _names(think, action.target) and all(_says(think, action.target, number) for number in decided)


def read_demonstration(row: object, number: int) -> Demonstration:
    """Reads one row.

    Raises:
        UnreadableRowError: It is no Alpaca row.
    """
    if not isinstance(row, Mapping):
        raise UnreadableRowError(f"a row must be an object, not {type(row).__name__}")
    if "conversations" in row or "messages" in row:
        raise UnreadableRowError("is a conversation: verify the Alpaca file that it was converted from")
    for name in ("instruction", "input", "output"):
        if not isinstance(row.get(name), str):
            raise UnreadableRowError(f"{name!r} is missing or not text")
    metadata = row.get("metadata")
    about = metadata if isinstance(metadata, Mapping) else {}
    return Demonstration(
        number=number,
        prompt=join_instruction(row["instruction"], row["input"]),
        output=row["output"],
        problem_id=_text(about, "problem_id"),
        problem_hash=_text(about, "problem_hash"),
        error_type=_text(about, "error_type"),
        difficulty=_text(about, "difficulty"),
        shown=read_state(row["input"]),
        answer=parse_answer(row["output"]),
        unlabelled=join_instruction(row["instruction"], strip_labels(row["input"])),
    )


def _text(metadata: Mapping[str, object], name: str) -> str | None:
    value = metadata.get(name)
    return value if isinstance(value, str) else None


def _names(think: str, target: str) -> bool:
    """Whether a name stands in a text, not as a part of a longer one."""
    start = r"(?<![\w.])" if target[:1].isalnum() or target[:1] == "_" else ""
    end = r"(?!\w)" if target[-1:].isalnum() or target[-1:] == "_" else ""
    return re.search(start + re.escape(target) + end, think) is not None


def _says(think: str, target: str, number: float) -> bool:
    """Whether a number stands in a text, in any spelling; the digits of the target do not count."""
    rest = think.replace(target, " ")
    if math.isinf(number):
        return _INFINITE.search(rest) is not None
    found = (float(match[0]) for match in _NUMBER.finditer(rest))
    return any(math.isclose(value, abs(number), rel_tol=1e-6) for value in found)  # of a sign words may tell
