"""One training as its framework left it on disk: curves, checkpoints, settings and data.

LLaMA-Factory and ms-swift both train with the Trainer of Hugging Face, whose ``trainer_state.json`` holds everything
that was logged (``log_history``), in the output folder or in its newest checkpoint. ms-swift writes the same records to
``logging.jsonl`` as they come, so that a run that was killed has them as well, and its arguments to ``args.json``;
LLaMA-Factory has ``trainer_log.jsonl``. Where none of these is there, TensorBoard's event files are read.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from ordebug_plugin.errors import InputError

STATE, STEPS, ARGUMENTS, PROGRESS = "trainer_state.json", "logging.jsonl", "args.json", "trainer_log.jsonl"
EVALUATIONS = ("eval_results.json", "all_results.json")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
# Files in which somebody may have kept the recipe beside the output.
_RECIPES = ("*.yaml", "*.yml")
# ms-swift logs the step as `12/50`.
_STEP = re.compile(r"(\d+)/(\d+)$")
# Share of a curve that counts as its beginning, and as its end.
_END = 0.1
_LARGEST = 4 << 30  # bytes of a file of data that is hashed


class Stage(StrEnum):
    """What kind of training it was."""

    SFT = "sft"
    GRPO = "grpo"


@dataclass(frozen=True)
class Curve:
    """One figure over the steps.

    Attributes:
        name: As the framework logs it.
        points: (step, value), by step; values are finite.
    """

    name: str
    points: tuple[tuple[int, float], ...]

    @property
    def last(self) -> float:
        """Its last value."""
        return self.points[-1][1]

    @property
    def ends(self) -> tuple[float, float]:
        """Means of its first and its last tenth, of one point each at least."""
        count = max(1, round(_END * len(self.points)))
        first, last = self.points[:count], self.points[-count:]
        return sum(value for _, value in first) / count, sum(value for _, value in last) / count


@dataclass(frozen=True)
class DataFile:
    """A file that was trained on.

    Attributes:
        path: As the settings name it.
        sha256: Of its content now; None where it cannot be read, or is too large.
    """

    path: str
    sha256: str | None


@dataclass(frozen=True)
class Training:
    """A training.

    Attributes:
        path: Its output folder.
        framework: ``LLaMA-Factory``, ``ms-swift`` or ``Hugging Face``.
        stage: SFT or GRPO.
        curves: By name.
        steps: The last step that was logged.
        planned: Steps that were planned; None where that is not written down.
        seconds: Wall time; None where that is not written down.
        checkpoints: Their steps, in order.
        best_checkpoint: The one with the best metric, where one was chosen.
        settings: What is known of the arguments.
        data: Files that the settings name.
        sources: The files that were read.
    """

    path: Path
    framework: str
    stage: Stage
    curves: Mapping[str, Curve]
    steps: int
    planned: int | None
    seconds: float | None
    checkpoints: tuple[int, ...]
    best_checkpoint: str | None
    settings: Mapping[str, Any]
    data: tuple[DataFile, ...]
    sources: tuple[str, ...]

    @property
    def finished(self) -> bool | None:
        """Whether all planned steps were done; None where nobody knows how many there were."""
        return None if self.planned is None else self.steps >= self.planned


def is_training(folder: Path) -> bool:
    """Whether a folder looks like the output of a training."""
    names = (STATE, STEPS, PROGRESS, "checkpoint-*/" + STATE, "events.out.tfevents.*", "runs/events.out.tfevents.*")
    return any(True for name in names for _ in folder.glob(name))


def read_training(folder: Path) -> Training:
    """Reads the output folder of a training.

    Raises:
        InputError: It holds no log, or one that cannot be read.
    """
    state_file = _state_file(folder)
    state = _json(state_file) if state_file is not None else {}
    lines = list(_lines(folder / STEPS)) if (folder / STEPS).exists() else []
    progress = list(_lines(folder / PROGRESS)) if (folder / PROGRESS).exists() else []
    events = [] if state or lines or progress else list(_events(folder))
    records = _with_steps(lines or state.get("log_history") or progress or events)
    if not records:
        raise InputError(
            f"{folder} holds no log of a training: name the output folder, with {STATE}, {STEPS}, {PROGRESS} or "
            "TensorBoard's event files"
        )
    curves = _curves(records)
    settings = _settings(folder)
    framework = (
        "ms-swift" if lines or (folder / ARGUMENTS).exists() else "LLaMA-Factory" if progress else "Hugging Face"
    )
    used = [state_file, *(folder / name for name, there in ((STEPS, lines), (PROGRESS, progress)) if there)]
    planned = state.get("max_steps") or next((total for _, total in map(_step, lines) if total), None)
    return Training(
        path=folder,
        framework=framework,
        stage=Stage.GRPO if "reward" in curves else Stage.SFT,
        curves=curves,
        steps=max(step for step, _ in records),
        planned=planned or next((one.get("total_steps") for one in progress), None),
        seconds=_seconds(records, progress),
        checkpoints=tuple(
            sorted(int(match[1]) for path in folder.iterdir() if (match := _CHECKPOINT.search(path.name)))
        ),
        best_checkpoint=state.get("best_model_checkpoint"),
        settings=settings,
        data=tuple(_data(settings)),
        sources=tuple(str(path.relative_to(folder)) for path in used if path is not None) or ("TensorBoard",),
    )


def evaluation_loss(folder: Path) -> float | None:
    """The trainer's own loss on held-out data: of the final model where it was evaluated, else the last one logged.

    LLaMA-Factory writes ``eval_results.json`` (and the same into ``all_results.json``) where ``do_eval`` is set.

    Returns:
        None where nothing was evaluated.

    Raises:
        InputError: A file cannot be read.
    """
    for name in EVALUATIONS:
        if (folder / name).exists():
            loss = _number(_json(folder / name).get("eval_loss"))
            if loss is not None:
                return loss
    curve = read_training(folder).curves.get("eval_loss") if is_training(folder) else None
    return None if curve is None else curve.last


def _state_file(folder: Path) -> Path | None:
    if (folder / STATE).exists():
        return folder / STATE
    found = [
        (int(match[1]), path)
        for path in folder.glob(f"checkpoint-*/{STATE}")
        if (match := _CHECKPOINT.search(path.parent.name))
    ]
    return max(found)[1] if found else None


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no JSON object")
    return content


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSONL file; a torn last line, as a killed run leaves it, is passed over."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise InputError(f"{path}, line {number} is no JSON: {error}") from error
        if isinstance(record, dict):
            yield record


def _step(record: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The step of a record, and how many are planned."""
    for key in ("step", "current_steps", "global_step"):
        if isinstance(record.get(key), int):
            return record[key], record.get("total_steps")
    match = _STEP.match(str(record.get("global_step/max_steps", "")))
    return (int(match[1]), int(match[2])) if match else (None, None)


def _with_steps(records: Iterable[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    found = [(step, record) for record in records if (step := _step(record)[0]) is not None]
    return sorted(found, key=lambda pair: pair[0])


def _curves(records: Sequence[tuple[int, Mapping[str, Any]]]) -> dict[str, Curve]:
    """Numbers by name. What was logged twice of a step, as after a restart, counts as it was logged last."""
    values: dict[str, dict[int, float]] = {}
    for step, record in records:
        for name, value in record.items():
            number = _number(value)
            if number is not None and name not in {"step", "current_steps", "global_step", "total_steps"}:
                values.setdefault(name, {})[step] = number
    return {name: Curve(name, tuple(sorted(points.items()))) for name, points in values.items()}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds(records: Sequence[tuple[int, Mapping[str, Any]]], progress: Sequence[Mapping[str, Any]]) -> float | None:
    for _, record in reversed(records):
        if "train_runtime" in record:
            return _number(record["train_runtime"])
    for record in reversed(progress):
        parts = str(record.get("elapsed_time", "")).split(":")
        if len(parts) == 3 and all(part.isdigit() for part in parts):
            hours, minutes, seconds = map(int, parts)
            return float(3600 * hours + 60 * minutes + seconds)
    return None


def _settings(folder: Path) -> dict[str, Any]:
    """The arguments of ms-swift, or of a recipe that lies beside the output."""
    if (folder / ARGUMENTS).exists():
        return _json(folder / ARGUMENTS)
    for pattern in _RECIPES:
        for path in sorted(folder.glob(pattern)):
            try:
                content = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (OSError, yaml.YAMLError) as error:
                raise InputError(f"{path} cannot be read: {error}") from error
            if isinstance(content, dict):
                return content
    return {}


def _data(settings: Mapping[str, Any]) -> Iterator[DataFile]:
    for key in ("dataset", "val_dataset", "eval_dataset"):
        named = settings.get(key) or []
        for path in [named] if isinstance(named, str) else named:
            yield DataFile(str(path), _sha256(Path(str(path))))


def _sha256(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    """What TensorBoard's event files hold; nothing where TensorBoard is not installed."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415
    except ImportError:
        return
    places = {path.parent for path in folder.glob("**/events.out.tfevents.*")}
    for place in sorted(places):
        accumulator = EventAccumulator(str(place), size_guidance={"scalars": 0})
        accumulator.Reload()
        for tag in accumulator.Tags()["scalars"]:
            for event in accumulator.Scalars(tag):
                yield {"step": event.step, tag.removeprefix("train/").replace("eval/", "eval_"): event.value}
