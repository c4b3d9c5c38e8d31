"""Scores of many episodes to the figures of a run, each with its interval."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ordebug_plugin.actions import ActionKind
from ordebug_plugin.episode import Episode
from ordebug_plugin.scoring import Scores, score
from ordebug_plugin.statistics import Estimate, mean, proportion, ratio

RR_TURNS = (1, 5, 10, 15, 20)
# The label of episodes that have none.
UNLABELLED = "unknown"


@dataclass(frozen=True)
class Summary:
    """The figures of a run.

    Attributes:
        n: Episodes, those lost to infrastructure included.
        outcomes: Episodes per outcome; ``infra`` for those lost.
        metrics: Name to estimate.
        by_type: Fault label to its metrics.
    """

    n: int
    outcomes: dict[str, int]
    metrics: dict[str, Estimate]
    by_type: dict[str, dict[str, Estimate]]


def summarize(episodes: Sequence[Episode], max_turns: int) -> Summary:
    """All figures over all episodes, and per fault label.

    Args:
        episodes: At least one.
        max_turns: Turns that were allowed; RR@k is undefined for larger k.
    """
    outcomes: dict[str, int] = {}
    for episode in episodes:
        name = outcome_name(episode)
        outcomes[name] = outcomes.get(name, 0) + 1
    return Summary(
        n=len(episodes),
        outcomes=dict(sorted(outcomes.items())),
        metrics=measure(episodes, max_turns),
        by_type=measure_by(episodes, max_turns, fault_type),
    )


def outcome_name(episode: Episode) -> str:
    """How an episode ended, in one word; ``infra`` where it was lost."""
    return "infra" if episode.outcome is None else str(episode.outcome)


def fault_type(episode: Episode) -> str:
    """The fault label, or ``unknown``."""
    return episode.error_type or UNLABELLED


def measure_by(
    episodes: Iterable[Episode], max_turns: int, label: Callable[[Episode], str]
) -> dict[str, dict[str, Estimate]]:
    """Every figure of each group of episodes, by the label that makes the groups."""
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(label(episode), []).append(episode)
    return {name: measure(group, max_turns) for name, group in sorted(groups.items())}


def recovery_by_turn(episodes: Sequence[Episode], max_turns: int) -> tuple[Estimate, ...]:
    """RR@k for every k from 1 to the turns that were allowed."""
    decided = _decided([score(episode) for episode in episodes])
    return tuple(_recovered_within(decided, k) for k in range(1, max_turns + 1))


def recovery_by_tokens(episodes: Sequence[Episode], points: int = 60) -> tuple[tuple[float, Estimate], ...]:
    """Share of problems recovered with at most so many completion tokens, over the episodes that counted any.

    Args:
        episodes: Those of a run.
        points: At how many budgets to ask at most: quantiles of what the recovered episodes took.

    Returns:
        Budgets in ascending order, each with the share; empty where no tokens were counted.
    """
    decided = [scores for scores in _decided([score(episode) for episode in episodes]) if not math.isnan(scores.tokens)]
    costs = sorted(scores.tokens for scores in decided if scores.recovered)
    if not costs:
        return ()
    steps = min(points, len(costs)) - 1
    budgets = sorted({costs[round(number * (len(costs) - 1) / max(1, steps))] for number in range(steps + 1)})
    return tuple((budget, proportion(bisect_right(costs, budget), len(decided))) for budget in budgets)


def measure(episodes: Sequence[Episode], max_turns: int) -> dict[str, Estimate]:
    """Every figure of one group of episodes. Those lost to infrastructure count only in ``infra``."""
    shares = _action_shares([episode for episode in episodes if episode.outcome is not None])
    pairs = [(episode.problem_hash, score(episode)) for episode in episodes]
    return measure_scores(pairs, max_turns) | shares


def measure_scores(pairs: Sequence[tuple[str, Scores]], max_turns: int) -> dict[str, Estimate]:
    """Every figure that the scores of episodes give.

    Args:
        pairs: The problem of each episode (its content hash), and its scores.
        max_turns: See `summarize`.
    """
    kept = [(problem, scores) for problem, scores in pairs if scores.scored]
    clusters = [problem for problem, _ in kept]
    scored = [scores for _, scores in kept]
    answers = sum(scores.answers for scores in scored)

    def over_all(value: Callable[[Scores], float]) -> Estimate:
        return mean([value(scores) for scores in scored], clusters)

    def over_recovered(value: Callable[[Scores], float]) -> Estimate:
        return mean([value(scores) if scores.recovered else math.nan for scores in scored], clusters)

    decided = _decided(scored)
    figures = {f"rr@{k}": _recovered_within(decided, k) for k in RR_TURNS if k <= max_turns}
    touched, rows = [float(s.iis_touched) for s in scored], [float(s.iis_rows) for s in scored]
    return figures | {
        "da": ratio(touched, rows, clusters),
        "da_f1": over_all(lambda s: s.da_f1),
        "hit": _share(scores.hit for scores in scored),
        "iis_hit": _share(scores.iis_hit for scores in scored),
        "op": over_all(lambda s: s.op),
        "op_recovered": over_recovered(lambda s: s.op),
        "fp": over_recovered(lambda s: s.fp),
        "preservation": over_all(lambda s: s.preservation),
        "minimality": over_recovered(lambda s: s.minimality),
        "steps": over_all(lambda s: s.answers),
        "steps_recovered": over_recovered(lambda s: s.answers),
        "tokens": over_all(lambda s: s.tokens),
        "tokens_recovered": over_recovered(lambda s: s.tokens),
        "seconds": over_all(lambda s: s.seconds),
        "seconds_recovered": over_recovered(lambda s: s.seconds),
        "format": proportion(sum(s.well_formed for s in scored), answers),
        "invalid": proportion(sum(s.refused for s in scored), answers),
        "truncated": proportion(sum(s.truncated for s in scored), answers),
        "limit": proportion(sum(s.limited for s in scored), len(scored)),
        "infra": proportion(len(pairs) - len(scored), len(pairs)),
    }


def _decided(scores: Iterable[Scores]) -> list[Scores]:
    """An episode that ended at the solver's work limit, or was lost, is neither success nor failure."""
    return [one for one in scores if one.scored and not one.limited]


def _recovered_within(decided: Sequence[Scores], turns: int) -> Estimate:
    return proportion(sum(scores.recovered_at <= turns for scores in decided), len(decided))


def _action_shares(episodes: Sequence[Episode]) -> dict[str, Estimate]:
    """Share of answers per kind of action; one kind alone is a collapsed policy."""
    kinds = Counter(
        str(turn.step.action.kind) if turn.step.action is not None else "none"
        for episode in episodes
        for turn in episode.turns
    )
    total = kinds.total()
    return {f"action_{kind}": proportion(kinds[kind], total) for kind in (*map(str, ActionKind), "none")}


def _share(values: Iterable[float]) -> Estimate:
    """Share of ones among the defined values."""
    defined = [value for value in values if not math.isnan(value)]
    return proportion(round(sum(defined)), len(defined))
