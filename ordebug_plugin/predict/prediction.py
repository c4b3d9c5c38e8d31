"""Several checkpoints: their ranks by each predictor, and what each predictor is worth where the outcome is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ordebug_plugin.errors import InputError
from ordebug_plugin.predict.checkpoint import LESS_IS_BETTER, LOSS, Checkpoint, Measured
from ordebug_plugin.predict.fit import LEAST, Fit, error_of_the_mean, fit_predictor
from ordebug_plugin.statistics import null_for_nan, paired_difference

# By what checkpoints are ranked where nobody says, the first that all of them have: the two that predicted best here
# (docs/results/epochs.md). Published for larger models (arXiv 2510.01624) are the loss and pass@k at large k.
DEFAULTS = ("pass@1", LOSS, "preservation")
# Fewer settings than this, and one of them can turn a correlation around.
FEW = 10
# Figures share their problems from this share on: a run may have lost some, or left some undecided.
_SHARED = 0.9


@dataclass(frozen=True)
class Ranking:
    """Checkpoints by one predictor.

    Attributes:
        predictor: Its name.
        order: Names of those that have it, the most promising first.
        tied: Those that cannot be told from the first; None where there is no interval to tell by.
    """

    predictor: str
    order: tuple[str, ...]
    tied: tuple[str, ...] | None


@dataclass(frozen=True)
class Prediction:
    """Everything that is told.

    Attributes:
        target: What is predicted.
        by: The predictor of the recommendation.
        checkpoints: In the order given.
        rankings: By every predictor that some checkpoint has.
        fits: Of the predictors that could be fitted, those on most checkpoints first, then by leave-one-out error.
        error_of_the_mean: That error without any predictor.
        notes: What to know before believing it.
    """

    target: str
    by: str
    checkpoints: tuple[Checkpoint, ...]
    rankings: Mapping[str, Ranking]
    fits: tuple[Fit, ...]
    error_of_the_mean: float
    notes: tuple[str, ...]

    @property
    def measured(self) -> int:
        """How many checkpoints have an outcome."""
        return sum(one.measured for one in self.checkpoints)

    @property
    def recommendation(self) -> str:
        """Which checkpoint to take, in words, without a point."""
        ranking = self.rankings[self.by]
        best, tied = ranking.order[0], ranking.tied
        if len(ranking.order) == 1:
            return f"by {self.by}: {best}, the only one that has it"
        if tied is None:
            return f"by {self.by}: {best}; single numbers have no interval, so nobody can say by how much"
        if tied:
            return f"by {self.by}: {best}, not separable from {', '.join(tied)}"
        return f"by {self.by}: {best}, better than every other beyond chance"


def predict(checkpoints: Sequence[Checkpoint], *, target: str, by: str | None = None) -> Prediction:
    """Ranks checkpoints, and fits every predictor on those whose outcome is known.

    Args:
        checkpoints: At least one.
        target: What the outcomes are; the predictor of that name is the SFT score.
        by: The predictor that recommends; by default the first of `DEFAULTS` that all checkpoints have, or most of
            them. An undefined figure is none.

    Raises:
        InputError: No checkpoint has the predictor.
    """
    names = list(dict.fromkeys(name for one in checkpoints for name in one.predictors))
    having = {name: sum(not math.isnan(value_of(one, name)) for one in checkpoints) for name in (*DEFAULTS, *names)}
    defined = [name for name in names if having[name]]
    chosen = by or max(having, key=having.__getitem__)  # the first of those that most have
    if chosen not in defined:
        raise InputError(f"no checkpoint has {chosen}: there are {', '.join(defined) or 'no figures'}")
    outcomes = [math.nan if one.outcome is None else one.outcome.estimate.value for one in checkpoints]
    settings = [one.setting for one in checkpoints]
    values = {name: [value_of(one, name) for one in checkpoints] for name in names}
    fits = [
        fit_predictor(
            name,
            values[name],
            outcomes,
            less_is_better=name in LESS_IS_BETTER,
            scores=values.get(target) if name != target else None,
            settings=settings,
        )
        for name in names
    ]
    found = sorted(
        (fit for fit in fits if fit is not None),
        key=lambda fit: (-fit.n, math.isnan(fit.error.value), fit.error.value),
    )
    return Prediction(
        target=target,
        by=chosen,
        checkpoints=tuple(checkpoints),
        rankings={name: _rank(name, checkpoints) for name in names},
        fits=tuple(found),
        error_of_the_mean=error_of_the_mean(outcomes, settings),
        notes=tuple(_notes(checkpoints, chosen)),
    )


def expected(prediction: Prediction, checkpoint: Checkpoint) -> float:
    """The outcome that the recommending predictor's line gives for a checkpoint; NaN where there is no line."""
    fit = next((fit for fit in prediction.fits if fit.predictor == prediction.by), None)
    return math.nan if fit is None else fit.predict(value_of(checkpoint, prediction.by))


def prediction_record(prediction: Prediction) -> dict[str, Any]:
    """Everything as JSON."""
    record = {
        "target": prediction.target,
        "by": prediction.by,
        "recommendation": prediction.recommendation,
        "measured": prediction.measured,
        "checkpoints": [
            {
                "name": one.name,
                "setting": one.setting,
                "predictors": {name: asdict(measured.estimate) for name, measured in one.predictors.items()},
                "outcome": None if one.outcome is None else asdict(one.outcome.estimate),
                "expected": expected(prediction, one),
                "incomplete": dict(one.incomplete),
            }
            for one in prediction.checkpoints
        ],
        "rankings": {name: asdict(ranking) for name, ranking in prediction.rankings.items()},
        "fits": [{**asdict(fit), "verdict": fit.verdict} for fit in prediction.fits],
        "error_of_the_mean": prediction.error_of_the_mean,
        "notes": prediction.notes,
    }
    nulled: dict[str, Any] = null_for_nan(record)
    return nulled


def value_of(checkpoint: Checkpoint, name: str) -> float:
    """A figure of a checkpoint; NaN where it has none."""
    measured = checkpoint.predictors.get(name)
    return math.nan if measured is None else measured.estimate.value


def _rank(name: str, checkpoints: Sequence[Checkpoint]) -> Ranking:
    sign = 1 if name in LESS_IS_BETTER else -1
    having = [one for one in checkpoints if not math.isnan(value_of(one, name))]
    ordered = sorted(having, key=lambda one: sign * value_of(one, name))
    if not ordered:
        return Ranking(name, (), None)
    best = ordered[0].predictors[name]
    told = [_separable(best, one.predictors[name]) for one in ordered[1:]]
    tied = None if None in told else tuple(one.name for one, apart in zip(ordered[1:], told, strict=True) if not apart)
    return Ranking(name, tuple(one.name for one in ordered), tied)


def _separable(first: Measured, second: Measured) -> bool | None:
    """Whether two figures differ beyond chance, problem by problem; None where there are no problems to tell by."""
    if first.by_problem is None or second.by_problem is None:
        return None
    difference = paired_difference(dict(first.by_problem), dict(second.by_problem))
    return None if math.isnan(difference.low) else difference.low > 0 or difference.high < 0


def _same_problems(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _SHARED * max(len(one), len(other))


def _notes(checkpoints: Sequence[Checkpoint], by: str) -> list[str]:
    measured = sum(one.measured for one in checkpoints)
    settings = len({one.setting for one in checkpoints if one.measured})
    notes = []
    if measured == 0:
        notes.append("no checkpoint has an outcome (a run after reinforcement learning): nothing is fitted")
    elif measured < LEAST:
        have = "checkpoint has" if measured == 1 else "checkpoints have"
        notes.append(f"{measured} {have} an outcome: a line needs {LEAST}, so nothing is fitted")
    elif settings < FEW:
        of = "" if settings == measured else f" of {settings} settings"
        notes.append(
            f"only {measured} checkpoints{of} have an outcome: one more can turn every correlation around, and "
            "bootstrap intervals over so few are too narrow"
        )
    lacking = [one.name for one in checkpoints if math.isnan(value_of(one, by))]
    if lacking:
        notes.append(f"without {by}, so not ranked by it: {', '.join(lacking)}")
    after = {one.name: one.outcome for one in checkpoints if one.outcome is not None}
    before = {one.name: one.predictors[by] for one in checkpoints if by in one.predictors}
    for what, figures in ((by, before), ("the outcome", after)):
        held = {name: frozenset(one.by_problem) for name, one in figures.items() if one.by_problem is not None}
        first = next(iter(held), "")
        apart = [name for name in held if not _same_problems(held[first], held[name])]
        if apart:
            notes.append(f"{what} rests on other problems than that of {first}: {', '.join(apart)}; not comparable")
    notes += [
        f"{one.name}: {folder} is incomplete, {missing} episodes are missing"
        for one in checkpoints
        for folder, missing in one.incomplete.items()
    ]
    return notes
