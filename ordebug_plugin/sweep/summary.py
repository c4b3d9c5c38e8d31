"""What a sweep found so far: one table of its points, one of its settings, and the prediction from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.markdown import escape, markdown_table
from ordebug_plugin.predict.prediction import Prediction, prediction_record
from ordebug_plugin.predict.report import render_markdown
from ordebug_plugin.readiness.report import REPORT
from ordebug_plugin.statistics import null_for_nan
from ordebug_plugin.sweep.config import Point, Sweep
from ordebug_plugin.sweep.stage import Stage


@dataclass(frozen=True)
class Row:
    """How far a point is.

    Attributes:
        point: The point.
        seconds: Wall time of each stage that is done, by its name.
        left: Stages that are not done.
        verdict: Whether the SFT checkpoint was ready for RL, where that was asked.
        unreadable: Why its figures are in no table, where they cannot be read.
    """

    point: Point
    seconds: Mapping[str, float]
    left: tuple[str, ...]
    verdict: str | None = None
    unreadable: str | None = None


def row_of(point: Point, stages: Sequence[Stage]) -> Row:
    """How far a point is, by the marks of its stages."""
    done = [stage for stage in stages if stage.is_done()]
    seconds = {stage.name: stage.seconds or 0.0 for stage in done}
    verdict = next((_verdict(stage) for stage in done if stage.name == "graduate"), None)
    return Row(point, seconds, tuple(stage.name for stage in stages if stage not in done), verdict)


def _verdict(stage: Stage) -> str:
    """What `ordebug graduate` said."""
    report = next(path for path in stage.outputs if path.name == REPORT)
    try:
        return str(parse_json(report.read_text(encoding="utf-8"))["verdict"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{report} is no report of `ordebug graduate`: {error!r}") from error


def summary_record(sweep: Sweep, rows: Sequence[Row], prediction: Prediction | None) -> dict[str, Any]:
    """Everything as JSON."""
    return {
        "what": sweep.what,
        "sweep": str(sweep.path),
        "points": [
            {
                "name": row.point.name,
                "setting": row.point.setting,
                "seed": row.point.seed,
                "seconds": row.seconds,
                "left": row.left,
                "verdict": row.verdict,
                "unreadable": row.unreadable,
            }
            for row in rows
        ],
        "settings": null_for_nan(_means(rows, prediction)) if prediction is not None else {},
        "prediction": None if prediction is None else prediction_record(prediction),
    }


def summary_markdown(sweep: Sweep, rows: Sequence[Row], prediction: Prediction | None) -> str:
    """The same as Markdown."""
    done = sum(not row.left and row.unreadable is None for row in rows)
    blocks = [f"# {escape(sweep.what)}", "", f"{done} of {len(rows)} points of `{sweep.path}` are done."]
    if prediction is not None:
        names = [*prediction.rankings, f"{prediction.target} after RL", "minutes"]
        blocks += ["", "Means over the seeds of a setting, with the least and the largest where there are several:", ""]
        means = _means(rows, prediction)
        blocks += markdown_table(
            ["setting", "seeds", *names],
            (
                [escape(setting), str(figures["seeds"]), *(_shown(figures["figures"].get(name, [])) for name in names)]
                for setting, figures in means.items()
            ),
        )
        blocks += ["", render_markdown(prediction).rstrip()]
    blocks += [f"\n{escape(row.point.name)} cannot be read: {escape(row.unreadable)}" for row in rows if row.unreadable]
    verdicts = [f"{escape(row.point.name)}: {row.verdict}" for row in rows if row.verdict is not None]
    if verdicts:
        blocks += ["", f"`ordebug graduate` said: {', '.join(verdicts)}."]
    return "\n".join(blocks) + "\n"


def _means(rows: Sequence[Row], prediction: Prediction | None) -> dict[str, dict[str, Any]]:
    """Setting to its seeds, and by name the figure of each of them."""
    found: dict[str, dict[str, Any]] = {}
    checkpoints = {one.name: one for one in prediction.checkpoints} if prediction is not None else {}
    for row in rows:
        one = checkpoints.get(row.point.name)
        if one is None or prediction is None:
            continue
        entry = found.setdefault(row.point.setting, {"seeds": 0, "figures": {}})
        entry["seeds"] += 1
        figures = {name: measured.estimate.value for name, measured in one.predictors.items()}
        if one.outcome is not None:
            figures[f"{prediction.target} after RL"] = one.outcome.estimate.value
        figures["minutes"] = sum(row.seconds.values()) / 60
        for name, value in figures.items():
            entry["figures"].setdefault(name, []).append(value)
    return found


def _shown(values: Sequence[float]) -> str:
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return "–"
    middle = f"{sum(defined) / len(defined):.3f}"
    return middle if len(defined) == 1 else f"{middle} ({min(defined):.3f} – {max(defined):.3f})"
