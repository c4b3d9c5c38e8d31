"""A postmortem: trainings and evaluations together, as JSON and as one HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup

from ordebug_plugin.evaluate.plots import series
from ordebug_plugin.evaluate.run import summary_record
from ordebug_plugin.evaluate.table import heading_of, measures
from ordebug_plugin.metrics import Summary
from ordebug_plugin.pages import policy, render
from ordebug_plugin.postmortem.finding import Finding, Severity, components, judge_training
from ordebug_plugin.postmortem.training import Curve, Stage, Training

_TEMPLATE = "postmortem.html.j2"
# What is drawn of each stage, by the name that the framework logs, and what people call it.
_DRAWN: Mapping[Stage, Mapping[str, str]] = {
    Stage.SFT: {
        "loss": "loss",
        "eval_loss": "evaluation loss",
        "learning_rate": "learning rate",
        "lr": "learning rate",
        "grad_norm": "gradient norm",
    },
    Stage.GRPO: {
        "reward": "reward",
        "reward_std": "spread of reward",
        "frac_reward_zero_std": "share of groups without spread",
        "kl": "KL divergence from the reference",
        "completions/mean_length": "tokens of an answer",
        "completions/clipped_ratio": "share of answers cut",
        "entropy/mean": "entropy",
        "loss": "loss",
        "grad_norm": "gradient norm",
        "learning_rate": "learning rate",
        "step_time": "seconds of a step",
    },
}
# Settings that decide most, and are shown first.
_TOLD = (
    *(
        "model",
        "model_name_or_path",
        "tuner_type",
        "finetuning_type",
        "lora_rank",
        "dataset",
        "val_dataset",
        "template",
    ),
    *("learning_rate", "per_device_train_batch_size", "gradient_accumulation_steps", "num_train_epochs", "max_steps"),
    *("num_generations", "temperature", "beta", "epsilon", "epsilon_high", "max_completion_length", "max_length"),
    *("reward_funcs", "reward_weights", "seed", "data_seed"),
)


@dataclass(frozen=True)
class Judged:
    """A training, and what there is to say about it."""

    name: str
    training: Training
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Postmortem:
    """Everything that is told.

    Attributes:
        trainings: In the order given.
        summaries: Name of an evaluation to its figures, in the order given.
        missing: Name of an incomplete evaluation to the number of episodes that it lacks, those lost to infrastructure
            included.
        changes: What is incomplete, and what each evaluation says beside the one before it.
    """

    trainings: tuple[Judged, ...]
    summaries: Mapping[str, Summary]
    missing: Mapping[str, int]
    changes: tuple[Finding, ...]


def postmortem(
    trainings: Mapping[str, Training],
    summaries: Mapping[str, Summary],
    missing: Mapping[str, int],
    changes: Sequence[Finding],
) -> Postmortem:
    """Judges every training; the arguments are as in `Postmortem`."""
    judged = (Judged(name, training, tuple(judge_training(training))) for name, training in trainings.items())
    return Postmortem(tuple(judged), summaries, missing, tuple(changes))


def drawn(training: Training) -> list[tuple[str, Curve]]:
    """The curves worth a plot, with what people call them; single rewards after the reward itself."""
    found: list[tuple[str, Curve]] = []
    for name, said in _DRAWN[training.stage].items():
        curve = training.curves.get(name)
        if curve is not None and said not in {other for other, _ in found}:
            found.append((said, curve))
        if name == "reward":
            found += [(f"reward: {part}", one) for part, one in components(training).items()]
    return found


def postmortem_record(told: Postmortem) -> dict[str, Any]:
    """Everything as JSON, all curves included."""
    return {
        "trainings": {
            one.name: {
                "path": str(one.training.path),
                "framework": one.training.framework,
                "stage": one.training.stage,
                "steps": one.training.steps,
                "planned": one.training.planned,
                "seconds": one.training.seconds,
                "checkpoints": one.training.checkpoints,
                "best_checkpoint": one.training.best_checkpoint,
                "settings": {name: _plain(value) for name, value in one.training.settings.items() if name in _TOLD},
                "data": [asdict(file) for file in one.training.data],
                "sources": one.training.sources,
                "findings": [asdict(finding) for finding in one.findings],
                "curves": {name: curve.points for name, curve in one.training.curves.items()},
            }
            for one in told.trainings
        },
        "evaluations": {name: summary_record(summary) for name, summary in told.summaries.items()},
        "missing_episodes": dict(told.missing),
        "changes": [asdict(finding) for finding in told.changes],
    }


def render_postmortem(told: Postmortem) -> str:
    """The page. Names and settings are untrusted: all of them are escaped, and it has no script."""
    return render(
        _TEMPLATE,
        policy=policy(),
        told=told,
        plots={one.name: _plots(one.training) for one in told.trainings},
        settings={one.name: _settings(one.training) for one in told.trainings},
        measures=measures(told.summaries.values()) if told.summaries else (),
        heading_of=heading_of,
        levels={Severity.BAD: "poor", Severity.NOTE: "flawed", Severity.GOOD: "sound"},
    )


def _plain(value: object) -> object:
    """A setting as JSON knows it: YAML has dates, and both have numbers that JSON has not."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    known = isinstance(value, str | int | None) or (isinstance(value, float) and math.isfinite(value))
    return value if known else str(value)


def _plots(training: Training) -> list[tuple[str, Markup]]:
    return [
        (said, series(number, said, curve.points, across="step"))
        for number, (said, curve) in enumerate(drawn(training))
    ]


def _settings(training: Training) -> list[tuple[str, str]]:
    return [(name, str(training.settings[name])) for name in _TOLD if training.settings.get(name) not in (None, "", [])]
