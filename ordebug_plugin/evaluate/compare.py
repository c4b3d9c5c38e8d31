"""Two runs on the same problems: the paired differences, and what may be said of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ordebug_plugin.episode import Episode
from ordebug_plugin.metrics import RR_TURNS
from ordebug_plugin.scoring import YES_NO, Scores, recovered_within, score
from ordebug_plugin.statistics import Estimate, mcnemar, mean, paired_differences, sign_flip

ALPHA = 0.05


@dataclass(frozen=True)
class Paired:
    """One measure of two runs, compared problem by problem.

    Attributes:
        metric: Its name.
        difference: Second minus first, with its 95% interval; n is the number of shared problems.
        p: Of the exact McNemar test, for yes/no measures with one sample a problem, else of the paired randomization
            test (`statistics.sign_flip`), which is the same test for values of any kind.
        separable: Whether the two runs differ beyond chance at this n.
    """

    metric: str
    difference: Estimate
    p: float
    separable: bool

    @property
    def verdict(self) -> str:
        """The comparison in words."""
        if self.difference.n == 0:
            return "no shared problem"
        if not self.separable:
            return f"not separable at n={self.difference.n}"
        return "higher" if self.difference.value > 0 else "lower"

    def sentence(self, first: str, second: str) -> str:
        """The verdict with the names of the runs and what it rests on, without a point."""
        if self.difference.n == 0:
            return f"{self.metric}: {second} and {first} share no problem where it is defined"
        basis = f"{self.basis}, n={self.difference.n}"
        if not self.separable:
            return f"{self.metric}: {second} and {first} are not separable ({basis})"
        return f"{self.metric}: {second} is {self.verdict} than {first} ({basis})"

    @property
    def basis(self) -> str:
        """What the verdict rests on: the difference, its interval, and McNemar's p where there is one."""
        difference = self.difference
        interval = "" if math.isnan(difference.low) else f" [{difference.low:+.3f}, {difference.high:+.3f}]"
        return f"{difference.value:+.3f}{interval}" + ("" if math.isnan(self.p) else f", p = {self.p:.2g}")


_GRADED: dict[str, Callable[[Scores], float]] = {
    "da_f1": lambda s: s.da_f1,
    "op": lambda s: s.op,
    "preservation": lambda s: s.preservation,
    "steps": lambda s: s.answers if s.scored else math.nan,
    "tokens": lambda s: s.tokens if s.scored else math.nan,
    "seconds": lambda s: s.seconds if s.scored else math.nan,
}


def compare_runs(first: Sequence[Episode], second: Sequence[Episode], max_turns: int = 5) -> tuple[Paired, ...]:
    """Every measure compared over the problems that both runs hold.

    Args:
        first: Episodes of one run.
        second: Episodes of the other.
        max_turns: Turns that both allowed; RR@k is compared up to there.
    """
    once = all(len({episode.problem_hash for episode in run}) == len(run) for run in (first, second))
    scores = [[(episode.problem_hash, score(episode)) for episode in run] for run in (first, second)]
    results = []
    for name, value in (_yes_no(max_turns) | _GRADED).items():
        one, two = (_per_problem(run, value) for run in scores)
        yes_no = name not in _GRADED and once
        results.append(_paired(name, paired_differences(one, two), (one, two) if yes_no else None))
    at = next(place for place, pair in enumerate(results) if pair.metric == "da_f1")
    results.insert(at, _paired("da", _da_differences(*scores), None))
    return tuple(results)


def _yes_no(max_turns: int) -> dict[str, Callable[[Scores], float]]:
    later = {
        f"rr@{k}": partial(recovered_within, turns=k) for k in RR_TURNS if f"rr@{k}" not in YES_NO and k <= max_turns
    }
    recovery = {name: value for name, value in YES_NO.items() if name.startswith("rr@")}
    return {**recovery, **later, **{name: value for name, value in YES_NO.items() if name not in recovery}}


def _paired(
    name: str, differences: Mapping[str, float], yes_no: tuple[Mapping[str, float], Mapping[str, float]] | None
) -> Paired:
    if yes_no is not None:
        p = mcnemar(*({key: value == 1.0 for key, value in run.items()} for run in yes_no))
    else:
        p = sign_flip(differences.values())
    return Paired(name, mean(list(differences.values()), list(differences)), p, separable=p < ALPHA)


def _da_differences(first: Sequence[tuple[str, Scores]], second: Sequence[tuple[str, Scores]]) -> dict[str, float]:
    """Differences whose mean is that of DA, a ratio of sums: each problem weighs as many rows as its IIS has."""
    touched = [_per_problem(run, lambda s: float(s.iis_touched) if s.scored else math.nan) for run in (first, second)]
    rows = _per_problem(first, lambda s: float(s.iis_rows) if s.scored else math.nan)
    differences = paired_differences(*touched)
    total = sum(rows[problem] for problem in differences)
    return {problem: value * len(differences) / total for problem, value in differences.items()} if total else {}


def per_problem(episodes: Iterable[Episode], value: Callable[[Scores], float]) -> dict[str, float]:
    """Problem to the mean of its defined values; problems without one are left out."""
    return _per_problem([(episode.problem_hash, score(episode)) for episode in episodes], value)


def _per_problem(scores: Iterable[tuple[str, Scores]], value: Callable[[Scores], float]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for problem, one in scores:
        number = value(one)
        if not math.isnan(number):
            values.setdefault(problem, []).append(number)
    return {problem: math.fsum(numbers) / len(numbers) for problem, numbers in values.items()}
