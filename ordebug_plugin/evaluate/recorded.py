"""The configuration of a run as it lies on disk, checked key by key, so that nothing after it meets a surprise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ordebug_plugin.errors import InputError
from ordebug_plugin.fields import is_number
from ordebug_plugin.prompt import Detail, Style


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _amount(value: object) -> bool:
    return is_number(value) and value >= 0


def _section(value: object) -> bool:
    return isinstance(value, Mapping)


Check = tuple[Callable[[object], bool], str]
_TEXT: Check = (_text, "a text")
_COUNT: Check = (_count, "a whole number of at least 1")
_AMOUNT: Check = (_amount, "a number of at least 0")
_SECTION: Check = (_section, "a section with keys of its own")

# Key, with dots for what is nested, to what it must be. Sections come before what is in them.
_NEEDED: Mapping[str, Check] = {
    "benchmark": _TEXT,
    "agent": _SECTION,
    "max_steps": _COUNT,
    "work_limit": _AMOUNT,
    "problems": _COUNT,
    "benchmark_hash": _TEXT,
    "versions": _SECTION,
    "versions.gurobi": _TEXT,
}
# What older runs, or other agents, do not have.
_WHERE_THERE: Mapping[str, Check] = {
    "samples": _COUNT,
    "concurrency": _COUNT,
    "agent.name": _TEXT,
    "agent.base_url": _TEXT,
    "agent.think": _TEXT,
    "agent.style": _SECTION,
    "agent.sampling": _SECTION,
    "agent.sampling.temperature": _AMOUNT,
}


def check_recorded(path: Path, config: object) -> dict[str, Any]:
    """Holds the content of a ``config.yaml`` against what such a file says.

    Args:
        path: The file, for the message.
        config: Its content.

    Returns:
        The same.

    Raises:
        InputError: A key is missing or is something else; names it.
    """
    if not isinstance(config, dict):
        raise InputError(f"{path} is not the configuration of a run of `ordebug eval`: it has no keys")
    for key, (holds, words) in _NEEDED.items():
        there, value = _entry(config, key)
        if not there:
            raise InputError(f"{path} is not the configuration of a run of `ordebug eval`: the key {key} is missing")
        _hold(path, key, value, holds, words)
    for key, (holds, words) in _WHERE_THERE.items():
        there, value = _entry(config, key)
        if there and value is not None:
            _hold(path, key, value, holds, words)
    try:
        style_of(config)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: agent.style is not how prompts are rendered: {error!r}") from error
    return config


def style_of(config: Mapping[str, Any]) -> Style | None:
    """How the prompts of a recorded run were rendered; None for a built-in agent, which reads none."""
    recorded = config["agent"].get("style")
    return None if recorded is None else Style(**{**recorded, "detail": Detail(recorded.get("detail", Detail.NAMES))})


def _entry(config: Mapping[str, Any], key: str) -> tuple[bool, object]:
    """Whether a key is there, and its value. What is in a section that is not there is not there."""
    value: object = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False, None
        value = value[part]
    return True, value


def _hold(path: Path, key: str, value: object, holds: Callable[[object], bool], words: str) -> None:
    if not holds(value):
        shown = "empty" if value is None else repr(value)[:60]
        raise InputError(f"{path}: {key} must be {words}, it is {shown}")
