"""A sweep as its YAML file says it: what all points share, what each point changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordebug_plugin.documents import parse_yaml
from ordebug_plugin.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# What a point may set, section by section; `recipes/sweeps/epochs.yaml` says what each means.
SECTIONS: Mapping[str, frozenset[str]] = {
    "data": frozenset({"demos", "rows", "keep", "held_out", "problems"}),
    "sft": frozenset({"base", "recipe", "settings", "environment"}),
    "merge": frozenset({"recipe", "settings"}),
    "serve": frozenset({"kind", "batch", "options"}),
    "eval": frozenset({"options"}),
    "samples": frozenset({"options"}),
    "preflight": frozenset({"options", "choose"}),
    "graduate": frozenset({"options"}),
    "grpo": frozenset({"recipe", "settings", "environment", "prompts", "merge"}),
}
_REQUIRED = {"data": ("demos", "held_out", "problems"), "sft": ("base", "recipe"), "grpo": ("recipe", "prompts")}
# What settings must be that are read here; others are handed on to the commands, which check them.
_PATH, _NUMBER = (str, "a path"), (int, "a whole number")
_KINDS: Mapping[str, Mapping[str, tuple[type, str]]] = {
    "data": {"demos": _PATH, "held_out": _PATH, "problems": _PATH, "rows": _NUMBER},
    "sft": {"base": _PATH, "recipe": _PATH},
    "merge": {"recipe": _PATH},
    "serve": {"batch": _NUMBER},
    "grpo": {"recipe": _PATH, "prompts": _PATH},
}
_SHARED = frozenset({"command", "serves"})
_TOP = frozenset({"extends", "what", "never_run", "seeds", "environment", "shared", "points", *SECTIONS})


@dataclass(frozen=True)
class Point:
    """One point of a sweep.

    Attributes:
        setting: Its name in the file.
        seed: Added to the seeds of the trainings.
        sections: All its settings, by section; paths still hold ``{shared}`` and ``{point}``.
    """

    setting: str
    seed: int
    sections: Mapping[str, Mapping[str, Any]]

    @property
    def name(self) -> str:
        """Setting and seed; the name of its folder."""
        return f"{self.setting}-s{self.seed}"


@dataclass(frozen=True)
class Shared:
    """What is made once.

    Attributes:
        command: Its command line; ``{url}`` in it is the address of the model that is served.
        serves: That model; None where there is none.
    """

    command: str
    serves: str | None = None


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Attributes:
        path: Its file.
        what: What it varies, in words.
        never_run: Whether nobody has run it, only parsed it.
        environment: Variables of every command.
        shared: Name to what is made once, in order.
        serve: How a model is served, where no point says otherwise.
        points: All of them, the seeds of a setting one after the other.
    """

    path: Path
    what: str
    never_run: bool
    environment: Mapping[str, str]
    shared: Mapping[str, Shared]
    serve: Mapping[str, Any]
    points: tuple[Point, ...]


def load_sweep(path: Path) -> Sweep:
    """Reads a sweep.

    Raises:
        InputError: The file cannot be read, or says something that a sweep does not know; names the key.
    """
    top = _read(path)
    defaults = {name: _section(top.get(name), path, name, known) for name, known in SECTIONS.items()}
    points = _mapping(top.get("points"), path, "points", None)
    seeds = top.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(isinstance(seed, int) and seed >= 0 for seed in seeds):
        raise InputError(f"{path}, seeds: must be a list of whole numbers of at least 0")
    if not points:
        raise InputError(f"{path}, points: there are none")
    return Sweep(
        path=path,
        what=str(top.get("what", path.stem)),
        never_run=bool(top.get("never_run", False)),
        environment=_texts(top.get("environment"), path, "environment"),
        shared=_shared(top.get("shared"), path),
        serve=defaults["serve"],
        points=tuple(
            Point(_file_name(name, path, "points"), seed, _merged(defaults, changes, path, f"points, {name}"))
            for name, changes in points.items()
            for seed in dict.fromkeys(seeds)
        ),
    )


def _read(path: Path, before: tuple[Path, ...] = ()) -> Mapping[str, Any]:
    """The keys of a file over those of the one that it extends: sections setting by setting, all else as a whole."""
    if path.resolve() in before:
        raise InputError(f"{path}: it extends itself")
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    own = dict(_mapping(content, path, "the file", _TOP))
    extended = own.pop("extends", None)
    if extended is None:
        return own
    below = _read(path.parent / str(extended), (*before, path.resolve()))
    merged = {**below, **own}
    for name, known in SECTIONS.items():
        section = _section(own.get(name), path, name, known)
        merged[name] = _over(_section(below.get(name), path, name, known), section)
    return merged


def _over(defaults: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A section under changes to it, key by key, and within options, settings and environment one by one."""
    merged = dict(defaults)
    for key, value in changes.items():
        before = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        merged[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    return merged


def _merged(
    defaults: Mapping[str, Mapping[str, Any]], changes: Any, path: Path, where: str
) -> dict[str, dict[str, Any]]:
    """All sections of a point: the defaults under what it changes."""
    changed = _mapping(changes or {}, path, where, frozenset(SECTIONS))
    merged: dict[str, dict[str, Any]] = {}
    for name, known in SECTIONS.items():
        section = _section(changed.get(name), path, f"{where}, {name}", known)
        merged[name] = _over(defaults[name], section)
    for name, keys in _REQUIRED.items():
        for key in keys:
            if merged[name].get(key) is None:
                raise InputError(f"{path}, {where}: {name}: {key} is missing")
    for name, kinds in _KINDS.items():
        for key, (kind, words) in kinds.items():
            value = merged[name].get(key)
            if value is not None and not (isinstance(value, kind) and not isinstance(value, bool)):
                raise InputError(f"{path}, {where}: {name}: {key} must be {words}, not {value!r}")
    return merged


def _file_name(name: str, path: Path, where: str) -> str:
    """A name that is to be that of a file or a folder below the sweep's own."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{path}, {where}, {name}: the name becomes a folder's: letters, digits, dots, - and _ alone")
    return name


def _section(value: Any, path: Path, where: str, known: frozenset[str]) -> Mapping[str, Any]:
    section = _mapping(value or {}, path, where, known)
    for key in ("options", "settings", "environment"):
        if key in section:
            _mapping(section[key] or {}, path, f"{where}, {key}", None)
    return section


def _mapping(value: Any, path: Path, where: str, known: frozenset[str] | None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{path}, {where}: must be keys with values")
    for key in value:
        if known is not None and key not in known:
            raise InputError(f"{path}, {where}: there is no key {key!r}; known are {', '.join(sorted(known))}")
    return {str(key): entry for key, entry in value.items()}


def _shared(value: Any, path: Path) -> dict[str, Shared]:
    found: dict[str, Shared] = {}
    for name, entry in _mapping(value or {}, path, "shared", None).items():
        keys = entry if isinstance(entry, Mapping) else {"command": entry}
        texts = _texts(_mapping(keys, path, f"shared, {name}", _SHARED), path, f"shared, {name}")
        if "command" not in texts:
            raise InputError(f"{path}, shared, {name}: command is missing")
        found[_file_name(name, path, "shared")] = Shared(texts["command"], texts.get("serves"))
    return found


def _texts(value: Any, path: Path, where: str) -> dict[str, str]:
    entries = _mapping(value or {}, path, where, None)
    for key, entry in entries.items():
        if isinstance(entry, Mapping | list) or entry is None:
            raise InputError(f"{path}, {where}, {key}: must be one text")
    return {key: str(entry) for key, entry in entries.items()}
