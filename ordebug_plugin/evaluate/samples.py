"""Many samples of each problem, counted as they are read.

Memory grows with the problems, and with the different actions that answer one, not with the samples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.records import load_episodes
from ordebug_plugin.evaluate.run import EPISODES, check_begun, expected_episodes, load_config
from ordebug_plugin.pass_at_k import Count, mean_pass_at_k
from ordebug_plugin.scoring import YES_NO, Scores, score
from ordebug_plugin.statistics import Estimate, differing_pairs
from ordebug_plugin.verify.row import OBJECTIVE_KEPT


def _preserved(scores: Scores) -> float:
    return math.nan if math.isnan(scores.preservation) else float(scores.preservation >= OBJECTIVE_KEPT)


# What may be asked of a sample, and how it is called.
SUCCESSES: Mapping[str, Callable[[Scores], float]] = {**YES_NO, "preserved": _preserved}


@dataclass(frozen=True)
class Samples:
    """The samples of a run, counted.

    Attributes:
        run: Its folder.
        temperature: Of the sampling; None of built-in agents.
        most: Samples of the problem that has most.
        least: Of the one that has fewest; less than `most` where the run is incomplete, or samples were lost.
        counts: Name of a success to problem (its content hash) to the count.
        diversity: Of each problem, the share of pairs of samples whose first actions differ; NaN of a single sample.
        missing: Samples that the run lacks: it was interrupted.
    """

    run: Path
    temperature: float | None
    most: int
    least: int
    counts: Mapping[str, Mapping[str, Count]]
    diversity: Mapping[str, float]
    missing: int

    def estimate(self, success: str, k: int) -> Estimate:
        """Pass@k of a success; its `n` is the number of problems with at least k samples."""
        return mean_pass_at_k(self.counts[success], k)


def count_samples(folder: Path) -> Samples:
    """Counts the samples of a run of ``ordebug eval … --samples K``, line by line.

    Raises:
        InputError: The folder holds no run, or a line of it is no episode, or it holds none.
    """
    config = load_config(folder)
    check_begun(folder)
    tallies: dict[str, dict[str, list[int]]] = {name: {} for name in SUCCESSES}
    actions: dict[str, Counter[str]] = {}
    read = 0
    for episode in load_episodes(folder / EPISODES):
        read += 1
        scores = score(episode)
        if episode.turns:
            actions.setdefault(episode.problem_hash, Counter())[episode.turns[0].acted] += 1
        for name, success in SUCCESSES.items():
            value = success(scores)
            tally = tallies[name].setdefault(episode.problem_hash, [0, 0])
            if not math.isnan(value):
                tally[0] += 1
                tally[1] += int(value)
    if not tallies["rr@1"]:
        raise InputError(f"{folder / EPISODES} holds no episode")
    counts = {name: {problem: Count(n, c) for problem, (n, c) in tally.items()} for name, tally in tallies.items()}
    sizes = [count.n for count in counts["rr@1"].values()]
    temperature = config["agent"].get("sampling", {}).get("temperature")
    diversity = {problem: differing_pairs(kinds.values()) for problem, kinds in actions.items()}
    missing = max(0, expected_episodes(folder, config) - read)
    return Samples(folder, temperature, max(sizes), min(sizes), counts, diversity, missing)
