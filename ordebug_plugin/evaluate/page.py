"""A comparison as one HTML page that can be sent: tables, plots, and every episode to look at; it loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ordebug_plugin.actions import ActionKind
from ordebug_plugin.evaluate.comparison import Comparison, Run, comparison_record
from ordebug_plugin.evaluate.embed import EXCERPT, pack
from ordebug_plugin.evaluate.markdown import GROUPED, PUBLISHED_NOTE
from ordebug_plugin.evaluate.plots import Bar, Curve, columns, curves, intervals, mark, stacked
from ordebug_plugin.evaluate.table import PUBLISHED, heading_of, measures, paired_cells
from ordebug_plugin.metrics import judged
from ordebug_plugin.pages import embedded_json, policy, render, script
from ordebug_plugin.statistics import UNDEFINED, Estimate

_TEMPLATE, _SCRIPT = "compare.html.j2", "compare.js"
_ACTIONS = (*map(str, ActionKind), "none")
# Budgets of tokens that differ by more than this factor are spaced by their logarithm.
_WIDE = 8


@dataclass(frozen=True)
class Plot:
    """A plot, or several with a caption each.

    Attributes:
        heading: What it shows.
        drawings: Caption and drawing.
        legend: Whether runs are told apart in it by colour and mark.
        note: What must be known besides.
    """

    heading: str
    drawings: tuple[tuple[str, Markup], ...]
    legend: bool = True
    note: str = ""


def render_page(comparison: Comparison) -> str:
    """The page. Names and texts of runs are untrusted: all of them are escaped, and no script in them can run."""
    packed = pack(comparison.runs)
    code = script(_SCRIPT)
    shown = measures(comparison.summaries.values())
    return render(
        _TEMPLATE,
        comparison=comparison,
        runs=comparison.runs,
        published=PUBLISHED,
        published_note=PUBLISHED_NOTE,
        shown=shown,
        grouped=[measure for measure in shown if measure.name in GROUPED],
        groups=_groups(comparison),
        paired_cells=paired_cells,
        heading_of=heading_of,
        plots=_plots(comparison),
        judged=judged,
        mark=mark,
        kinds=_kinds(comparison.runs),
        figures=embedded_json(comparison_record(comparison)),
        listing=embedded_json(packed.listing),
        parts=packed.parts,
        episodes=packed.episodes,
        size=_bytes(packed.size),
        excerpt=EXCERPT,
        script=code,
        policy=policy(code),
    )


def _groups(comparison: Comparison) -> list[tuple[str, Sequence[str], list[Mapping[str, Mapping[str, Estimate]]]]]:
    return [
        ("fault type", comparison.types, [run.summary.by_type for run in comparison.runs]),
        ("difficulty", comparison.difficulties, [run.by_difficulty for run in comparison.runs]),
    ]


def _plots(comparison: Comparison) -> list[Plot]:
    runs = comparison.runs
    return [
        _by_turn(runs),
        _by_tokens(runs),
        *(_by_group(comparison, name, noun) for noun in ("fault type", "difficulty") for name in _rates(comparison)),
        _actions(runs),
        _preservation(runs),
    ]


def _rates(comparison: Comparison) -> list[str]:
    """The recovery rates that all runs define and that differ most: at once, and within five turns."""
    return [name for name in ("rr@1", "rr@5") if all(name in run.summary.metrics for run in comparison.runs)]


def _by_turn(runs: Sequence[Run]) -> Plot:
    drawn = [
        Curve(run.name, tuple((float(k), figure) for k, figure in enumerate(run.by_turn, 1) if figure.n))
        for run in runs
    ]
    return Plot("RR against turns", _curves(drawn, across="turns"))


def _by_tokens(runs: Sequence[Run]) -> Plot:
    drawn = [Curve(run.name, run.by_tokens, step=True) for run in runs]
    budgets = [budget for curve in drawn for budget, _ in curve.points if budget > 0]
    without = [curve.name for curve in drawn if not curve.points]
    note = f"No tokens were counted, or nothing was recovered: {', '.join(without)}." if without else ""
    wide = bool(budgets) and max(budgets) > _WIDE * min(budgets) and len(budgets) == sum(len(c.points) for c in drawn)
    heading = "RR against completion tokens of the episode"
    return Plot(heading, _curves(drawn, across="completion tokens", logarithmic=wide), note=note)


def _curves(drawn: Sequence[Curve], *, across: str, logarithmic: bool = False) -> tuple[tuple[str, Markup], ...]:
    if not any(curve.points for curve in drawn):
        return ()
    return (("", curves(drawn, across=across, logarithmic=logarithmic)),)


def _by_group(comparison: Comparison, metric: str, noun: str) -> Plot:
    labels = comparison.types if noun == "fault type" else comparison.difficulties
    tables = [run.summary.by_type if noun == "fault type" else run.by_difficulty for run in comparison.runs]
    figures = {label: [table.get(label, {}).get(metric, UNDEFINED) for table in tables] for label in labels}
    drawing = intervals(figures, [run.name for run in comparison.runs])
    return Plot(f"{metric.upper()} by {noun}", (("", drawing),))


def _kinds(runs: Sequence[Run]) -> list[tuple[int, str]]:
    """The actions that occur, each with its colour."""
    return [
        (colour, kind)
        for colour, kind in enumerate(_ACTIONS)
        if any(run.summary.metrics[f"action_{kind}"].value > 0 for run in runs)
    ]


def _actions(runs: Sequence[Run]) -> Plot:
    kinds = _kinds(runs)
    bars = [
        Bar(
            run.name,
            tuple(
                (colour, kind, run.summary.metrics[f"action_{kind}"].value)
                for colour, kind in kinds
                if run.summary.metrics[f"action_{kind}"].value > 0
            ),
        )
        for run in runs
    ]
    return Plot("Shares of actions, of all answers", (("", stacked(bars)),), legend=False)


def _preservation(runs: Sequence[Run]) -> Plot:
    totals = [max(1, sum(run.preservation.values())) for run in runs]
    most = max(max(run.preservation.values()) / total for run, total in zip(runs, totals, strict=True))
    drawings = tuple(
        (run.name, columns(number, run.name, list(run.preservation.items()), most)) for number, run in enumerate(runs)
    )
    heading = "Preservation of each episode, share of a run's episodes"
    return Plot(heading, drawings, legend=False, note="Undecided and lost episodes are left out.")


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"
