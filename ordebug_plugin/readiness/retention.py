"""General abilities that SFT may have cost: the user's own prompts, each with what its answer is held against.

One JSON object a line: ``prompt`` (text) or ``messages`` (chat), and exactly one of ``substring``, ``exact``, ``regex``
and ``base``. Only the text after the think text counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.actions import THINK_CLOSE, THINK_OPEN
from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError
from ordebug_plugin.prompt import Message
from ordebug_plugin.readiness.check import Check, Question, Side
from ordebug_plugin.readiness.thresholds import Thresholds
from ordebug_plugin.statistics import proportion

EXPECTATIONS = ("substring", "exact", "regex", "base")
_TITLE = "general abilities retained"


@dataclass(frozen=True)
class Item:
    """One prompt.

    Attributes:
        messages: What is sent.
        kind: Of `EXPECTATIONS`.
        expected: What the answer is held against.
    """

    messages: tuple[Message, ...]
    kind: str
    expected: str

    def is_met(self, answer: str, overlap: float) -> bool:
        """Whether an answer is as expected.

        ``substring`` and ``exact`` ignore case and the amount of space; ``regex`` is searched as it is; ``base`` is an
        answer of the base model, met from a token F1 of `overlap` on (as SQuAD scores answers, arXiv 1606.05250).
        """
        _, closed, said = answer.rpartition(THINK_CLOSE)
        if not closed and THINK_OPEN in answer:
            return False  # it never came to an answer
        if self.kind == "regex":
            return re.search(self.expected, said) is not None
        one, other = _words(said), _words(self.expected)
        if self.kind == "base":
            return _f1(one, other) >= overlap
        return one == other if self.kind == "exact" else " ".join(other) in " ".join(one)


def read_retention(path: Path) -> list[Item]:
    """Reads the prompts.

    Raises:
        InputError: The file cannot be read, is empty, or holds a line that is no such prompt; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    items = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            items.append(_item(line))
        except (ValueError, KeyError, TypeError, re.error) as error:
            raise InputError(
                f'{path}, line {number}: {error}; a line is {{"prompt": …, "substring": …}}, or exact, regex, base'
            ) from error
    if not items:
        raise InputError(f"{path} holds no prompt")
    return items


def _item(line: str) -> Item:
    record = parse_json(line)
    if not isinstance(record, dict):
        raise TypeError("no JSON object")
    kinds = [kind for kind in EXPECTATIONS if kind in record]
    if len(kinds) != 1 or not isinstance(record[kinds[0]], str) or not record[kinds[0]].strip():
        raise ValueError(f"exactly one of {', '.join(EXPECTATIONS)} is needed, with text")
    if ("prompt" in record) == ("messages" in record):
        raise ValueError("either prompt or messages is needed")
    if "prompt" in record:
        messages: tuple[Message, ...] = (Message("user", str(record["prompt"])),)
    else:
        messages = tuple(Message(str(one["role"]), str(one["content"])) for one in record["messages"])
    if not messages:
        raise ValueError("messages is empty")
    if kinds[0] == "regex":
        re.compile(record["regex"])
    return Item(messages, kinds[0], record[kinds[0]])


def retention_check(items: Sequence[Item], answers: Sequence[str | None] | None, thresholds: Thresholds) -> Check:
    """Share of the prompts answered as expected; answers that the server did not give count nowhere."""
    question = Question("retention", _TITLE, Side.LEAST, thresholds.number("retention", "least"))
    if answers is None:
        return question.unmeasured("no --retention: prompts of your own, with answers")
    overlap = thresholds.number("retention", "overlap")
    met = [item.is_met(answer, overlap) for item, answer in zip(items, answers, strict=True) if answer is not None]
    if not met:
        return question.unmeasured("the server answered none of the prompts")
    note = "answered as expected, greedy; 1 means all was retained only where the base model answers all so"
    return question.held(proportion(sum(met), len(met)), note)


def _words(text: str) -> list[str]:
    return text.lower().split()


def _f1(one: Sequence[str], other: Sequence[str]) -> float:
    shared = (Counter(one) & Counter(other)).total()
    return 2 * shared / (len(one) + len(other)) if one or other else 1.0
