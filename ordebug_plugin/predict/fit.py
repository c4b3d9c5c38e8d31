"""How well a figure measured before reinforcement learning predicts what comes after it.

After Kang et al. 2025, "Quagmires in SFT-RL post-training" (arXiv 2510.01624), who compare the SFT score, the loss on
held-out demonstrations and pass@k at large k by the R² of linear fits and by Spearman's rank correlation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ordebug_plugin.statistics import Estimate, resampled

# A line through fewer points says nothing about its fit.
LEAST = 3
# Resamples of fewer settings are mostly the same few points again: no interval, and no verdict.
LEAST_TO_RESAMPLE = 5


@dataclass(frozen=True)
class Fit:
    """A simple linear regression of the outcome on one predictor, over checkpoints.

    Attributes:
        predictor: Its name.
        n: Checkpoints with both figures.
        settings: Of how many settings they are; seeds of one setting are no independent evidence.
        slope: Change of the outcome for one unit of the predictor; NaN where the predictor does not vary.
        intercept: Outcome where the predictor is 0.
        spearman: Rank correlation, with the sign such that +1 means: what looks best is best afterwards.
        r2: Share of the variance of the outcome that the line explains, on the same checkpoints.
        error: Mean absolute error of predicting each checkpoint from a line through those of the other settings
            (leave-one-out, a setting at a time).
        against_score: Spearman minus that of the SFT score on the same checkpoints, by a paired bootstrap; None where
            there is no SFT score, and for itself.
        error_against_score: Likewise the SFT score's error minus this one's: above 0 where this predicts better.
    """

    predictor: str
    n: int
    settings: int
    slope: float
    intercept: float
    spearman: Estimate
    r2: Estimate
    error: Estimate
    against_score: Estimate | None = None
    error_against_score: Estimate | None = None

    @property
    def verdict(self) -> str:
        """Whether it predicts better than the SFT score, in words."""
        if self.against_score is not None and self.settings < LEAST_TO_RESAMPLE:
            seeds = "" if self.settings == self.n else f" of {self.settings} settings"
            return f"{self.n} checkpoints{seeds} are too few to tell it from the SFT score"
        parts = [
            _verdict(difference, noun)
            for difference, noun in ((self.against_score, "rank"), (self.error_against_score, "error"))
            if difference is not None
        ]
        return "; ".join(parts)

    def predict(self, value: float) -> float:
        """The outcome that the line gives for a value of the predictor."""
        return self.intercept + self.slope * value


def fit_predictor(  # noqa: PLR0913  # half of them by keyword
    name: str,
    values: Sequence[float],
    outcomes: Sequence[float],
    *,
    less_is_better: bool = False,
    scores: Sequence[float] | None = None,
    settings: Sequence[str] | None = None,
) -> Fit | None:
    """Fits one predictor; intervals are percentile bootstraps over settings, where there are five at least.

    Args:
        name: Of the predictor.
        values: Its value for each checkpoint; NaN where there is none.
        outcomes: What came out, likewise.
        less_is_better: Whether a small value promises much.
        scores: The SFT score of each checkpoint, to be compared with.
        settings: The setting of each checkpoint, of which there may be several seeds; each its own by default.

    Returns:
        None where fewer than three checkpoints have both.
    """
    x, y = np.array(values, float), np.array(outcomes, float)
    kept = ~(np.isnan(x) | np.isnan(y))
    score = None if scores is None else np.array(scores, float)
    if score is not None:
        paired = kept & ~np.isnan(score)
        if paired.sum() < kept.sum():  # a comparison on other checkpoints would be none
            score = None
    if kept.sum() < LEAST:
        return None
    x, y = x[kept], y[kept]
    sign = -1.0 if less_is_better else 1.0
    own = _settings_of(kept, settings)
    misses = _left_out_errors(x, y, own)
    slope = _slope(x, y)
    against = error_against = None
    if score is not None:
        rival = score[kept]
        against = _estimate(own, lambda drawn: _spearman(sign * x, y, drawn) - _spearman(rival, y, drawn))
        gains = _left_out_errors(rival, y, own) - misses
        error_against = _estimate(own, lambda drawn: gains[drawn].mean(axis=1))
    return Fit(
        predictor=name,
        n=len(x),
        settings=len(set(own)),
        slope=slope,
        intercept=float(y.mean() - slope * x.mean()),
        spearman=_estimate(own, lambda drawn: _spearman(sign * x, y, drawn)),
        r2=_estimate(own, lambda drawn: _pearson(x[drawn], y[drawn]) ** 2),
        error=_estimate(own, lambda drawn: misses[drawn].mean(axis=1)),
        against_score=against,
        error_against_score=error_against,
    )


def _estimate(settings: Sequence[Hashable], statistic: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    estimate = resampled(settings, statistic)
    few = len(set(settings)) < LEAST_TO_RESAMPLE
    return Estimate(estimate.value, math.nan, math.nan, estimate.n) if few else estimate


def error_of_the_mean(outcomes: Sequence[float], settings: Sequence[str] | None = None) -> float:
    """Error of predicting the mean of the outcomes of the other settings: what any predictor has to beat.

    NaN where there are no two settings.
    """
    y = np.array(outcomes, float)
    kept = ~np.isnan(y)
    own = _settings_of(kept, settings)
    if len(set(own)) < 2:
        return math.nan
    y = y[kept]
    return float(np.mean([abs(y[out] - y[others].mean()) for out, others in _left_out(own)]))


def _verdict(difference: Estimate, noun: str) -> str:
    if math.isnan(difference.low) or difference.low <= 0 <= difference.high:
        return f"{noun}: not separable from the SFT score"
    return f"{noun}: {'better' if difference.value > 0 else 'worse'} than the SFT score"


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    spread = ((x - x.mean()) ** 2).sum()
    return math.nan if spread == 0 else float(((x - x.mean()) * (y - y.mean())).sum() / spread)


def _settings_of(kept: np.ndarray, settings: Sequence[str] | None) -> list[Hashable]:
    """The settings of the checkpoints that are kept; each its own where they have none."""
    listed = range(len(kept)) if settings is None else settings
    return [setting for setting, there in zip(listed, kept, strict=True) if there]


def _left_out(settings: Sequence[Hashable]) -> Iterator[tuple[int, np.ndarray]]:
    """Each checkpoint, and those of all other settings."""
    for place, setting in enumerate(settings):
        yield place, np.array([other != setting for other in settings])


def _left_out_errors(x: np.ndarray, y: np.ndarray, settings: Sequence[Hashable]) -> np.ndarray:
    """|error| of each point from the least-squares line through those of the other settings.

    NaN where those do not vary.
    """
    errors = []
    for out, others in _left_out(settings):
        slope = _slope(x[others], y[others]) if others.any() else math.nan
        errors.append(abs(y[out] - y[others].mean() - slope * (x[out] - x[others].mean())) if others.any() else slope)
    return np.array(errors)


def _spearman(x: np.ndarray, y: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Rank correlation of each draw; ranks of equals are averaged (Spearman 1904)."""
    from scipy.stats import rankdata  # noqa: PLC0415  # takes a second to import, and most commands need no figures

    return _pearson(rankdata(x[drawn], axis=1), rankdata(y[drawn], axis=1))


def _pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Correlation within each row; NaN where one side does not vary."""
    varies = (np.ptp(x, axis=1) > 0) & (np.ptp(y, axis=1) > 0)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    correlation = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.where(varies, correlation, np.nan)
