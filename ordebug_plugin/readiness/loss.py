"""What the training's own log says: whether the loss has converged, and how far training and evaluation are apart."""

from __future__ import annotations

import math

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


def loss_checks(training: Training | None, thresholds: Thresholds) -> list[Check]:
    """Both checks of a training."""
    return [_convergence(training, thresholds), _gap(training, thresholds)]


def _convergence(training: Training | None, thresholds: Thresholds) -> Check:
    """Early stopping's rule with patience and min-delta (Prechelt 1998, "Early Stopping - But When?").

    The figure is by how much the best of the last `patience` evaluations is better than the best before them, at most
    min-delta where the loss has converged. A loss that ends more than min-delta above its least has not converged
    either, it has passed its best: the figure is then how far, with its sign turned.
    """
    patience, delta = thresholds.whole("convergence", "patience"), thresholds.number("convergence", "min_delta")
    question = Question("convergence", _CONVERGENCE, Side.MOST, delta)
    if training is None:
        return question.unmeasured(_NO_LOG)
    curve = training.curves.get(EVALUATION)
    if curve is None:
        return question.unmeasured(_NO_EVALUATION)
    values = [value for _, value in curve.points]
    if len(values) <= patience:
        reason = (
            f"{len(values)} evaluations were logged, and patience {patience} needs {patience + 1}: a smaller eval_steps"
        )
        return question.unmeasured(reason)
    gain = min(values[:-patience]) - min(values[-patience:])
    step, least = least_point(curve)
    words = f"{len(values)} evaluations, least {least:.4g} at step {step}, last {curve.last:.4g}"
    if rise(training) > delta:
        note = f"{words}: it rose again by {rise(training):.3g}"
        estimate = exactly(-rise(training), len(values))
        return question.ended(State.FAILED, estimate, note, separable=True)
    end = "still falling" if gain > delta else f"no better by more than {delta:g} in the last {patience}"
    return question.held(exactly(gain, len(values)), f"{words}: {end}")


def least_point(curve: Curve) -> tuple[int, float]:
    """Step and value of the least of a curve, the first where there are several."""
    return min(curve.points, key=lambda point: (point[1], point[0]))


def rise(training: Training) -> float:
    """How far the evaluation loss ends above its least; 0 where the best checkpoint was kept, NaN without any."""
    curve = training.curves.get(EVALUATION)
    if curve is None:
        return math.nan
    return 0.0 if training.best_checkpoint else curve.last - least_point(curve)[1]


def _gap(training: Training | None, thresholds: Thresholds) -> Check:
    """Evaluation loss minus training loss where the model was kept, nats a token.

    The training loss is the mean of what was logged since the evaluation before: a batch alone is noise.
    """
    question = Question("gap", _GAP, Side.MOST, thresholds.number("gap", "most"))
    if training is None:
        return question.unmeasured(_NO_LOG)
    evaluations, losses = training.curves.get(EVALUATION), training.curves.get(TRAINING)
    if evaluations is None:
        return question.unmeasured(_NO_EVALUATION)
    place = len(evaluations.points) - 1
    if training.best_checkpoint:
        place = evaluations.points.index(least_point(evaluations))
    step, value = evaluations.points[place]
    before = evaluations.points[place - 1][0] if place else 0
    window = [one for at, one in losses.points if before < at <= step] if losses is not None else []
    if not window:
        return question.unmeasured("no training loss was logged since the evaluation before it")
    trained = sum(window) / len(window)
    note = f"{value:.4g} at step {step}, training {trained:.4g} (mean of {len(window)} logged since step {before})"
    return question.held(exactly(value - trained, len(window)), note)
