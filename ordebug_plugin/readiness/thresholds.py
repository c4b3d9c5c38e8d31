"""The thresholds and settings of `ordebug graduate`: defaults in one YAML, single keys replaced by the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ordebug_plugin.documents import parse_yaml
from ordebug_plugin.errors import InputError
from ordebug_plugin.fields import is_number
from ordebug_plugin.metrics import RR_TURNS
from ordebug_plugin.reward_functions import REWARDS

_DEFAULTS = "thresholds.yaml"
# Checks that can decide, by name; `deciding` lists some of them.
CHECKS = (
    "convergence",
    "gap",
    "format",
    "action",
    "rr@5",
    "hit",
    "preservation",
    "text_unique",
    "text_pairs",
    "action_unique",
    "action_pairs",
    "reward",
    "retention",
    "faithfulness",
)
# Keys whose values are shares: a 90 for .9 would let nobody pass, and say nothing.
_SHARES = (
    *((section, "least") for section in ("format", "action", "reward", "retention", "faithfulness")),
    *(("diversity", key) for key in ("text_unique", "text_pairs", "action_unique", "action_pairs")),
    *(("retention", "overlap"), ("lost", "most")),
)


@dataclass(frozen=True)
class Thresholds:
    """All of them; the meaning of each is in ``thresholds.yaml``.

    Attributes:
        values: Section to key to value, as in the file.
        deciding: The checks that must all be passed.
    """

    values: Mapping[str, Mapping[str, Any]]
    deciding: tuple[str, ...]

    def number(self, section: str, key: str) -> float:
        """One number."""
        return float(self.values[section][key])

    def whole(self, section: str, key: str) -> int:
        """One whole number."""
        return int(self.values[section][key])

    @property
    def reward(self) -> str:
        """The name of the reward of GRPO."""
        return str(self.values["reward"]["name"])

    @property
    def cuts(self) -> tuple[float, ...]:
        """Shares of the think text that are left."""
        return tuple(map(float, self.values["faithfulness"]["cuts"]))

    @property
    def record(self) -> dict[str, Any]:
        """As in the file."""
        return {**{section: dict(keys) for section, keys in self.values.items()}, "deciding": list(self.deciding)}


@cache
def _defaults() -> dict[str, Any]:
    content: dict[str, Any] = parse_yaml(files(__package__).joinpath(_DEFAULTS).read_text(encoding="utf-8"))
    return content


def load_thresholds(path: Path | None = None) -> Thresholds:
    """The defaults, with what a file says instead.

    Raises:
        InputError: The file cannot be read, names a key that does not exist, or gives it a value of the wrong kind.
    """
    merged = {section: dict(keys) for section, keys in _defaults().items() if section != "deciding"}
    deciding = list(_defaults()["deciding"])
    for section, keys in _content(path).items():
        if section == "deciding":
            deciding = _checks(path, keys)
            continue
        if section not in merged:
            raise InputError(f"{path}: unknown key {section!r}; there are {', '.join([*merged, 'deciding'])}")
        if not isinstance(keys, dict):
            raise InputError(f"{path}: {section} holds keys ({', '.join(merged[section])}), not {keys!r}")
        for key, value in keys.items():
            if key not in merged[section]:
                raise InputError(f"{path}: unknown key {section}.{key}; there are {', '.join(merged[section])}")
            merged[section][key] = _checked(f"{path}: {section}.{key}", value, merged[section][key])
    _check_values(path, merged)
    return Thresholds(merged, tuple(deciding))


def _content(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no keys: write some of {', '.join(_defaults())}")
    return content


def _checks(path: Path | None, names: object) -> list[str]:
    if not isinstance(names, list) or not names:
        raise InputError(f"{path}: deciding is a list of checks, of {', '.join(CHECKS)}")
    unknown = [str(name) for name in names if not isinstance(name, str) or name not in CHECKS]
    if unknown:
        raise InputError(f"{path}: unknown check {unknown[0]!r} in deciding; there are {', '.join(CHECKS)}")
    return [str(name) for name in names]


def _checked(where: str, value: object, default: object) -> object:
    """A value of the default's kind."""
    if isinstance(default, str):
        if not isinstance(value, str) or value not in REWARDS:
            raise InputError(f"{where}: no reward {value!r}; there are {', '.join(sorted(REWARDS))}")
        return value
    if isinstance(default, list):
        if not isinstance(value, list) or not value or not all(_is_amount(one) and 0 < one < 1 for one in value):
            raise InputError(f"{where}: a list of shares between 0 and 1, not {value!r}")
        return value
    if not _is_amount(value) or (isinstance(default, int) and not isinstance(value, int)):
        raise InputError(f"{where}: a {'whole ' if isinstance(default, int) else ''}number, not {value!r}")
    return value


def _is_amount(value: object) -> bool:
    return is_number(value) and value >= 0


def _check_values(path: Path | None, values: Mapping[str, Mapping[str, Any]]) -> None:
    least = (("diversity", "samples", 2), ("convergence", "patience", 1), ("task", "turns", RR_TURNS[1]))
    for section, key, smallest in least:
        if values[section][key] < smallest:
            raise InputError(f"{path}: {section}.{key} must be at least {smallest}, not {values[section][key]}")
    for section, key in _SHARES:
        if values[section][key] > 1:
            raise InputError(f"{path}: {section}.{key} is a share, at most 1, not {values[section][key]}")
