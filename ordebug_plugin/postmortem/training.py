"""One training as its framework left it on disk: curves, checkpoints, settings and data.

LLaMA-Factory and ms-swift both train with the Trainer of Hugging Face, whose ``trainer_state.json`` holds everything
that was logged (``log_history``), in the output folder or in its newest checkpoint. ms-swift writes the same records to
``logging.jsonl`` as they come, so that a run that was killed has them as well, and its arguments to ``args.json``;
LLaMA-Factory has ``trainer_log.jsonl``. Where none of these is there, TensorBoard's event files are read.
LLaMA-Factory leaves its arguments in a pickle alone (``training_args.bin``), which could run anything and stays closed:
a recipe that somebody put into the output folder speaks for them.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ordebug_plugin.documents import parse_json, parse_yaml
from ordebug_plugin.errors import InputError
from ordebug_plugin.postmortem.data import DataFile, data_files

STATE, STEPS, ARGUMENTS, PROGRESS = "trainer_state.json", "logging.jsonl", "args.json", "trainer_log.jsonl"
EVALUATIONS = ("eval_results.json", "all_results.json")
_EVENTS = "events.out.tfevents.*"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
# Files in which somebody may have kept the recipe beside the output.
_RECIPES = ("*.yaml", "*.yml")
_OF_A_RECIPE = frozenset({"dataset", "model_name_or_path", "model"})
# ms-swift logs the step as `12/50`.
_STEP = re.compile(r"(\d+)/(\d+)$")
# Share of a curve that counts as its beginning, and as its end.
_END = 0.1
_MOST_FILES = 5


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
class Training:
    """A training.

    Attributes:
        path: Its output folder.
        framework: ``LLaMA-Factory``, ``ms-swift`` or ``Hugging Face``.
        stage: SFT or GRPO.
        curves: By name.
        broken: Name to the steps at which it was logged and was no finite number; such values are in no curve.
        steps: The last step that was logged.
        planned: Steps that were planned; None where that is not written down.
        seconds: Wall time; None where that is not written down.
        checkpoints: Their steps, in order.
        best_checkpoint: The one with the best metric, where one was found. ms-swift names one whenever it evaluates.
        keeps_best: Whether the output holds that one (``load_best_model_at_end``), and not the last.
        settings: What is known of the arguments; empty where nobody wrote them down.
        data: Files that the settings name.
        sources: The files that were read.
    """

    path: Path
    framework: str
    stage: Stage
    curves: Mapping[str, Curve]
    broken: Mapping[str, tuple[int, ...]]
    steps: int
    planned: int | None
    seconds: float | None
    checkpoints: tuple[int, ...]
    best_checkpoint: str | None
    keeps_best: bool
    settings: Mapping[str, Any]
    data: tuple[DataFile, ...]
    sources: tuple[str, ...]

    @property
    def finished(self) -> bool | None:
        """Whether all planned steps were done; None where nobody knows how many there were."""
        return None if self.planned is None else self.steps >= self.planned


def is_training(folder: Path) -> bool:
    """Whether a folder looks like the output of a training."""
    names = (STATE, STEPS, PROGRESS, "checkpoint-*/" + STATE, *(place + _EVENTS for place in ("", "runs/", "runs/*/")))
    return any(True for name in names for _ in folder.glob(name))


def read_training(folder: Path) -> Training:
    """Reads the output folder of a training.

    Raises:
        InputError: It holds no log, or one that cannot be read.
    """
    state_file = _state_file(folder)
    state = _state(state_file) if state_file is not None else {}
    lines = list(_lines(folder / STEPS)) if (folder / STEPS).exists() else []
    progress = list(_lines(folder / PROGRESS)) if (folder / PROGRESS).exists() else []
    records = _with_steps(lines or state.get("log_history") or progress)
    event_files = [] if records else sorted(folder.glob(f"**/{_EVENTS}"))
    if event_files:
        records = _with_steps(_events(folder, event_files))
    if not records:
        raise InputError(
            f"{folder} holds no log of a training: name the output folder, with {STATE}, {STEPS}, {PROGRESS} or "
            "TensorBoard's event files"
        )
    curves = _curves(records)
    settings, settings_file = _settings(folder)
    framework = (
        "ms-swift" if lines or (folder / ARGUMENTS).exists() else "LLaMA-Factory" if progress else "Hugging Face"
    )
    logs = [folder / name for name, there in ((STEPS, lines), (PROGRESS, progress)) if there]
    used = [path for path in (state_file, *logs, *event_files, settings_file) if path is not None]
    totals = (total for _, total in map(_step, (*lines, *progress)) if total)
    return Training(
        path=folder,
        framework=framework,
        stage=Stage.GRPO if "reward" in curves else Stage.SFT,
        curves=curves,
        broken=_broken(records),
        steps=max(step for step, _ in records),
        planned=state.get("max_steps") or next(totals, None),
        seconds=_seconds(records, progress),
        checkpoints=tuple(
            sorted(int(match[1]) for path in folder.iterdir() if (match := _CHECKPOINT.search(path.name)))
        ),
        best_checkpoint=state.get("best_model_checkpoint"),
        # LLaMA-Factory leaves no settings, and looks for a best one only where it is to be loaded.
        keeps_best=state.get("best_model_checkpoint") is not None
        and settings.get("load_best_model_at_end", True) is not False,
        settings=settings,
        data=tuple(data_files(folder, settings, by_name=settings_file != folder / ARGUMENTS)),
        sources=tuple(str(path.relative_to(folder)) for path in used),
    )


def evaluation_loss(folder: Path) -> float | None:
    """The trainer's own loss on held-out data, of the final model.

    Where that one was not evaluated by itself, it is the last one logged, or the least where the best was kept.
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
    training = read_training(folder) if is_training(folder) else None
    curve = None if training is None else training.curves.get("eval_loss")
    if training is None or curve is None:
        return None
    return min(value for _, value in curve.points) if training.keeps_best else curve.last


def _state_file(folder: Path) -> Path | None:
    if (folder / STATE).exists():
        return folder / STATE
    found = [
        (int(match[1]), path)
        for path in folder.glob(f"checkpoint-*/{STATE}")
        if (match := _CHECKPOINT.search(path.parent.name))
    ]
    return max(found)[1] if found else None


def _state(path: Path) -> dict[str, Any]:
    """The state of a trainer, whose entries are what they should be."""
    state = _json(path)
    history = state.get("log_history") or []
    if not isinstance(history, list) or not all(isinstance(record, dict) for record in history):
        raise InputError(f"{path}: log_history must be a list of records, it is {_shown(history)}")
    planned, best = state.get("max_steps"), state.get("best_model_checkpoint")
    if not isinstance(planned, int | None):
        raise InputError(f"{path}: max_steps must be a whole number, it is {_shown(planned)}")
    if not isinstance(best, str | None):
        raise InputError(f"{path}: best_model_checkpoint must be the name of a folder, it is {_shown(best)}")
    return state


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _json(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text(encoding="utf-8"), finite=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no JSON object")
    return content


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSONL file; a torn last line, as a killed run leaves it, is passed over."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = parse_json(line, finite=False)
        except ValueError as error:
            if number == len(lines):
                return
            raise InputError(f"{path}, line {number} is no JSON: {error}") from error
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number} is no record of a step: {_shown(record)}")
        yield record


def _step(record: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The step of a record, and how many are planned."""
    for key in ("step", "current_steps", "global_step"):
        if isinstance(record.get(key), int):
            total = record.get("total_steps")
            return record[key], total if isinstance(total, int) else None
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


def _broken(records: Sequence[tuple[int, Mapping[str, Any]]]) -> dict[str, tuple[int, ...]]:
    steps: dict[str, list[int]] = {}
    for step, record in records:
        for name, value in record.items():
            number = _float(value)
            if number is not None and not math.isfinite(number):
                steps.setdefault(name, []).append(step)
    return {name: tuple(found) for name, found in steps.items()}


def _number(value: object) -> float | None:
    number = _float(value)
    return number if number is not None and math.isfinite(number) else None


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


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


def _settings(folder: Path) -> tuple[dict[str, Any], Path | None]:
    """The arguments of ms-swift, or of a recipe that lies beside the output, and the file that has them."""
    if (folder / ARGUMENTS).exists():
        return _json(folder / ARGUMENTS), folder / ARGUMENTS
    for pattern in _RECIPES:
        for path in sorted(folder.glob(pattern)):
            try:
                content = parse_yaml(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise InputError(f"{path} cannot be read: {error}") from error
            # LLaMA-Board and others leave YAML of other kinds there.
            if isinstance(content, dict) and not _OF_A_RECIPE.isdisjoint(content):
                return {str(name): value for name, value in content.items()}, path
    return {}, None


def _events(folder: Path, files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """What TensorBoard's event files hold.

    Raises:
        InputError: TensorBoard is not installed.
    """
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415
    except ImportError as error:
        names = ", ".join(str(path.relative_to(folder)) for path in files[:_MOST_FILES])
        more = "" if len(files) <= _MOST_FILES else f" and {len(files) - _MOST_FILES} more"
        raise InputError(
            f"{folder} has its log in TensorBoard's event files alone ({names}{more}), and the package that reads "
            f"them is missing here: `pip install tensorboard` in the environment of {sys.executable}"
        ) from error
    for place in sorted({path.parent for path in files}):
        accumulator = EventAccumulator(str(place), size_guidance={"scalars": 0})
        accumulator.Reload()
        for tag in accumulator.Tags()["scalars"]:
            name = f"eval_{tag.removeprefix('eval/')}" if tag.startswith("eval/") else tag.removeprefix("train/")
            for event in accumulator.Scalars(tag):
                yield {"step": event.step, name: event.value}
