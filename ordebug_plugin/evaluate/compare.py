"""Two runs on the same problems: the paired differences, and what may be said of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ordebug_plugin.episode import Episode
from ordebug_plugin.scoring import YES_NO, Scores, score
from ordebug_plugin.statistics import Estimate, mcnemar, paired_difference

ALPHA = 0.05


@dataclass(frozen=True)
class Paired:
    """One measure of two runs, compared problem by problem.

    Attributes:
        metric: Its name.
        difference: Second minus first, with its 95% interval; n is the number of shared problems.
        p: McNemar's p-value for yes/no measures, else NaN.
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
}


def compare_runs(first: Sequence[Episode], second: Sequence[Episode]) -> tuple[Paired, ...]:
    """Every measure compared over the problems that both runs hold.

    Yes/no measures with one sample a problem are tested with exact McNemar; the others by whether the paired
    bootstrap interval excludes 0.
    """
    results = []
    once = all(len({episode.problem_hash for episode in run}) == len(run) for run in (first, second))
    for name, value in {**YES_NO, **_GRADED}.items():
        one, two = per_problem(first, value), per_problem(second, value)
        difference = paired_difference(one, two)
        if name in YES_NO and once:
            p = mcnemar({k: v == 1.0 for k, v in one.items()}, {k: v == 1.0 for k, v in two.items()})
            separable = p < ALPHA
        else:
            p = math.nan
            separable = difference.low > 0 or difference.high < 0
        results.append(Paired(name, difference, p, separable))
    return tuple(results)


def per_problem(episodes: Iterable[Episode], value: Callable[[Scores], float]) -> dict[str, float]:
    """Problem to the mean of its defined values; problems without one are left out."""
    values: dict[str, list[float]] = {}
    for episode in episodes:
        number = value(score(episode))
        if not math.isnan(number):
            values.setdefault(episode.problem_hash, []).append(number)
    return {problem: sum(numbers) / len(numbers) for problem, numbers in values.items()}
