"""What went wrong in a training, and what to try next, derived from its figures.

Every rule says which figures it looked at, so that a reader can disagree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin.postmortem.training import Curve, Stage, Training

# Evaluation loss above its least by this share is overfitting worth stopping for.
_OVERFIT = 0.02
# Loss that falls by less than this share of itself has not learned.
_FLAT = 0.02
# Groups without a difference in reward teach nothing (DAPO, arXiv 2503.14476, calls for filtering them).
_WITHOUT_SPREAD = 0.5
# Answers cut by the token limit: more, and the limit shapes the reward.
_CUT = 0.1
# Loss of reward, KL and length that are worth a word.
_REWARD_ROSE = 0.02
_KL_HIGH = 1.0
_LENGTH_DOUBLED = 2.0
_GRADIENT_JUMP = 10.0


class Severity(StrEnum):
    """How much it matters."""

    BAD = "bad"
    NOTE = "note"
    GOOD = "good"


@dataclass(frozen=True)
class Finding:
    """One thing to know about a training.

    Attributes:
        severity: How much it matters.
        what: What the figures say, with the figures.
        next: What to try; empty where there is nothing to do.
    """

    severity: Severity
    what: str
    next: str = ""


def judge_training(training: Training) -> list[Finding]:
    """All that there is to say about a training, the bad first."""
    rules: Sequence[Callable[[Training], Iterator[Finding]]] = (
        _ended,
        _diverged,
        _provenance,
        _gradients,
        *(
            (_sft_loss, _eval_loss)
            if training.stage is Stage.SFT
            else (_spread, _reward, _components, _kl, _length, _cut)
        ),
    )
    found = [finding for rule in rules for finding in rule(training)]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))


def _ended(training: Training) -> Iterator[Finding]:
    if training.finished is False and "train_runtime" not in training.curves:
        yield Finding(
            Severity.BAD,
            f"the log ends at step {training.steps} of {training.planned}",
            "look at the end of the training's own output; start it again with the same output folder to resume",
        )


def _diverged(training: Training) -> Iterator[Finding]:
    for name in ("loss", "eval_loss", "reward"):
        steps = training.broken.get(name, ())
        if steps:
            yield Finding(
                Severity.BAD,
                f"{name} was no finite number at {len(steps)} steps, the first of them {steps[0]}: it diverged",
                "a checkpoint from before that step; a lower learning rate, a smaller max_grad_norm, bf16 and not fp16",
            )


def _provenance(training: Training) -> Iterator[Finding]:
    """What was trained on what, where the folder does not say."""
    if not training.settings:
        yield Finding(
            Severity.NOTE,
            "the folder has no settings in it: the data that it was trained on is unknown",
            "the recipe in the output folder, as recipe.yaml, with the options of the command line in it",
        )
    for file in training.data:
        if file.sha256 is None:
            yield Finding(Severity.NOTE, f"the hash of the data {file.path} is unknown: {file.unknown}")


def _gradients(training: Training) -> Iterator[Finding]:
    curve = training.curves.get("grad_norm")
    if curve is None or len(curve.points) < 10:
        return
    values = sorted(value for _, value in curve.points)
    median = values[len(values) // 2]
    later = [
        (step, value) for step, value in curve.points[len(curve.points) // 5 :] if value > _GRADIENT_JUMP * median > 0
    ]
    if later:
        step, value = max(later, key=lambda point: point[1])
        yield Finding(
            Severity.NOTE,
            f"the gradient norm jumps to {value:.3g} at step {step}, median {median:.3g}; {len(later)} logged steps do",
            "a lower learning rate, or a lower max_grad_norm",
        )


def _sft_loss(training: Training) -> Iterator[Finding]:
    curve = training.curves.get("loss")
    if curve is None or len(curve.points) < 2:
        return
    first, last = curve.ends
    words = f"the loss went from {first:.3g} to {last:.3g}"
    if last > first * (1 - _FLAT):
        yield Finding(Severity.BAD, f"{words}: nothing was learned", "a higher learning rate, and a look at the labels")
    else:
        yield Finding(Severity.GOOD, words)


def _eval_loss(training: Training) -> Iterator[Finding]:
    curve = training.curves.get("eval_loss")
    if curve is None:
        yield Finding(
            Severity.NOTE,
            "no evaluation loss was logged: nobody can say whether the model overfits",
            "an eval_dataset, eval_strategy and early stopping, as in recipes/sft.yaml",
        )
        return
    step, least = min(curve.points, key=lambda point: (point[1], point[0]))
    if curve.last > least * (1 + _OVERFIT):
        best = "was kept as the best" if training.keeps_best else "is the best that was saved, and not the last"
        kept = f"; {training.best_checkpoint} {best}" if training.best_checkpoint else ""
        yield Finding(
            Severity.BAD,
            f"the evaluation loss is least at step {step} ({least:.4g}) and ends at {curve.last:.4g}: overfit{kept}",
            f"the checkpoint at step {step}; early stopping, fewer epochs, or more different rows",
        )
    else:
        yield Finding(
            Severity.GOOD, f"the evaluation loss ends at {curve.last:.4g}, its least is {least:.4g} at step {step}"
        )


def _spread(training: Training) -> Iterator[Finding]:
    curve = training.curves.get("frac_reward_zero_std")
    if curve is None:
        return
    share = sum(value for _, value in curve.points) / len(curve.points)
    words = f"{share:.0%} of the groups had no spread of reward"
    if share >= _WITHOUT_SPREAD:
        yield Finding(
            Severity.BAD,
            f"{words}: they taught nothing",
            "`ordebug preflight` to choose prompts, a higher temperature, more generations, dynamic sampling",
        )
    else:
        yield Finding(Severity.GOOD, words)


def _reward(training: Training) -> Iterator[Finding]:
    curve = training.curves["reward"]
    first, last = curve.ends
    words = f"the reward went from {first:.3f} to {last:.3f} (means of the first and last tenth of the steps)"
    if last < first + _REWARD_ROSE:
        yield Finding(
            Severity.BAD, f"{words}: it did not rise", "a higher learning rate, or more steps; see the spread"
        )
    else:
        yield Finding(Severity.GOOD, words)


def _components(training: Training) -> Iterator[Finding]:
    """Components that fall while the reward rises: what the model gave up for it."""
    before, after = training.curves["reward"].ends
    rose = after > before + _REWARD_ROSE
    for name, curve in components(training).items():
        first, last = curve.ends
        if rose and last < first - _REWARD_ROSE:
            yield Finding(
                Severity.BAD,
                f"{name} fell from {first:.3f} to {last:.3f} while the reward rose: it was traded for reward",
                "a look at the answers (`ordebug compare --page`), `ordebug reward check`, a larger weight for it",
            )


def _kl(training: Training) -> Iterator[Finding]:
    curve = training.curves.get("kl")
    if curve is not None and curve.ends[1] > _KL_HIGH:
        yield Finding(
            Severity.NOTE,
            f"the KL divergence from the reference ends at {curve.ends[1]:.2f} (most: "
            f"{max(value for _, value in curve.points):.2f}): the model is far from where it began",
            "a larger beta, or a lower learning rate",
        )


def _length(training: Training) -> Iterator[Finding]:
    curve = training.curves.get("completions/mean_length")
    if curve is None:
        return
    first, last = curve.ends
    if last > _LENGTH_DOUBLED * first or first > _LENGTH_DOUBLED * last:
        yield Finding(
            Severity.NOTE,
            f"answers went from {first:.0f} to {last:.0f} tokens",
            "a look at the answers: reasoning that grows without better repairs, or that was given up",
        )


def _cut(training: Training) -> Iterator[Finding]:
    curve = training.curves.get("completions/clipped_ratio")
    if curve is not None and curve.ends[1] > _CUT:
        yield Finding(
            Severity.BAD,
            f"{curve.ends[1]:.0%} of the answers were cut by the token limit at the end",
            "a larger max_completion_length",
        )


def components(training: Training) -> dict[str, Curve]:
    """The curves of single rewards, by their names."""
    found = {}
    for name, curve in training.curves.items():
        if name.startswith("rewards/") and name.endswith("/mean"):
            found[name.removeprefix("rewards/").removesuffix("/mean")] = curve
    return found
