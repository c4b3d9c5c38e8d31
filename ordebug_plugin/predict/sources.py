"""Where the figures of SFT checkpoints lie: folders in the layout of a sweep, or a table that names them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ordebug_plugin.documents import parse_json, parse_yaml
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.run import CONFIG
from ordebug_plugin.fields import is_number

# The layout of a checkpoint's folder.
TRAINING, EVAL, SAMPLES, PREFLIGHT, RL_EVAL = "sft", "eval/sft", "samples", "preflight.json", "eval/grpo"
# What a sweep adds to the name of a setting.
_SEED = re.compile(r"-s\d+$")
_EXAMPLE = "{checkpoints: [{name: e1, eval: runs/e1, samples: runs/e1-k256, training: saves/e1, rl: runs/e1-grpo}]}"


@dataclass(frozen=True)
class Sources:
    """Where the figures of one checkpoint are; None where there are none.

    Attributes:
        name: Of the checkpoint.
        eval: Run of ``ordebug eval`` on the SFT model.
        samples: Run with many samples of each problem.
        training: Output of the training, with its own evaluation loss on held-out demonstrations.
        loss: That loss, where it is given as a number.
        preflight: What ``ordebug preflight --json`` printed.
        rl: Run of ``ordebug eval`` on the model after reinforcement learning.
        other: Further figures by name; larger is taken for better.
        setting: Of which this is one seed; empty where it is not known.
    """

    name: str
    eval: Path | None = None
    samples: Path | None = None
    training: Path | None = None
    loss: float | None = None
    preflight: Path | None = None
    rl: Path | None = None
    other: Mapping[str, float] = field(default_factory=dict)
    setting: str = ""


def find_checkpoints(paths: Sequence[Path]) -> list[Sources]:
    """The checkpoints that tables and folders name; a folder is one, or holds some at most two levels below.

    Raises:
        InputError: A path holds none, or two have the same name.
    """
    found = [one for path in paths for one in (_from_folder(path) if path.is_dir() else _from_table(path))]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two checkpoints are called {name}: name them in a table, {_EXAMPLE}")
    return found


def _from_folder(folder: Path) -> Iterator[Sources]:
    inside = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_dir())
    # A checkpoint's folder may hold other samples, as those of `ordebug graduate`: they are no checkpoint of their own.
    here = [path for path in (folder, *inside) if _holds_checkpoint(path) and not _holds_checkpoint(path.parent)]
    if not here:
        raise InputError(
            f"{folder} holds no checkpoint: one has a run in {EVAL} or {SAMPLES}, as `ordebug sweep` writes them; "
            f"or give a table, {_EXAMPLE}"
        )
    for path in here:
        yield Sources(
            name=path.resolve().name,
            setting=_SEED.sub("", path.resolve().name),
            eval=_existing(path / EVAL, CONFIG),
            samples=_existing(path / SAMPLES, CONFIG),
            training=_existing(path / TRAINING),
            preflight=_existing(path / PREFLIGHT),
            rl=_existing(path / RL_EVAL, CONFIG),
        )


def _holds_checkpoint(path: Path) -> bool:
    return any((path / name / CONFIG).exists() for name in (EVAL, SAMPLES))


def _existing(path: Path, holding: str = "") -> Path | None:
    return path if (path / holding).exists() else None


def _from_table(path: Path) -> Iterator[Sources]:
    try:
        text = path.read_text(encoding="utf-8")
        content = parse_json(text) if path.suffix == ".json" else parse_yaml(text)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    rows = content.get("checkpoints") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path} lists no checkpoints: {_EXAMPLE}")
    for number, row in enumerate(rows, 1):
        yield _from_row(row, path, f"{path}, checkpoint {number}")


def _from_row(row: Any, table: Path, where: str) -> Sources:
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise InputError(f"{where} needs a name: {_EXAMPLE}")
    places: dict[str, Path] = {}
    known = {"name", "setting", "eval", "samples", "training", "loss", "preflight", "rl", "other"}
    unknown = [key for key in row if key not in known]
    if unknown:
        raise InputError(f"{where} has no key {unknown[0]!r}: known are {', '.join(sorted(known))}")
    for key in ("eval", "samples", "training", "preflight", "rl"):
        if row.get(key) is not None:
            places[key] = table.parent / str(row[key])  # an absolute path stays as it is
            if not places[key].exists():
                raise InputError(f"{where}, {key}: {places[key]} is not there")
    loss = None if row.get("loss") is None else _number(row["loss"], f"{where}, loss")
    others = row.get("other") or {}
    if not isinstance(others, dict):
        raise InputError(f"{where}, other: must be names with numbers")
    other = {str(name): _number(value, f"{where}, other, {name}") for name, value in others.items()}
    return Sources(name=row["name"], setting=str(row.get("setting", "")), loss=loss, other=other, **places)


def _number(value: Any, where: str) -> float:
    if not is_number(value):
        raise InputError(f"{where}: must be a finite number, not {value!r}")
    return float(value)
