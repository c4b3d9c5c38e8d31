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
    try:
        names = ast.literal_eval(match[1])
    except (ValueError, SyntaxError):
        return None
    return tuple(names) if all(isinstance(name, str) for name in names) else None


def _past_action(line: str) -> tuple[bool, Action | None]:
    """Whether a line ``1. DROP_CONSTRAINT(r1): still infeasible`` can be read, and its action."""
    number, point, rest = line.partition(". ")
    if not point or not number.isdecimal():
        return False, None
    parts = rest.split(": ")
    if parts[0] == _NO_ACTION:
        return True, None
    for end in range(1, len(parts)):  # a name may hold what stands between an action and the note on it
        try:
            return True, parse_action(": ".join(parts[:end]))
        except ActionError:
            continue
    return False, None
