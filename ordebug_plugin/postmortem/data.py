"""The files that a training read its rows from, found by its settings, and hashed.

ms-swift's ``args.json`` names paths, relative to the folder in which the training was started. A recipe of
LLaMA-Factory names data sets: ``dataset_info.json`` in its ``dataset_dir`` says which file each of them is, relative to
that folder. Nobody writes down where a training was started, so relative paths are tried from all folders it can be.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordebug_plugin.documents import parse_json

_KEYS = ("dataset", "val_dataset", "eval_dataset")
_INFO = "dataset_info.json"
# Where LLaMA-Factory looks for it when a recipe does not say.
_DATASET_DIR = "data"
_LARGEST = 4 << 30  # bytes of a file of data that is hashed
# ms-swift takes so many rows of a file: `rows.jsonl#500`.
_ROWS = re.compile(r"#\d+$")


@dataclass(frozen=True)
class DataFile:
    """A file that was trained on.

    Attributes:
        path: As the settings name it.
        found: Where it lies; None where it was not found.
        sha256: Of its content as it is now; None where that is unknown.
        unknown: Why it is unknown; empty where it is not.
    """

    path: str
    found: str | None = None
    sha256: str | None = None
    unknown: str = ""


def data_files(folder: Path, settings: Mapping[str, Any], *, by_name: bool) -> Iterator[DataFile]:
    """The files that the settings of a training name.

    Args:
        folder: Its output folder.
        settings: Its arguments.
        by_name: Whether they name data sets of ``dataset_info.json``, as recipes of LLaMA-Factory do; else files.
    """
    places = _places(folder, settings.get("output_dir"))
    for key in _KEYS:
        for name in _names(settings.get(key)):
            if by_name:
                yield from _named(name, settings.get("dataset_dir", _DATASET_DIR), places)
            else:
                yield from _hashed(name, _ROWS.sub("", name), places)


def _names(value: object) -> list[str]:
    """The names in a setting: a list, or a text with commas."""
    listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return [name.strip() for name in listed if isinstance(name, str) and name.strip()]


def _places(folder: Path, output: object) -> list[Path]:
    """The folders in which the training can have been started.

    A relative ``output_dir`` at the end of where the output lies leaves but one; else the output folder, all folders
    around it, and the one at hand.
    """
    here = folder.resolve()
    if isinstance(output, str) and output and not Path(output).is_absolute():
        parts = Path(os.path.normpath(output)).parts
        if here.parts[-len(parts) :] == parts:
            return [here.parents[len(parts) - 1]]
    return [here, *here.parents, Path.cwd()]


def _named(name: str, dataset_dir: object, places: Sequence[Path]) -> Iterator[DataFile]:
    """The files of a data set of ``dataset_info.json``."""
    if not isinstance(dataset_dir, str) or dataset_dir == "ONLINE" or dataset_dir.startswith("REMOTE:"):
        yield DataFile(name, unknown=f"dataset_dir is {dataset_dir!r}, which is no folder here")
        return
    info, unknown = _find(os.path.join(dataset_dir, _INFO), places)
    if info is None:
        yield DataFile(name, unknown=unknown)
        return
    try:
        entry = parse_json(info.read_text(encoding="utf-8"))[name]
        file_name = entry["file_name"]
    except (OSError, ValueError) as error:
        yield DataFile(name, unknown=f"{info} cannot be read: {error}")
    except (KeyError, TypeError, IndexError):
        yield DataFile(name, unknown=f"{info} names no file of it: it has no such entry, or one of a hub")
    else:
        yield from _hashed(name, str(file_name), [info.parent])


def _hashed(name: str, path: str, places: Sequence[Path]) -> Iterator[DataFile]:
    """A file, or those in a folder."""
    found, unknown = _find(path, places)
    if found is None:
        yield DataFile(name, unknown=unknown)
        return
    try:
        files = sorted(file for file in found.iterdir() if file.is_file()) if found.is_dir() else [found]
    except OSError as error:
        yield DataFile(name, str(found), unknown=f"the folder cannot be read: {error}")
        return
    if not files:
        yield DataFile(name, str(found), unknown="the folder is empty")
    for file in files:
        sha256 = _sha256(file)
        why = "" if sha256 else f"it cannot be read, or is larger than {_LARGEST >> 30} GiB"
        yield DataFile(name, str(file), sha256, why)


def _find(path: str, places: Sequence[Path]) -> tuple[Path | None, str]:
    """Where a path leads; or None, and why that is not known."""
    if os.path.isabs(path):
        return (Path(path), "") if os.path.exists(path) else (None, f"{path} is not there (any more)")
    try:
        candidates = dict.fromkeys(Path(os.path.realpath(place / path)) for place in places)
    except ValueError:  # a NUL in it, or half of a pair of surrogates
        return None, f"{path!r} is no path"
    found = [one for one in candidates if os.path.exists(one)]
    if not found:
        around = f"in {places[0]}" if len(places) == 1 else f"from {places[0]}, a folder around it, or the one at hand"
        return None, f"there is no {path} {around}"
    first, *others = found
    for other in others:
        if first.is_dir() or other.is_dir() or _sha256(first) != _sha256(other):
            return None, f"{path} may be {first} or {other}, and they are not the same"
    return first, ""


def _sha256(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None
