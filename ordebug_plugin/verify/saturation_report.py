"""How saturated benchmarks are, as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from ordebug_plugin.statistics import Estimate
from ordebug_plugin.verify.guessing import Leak
from ordebug_plugin.verify.saturation import POLICIES, SATURATED, TURNS, Figures, Saturation

_MEASURES = {
    "hit": "hit",
    "at_once": "recovered at once",
    "kept": "OP >= .999",
    "op": "OP",
    "preservation": "preservation",
}


def policy_table(found: Sequence[Saturation]) -> Table:
    """Benchmarks × policies."""
    table = Table(title=f"what policies get that read nothing, {TURNS} turns", title_justify="left")
    for heading in ("benchmark", "policy"):
        table.add_column(heading, no_wrap=True)
    for heading in _MEASURES.values():
        table.add_column(heading, justify="right")
    for one in found:
        for number, policy in enumerate(POLICIES):
            figures = one.policies[policy]
            cells = [_cell(getattr(figures, measure)) for measure in _MEASURES]
            table.add_row(f"{one.name}, n={one.n}" if number == 0 else "", policy, *cells)
        table.add_section()
    return table


def guess_table(found: Sequence[Saturation]) -> Table | None:
    """What can be guessed of the culprit; None where none is known."""
    table = Table(title="the culprit, guessed by a classifier from one thing alone", title_justify="left")
    for heading in ("benchmark", "from"):
        table.add_column(heading, no_wrap=True)
    for heading in ("problems", "chance", "right", "difference", "verdict"):
        table.add_column(heading, justify="right")
    for one in found:
        seen = (
            ("names and places of rows", one.rows),
            ("names and places of variables", one.variables),
            ("the words of statements", one.words),
            ("what rows and bounds look like", one.shapes),
        )
        for noun, leak in seen:
            if leak.n:
                cells = (_cell(leak.chance, interval=False), _cell(leak.accuracy), _cell(leak.excess, signed=True))
                table.add_row(one.name, noun, str(leak.n), *cells, _leak_verdict(leak))
    return table if table.row_count else None


def verdict(one: Saturation) -> str:
    """One line."""
    if not any(figures.at_once.n for figures in one.policies.values()):
        return f"{one.name}: not judged"
    policies = [f"{name} ({_reached(one.policies[name])})" for name in one.saturated_by]
    return f"{one.name}: {'saturated: ' + ', '.join(policies) if policies else 'not saturated'}"


def saturation_record(found: Sequence[Saturation]) -> dict[str, object]:
    """Everything, for machines; NaN where undefined."""
    return {
        "turns": TURNS,
        "threshold": SATURATED,
        "benchmarks": [
            {
                "benchmark": one.name,
                "path": str(one.path),
                "n": one.n,
                "policies": {name: asdict(figures) for name, figures in one.policies.items()},
                "saturated": bool(one.saturated_by),
                "saturated_by": one.saturated_by,
                "names": {
                    noun: {**asdict(leak), "above_chance": leak.above_chance}
                    for noun, leak in (("rows", one.rows), ("variables", one.variables))
                },
                "words": {**asdict(one.words), "above_chance": one.words.above_chance},
                "shapes": {**asdict(one.shapes), "above_chance": one.shapes.above_chance},
                "unjudged": [{"problem_id": name, "reason": reason} for name, reason in one.unjudged],
            }
            for one in found
        ],
    }


def _reached(figures: Figures) -> str:
    return ", ".join(f"{_MEASURES[name]} {getattr(figures, name).value:.2f}" for name in figures.reached)


def _leak_verdict(leak: Leak) -> str:
    if leak.above_chance is None:
        return "too few problems"
    return "above chance" if leak.above_chance else "not above chance"


def _cell(estimate: Estimate, *, interval: bool = True, signed: bool = False) -> str:
    if estimate.n == 0:
        return "–"
    sign = "+" if signed else ""
    ends = f" [{estimate.low:{sign}.2f}, {estimate.high:{sign}.2f}]" if interval else ""
    return f"{estimate.value:{sign}.3f}{ends}"
