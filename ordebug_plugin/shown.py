"""What a prompt shows, read back from its text: the inverse of `prompt.render_state`, for checking data of others."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from ordebug_plugin.actions import Action, parse_action
from ordebug_plugin.errors import ActionError
from ordebug_plugin.prompt import strip_labels

_HISTORY = "\n\n## Previous Actions\n"
_ROWS = re.compile(r"^## IIS \(.*\nConflicting Constraints: (\[.*\])$", re.MULTILINE)
_QUOTED = r"""(?:'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+")"""
_NAME = re.compile(_QUOTED)
_NAMES = re.compile(rf"\[\s*+(?:{_QUOTED}\s*+(?:,\s*+|(?=\])))*+\]")
_MOST_PARTS = 64
_NO_ACTION = "no action"


@dataclass(frozen=True)
class Shown:
    """The parts of a prompt that a replay needs.

    Attributes:
        state: The state without labels and without what was done before.
        iis_rows: The rows of the IIS, in the order in which they are listed; None where the prompt lists none.
        history: The previous actions, None for an answer without one; None in all where a line cannot be read.
    """

    state: str
    iis_rows: tuple[str, ...] | None
    history: tuple[Action | None, ...] | None


def read_state(text: str) -> Shown:
    """Reads a rendered state; total: text of another kind shows nothing."""
    state, _, past = strip_labels(text).partition(_HISTORY)
    lines = [_past_action(line) for line in past.split("\n")] if past else []
    history = tuple(action for read, action in lines if read)
    return Shown(state, _iis_rows(state), history if len(history) == len(lines) else None)


def _iis_rows(state: str) -> tuple[str, ...] | None:
    match = _ROWS.search(state)
    if match is None:
        return None
    return read_names(match[1])


def read_names(text: str) -> tuple[str, ...] | None:
    """Reads a list of names as prompts have it, ``['a', "b'c"]``; None for any other text.

    Name by name: Python's own reader of literals takes a hundred times the memory of the text.
    """
    if not _NAMES.fullmatch(text):
        return None
    try:
        return tuple(str(ast.literal_eval(match[0])) for match in _NAME.finditer(text))
    except (ValueError, SyntaxError):  # an escape that is none
        return None


def _past_action(line: str) -> tuple[bool, Action | None]:
    """Whether a line ``1. DROP_CONSTRAINT(r1): still infeasible`` can be read, and its action."""
    number, point, rest = line.partition(". ")
    if not point or not number.isdecimal():
        return False, None
    parts = rest.split(": ")
    if parts[0] == _NO_ACTION:
        return True, None
    # A name may hold what stands between an action and the note on it, but not more often than that.
    for end in range(1, min(len(parts), _MOST_PARTS)):
        try:
            return True, parse_action(": ".join(parts[:end]))
        except ActionError:
            continue
    return False, None
