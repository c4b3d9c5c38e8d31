"""A prediction for people: tables, Markdown, and a page with plots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from ordebug_plugin.evaluate.markdown import escape, markdown_table
from ordebug_plugin.evaluate.plots import Dot, intervals, mark, scatter
from ordebug_plugin.pages import policy, render
from ordebug_plugin.predict.checkpoint import LESS_IS_BETTER
from ordebug_plugin.predict.fit import Fit
from ordebug_plugin.predict.prediction import Prediction, expected, value_of
from ordebug_plugin.statistics import Estimate

_TEMPLATE = "predict.html.j2"
FIT_HEADINGS = (
    *("predictor", "n", "Spearman", "R²", "error, left out"),
    *("Spearman − SFT score's", "SFT score's error − its error", "verdict"),
)


def checkpoint_table(prediction: Prediction) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: each checkpoint with every figure, the most promising first."""
    names = list(prediction.rankings)
    predicted = any(fit.predictor == prediction.by for fit in prediction.fits)
    headings = ["checkpoint", *(f"{name} ↓" if name in LESS_IS_BETTER else name for name in names)]
    headings += [f"{prediction.target} after RL", *([f"expected by {prediction.by}"] if predicted else [])]
    order = prediction.rankings[prediction.by].order
    ranked = sorted(prediction.checkpoints, key=lambda one: order.index(one.name) if one.name in order else len(order))
    rows = []
    for one in ranked:
        figures = (one.predictors.get(name) for name in names)
        row = [one.name, *(shown(None if figure is None else figure.estimate) for figure in figures)]
        row.append(shown(None if one.outcome is None else one.outcome.estimate))
        rows.append([*row, *([_number(expected(prediction, one))] if predicted else [])])
    return headings, rows


def fit_rows(fits: Sequence[Fit]) -> list[list[str]]:
    """A row for each fit, as `FIT_HEADINGS` names its cells."""
    return [
        [
            *(fit.predictor, str(fit.n), shown(fit.spearman, signed=True), shown(fit.r2), shown(fit.error)),
            shown(fit.against_score, signed=True),
            shown(fit.error_against_score, signed=True),
            fit.verdict or "itself the SFT score, or there is none on the same checkpoints",
        ]
        for fit in fits
    ]


def about_fits(prediction: Prediction) -> str:
    """What the table of fits shows, in words."""
    return (
        f"{prediction.target} after RL, fitted on {prediction.measured} checkpoints, a line for each predictor. "
        "Spearman +1: what looks best is best afterwards. Error: mean absolute error of each checkpoint from the line "
        "through those of the other settings; without any predictor, from their mean, "
        f"{_number(prediction.error_of_the_mean)}. Intervals: 95%, bootstrap over settings, all seeds of one together"
    )


def shown(estimate: Estimate | None, *, signed: bool = False) -> str:
    """A figure and its interval; a dash where it is undefined."""
    if estimate is None or math.isnan(estimate.value):
        return "–"
    value = _number(estimate.value, signed=signed)
    if math.isnan(estimate.low):
        return value
    return f"{value} [{_number(estimate.low, signed=signed)}, {_number(estimate.high, signed=signed)}]"


def render_markdown(prediction: Prediction) -> str:
    """The prediction as Markdown."""
    return "\n".join(_blocks(prediction)) + "\n"


def _blocks(prediction: Prediction) -> Iterator[str]:
    yield "# Which SFT checkpoint for RL"
    yield ""
    yield f"{escape(prediction.recommendation[0].upper() + prediction.recommendation[1:])}."
    if prediction.notes:
        yield ""
        yield from (f"> {escape(note)}  " for note in prediction.notes)
    headings, rows = checkpoint_table(prediction)
    yield ""
    yield from markdown_table([escape(one) for one in headings], ([escape(row[0]), *row[1:]] for row in rows))
    if prediction.fits:
        yield ""
        yield "## What predicts the outcome"
        yield ""
        yield f"{escape(about_fits(prediction))}."
        yield ""
        yield from markdown_table(FIT_HEADINGS, ([escape(row[0]), *row[1:]] for row in fit_rows(prediction.fits)))


def render_page(prediction: Prediction) -> str:
    """The page: no script, nothing loaded, every name escaped."""
    headings, rows = checkpoint_table(prediction)
    return render(
        _TEMPLATE,
        policy=policy(),
        prediction=prediction,
        headings=headings,
        rows=rows,
        about=about_fits(prediction),
        fit_headings=FIT_HEADINGS,
        fit_rows=fit_rows(prediction.fits),
        plots=_plots(prediction),
        overview=_overview(prediction),
    )


def _overview(prediction: Prediction) -> tuple[list[tuple[Markup, str]], Markup] | None:
    """Every checkpoint before and after, in the order given: a legend, and the plot; None without any share to show."""
    after = f"{prediction.target} after RL"
    largest = [name for name in prediction.rankings if name.startswith("pass@")][-1:]
    names = [name for name in (prediction.target, *largest) if name in prediction.rankings]
    groups = {
        one.name: [
            *(one.predictors[name].estimate if name in one.predictors else None for name in names),
            None if one.outcome is None else one.outcome.estimate,
        ]
        for one in prediction.checkpoints
    }
    if not names and not prediction.measured:
        return None
    shown_names = [*(f"{name} of the SFT model" for name in names), after]
    legend = [(mark(number), name) for number, name in enumerate(shown_names)]
    return legend, intervals(groups, shown_names)


def _plots(prediction: Prediction) -> list[tuple[str, Markup]]:
    """The outcome against each predictor that was fitted."""
    found = []
    for number, fit in enumerate(prediction.fits):
        dots = [
            Dot(one.name, one.predictors[fit.predictor].estimate, one.outcome.estimate)
            for one in prediction.checkpoints
            if one.outcome is not None and one.measured and not math.isnan(value_of(one, fit.predictor))
        ]
        line = None if math.isnan(fit.slope) else (fit.intercept, fit.slope)
        drawn = scatter(number, dots, across=fit.predictor, up=f"{prediction.target} after RL", line=line)
        found.append((f"{fit.predictor}: Spearman {shown(fit.spearman, signed=True)}", drawn))
    return found


def _number(value: float, *, signed: bool = False) -> str:
    return "–" if math.isnan(value) else f"{value:{'+' if signed else ''}.3f}"
