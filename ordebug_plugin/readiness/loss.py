"""What the training's own log says: whether the loss has converged, and how far training and evaluation are apart."""

from __future__ import annotations

import re
from pathlib import Path

from ordebug_plugin.postmortem.training import Curve, Training
from ordebug_plugin.readiness.check import Check, Question, Side, State, exactly
from ordebug_plugin.readiness.thresholds import Thresholds

EVALUATION, TRAINING = "eval_loss", "loss"
_CONVERGENCE = "loss converged: gain of the last evaluations"
_GAP = "evaluation loss minus training loss"
_NO_LOG = "no --train-log: name the output folder of the training"
_NO_EVALUATION = (
    "no evaluation loss was logged: give the training an eval_dataset (rows of other problems), eval_strategy: steps "
    "and eval_steps, as recipes/sft.yaml does"
)

# As the trainers call a checkpoint, and ms-swift what it merged of one.
_CHECKPOINT = re.compile(r"checkpoint-(\d+)(?:-merged)?$")


def step_of(checkpoint: Path, log: Path) -> int | None:
    """The step of a checkpoint that lies in the output folder of its training; None of any other folder."""
    match = _CHECKPOINT.match(checkpoint.resolve().name)
    return int(match[1]) if match and checkpoint.resolve().parent == log.resolve() else None


def loss_checks(training: Training | None, thresholds: Thresholds, step: int | None = None) -> list[Check]:
    """Both checks of a training.

    Args:
        training: Its log; None where there is none.
        thresholds: All of them.
        step: Of the checkpoint that is asked, where that is known; else what the training left counts, which is the
            best checkpoint where that one was loaded at the end, and the last one otherwise.
    """
    patience = thresholds.whole("convergence", "patience")
    converged = Question("convergence", _CONVERGENCE, Side.MOST, thresholds.number("convergence", "min_delta"))
    gap = Question("gap", _GAP, Side.MOST, thresholds.number("gap", "most"))
    if training is None:
        return [converged.unmeasured(_NO_LOG), gap.unmeasured(_NO_LOG)]
    curve, place, reason = training.curves.get(EVALUATION), _place(training, step), _diverged(training, step)
    if curve is None or place is None or reason is not None:
        reason = reason or (_NO_EVALUATION if curve is None else f"nothing was evaluated up to step {step}")
        return [converged.unmeasured(reason), gap.unmeasured(reason)]
    return [_convergence(converged, curve, place, patience), _gap(gap, curve, place, training.curves.get(TRAINING))]


def _diverged(training: Training, step: int | None) -> str | None:
    """That the evaluation loss was no number before the checkpoint was saved, in words."""
    steps = [at for at in training.broken.get(EVALUATION, ()) if step is None or at <= step]
    return f"the evaluation loss was no finite number at step {steps[0]}: the training diverged" if steps else None


def _place(training: Training, step: int | None) -> int | None:
    """Which of the evaluations is that of the checkpoint; None where none was made up to its step."""
    curve = training.curves.get(EVALUATION)
    if curve is None:
        return None
    if step is None:
        return curve.points.index(least_point(curve)) if training.keeps_best else len(curve.points) - 1
    up_to = [place for place, (at, _) in enumerate(curve.points) if at <= step]
    return up_to[-1] if up_to else None


def least_point(curve: Curve) -> tuple[int, float]:
    """Step and value of the least of a curve, the first where there are several."""
    return min(curve.points, key=lambda point: (point[1], point[0]))


def _convergence(question: Question, curve: Curve, place: int, patience: int) -> Check:
    """Early stopping's rule with patience and min-delta (Prechelt 1998, "Early Stopping - But When?").

    The figure is by how much the best of the last `patience` evaluations is better than the best before them, at most
    min-delta where the loss has converged. A checkpoint more than min-delta above the least has not converged either:
    the figure is then how far, with its sign turned where the least came before it.
    """
    values, delta = [value for _, value in curve.points], question.threshold
    if len(values) <= patience:
        reason = (
            f"{len(values)} evaluations were logged, and patience {patience} needs {patience + 1}: a smaller eval_steps"
        )
        return question.unmeasured(reason)
    gain = min(values[:-patience]) - min(values[-patience:])
    (at, here), (best_at, least) = curve.points[place], least_point(curve)
    words = f"{len(values)} evaluations, least {least:.4g} at step {best_at}, last {curve.last:.4g}"
    words += "" if place == len(values) - 1 else f", this checkpoint {here:.4g} at step {at}"
    if here - least > delta:
        end, figure = ("it rose again", least - here) if at > best_at else ("it falls after it", here - least)
        note = f"{words}: {end} by {abs(figure):.3g}"
        return question.ended(State.FAILED, exactly(figure, len(values)), note, separable=True)
    end = "still falling" if gain > delta else f"no better by more than {delta:g} in the last {patience}"
    return question.held(exactly(gain, len(values)), f"{words}: {end}")


def _gap(question: Question, evaluations: Curve, place: int, losses: Curve | None) -> Check:
    """Evaluation loss minus training loss at the checkpoint, nats a token.

    The training loss is the mean of what was logged since the evaluation before: a batch alone is noise.
    """
    at, value = evaluations.points[place]
    before = evaluations.points[place - 1][0] if place else 0
    window = [one for logged, one in losses.points if before < logged <= at] if losses is not None else []
    if not window:
        return question.unmeasured("no training loss was logged since the evaluation before it")
    trained = sum(window) / len(window)
    note = f"{value:.4g} at step {at}, training {trained:.4g} (mean of {len(window)} logged since step {before})"
    return question.held(exactly(value - trained, len(window)), note)
