"""Episode to scores: the one definition of every measure, for evaluation, rewards and reports alike.

Undefined is NaN, never 0 or 1. Nothing here asks a solver: the episode carries the facts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.env import Outcome
from ordebug_plugin.episode import Episode
from ordebug_plugin.truth import Truth
from ordebug_plugin.verdict import IIS


@dataclass(frozen=True)
class Scores:
    """The measures of one episode. Infrastructure failures have NaN everywhere and count nowhere.

    Attributes:
        scored: Whether the episode counts: False where infrastructure failed.
        limited: Whether it ended undecided, at the solver's work limit.
        recovered_at: Turn of the recovery, from 1; inf where there was none.
        iis_touched: IIS rows that a repair touched (numerator of DA).
        iis_rows: Rows of the IIS (denominator of DA).
        da_f1: F1 of the touched rows and variables against the culprit, or the IIS where the culprit is unknown.
        hit: 1 if the first repair touches the culprit, 0 if not or if nothing was repaired; NaN where it is unknown.
        iis_hit: Likewise against the IIS.
        op: Optimality preservation in [0, 1]; 0 where not recovered, NaN where undecided.
        fp: Share of the original rows still enforced; NaN where not recovered.
        preservation: OP × FP, or minimality where the original objective is unknown; 0 where not recovered, NaN
            where undecided.
        minimality: needed / granted relaxation in (0, 1]; NaN where not recovered.
        answers: Turns taken.
        well_formed: Answers exactly in the answer format.
        refused: Answers whose action was refused or missing.
        truncated: Answers cut by the token limit.
        tokens: Completion tokens; NaN where the server counted none.
        seconds: Wall time, agent and solver.
    """

    scored: bool
    limited: bool
    recovered_at: float
    iis_touched: int
    iis_rows: int
    da_f1: float
    hit: float
    iis_hit: float
    op: float
    fp: float
    preservation: float
    minimality: float
    answers: int
    well_formed: int
    refused: int
    truncated: int
    tokens: float
    seconds: float

    @property
    def recovered(self) -> bool:
        """Whether the model was repaired."""
        return self.recovered_at < math.inf


def score(episode: Episode) -> Scores:
    """All measures of one episode (definitions: README, "Measures")."""
    repairs = _repairs(episode)
    touched = touched_elements(episode)
    first = {_element(repairs[0])} if repairs else set()
    iis = conflict_elements(episode.iis)
    iis_rows = {element for element in iis if element[0] == "row"}
    culprit = culprit_elements(episode.truth)
    scored = episode.outcome is not None
    recovered = episode.outcome is Outcome.RECOVERED
    decided = scored and episode.outcome is not Outcome.LIMIT
    op = _optimality(episode) if decided else math.nan
    fp = _enforced_share(episode) if recovered else math.nan
    minimality = _minimality(episode) if recovered else math.nan
    known = episode.truth.objective is not None
    return Scores(
        scored=scored,
        limited=episode.outcome is Outcome.LIMIT,
        recovered_at=len(episode.turns) if recovered else math.inf,
        iis_touched=len(touched & iis_rows),
        iis_rows=len(iis_rows),
        da_f1=f1(touched, culprit or iis) if scored else math.nan,
        hit=float(bool(first & culprit)) if scored and culprit else math.nan,
        iis_hit=float(bool(first & iis)) if scored else math.nan,
        op=op,
        fp=fp,
        preservation=_preservation(op, fp, minimality, known=known) if recovered else 0.0 if decided else math.nan,
        minimality=minimality,
        answers=len(episode.turns),
        well_formed=sum(turn.step.well_formed for turn in episode.turns),
        refused=sum(turn.step.refused for turn in episode.turns),
        truncated=sum(turn.reply.truncated for turn in episode.turns),
        tokens=_sum(turn.reply.completion_tokens for turn in episode.turns),
        seconds=sum(turn.reply.seconds + turn.solver_seconds for turn in episode.turns),
    )


def recovered_within(scores: Scores, turns: int) -> float:
    """Whether a problem was recovered in time, 1 or 0; NaN where that is undecided, or the episode was lost."""
    return float(scores.recovered_at <= turns) if scores.scored and not scores.limited else math.nan


# Measures that are 1 or 0 of an episode, or NaN.
YES_NO: Mapping[str, Callable[[Scores], float]] = {
    "rr@1": lambda s: recovered_within(s, 1),
    "rr@5": lambda s: recovered_within(s, 5),
    "hit": lambda s: s.hit,
    "iis_hit": lambda s: s.iis_hit,
}


def touched_elements(episode: Episode) -> set[tuple[str, str]]:
    """What the repairs of an episode changed: (``row`` or ``variable``, name)."""
    return {_element(action) for action in _repairs(episode)}


def conflict_elements(iis: IIS | None) -> set[tuple[str, str]]:
    """What an IIS holds that an action can touch, as `touched_elements` names it."""
    if iis is None:
        return set()
    return {("row", name) for name in iis.rows} | {("variable", name) for name in iis.bounds}


def culprit_elements(truth: Truth) -> set[tuple[str, str]]:
    """What is at fault, as `touched_elements` names it; nothing where that is unknown."""
    return {("row", name) for name in truth.rows} | {("variable", name) for name in truth.variables}


def optimality_preservation(objective: float, original: float) -> float:
    """max(0, 1 − |z − z*| / max(1e-9, |z*|)), with z* the objective of the model before it was broken."""
    return max(0.0, 1.0 - abs(objective - original) / max(1e-9, abs(original)))


def feasibility_preservation(lost: Collection[str], added: Collection[str], n_rows: int) -> float:
    """Share of the rows of the model before the fault that still ask for something; NaN where there were none.

    Args:
        lost: Rows that cannot bind any more.
        added: Rows that the fault added; they are missed by nobody.
        n_rows: Number of rows, those that were added included.
    """
    original = n_rows - len(added)
    return math.nan if original == 0 else 1.0 - len(set(lost) - set(added)) / original


def minimality_ratio(needed: float, granted: float) -> float:
    """Needed / granted relaxation, in (0, 1]: 1 is the cheapest repair that there is."""
    return 1.0 if granted <= needed else needed / granted


def f1(touched: set[tuple[str, str]], target: set[tuple[str, str]]) -> float:
    """Harmonic mean of precision and recall of `touched` against `target`; NaN without a target."""
    if not target:
        return math.nan
    return 2 * len(touched & target) / (len(touched) + len(target))


def _repairs(episode: Episode) -> list[Action]:
    """The repairs that were carried out, in order."""
    actions = [turn.step.action for turn in episode.turns if not turn.step.refused]
    return [action for action in actions if action is not None and action.is_repair]


def _element(action: Action) -> tuple[str, str]:
    noun = "variable" if action.kind is ActionKind.UPDATE_BOUNDS else "row"
    return noun, action.target or ""


def _optimality(episode: Episode) -> float:
    original = episode.truth.objective
    if original is None:
        return math.nan
    if episode.outcome is not Outcome.RECOVERED:
        return 0.0
    if episode.repair is None or episode.repair.objective is None:
        return math.nan
    return optimality_preservation(episode.repair.objective, original)


def _enforced_share(episode: Episode) -> float:
    if episode.repair is None:
        return math.nan
    return feasibility_preservation(episode.repair.audit.lost_rows, episode.truth.added_rows, episode.n_rows)


def _minimality(episode: Episode) -> float:
    if episode.repair is None or episode.repair.needed is None:
        return math.nan
    return minimality_ratio(episode.repair.needed, episode.repair.audit.granted)


def _preservation(op: float, fp: float, minimality: float, *, known: bool) -> float:
    return op * fp if known else minimality


def _sum(values: Iterable[int | None]) -> float:
    """Sum of what was counted; NaN where nothing was."""
    counted = [value for value in values if value is not None]
    return float(sum(counted)) if counted else math.nan
