"""The action grammar: text to `Action` and back.

An answer is reasoning between think tags, then exactly one action:

    <think>
    …reasoning…
    </think>

    Action: RELAX_CONSTRAINT(c_key_upper, 1.0)

Only text after the last ``</think>`` can act. Names are arbitrary (``flow[a,b]``, ``x(1)``, ``req [Mon 1]``), so
arguments are split from the right and a name is whatever is left; whether it exists is the model's business, not the
grammar's. Nothing here guesses: what is not an action raises `ActionError` with a sentence the next observation shows.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from ordebug_plugin.errors import ActionError
from ordebug_plugin.linear import EXAMPLE, split_sides

THINK_OPEN = "<think>"
THINK_CLOSE = "</think>"
ACTION_PREFIX = "Action:"


class ActionKind(StrEnum):
    """The public action set of OR-Debug-Bench, and what the extended set adds to it."""

    GET_IIS = "GET_IIS"
    CHECK_SLACK = "CHECK_SLACK"
    DROP_CONSTRAINT = "DROP_CONSTRAINT"
    RELAX_CONSTRAINT = "RELAX_CONSTRAINT"
    UPDATE_RHS = "UPDATE_RHS"
    UPDATE_BOUNDS = "UPDATE_BOUNDS"
    RESET = "RESET"
    SUBMIT = "SUBMIT"
    REWRITE_CONSTRAINT = "REWRITE_CONSTRAINT"


EXTENDED_ACTIONS = tuple(ActionKind)
PUBLIC_ACTIONS = tuple(kind for kind in ActionKind if kind is not ActionKind.REWRITE_CONSTRAINT)


@dataclass(frozen=True)
class Signature:
    """How an action is written: the argument names, the target (a name) first, the numbers after it.

    A linear row, where an action takes one, comes last and is shown by an example.
    """

    target: str | None = None
    numbers: tuple[str, ...] = ()
    expression: str | None = None

    @property
    def text(self) -> str:
        """The arguments as the prompt shows them, e.g. ``row, amount``."""
        parts = (self.target, *self.numbers, self.expression)
        return ", ".join(part for part in parts if part is not None)


SIGNATURES: dict[ActionKind, Signature] = {
    ActionKind.GET_IIS: Signature(),
    ActionKind.CHECK_SLACK: Signature("row"),
    ActionKind.DROP_CONSTRAINT: Signature("row"),
    ActionKind.RELAX_CONSTRAINT: Signature("row", ("amount",)),
    ActionKind.UPDATE_RHS: Signature("row", ("value",)),
    ActionKind.UPDATE_BOUNDS: Signature("var", ("lb", "ub")),
    ActionKind.RESET: Signature(),
    ActionKind.SUBMIT: Signature(),
    ActionKind.REWRITE_CONSTRAINT: Signature("row", expression=EXAMPLE),
}
REPAIRS = frozenset(
    {
        ActionKind.DROP_CONSTRAINT,
        ActionKind.RELAX_CONSTRAINT,
        ActionKind.UPDATE_RHS,
        ActionKind.UPDATE_BOUNDS,
        ActionKind.REWRITE_CONSTRAINT,
    }
)


@dataclass(frozen=True)
class Action:
    """One action, well-formed but not yet resolved against a model.

    Attributes:
        kind: Which action.
        target: Row or variable name, exactly as written; None for actions without one. Of REWRITE_CONSTRAINT, what
            stands before the first comma: only the model can tell where a name ends (`edits.resolve`).
        numbers: The numeric arguments in the order of `SIGNATURES`.
        expression: The new row, e.g. ``3 x + 2 y <= 40``; None for actions without one.
    """

    kind: ActionKind
    target: str | None = None
    numbers: tuple[float, ...] = ()
    expression: str | None = None

    @property
    def is_repair(self) -> bool:
        """Whether the action changes the model towards feasibility (RESET does not)."""
        return self.kind in REPAIRS

    def __str__(self) -> str:
        """The canonical text, e.g. ``RELAX_CONSTRAINT(c1, 1.0)``; `parse_action` reads it back unchanged."""
        arguments = [] if self.target is None else [self.target]
        arguments += [_format_number(value) for value in self.numbers]
        arguments += [] if self.expression is None else [self.expression]
        return f"{self.kind}({', '.join(arguments)})"


@dataclass(frozen=True)
class Answer:
    """A model's answer, taken apart.

    Attributes:
        think: The text between the think tags, or None where there is none or it is not closed.
        action: The action, or None where `error` says why there is none.
        error: Why no action can be executed, in words for the model; None where there is one.
        well_formed: Whether the answer is exactly non-empty think text, then one valid action, and nothing else.
    """

    think: str | None
    action: Action | None
    error: str | None
    well_formed: bool


_SPACE = " \t\r\n"
_SHORT = 20_000  # characters of an answer that may be remembered: a server can send megabytes
# Possessive (`++`), so that a megabyte of digits or blanks is given up in one pass and not in as many as it is long.
_NUMBER = re.compile(r"[+-]?(?:(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?|inf|infinity)", re.ASCII)
_CALL = re.compile(r"([A-Za-z_]+)[ \t]*+(?:\((.*)\))?[ \t]*", re.DOTALL)
# A line that is an action, or would be but for its prefix.
_ACTING = re.compile(r"(?:(?i:action)\s*:|(?:" + "|".join(ActionKind) + r")\b\s*\()")
_SECOND_CALL = re.compile(r"\)[\s,;.&]*+(?:and|then)?\s*+(?:" + "|".join(ActionKind) + r")\b\s*(?:\(|$)")


def parse_answer(text: str, actions: tuple[ActionKind, ...] = EXTENDED_ACTIONS) -> Answer:
    """Takes a whole answer apart; total: malformed text gives an `Answer` with `error`, never an exception.

    Args:
        text: The canonical answer (see `prompt.canonical_answer` for servers that move or open the think text).
        actions: The actions that there are.
    """
    return _remembered(text, actions) if len(text) <= _SHORT else _parsed(text, actions)


def _parsed(text: str, actions: tuple[ActionKind, ...]) -> Answer:
    head, closed, tail = text.rpartition(THINK_CLOSE)
    think: str | None = None
    if closed:
        before, opened, inside = head.partition(THINK_OPEN)
        if opened and not before.strip():
            think = inside.strip("\n")
    elif THINK_OPEN in text:
        return Answer(None, None, f"the reasoning is not closed: write {THINK_CLOSE} before the action", False)
    try:
        action, alone = _find_action(tail, actions)
    except ActionError as error:
        return Answer(think, None, str(error), False)
    return Answer(think, action, None, well_formed=alone and bool(think and think.strip()))


_remembered = lru_cache(maxsize=32)(_parsed)  # an answer is looked at by several, one after the other


def _find_action(tail: str, actions: Sequence[ActionKind]) -> tuple[Action, bool]:
    """Returns the one action of the text after the reasoning, and whether nothing else stands there."""
    # Not splitlines() and strip(): a name may hold or end in an exotic separator or space.
    lines = [line.strip(_SPACE) for line in tail.split("\n") if line.strip(_SPACE)]
    acting = [line for line in lines if line.startswith(ACTION_PREFIX)]
    if not acting:
        raise ActionError(f"no action found: end the answer with one line '{ACTION_PREFIX} NAME(arguments)'")
    if sum(bool(_ACTING.match(line)) for line in lines) > 1:
        raise ActionError("several actions found: exactly one action a turn")
    return parse_action(acting[0].removeprefix(ACTION_PREFIX), actions), len(lines) == 1


def parse_action(text: str, actions: Sequence[ActionKind] = EXTENDED_ACTIONS) -> Action:
    """Parses one action, e.g. ``UPDATE_BOUNDS(flow[a,b], 0, inf)``.

    Args:
        text: The call alone, without the ``Action:`` prefix. Empty parentheses may be missing.
        actions: The actions that there are.

    Raises:
        ActionError: The text is no action, or none of these, or its numbers are refused: not a number, not finite
            (bounds may be ±inf), a negative amount, a lower bound above the upper.
    """
    text = text.strip(_SPACE)
    call = _CALL.fullmatch(text)
    if call is None:
        raise ActionError(f"cannot read {_quote(text)} as an action: write NAME(arguments)")
    if _SECOND_CALL.search(text):
        raise ActionError("several actions on one line: exactly one action a turn")
    kind = _kind(call[1], actions)
    signature = SIGNATURES[kind]
    arguments = (call[2] or "").strip(_SPACE)
    if signature.target is None:
        if arguments:
            raise ActionError(f"{kind} takes no arguments")
        return Action(kind)
    if signature.expression is not None:
        return _read_rewrite(kind, arguments)
    parts = [part.strip(_SPACE) for part in arguments.rsplit(",", len(signature.numbers))]
    if len(parts) != 1 + len(signature.numbers) or not parts[0]:
        raise ActionError(f"{kind} needs {1 + len(signature.numbers)} argument(s): {kind}({signature.text})")
    named = zip(signature.numbers, parts[1:], strict=True)
    numbers = tuple(_number(kind, name, part) for name, part in named)
    if kind in _CHECKS:
        _CHECKS[kind](numbers)
    return Action(kind, parts[0], numbers)


def _read_rewrite(kind: ActionKind, arguments: str) -> Action:
    """Splits at the first comma, one with a space after it if there is one: ``flow[a,b]`` is whole then."""
    left, _, _ = split_sides(arguments)
    target, comma, rest = left.partition(", " if ", " in left else ",")
    if not target.strip(_SPACE) or not rest.strip(_SPACE):
        raise ActionError(f"{kind} needs a row and what it becomes: {kind}({SIGNATURES[kind].text})")
    return Action(kind, target, expression=arguments[len(target) + len(comma) :])


def _kind(word: str, actions: Sequence[ActionKind]) -> ActionKind:
    if word in actions:
        return ActionKind(word)
    if word in EXTENDED_ACTIONS:
        raise ActionError(f"{word} is not among the actions of this benchmark: {', '.join(actions)}")
    near = difflib.get_close_matches(word.upper(), list(actions), n=1)
    hint = f"did you mean {near[0]}?" if near else f"the actions are {', '.join(actions)}"
    raise ActionError(f"unknown action {_quote(word)}: {hint}")


def _number(kind: ActionKind, name: str, text: str) -> float:
    """Reads one numeric argument; only bounds may be infinite."""
    # float() alone would also take '1_000', 'nan' and non-ASCII digits.
    if not _NUMBER.fullmatch(text):
        raise ActionError(f"{name} of {kind} must be a number, not {_quote(text)}: {kind}({SIGNATURES[kind].text})")
    value = float(text)
    if math.isinf(value) and (kind is not ActionKind.UPDATE_BOUNDS or "inf" not in text):
        raise ActionError(f"{name} of {kind} must be finite, not {_quote(text)}")
    return value


def _check_amount(numbers: tuple[float, ...]) -> None:
    if numbers[0] < 0:
        raise ActionError(f"the amount must not be negative ({numbers[0]:g}): RELAX always loosens")


def _check_bounds(numbers: tuple[float, ...]) -> None:
    lower, upper = numbers
    if lower > upper:
        raise ActionError(f"the lower bound {lower:g} is above the upper bound {upper:g}")
    if lower == math.inf or upper == -math.inf:
        raise ActionError("no value lies between these bounds: use -inf below and inf above")


_CHECKS: dict[ActionKind, Callable[[tuple[float, ...]], None]] = {
    ActionKind.RELAX_CONSTRAINT: _check_amount,
    ActionKind.UPDATE_BOUNDS: _check_bounds,
}


def _format_number(value: float) -> str:
    """Writes the shortest text that reads back to the same float; ``1.0``, not ``1``, as the public data does."""
    return repr(float(value))


def _quote(text: str) -> str:
    """Quotes model text in a message, cut so that a megabyte of garbage stays out of the next prompt."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
