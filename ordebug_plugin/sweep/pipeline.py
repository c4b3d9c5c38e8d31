"""The stages of a sweep: what is shared, and the road of one point from demonstrations to the evaluation after GRPO.

    demos ─► sft (─► merge) ─► eval-sft, samples, preflight (, graduate) ─► grpo (─► merge-grpo) ─► eval-grpo

A point's folder has the layout that `predict.sources` reads.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ordebug_plugin.data.alpaca import ROWS_KEY, read_alpaca
from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.run import SUMMARY
from ordebug_plugin.files import write_text
from ordebug_plugin.predict.sources import EVAL, PREFLIGHT, RL_EVAL, SAMPLES, TRAINING
from ordebug_plugin.readiness.report import REPORT
from ordebug_plugin.serving import Deployment
from ordebug_plugin.sweep.config import Point, Sweep
from ordebug_plugin.sweep.programs import Programs, assignments, beside, options, swift_options
from ordebug_plugin.sweep.stage import URL, Stage

SHARED, POINTS, GRADUATE = "shared", "points", "graduate"
# Which rows of the demonstrations a point takes: any, or those with the shortest answers.
_KEEP = ("any", "short")
_SERVED = "policy"
# Of the recipes; a point's seed is added.
_SEED = 42


def shared_stages(sweep: Sweep, out: Path, programs: Programs) -> list[Stage]:
    """What is made once, each stage after the one before it; a stage makes the file or folder of its name.

    Raises:
        InputError: A command line cannot be used.
    """
    folder = out / SHARED
    stages: list[Stage] = []
    for name, one in sweep.shared.items():
        where = f"{sweep.path}, shared, {name}"
        command = [text.replace("{shared}", str(folder)) for text in programs.resolve(one.command, where)]
        serves = None if one.serves is None else Path(one.serves.replace("{shared}", str(folder)))
        stages.append(
            Stage(
                name=name,
                folder=folder,
                command=command,
                environment=beside(command[0], _environment(sweep, folder, {})),
                outputs=(folder / name,),
                inputs=tuple(Path(text) for text in command if text.endswith(".yaml")),
                needs=tuple(stages[-1:]),
                **({} if serves is None else _evaluated(folder / name, deployment(programs, sweep.serve, serves))),
            )
        )
    return stages


def write_datasets(sweep: Sweep, out: Path) -> None:
    """Tells LLaMA-Factory of the demonstrations that are shared: a dataset for every ``*.json``, by its stem."""
    names = [Path(name) for name in sweep.shared if name.endswith(".json")]
    entries = {name.stem: {"file_name": str(name), "formatting": "or_debug"} for name in names}
    write_text(out / SHARED / "dataset_info.json", json.dumps(entries, indent=1) + "\n")


@dataclass(frozen=True)
class Pipeline:
    """Makes the stages of one point.

    Args:
        sweep: Of which it is one.
        point: The point.
        out: Folder of the sweep.
        programs: What is called.
        before: The last stage of what is shared.
    """

    sweep: Sweep
    point: Point
    out: Path
    programs: Programs
    before: tuple[Stage, ...]

    @property
    def folder(self) -> Path:
        """Of the point."""
        return self.out / POINTS / self.point.name

    def stages(self) -> list[Stage]:
        """All of them, in order.

        Raises:
            InputError: A setting cannot be used.
        """
        demos = self._demos()
        trained = [demos, self._sft(demos)]
        checkpoint = self.folder / TRAINING
        if self._section("merge").get("recipe"):
            trained.append(self._merge(trained[-1]))
            checkpoint = self.folder / "merged"
        last = trained[-1]
        before = self._served("eval-sft", checkpoint, last, self._evaluation(EVAL), EVAL)
        samples = self._served("samples", checkpoint, last, self._sampling(), SAMPLES)
        preflight = self._preflight(checkpoint, last)
        tuned = [self._grpo(checkpoint, last, preflight)]
        policy = self.folder / "grpo" / "last-checkpoint"
        if self._section("grpo").get("merge"):
            tuned.append(self._merge_grpo(policy, tuned[-1]))
            policy = self.folder / "grpo-merged"
        after = self._served("eval-grpo", policy, tuned[-1], self._evaluation(RL_EVAL), RL_EVAL)
        asked = [before, samples, preflight]
        if self._section("graduate").get("options"):
            asked.append(self._graduate(checkpoint, last))
        return [*trained, *asked, *tuned, after]

    def _section(self, name: str) -> Mapping[str, Any]:
        section: Mapping[str, Any] = self._filled(self.point.sections[name])
        return section

    def _filled(self, value: Any) -> Any:
        """A setting with the folders put in."""
        if isinstance(value, str):
            return value.replace("{shared}", str(self.out / SHARED)).replace("{point}", str(self.folder))
        if isinstance(value, Mapping):
            return {key: self._filled(entry) for key, entry in value.items()}
        return [self._filled(entry) for entry in value] if isinstance(value, list) else value

    def _stage(self, name: str, command: list[str], **more: Any) -> Stage:
        own = self.point.sections.get(name, {}).get("environment") or {}
        environment = _environment(self.sweep, self.folder, own)
        return Stage(
            name=name,
            folder=self.folder,
            command=command,
            says=dict(own) or None,  # as NPROC_PER_NODE, by which the batch grows
            environment=beside(command[0], environment),
            **more,
        )

    def _demos(self) -> Stage:
        section = self._section("data")
        keep, rows = section.get("keep", "any"), section.get("rows")
        if keep not in _KEEP or not (rows is None or (isinstance(rows, int) and rows > 0)):
            raise InputError(
                f"{self.sweep.path}, {self.point.setting}: data: keep is {' or '.join(_KEEP)}, rows a number above 0"
            )
        demos, held_out = Path(section["demos"]), Path(section["held_out"])
        return Stage(
            name="demos",
            folder=self.folder,
            work=partial(choose_rows, demos, held_out, self.folder, rows, keep),
            says=[str(demos), str(held_out), rows, keep],
            outputs=(self.folder / "demos.json", self.folder / "dataset_info.json"),
            inputs=self._outside(demos, held_out),
            needs=self.before,
        )

    def _sft(self, demos: Stage) -> Stage:
        section = self._section("sft")
        seed = _SEED + self.point.seed
        settings = {
            "model_name_or_path": section["base"],
            "dataset_dir": self.folder,
            "dataset": "demos",
            "eval_dataset": "held_out",
            "output_dir": self.folder / TRAINING,
            "seed": seed,
            "data_seed": seed,
            **(section.get("settings") or {}),
        }
        return self._stage(
            "sft",
            [str(self.programs.llamafactory), "train", section["recipe"], *assignments(settings)],
            outputs=(self.folder / TRAINING,),
            inputs=(Path(section["recipe"]), *self._outside(Path(section["base"]))),
            needs=(demos,),
        )

    def _merge(self, sft: Stage) -> Stage:
        section = self._section("merge")
        settings = {
            "model_name_or_path": self._section("sft")["base"],
            "adapter_name_or_path": self.folder / TRAINING,
            "export_dir": self.folder / "merged",
            **(section.get("settings") or {}),
        }
        return self._stage(
            "merge",
            [str(self.programs.llamafactory), "export", section["recipe"], *assignments(settings)],
            outputs=(self.folder / "merged",),
            inputs=(Path(section["recipe"]),),
            needs=(sft,),
        )

    def _evaluation(self, place: str) -> list[str]:
        return ["eval", str(self._section("data")["problems"]), *self._asking(), *self._options("eval", place)]

    def _sampling(self) -> list[str]:
        own = {"samples": 64, "temperature": 1.0, "max-steps": 1}
        evaluation = self._section("eval").get("options") or {}
        given = self._section("samples").get("options") or {}
        command = ["eval", str(self._section("data")["problems"]), *self._asking()]
        return [*command, *options({**evaluation, **own, **given}), *self._ending(SAMPLES)]

    def _options(self, section: str, place: str) -> list[str]:
        return [*options(self._section(section).get("options") or {}), *self._ending(place)]

    def _ending(self, place: str) -> list[str]:
        return ["--seed", str(self.point.seed), "--out", str(self.folder / place), "--resume"]

    def _asking(self) -> list[str]:
        return ["--base-url", URL, "--model", _SERVED]

    def _served(self, name: str, checkpoint: Path, made: Stage, command: list[str], place: str) -> Stage:
        return self._stage(
            name,
            [*self.programs.start("ordebug", name), *command],
            outputs=(self.folder / place,),
            needs=(made,),
            **_evaluated(self.folder / place, self._deployment(checkpoint)),
        )

    def _preflight(self, checkpoint: Path, made: Stage) -> Stage:
        section = self._section("preflight")
        command = ["preflight", str(self._section("grpo")["prompts"]), *self._asking()]
        command += [*options(section.get("options") or {}), "--seed", str(self.point.seed), "--json"]
        chosen = self.folder / "grpo_train.jsonl"
        if section.get("choose"):
            command += ["--out", str(chosen)]
        return self._stage(
            "preflight",
            [*self.programs.start("ordebug", "preflight"), *command],
            outputs=(self.folder / PREFLIGHT, *((chosen,) if section.get("choose") else ())),
            stdout=self.folder / PREFLIGHT,
            needs=(made,),
            serves=self._deployment(checkpoint),
            accepted=_printed(self.folder / PREFLIGHT),
        )

    def _graduate(self, checkpoint: Path, made: Stage) -> Stage:
        """Whether the checkpoint is ready; the GRPO runs whatever comes of it, for a sweep is to find out."""
        command = ["graduate", URL, "--model", _SERVED, "--train-log", str(self.folder / TRAINING)]
        command += ["--bench", str(self._section("data")["problems"]), "--seed", str(self.point.seed)]
        command += [*options(self._section("graduate")["options"]), "--out", str(self.folder / GRADUATE)]
        return self._stage(
            "graduate",
            [*self.programs.start("ordebug", "graduate"), *command],
            outputs=(self.folder / GRADUATE, self.folder / GRADUATE / REPORT),
            needs=(made,),
            serves=self._deployment(checkpoint),
            accepted=lambda code: code in (0, 1),  # 1: not ready
        )

    def _grpo(self, checkpoint: Path, made: Stage, preflight: Stage) -> Stage:
        section = self._section("grpo")
        chosen = bool(self._section("preflight").get("choose"))
        seed = _SEED + self.point.seed
        settings = {
            "model": checkpoint,
            "dataset": self.folder / "grpo_train.jsonl" if chosen else section["prompts"],
            "output_dir": self.folder / "grpo",
            "seed": seed,
            "data_seed": seed,
            **(section.get("settings") or {}),
        }
        return self._stage(
            "grpo",
            [str(self.programs.swift), "rlhf", section["recipe"], *swift_options(settings)],
            outputs=(self.folder / "grpo",),
            inputs=(Path(section["recipe"]), *self._outside(Path(section["prompts"]))),
            needs=(made, *((preflight,) if chosen else ())),
        )

    def _merge_grpo(self, adapter: Path, grpo: Stage) -> Stage:
        settings = {"adapters": adapter, "merge_lora": True, "output_dir": self.folder / "grpo-merged"}
        return self._stage(
            "merge-grpo",
            [str(self.programs.swift), "export", *swift_options(settings)],
            outputs=(self.folder / "grpo-merged",),
            needs=(grpo,),
        )

    def _deployment(self, checkpoint: Path) -> Deployment:
        return deployment(self.programs, self._section("serve"), checkpoint)

    def _outside(self, *paths: Path) -> tuple[Path, ...]:
        """Those that no stage has made: they count by their content."""
        return tuple(path for path in paths if not path.is_relative_to(self.out))


def deployment(programs: Programs, section: Mapping[str, Any], checkpoint: Path) -> Deployment:
    """How a checkpoint is served, as the section ``serve`` has it."""
    return Deployment(
        checkpoint=checkpoint,
        swift=programs.swift,
        name=_SERVED,
        batch=8 if section.get("batch") is None else section["batch"],
        kind=str(section.get("kind") or "qwen3"),
        options=tuple(swift_options(section.get("options") or {})),
    )


def choose_rows(demos: Path, held_out: Path, folder: Path, rows: int | None, keep: str) -> None:
    """Writes the demonstrations of a point, and tells LLaMA-Factory of them and of those held out.

    The rows are always the same ones, and fewer are among more: points with half of the data have half of these.

    Raises:
        InputError: There are fewer rows than asked for.
    """
    file = read_alpaca(demos)
    count = len(file.rows) if rows is None else rows
    if count > len(file.rows):
        raise InputError(f"{demos} has {len(file.rows)} rows, and {count} are asked for: make more, or ask for fewer")
    numbers = list(range(len(file.rows)))
    random.Random(0).shuffle(numbers)
    if keep == "short":
        numbers.sort(key=lambda number: _answer_length(file.rows[number]))  # stable: equals stay shuffled
    chosen = [file.rows[number] for number in sorted(numbers[:count])]
    write_text(folder / "demos.json", json.dumps({"metadata": file.metadata, ROWS_KEY: chosen}, ensure_ascii=False))
    entries = {
        "demos": {"file_name": "demos.json", "formatting": "or_debug"},
        "held_out": {"file_name": os.path.relpath(held_out, folder), "formatting": "or_debug"},
    }
    write_text(folder / "dataset_info.json", json.dumps(entries, indent=1) + "\n")


def _answer_length(row: object) -> int:
    return len(str(row.get("output", ""))) if isinstance(row, Mapping) else 0


def _environment(sweep: Sweep, folder: Path, own: Mapping[str, Any]) -> dict[str, str]:
    """Variables of a command: caches of its own, so that points side by side do not meet in them."""
    caches = {"HF_DATASETS_CACHE": str(folder / "cache" / "datasets"), "TOKENIZERS_PARALLELISM": "false"}
    given = {key: str(value) for key, value in {**sweep.environment, **own}.items()}
    return {**caches, **given}


def _evaluated(run: Path, served: Deployment) -> dict[str, Any]:
    """What is the same of every stage that evaluates a served model."""
    return {"serves": served, "resumes": True, "accepted": _judged(run)}


def _printed(path: Path) -> Callable[[int], bool]:
    """Whether a report stands: an exit code of 1 says findings, which are figures here, or that Python gave up."""

    def accepted(code: int) -> bool:
        try:
            return code in (0, 1) and isinstance(parse_json(path.read_text(encoding="utf-8")), dict)
        except (OSError, ValueError):
            return False

    return accepted


def _judged(run: Path) -> Callable[[int], bool]:
    """Whether an evaluation stands: an exit code of 1 may also say that problems are unusable, which no retry mends."""

    def accepted(code: int) -> bool:
        if code != 1:
            return code == 0
        try:
            outcomes = parse_json((run / SUMMARY).read_text(encoding="utf-8"))["outcomes"]
        except (OSError, ValueError, KeyError):
            return False
        return "infra" not in outcomes

    return accepted
