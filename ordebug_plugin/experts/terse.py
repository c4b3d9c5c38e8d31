"""One short form for tiny models: what the model says beside what is stated, then who is at fault.

``r17 <= 34 stated <= 340 differs; r12 >= 90 stated >= 90 same; r40 <= 70 not stated. r17 is at fault.`` Names and
numbers stand in the order of the prompt and in its spelling, so that to copy and to compare neighbours is enough.
"""

from __future__ import annotations

from ordebug_plugin.experts.situation import Element, Situation
from ordebug_plugin.experts.words import number
from ordebug_plugin.interval import Interval
from ordebug_plugin.prompt import render_sides


def compared(situation: Situation, fault: Element) -> str:
    """Every element of the conflict beside its statement."""
    verdict = "is at fault" if situation.is_fault(fault.name) else "goes back"  # what an own wrong step changed
    return f"{'; '.join(map(_beside, situation.elements))}. {fault.name} {verdict}."


def written_out(situation: Situation, chosen: str) -> str:
    """Every element of the conflict as it stands, without statements."""
    observation = situation.observation
    rows = [f"{name} {render_sides(observation.edits.row(observation.shape, name))}" for name in situation.rows]
    bounds = [
        f"{name} {render_sides(observation.edits.variable(observation.shape, name))}" for name in situation.bounds
    ]
    return f"{'; '.join(rows + bounds)}. {chosen} gives way."


def _beside(element: Element) -> str:
    now = f"{element.name} {_shown(element, element.now)}"
    if element.stated is None:
        return f"{now} not stated"
    stated = _shown(element, element.stated)
    if element.differs and not element.is_row:  # both ends, which the action names
        stated = f"in [{number(element.stated.lower)}, {number(element.stated.upper)}]"
    parts = [f"{now} stated {stated}"]
    parts += [f"{name} {number(old)} stated {number(new)}" for name, old, new in element.coefficients]
    return f"{' '.join(parts)} {'differs' if element.differs else 'same'}"


def _shown(element: Element, interval: Interval) -> str:
    if element.whole == "binary" and interval == Interval(0.0, 1.0):
        return "binary"
    return render_sides(interval)
