"""Answers of the judge as JSON, and back: nothing is executed, and what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ordebug_plugin.edits import Edits
from ordebug_plugin.interval import Interval
from ordebug_plugin.verdict import IIS, Audit, Relaxation, Status, Verdict


def dump_answer(answer: object) -> str:
    """An answer as JSON; floats keep every digit."""
    return json.dumps(_plain(answer), ensure_ascii=False, separators=(",", ":"))


def load_answer(question: str, text: str) -> object:
    """The answer to a question.

    Args:
        question: One of `STORED`.
        text: What `dump_answer` made of it.

    Raises:
        ValueError: It is not such an answer.
    """
    try:
        return STORED[question](json.loads(text))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"no answer to {question!r}") from error


def edits_key(edits: Edits) -> list[Any]:
    """Edits as lists: equal edits, equal lists."""
    return [_plain(edits.rows), _plain(edits.variables), _plain(edits.rewrites)]


def _plain(value: object) -> Any:
    """Dataclasses as lists of their fields, in order."""
    if isinstance(value, Interval | Verdict | IIS | Relaxation | Audit):
        return [_plain(getattr(value, field.name)) for field in fields(value)]
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _verdict(record: Any) -> Verdict:
    status, objective = record
    return Verdict(Status(status), None if objective is None else _number(objective))


def _iis(record: Any) -> IIS | None:
    if record is None:
        return None
    rows, bounds, others, minimal = record
    return IIS(_names(rows), _names(bounds), _names(others), minimal=_truth(minimal))


def _relaxation(record: Any) -> Relaxation | None:
    if record is None:
        return None
    cost, rows, variables, activities = record
    reached = tuple((_name(name), _number(value)) for name, value in activities)
    return Relaxation(_number(cost), _intervals(rows), _intervals(variables), reached)


def _audit(record: Any) -> Audit:
    granted, lost = record
    return Audit(_number(granted), _names(lost))


def _cost(record: Any) -> float | None:
    return None if record is None else _number(record)


def _intervals(record: Any) -> tuple[tuple[str, Interval], ...]:
    return tuple((_name(name), Interval(_number(lower), _number(upper))) for name, (lower, upper) in record)


def _names(record: Any) -> tuple[str, ...]:
    if not isinstance(record, list):
        raise TypeError
    return tuple(_name(name) for name in record)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return value


STORED: Mapping[str, Callable[[Any], object]] = {
    "solve": _verdict,
    "iis": _iis,
    "irreducible": _truth,
    "hairline": _truth,
    "relaxation": _relaxation,
    "infeasibility": _cost,
    "audit": _audit,
}
