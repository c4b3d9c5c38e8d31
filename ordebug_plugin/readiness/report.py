"""The readiness of a checkpoint, for machines and as one HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from markupsafe import Markup

from ordebug_plugin.evaluate.plots import series
from ordebug_plugin.pages import policy, render
from ordebug_plugin.postmortem.training import Training
from ordebug_plugin.readiness.check import Check, State
from ordebug_plugin.readiness.loss import EVALUATION, TRAINING
from ordebug_plugin.readiness.thresholds import Thresholds
from ordebug_plugin.readiness.verdict import Readiness, Verdict
from ordebug_plugin.statistics import null_for_nan

_TEMPLATE = "graduate.html.j2"
_LEVELS: Mapping[str, str] = {
    State.PASSED: "sound",
    State.FAILED: "poor",
    State.NOT_MEASURED: "unknown",
    Verdict.READY: "sound",
    Verdict.NOT_READY: "poor",
    Verdict.UNDECIDED: "flawed",
}
# The file of the report in the folder of `ordebug graduate`.
REPORT = "graduate.json"


def readiness_record(readiness: Readiness, thresholds: Thresholds, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything as plain data; undefined figures are null.

    Args:
        readiness: What was found.
        thresholds: What it was held against.
        settings: What else decided it.
    """
    checks = [
        {
            "name": check.name,
            "title": check.title,
            "figure": check.estimate.value,
            "low": check.estimate.low,
            "high": check.estimate.high,
            "n": check.estimate.n,
            "side": check.side,
            "threshold": check.threshold,
            "state": check.state,
            "separable": None if check.state is State.NOT_MEASURED else check.separable,
            "decides": check.name in readiness.deciding,
            "note": check.note,
        }
        for check in readiness.checks
    ]
    record: dict[str, Any] = null_for_nan(
        {
            "model": readiness.model,
            "verdict": readiness.verdict,
            "reason": readiness.reason,
            "lost": readiness.lost,
            "base_lost": readiness.base_lost,
            "checks": checks,
            "advice": [asdict(one) for one in readiness.advice],
            "settings": dict(settings),
            "thresholds": thresholds.record,
        }
    )
    return record


def figure_of(check: Check) -> str:
    """The figure with its interval; nothing where there is none."""
    estimate = check.estimate
    if math.isnan(estimate.value):
        return ""
    sign = "+" if check.side == ">" else ""
    interval = "" if math.isnan(estimate.low) else f" [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"
    return f"{estimate.value:{sign}.3f}{interval}"


def render_readiness(
    readiness: Readiness, thresholds: Thresholds, settings: Mapping[str, Any], training: Training | None
) -> str:
    """One self-contained page."""
    plots: list[tuple[str, Markup]] = []
    for name, said in ((TRAINING, "training loss"), (EVALUATION, "evaluation loss")):
        curve = None if training is None else training.curves.get(name)
        if curve is not None:
            plots.append((said, series(len(plots), said, curve.points, across="step")))
    return render(
        _TEMPLATE,
        policy=policy(),
        readiness=readiness,
        levels=_LEVELS,
        figure=figure_of,
        settings=sorted(settings.items()),
        thresholds=thresholds.record,
        plots=plots,
    )
