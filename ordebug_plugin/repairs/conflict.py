"""The conflict of an infeasible model, written out and in plain words."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from ordebug_plugin.edits import NO_EDITS
from ordebug_plugin.env import Observation
from ordebug_plugin.experts.argument import argue
from ordebug_plugin.experts.situation import Situation, Voice
from ordebug_plugin.experts.words import joined
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Style
from ordebug_plugin.repairs.difference import bounds_text, row_text
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import IIS
from ordebug_plugin.verify.facts import count_disjoint

# More names than these are counted.
_MOST = 12


@dataclass(frozen=True)
class Conflict:
    """Why a model is infeasible.

    Attributes:
        rows: (row in conflict, written out).
        bounds: (variable whose bounds are in conflict, what it may be).
        others: What else is in it, which no action can edit.
        minimal: Whether it is proven that nothing of it can be left out.
        needed: What must be given way at least, in the units of the rows; None where that is not known.
        disjoint: Conflicts without a common row, at least.
        more: Whether there may be more than that.
        words: Why it cannot hold.
    """

    rows: tuple[tuple[str, str], ...]
    bounds: tuple[tuple[str, str], ...]
    others: tuple[str, ...]
    minimal: bool
    needed: float | None
    disjoint: int
    more: bool
    words: str

    @property
    def size(self) -> int:
        """Number of rows, bounds and other parts in it."""
        return len(self.rows) + len(self.bounds) + len(self.others)


def find_conflict(judge: Judge, problem: Problem, start: Observation) -> Conflict:
    """Takes the conflict of a model as loaded apart.

    Args:
        judge: The solver.
        problem: The infeasible model.
        start: What the environment shows of it first.

    Raises:
        SolverError: Gurobi failed.
    """
    iis, shape = start.iis, start.shape
    if iis is not None:
        iis = replace(iis, minimal=judge.is_irreducible(problem))
    needed = judge.infeasibility(problem)
    disjoint, more = count_disjoint(judge, problem)
    rows, bounds, others = ((), (), ()) if iis is None else (iis.rows, iis.bounds, iis.others)
    # Seeded: the same model is explained in the same words.
    situation = Situation(judge, problem, start, Style(), Voice.VARIED, random.Random(problem.content_hash))
    argument = argue(situation)
    parts = [_why(iis), "" if argument is None else argument.words]
    if needed is not None:
        parts.append(f"Whatever is changed, sides and bounds must give way by {needed:.6g} in all, at least.")
    if disjoint > 1:
        count = f"at least {disjoint}" if more else str(disjoint)
        parts.append(f"This is one of {count} conflicts that share no row; each needs a change of its own.")
    return Conflict(
        rows=tuple((name, row_text(shape, NO_EDITS, name)) for name in rows),
        bounds=tuple((name, bounds_text(shape, NO_EDITS, name)) for name in bounds),
        others=others,
        minimal=iis is not None and iis.minimal,
        needed=needed,
        disjoint=disjoint,
        more=more,
        words=" ".join(part for part in parts if part),
    )


def _why(iis: IIS | None) -> str:
    if iis is None:
        return "The model is infeasible, but within the work limit no small set of rows was found that shows why."
    parts = [
        _named(iis.rows, "row" if len(iis.rows) == 1 else "rows"),
        _named(iis.bounds, "the bounds of"),
        _named(iis.others, "beyond the linear rows"),
    ]
    whole = joined([part for part in parts if part])
    if len(iis.rows) + len(iis.bounds) + len(iis.others) == 1:
        return f"Nothing satisfies {whole}."
    rest = "; leave out any one of them, and the others can hold together" if iis.minimal else ""
    return f"Nothing satisfies {whole} at once{rest}."


def _named(names: tuple[str, ...], noun: str) -> str:
    if not names:
        return ""
    rest = len(names) - _MOST
    shown = joined(names) if rest <= 0 else f"{', '.join(names[:_MOST])} and {rest} more"
    return f"{noun} {shown}"
