"""Scores of many episodes to the figures of a run, each with its interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ordebug_plugin.actions import ActionKind
from ordebug_plugin.episode import Episode
from ordebug_plugin.scoring import Scores, recovered_within, score
from ordebug_plugin.statistics import Estimate, mean, proportion, ratio, share

RR_TURNS = (1, 5, 10, 15, 20)
# The label of episodes that have none.
UNLABELLED = "unknown"
# The outcome, in counts, of episodes that infrastructure lost.
INFRA = "infra"


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

    @property
    def lost(self) -> int:
        """Episodes lost to infrastructure: they are in no figure but ``infra``."""
        return self.outcomes.get(INFRA, 0)

    @property
    def size(self) -> str:
        """What the figures rest on: the episodes that were judged, and of how many, where some were lost."""
        return f"{self.n - self.lost} of {self.n}" if self.lost else str(self.n)


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


def judged(metrics: Mapping[str, Estimate]) -> int:
    """Episodes of a group that were judged, by its figures: all but those lost to infrastructure."""
    lost = metrics["infra"]
    return round(lost.n * (1 - lost.value))


def outcome_name(episode: Episode) -> str:
    """How an episode ended, in one word; ``infra`` where it was lost."""
    return INFRA if episode.outcome is None else str(episode.outcome)


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
    decided = _decided([(episode.problem_hash, score(episode)) for episode in episodes])
    return tuple(_recovered_within(decided, k) for k in range(1, max_turns + 1))


def recovery_by_tokens(episodes: Sequence[Episode], points: int = 60) -> tuple[tuple[float, Estimate], ...]:
    """Share of problems recovered with at most so many completion tokens, over the episodes that counted any.

    Args:
        episodes: Those of a run.
        points: At how many budgets to ask at most: quantiles of what the recovered episodes took.

    Returns:
        Budgets in ascending order, each with the share; empty where no tokens were counted.
    """
    decided = [
        (problem, scores)
        for problem, scores in _decided([(episode.problem_hash, score(episode)) for episode in episodes])
        if not math.isnan(scores.tokens)
    ]
    costs = sorted(scores.tokens for _, scores in decided if scores.recovered)
    if not costs:
        return ()
    steps = min(points, len(costs)) - 1
    budgets = sorted({costs[round(number * (len(costs) - 1) / max(1, steps))] for number in range(steps + 1)})
    clusters = [problem for problem, _ in decided]
    return tuple(
        (
            budget,
            share(
                [float(scores.recovered and scores.tokens <= budget) for _, scores in decided],
                [1.0] * len(decided),
                clusters,
            ),
        )
        for budget in budgets
    )


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
    answers = [float(scores.answers) for scores in scored]

    def over_all(value: Callable[[Scores], float]) -> Estimate:
        return mean([value(scores) for scores in scored], clusters)

    def over_recovered(value: Callable[[Scores], float]) -> Estimate:
        return mean([value(scores) if scores.recovered else math.nan for scores in scored], clusters)

    def over_answers(value: Callable[[Scores], float]) -> Estimate:
        return share([value(scores) for scores in scored], answers, clusters)

    def over_episodes(value: Callable[[Scores], float]) -> Estimate:
        return share([value(scores) for scores in scored], [1.0] * len(scored), clusters)

    decided = _decided(kept)
    figures = {f"rr@{k}": _recovered_within(decided, k) for k in RR_TURNS if k <= max_turns}
    touched, rows = [float(s.iis_touched) for s in scored], [float(s.iis_rows) for s in scored]
    return figures | {
        "da": ratio(touched, rows, clusters),
        "da_f1": over_all(lambda s: s.da_f1),
        "hit": over_episodes(lambda s: s.hit),
        "iis_hit": over_episodes(lambda s: s.iis_hit),
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
        "format": over_answers(lambda s: s.well_formed),
        "invalid": over_answers(lambda s: s.refused),
        "truncated": over_answers(lambda s: s.truncated),
        "limit": over_episodes(lambda s: float(s.limited)),
        "infra": proportion(len(pairs) - len(scored), len(pairs)),
    }


def _decided(pairs: Iterable[tuple[str, Scores]]) -> list[tuple[str, Scores]]:
    """An episode that ended at the solver's work limit, or was lost, is neither success nor failure."""
    return [(problem, one) for problem, one in pairs if one.scored and not one.limited]


def _recovered_within(decided: Sequence[tuple[str, Scores]], turns: int) -> Estimate:
    within = [recovered_within(scores, turns) for _, scores in decided]
    return share(within, [1.0] * len(decided), [problem for problem, _ in decided])


def _action_shares(episodes: Sequence[Episode]) -> dict[str, Estimate]:
    """Share of answers per kind of action; one kind alone is a collapsed policy."""
    kinds = [
        Counter(str(turn.step.action.kind) if turn.step.action is not None else "none" for turn in episode.turns)
        for episode in episodes
    ]
    clusters = [episode.problem_hash for episode in episodes]
    totals = [float(each.total()) for each in kinds]
    names = (*map(str, ActionKind), "none")
    return {f"action_{name}": share([each[name] for each in kinds], totals, clusters) for name in names}
