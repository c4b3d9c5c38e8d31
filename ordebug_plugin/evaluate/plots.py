"""Plots of a comparison as inline SVG: coloured by the classes of the page, so that they follow its light or dark.

Every text in them is escaped. The figures come from `metrics`; nothing is computed here but places on paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from ordebug_plugin.statistics import Estimate

# Colours that the page defines, s0 to s9; further runs take them again, with another mark.
COLOURS = 10
Scale = Callable[[float], float]
_WIDTH = 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 20, 12, 40
# Characters of a label beside a bar before it is cut; the whole one is in its tooltip.
_LABEL = 24
_MARKS = (
    "M-3.6,0a3.6,3.6 0 1,0 7.2,0a3.6,3.6 0 1,0 -7.2,0z",
    "M-3.2,-3.2h6.4v6.4h-6.4z",
    "M0,-4.4L4.2,3.2H-4.2z",
    "M0,-4.6L4.6,0L0,4.6L-4.6,0z",
    "M0,4.4L4.2,-3.2H-4.2z",
)


@dataclass(frozen=True)
class Curve:
    """One run in a plot: points (x, share), by x; `step` holds each share until the next x."""

    name: str
    points: tuple[tuple[float, Estimate], ...]
    step: bool = False


@dataclass(frozen=True)
class Bar:
    """A bar of parts: (class of its colour, name, share), from left to right."""

    name: str
    parts: tuple[tuple[int, str, float], ...]


@dataclass(frozen=True)
class Dot:
    """A point of a scatter plot, each coordinate with its interval, where there is one."""

    name: str
    x: Estimate
    y: Estimate


def mark(number: int) -> Markup:
    """The mark of a run, for legends."""
    return Markup('<svg class="mark s{}" viewBox="-6 -6 12 12" aria-hidden="true"><path d="{}"/></svg>').format(
        number % COLOURS, _shape(number)
    )


def curves(drawn: Sequence[Curve], *, across: str, logarithmic: bool = False) -> Markup:
    """Shares, 0 to 100%, against a number; each curve with the band of its intervals.

    Args:
        drawn: The runs; those without points are left out, but keep their colour.
        across: What the number is.
        logarithmic: Whether to space it by its logarithm.
    """
    xs = [x for curve in drawn for x, _ in curve.points]
    height = 300
    low, high = min(xs), max(xs)
    ticks = _log_ticks(low, high) if logarithmic else _ticks(low, high, least=1)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def right(x: float) -> float:
        if low == high:
            return _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
        place = (math.log(x / low) / math.log(high / low)) if logarithmic else (x - low) / (high - low)
        return _LEFT + place * (_WIDTH - _LEFT - _RIGHT)

    def down(share: float) -> float:
        return height - _BOTTOM - share * (height - _TOP - _BOTTOM)

    parts = _grid(height, [(right(tick), f"{tick:g}") for tick in ticks], across)
    for tenth in range(0, 11, 2):
        y = down(tenth / 10)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, "grid"))
        parts.append(_text(_LEFT - 6, y + 4, f"{10 * tenth}%", "end"))
    for number, curve in enumerate(drawn):
        if curve.points:
            parts.append(_curve(number, curve, right, down, mark_all=not curve.step))
    return _svg(height, Markup("").join(parts), f"share recovered against {across}, one line a run; figures below")


def series(number: int, name: str, points: Sequence[tuple[float, float]], *, across: str) -> Markup:
    """One figure against a number, in its own range.

    Args:
        number: For its colour.
        name: What it is.
        points: (x, value), by x; at least one.
        across: What x is.
    """
    width, height, left = 360, 200, 62
    xs, ys = [x for x, _ in points], [y for _, y in points]
    across_ticks, up_ticks = _ticks(min(xs), max(xs)), _ticks(min(ys), max(ys))
    low, high, bottom, top = across_ticks[0], across_ticks[-1], up_ticks[0], up_ticks[-1]

    def right(x: float) -> float:
        return left + ((x - low) / (high - low) if high > low else 0.5) * (width - left - _RIGHT)

    def down(y: float) -> float:
        return height - _BOTTOM - ((y - bottom) / (top - bottom) if top > bottom else 0.5) * (height - _TOP - _BOTTOM)

    parts = _grid(height, [(right(tick), f"{tick:g}") for tick in across_ticks], across)
    for tick in up_ticks:
        y = down(tick)
        parts += [_line(left, y, width - _RIGHT, y, "grid"), _text(left - 6, y + 4, f"{tick:.4g}", "end")]
    line = _path([(right(x), down(y)) for x, y in points], step=False)
    inner = [Markup('<path class="line" d="M{}"/>').format(line)]
    for x, y in (points[0], points[-1]):
        inner.append(Markup("<g>{}{}</g>").format(_mark(number, right(x), down(y)), _title(f"{across} {x:g}: {y:.4g}")))
    parts.append(_group(number, inner))
    told = f"{name}: {ys[0]:.4g} at {across} {xs[0]:g}, {ys[-1]:.4g} at {across} {xs[-1]:g}"
    return _svg(height, Markup("").join(parts), told, width)


def scatter(
    number: int, dots: Sequence[Dot], *, across: str, up: str, line: tuple[float, float] | None = None
) -> Markup:
    """One figure against another, a mark with its intervals for each dot.

    Args:
        number: For its colour.
        dots: At least one.
        across: What x is.
        up: What y is.
        line: Intercept and slope of a line to draw through them.
    """
    width, height, left = 360, 260, 62
    across_ticks, up_ticks = _ticks(*_reach([dot.x for dot in dots])), _ticks(*_reach([dot.y for dot in dots]))
    low, high, bottom, top = across_ticks[0], across_ticks[-1], up_ticks[0], up_ticks[-1]

    def right(x: float) -> float:
        return left + ((x - low) / (high - low) if high > low else 0.5) * (width - left - _RIGHT)

    def down(y: float) -> float:
        share = (y - bottom) / (top - bottom) if top > bottom else 0.5
        return height - _BOTTOM - min(1.0, max(0.0, share)) * (height - _TOP - _BOTTOM)

    parts = _grid(height, [(right(tick), f"{tick:g}") for tick in across_ticks], across)
    for tick in up_ticks:
        parts += [_line(left, down(tick), width - _RIGHT, down(tick), "grid")]
        parts += [_text(left - 6, down(tick) + 4, f"{tick:.4g}", "end")]
    inner = []
    if line is not None and high > low:
        drawn = [(x, line[0] + line[1] * x) for x in (low + (high - low) * step / 50 for step in range(51))]
        inside = [(right(x), down(y)) for x, y in drawn if bottom <= y <= top]
        inner += [Markup('<path class="line" d="M{}"/>').format(_path(inside, step=False))] if len(inside) > 1 else []
    for dot in dots:
        x, y = right(dot.x.value), down(dot.y.value)
        if not math.isnan(dot.x.low):
            inner.append(_line(right(dot.x.low), y, right(dot.x.high), y, "whisker"))
        if not math.isnan(dot.y.low):
            inner.append(_line(x, down(dot.y.low), x, down(dot.y.high), "whisker"))
        told = f"{dot.name}: {across} {dot.x.value:.4g}, {up} {dot.y.value:.4g}"
        inner.append(Markup("<g>{}{}</g>").format(_mark(number, x, y), _title(told)))
    parts.append(_group(number, inner))
    return _svg(
        height, Markup("").join(parts), f"{up} against {across}, a mark for each checkpoint; figures below", width
    )


def _reach(figures: Sequence[Estimate]) -> tuple[float, float]:
    """The range that figures and their intervals take."""
    ends = [end for figure in figures for end in (figure.low, figure.value, figure.high) if not math.isnan(end)]
    return min(ends), max(ends)


def intervals(groups: Mapping[str, Sequence[Estimate | None]], names: Sequence[str]) -> Markup:
    """Shares with their intervals, one line of marks for each group, one mark for each run.

    Args:
        groups: Label of a group to the figure of each run in it, None where a run has none.
        names: The runs.
    """
    left, each = 190, 13
    block = each * len(names) + 12
    height = _TOP + block * len(groups) + _BOTTOM

    def right(share: float) -> float:
        return left + share * (_WIDTH - left - _RIGHT)

    parts = _grid(height, [(right(tenth / 10), f"{10 * tenth}%") for tenth in range(0, 11, 2)], "share")
    for row, (label, figures) in enumerate(groups.items()):
        top = _TOP + block * row
        if row:
            parts.append(_line(0, top, _WIDTH - _RIGHT, top, "grid"))
        parts.append(_text(left - 8, top + block / 2 + 4, f"{_cut(label)} ({_sizes(figures)})", "end", label))
        for number, figure in enumerate(figures):
            if figure is None or figure.n == 0:
                continue
            y = top + 6 + each * (number + 0.5)
            told = f"{names[number]}, {label}: {_percent(figure)}"
            inner = (
                [_line(right(figure.low), y, right(figure.high), y, "whisker")] if not math.isnan(figure.low) else []
            )
            inner += [_mark(number, right(figure.value), y), _title(told)]
            parts.append(_group(number, inner))
    return _svg(height, Markup("").join(parts), "share recovered, one line of marks for each group; figures below")


def _sizes(figures: Sequence[Estimate | None]) -> str:
    """What the figures of a group rest on: one number, or the fewest and the most, where runs hold different ones."""
    sizes = sorted({figure.n for figure in figures if figure is not None}) or [0]
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]}"


def stacked(bars: Sequence[Bar]) -> Markup:
    """Shares that add up to 100%, a bar for each run."""
    left, each = 150, 30
    height = _TOP + each * len(bars) + _BOTTOM
    width = _WIDTH - left - _RIGHT
    parts = _grid(height, [(left + width * tenth / 10, f"{10 * tenth}%") for tenth in range(0, 11, 2)], "share")
    for row, bar in enumerate(bars):
        top = _TOP + each * row + 4
        parts.append(_text(left - 8, top + 15, _cut(bar.name, 18), "end", bar.name))
        x = float(left)
        for colour, name, share in bar.parts:
            told = f"{bar.name}, {name}: {share:.1%}"
            rectangle = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="22"/>').format(x, top, share * width)
            inner = [rectangle, _title(told)]
            if share > 0.09:
                inner.append(_text(x + share * width / 2, top + 15, f"{share:.0%}", "middle", kind="on"))
            parts.append(_group(colour, inner))
            x += share * width
    return _svg(height, Markup("").join(parts), "share of each action, a bar for each run; figures below")


def columns(number: int, name: str, counts: Sequence[tuple[str, int]], most: float) -> Markup:
    """How many episodes fall into each class, as shares of all of them.

    Args:
        number: The run, for its colour.
        name: The run.
        counts: Class and number of episodes.
        most: The largest share of any class in any run: all plots have its scale.
    """
    width, height, left, bottom = 360, 210, 58, 70
    total = sum(count for _, count in counts)
    step = (width - left - 6) / max(1, len(counts))
    scale = (height - bottom - _TOP) / max(most, 1e-9)
    parts = []
    for share in _ticks(0, most):
        y = height - bottom - share * scale
        parts += [_line(left, y, width - 6, y, "grid"), _text(left - 5, y + 4, f"{share:.0%}", "end")]
    for place, (label, count) in enumerate(counts):
        share = count / total if total else 0.0
        x, tall = left + place * step, share * scale
        rectangle = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            x + 1.5, height - bottom - tall, step - 3, tall
        )
        parts.append(_group(number, [rectangle, _title(f"{name}, {label}: {count} of {total}, {share:.1%}")]))
        place_x, place_y = x + step / 2 + 3, height - bottom + 9
        parts.append(
            Markup(
                '<text x="{0:.1f}" y="{1:.1f}" text-anchor="end" transform="rotate(-45 {0:.1f} {1:.1f})">{2}</text>'
            ).format(place_x, place_y, label)
        )
    return _svg(height, Markup("").join(parts), f"preservation of {name}; figures below", width)


def _curve(number: int, curve: Curve, right: Scale, down: Scale, *, mark_all: bool) -> Markup:
    places = [(right(x), figure) for x, figure in curve.points]
    upper = _path([(x, down(figure.high)) for x, figure in places], step=curve.step)
    lower = _path([(x, down(figure.low)) for x, figure in places], step=curve.step)
    line = _path([(x, down(figure.value)) for x, figure in places], step=curve.step)
    band = "L".join(["M" + upper, *reversed(lower.split("L"))]) + "z"
    inner = [Markup('<path class="band" d="{}"/><path class="line" d="M{}"/>').format(band, line)]
    for place, (x, figure) in enumerate(places):
        if mark_all or place == len(places) - 1:
            told = f"{curve.name}, {curve.points[place][0]:g}: {_percent(figure)}"
            inner.append(Markup("<g>{}{}</g>").format(_mark(number, x, down(figure.value)), _title(told)))
    return _group(number, inner)


def _path(places: Sequence[tuple[float, float]], *, step: bool) -> str:
    """Points as a path without its first letter; with steps, each height is held until the next place."""
    points: list[tuple[float, float]] = []
    for x, y in places:
        if step and points:
            points.append((x, points[-1][1]))
        points.append((x, y))
    return "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _grid(height: float, ticks: Iterable[tuple[float, str]], across: str) -> list[Markup]:
    """Upright lines with their labels, and what they say."""
    parts = []
    listed = list(ticks)
    for x, label in listed:
        parts += [_line(x, _TOP, x, height - _BOTTOM, "grid"), _text(x, height - _BOTTOM + 16, label, "middle")]
    middle = (listed[0][0] + listed[-1][0]) / 2
    return [*parts, _text(middle, height - 6, across, "middle")]


def _svg(height: float, inner: Markup, label: str, width: float = _WIDTH) -> Markup:
    return Markup('<svg class="plot" viewBox="0 0 {} {:g}" role="img" aria-label="{}">{}</svg>').format(
        width, height, label, inner
    )


def _group(colour: int, inner: Sequence[Markup]) -> Markup:
    return Markup('<g class="s{}">{}</g>').format(colour % COLOURS, Markup("").join(inner))


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, text: str, anchor: str, whole: str = "", kind: str = "") -> Markup:  # noqa: PLR0913, PLR0917
    tooltip = _title(whole) if whole and whole not in text else Markup("")
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}{}</text>').format(
        kind, x, y, anchor, escape(text), tooltip
    )


def _mark(number: int, x: float, y: float) -> Markup:
    return Markup('<path class="mark" transform="translate({:.1f},{:.1f})" d="{}"/>').format(x, y, _shape(number))


def _shape(number: int) -> str:
    return _MARKS[(number + number // COLOURS) % len(_MARKS)]


def _title(text: str) -> Markup:
    return Markup("<title>{}</title>").format(text)


def _percent(figure: Estimate) -> str:
    interval = "" if math.isnan(figure.low) else f" [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"
    return f"{100 * figure.value:.1f}%{interval}, n={figure.n}"


def _cut(label: str, most: int = _LABEL) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def _ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """About five round numbers that hold the range, at least so far apart."""
    if high <= low:
        return [low]
    raw = max(least, (high - low) / 5)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw - 1e-12)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … around the range."""
    found: list[float] = []
    power = 10.0 ** math.floor(math.log10(low))
    while not found or found[-1] < high:
        found += [factor * power for factor in (1, 2, 5)]
        power *= 10
    below = [tick for tick in found if tick <= low][-1]
    above = next(tick for tick in found if tick >= high)
    return [tick for tick in found if below <= tick <= above]
