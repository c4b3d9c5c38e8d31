"""Several runs side by side, with everything that may be said of them: figures, groups, and paired tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.compare import Paired, compare_runs
from ordebug_plugin.evaluate.resume import flat_config
from ordebug_plugin.evaluate.run import load_run, lost_words, missing_episodes, summary_record
from ordebug_plugin.evaluate.story import KEPT
from ordebug_plugin.metrics import (
    UNLABELLED,
    Summary,
    fault_type,
    measure_by,
    recovery_by_tokens,
    recovery_by_turn,
    summarize,
)
from ordebug_plugin.scoring import Scores, score
from ordebug_plugin.statistics import Estimate, null_for_nan

# Classes of preservation beside the tenths.
NOT_RECOVERED, WHOLE = "not recovered", f"≥ {KEPT:g}"


@dataclass(frozen=True)
class Run:
    """One run as it is compared.

    Attributes:
        name: Its name beside the others.
        config: As written by ``ordebug eval``.
        episodes: All of them.
        summary: Its figures.
        by_difficulty: Difficulty label to the figures.
        by_turn: RR@k for every k from 1.
        by_tokens: Completion tokens, and the share of problems recovered with at most so many; empty where the agent
            counted none.
        preservation: Class of preservation, the classes in order, to the episodes in it.
        missing: Problems that it was interrupted before.
        note: What somebody who knows says of it, without a point at the end; may be empty.
    """

    name: str
    config: Mapping[str, Any]
    episodes: tuple[Episode, ...]
    summary: Summary
    by_difficulty: Mapping[str, Mapping[str, Estimate]]
    by_turn: tuple[Estimate, ...]
    by_tokens: tuple[tuple[float, Estimate], ...]
    preservation: Mapping[str, int]
    missing: int
    note: str = ""

    @property
    def max_turns(self) -> int:
        """Turns that were allowed."""
        return int(self.config["max_steps"])

    @property
    def samples(self) -> int:
        """Episodes per problem, the most that one has."""
        return 1 + max((episode.sample for episode in self.episodes), default=0)

    @property
    def problems(self) -> int:
        """Problems that it has episodes of."""
        return len({episode.problem_hash for episode in self.episodes})

    @property
    def description(self) -> str:
        """Who ran, on what, and how, in a line."""
        agent = dict(self.config.get("agent") or {})
        sampling = dict(agent.get("sampling") or {})
        parts = [self.note] if self.note else []
        parts += [f"{'model' if 'base_url' in agent else 'agent'} {agent.get('name', 'unknown')}"]
        if "temperature" in sampling:
            parts.append(f"temperature {sampling['temperature']:g}")
        parts.append(f"{self.problems} problems of {Path(str(self.config.get('benchmark', 'unknown'))).name}")
        if self.samples > 1:
            parts.append(f"up to {self.samples} samples each")
        if self.summary.lost:
            parts.append(f"{self.summary.size} episodes judged")
        parts.append(f"at most {self.max_turns} turns")
        return ", ".join(parts)


@dataclass(frozen=True)
class Pairing:
    """One run against another: the one before it, or the first of all.

    Attributes:
        first: Name of the run before.
        second: Name of the run.
        overall: The paired tests over all shared problems.
        by_type: The same for each fault label, where there are several.
        by_difficulty: The same for each difficulty label, where there are several.
    """

    first: str
    second: str
    overall: tuple[Paired, ...]
    by_type: Mapping[str, tuple[Paired, ...]]
    by_difficulty: Mapping[str, tuple[Paired, ...]]

    @property
    def shared(self) -> int:
        """Problems that both runs hold and that were judged in both."""
        return max(pair.difference.n for pair in self.overall)

    @property
    def words(self) -> tuple[tuple[str, tuple[Paired, ...]], ...]:
        """The overall tests, by verdict: what is higher, what is lower, and what is not separable."""
        groups: dict[str, list[Paired]] = {}
        for pair in sorted(self.overall, key=lambda pair: (not pair.separable, pair.difference.value < 0)):
            if pair.difference.n:
                groups.setdefault(pair.verdict, []).append(pair)
        return tuple((verdict, tuple(pairs)) for verdict, pairs in groups.items())


@dataclass(frozen=True)
class Comparison:
    """Two or more runs.

    Attributes:
        runs: In the order in which they were named.
        pairings: Each against the one before it, then each against the first.
        notes: What a reader must know before trusting the figures.
    """

    runs: tuple[Run, ...]
    pairings: tuple[Pairing, ...]
    notes: tuple[str, ...]

    @property
    def summaries(self) -> dict[str, Summary]:
        """Name to figures."""
        return {run.name: run.summary for run in self.runs}

    @property
    def incomplete(self) -> bool:
        """Whether a run was interrupted, or lost episodes to infrastructure."""
        return any(run.missing > 0 or run.summary.lost > 0 for run in self.runs)

    @property
    def types(self) -> tuple[str, ...]:
        """The fault labels of all runs, sorted."""
        return tuple(sorted({label for run in self.runs for label in run.summary.by_type}))

    @property
    def difficulties(self) -> tuple[str, ...]:
        """The difficulty labels of all runs, from easy to hard."""
        return tuple(sorted({label for run in self.runs for label in run.by_difficulty}, key=_by_difficulty))

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What the paired tests come to, a sentence each."""
        return tuple(
            pair.sentence(pairing.first, pairing.second)
            for pairing in self.pairings
            for pair in pairing.overall
            if pair.difference.n
        )


def load_comparison(
    folders: Sequence[Path],
    on_progress: Callable[[str], None] = lambda _: None,
    remarks: Mapping[str, str] = MappingProxyType({}),
) -> Comparison:
    """Reads runs and compares them.

    Args:
        folders: Two or more, each written by ``ordebug eval``.
        remarks: Name of a run to what is to be said of it (`Run.note`).
        on_progress: Called with the name of each run when its figures are there, and for each pair that was tested.

    Raises:
        InputError: A folder holds no run, two runs that follow each other share no problem, or a remark names no run.
    """
    loaded = [load_run(folder) for folder in folders]
    names = _names(folders)
    for name in remarks:
        if name not in names:
            raise InputError(f"a note names {name!r}, but the runs are {', '.join(names)}")
    runs: list[Run] = []
    for name, folder, (config, episodes) in zip(names, folders, loaded, strict=True):
        if all(episode.outcome is None for episode in episodes):
            raise InputError(
                f"{folder}: every episode was lost to infrastructure, so there is nothing to compare: the same "
                "`ordebug eval` with --resume runs them again"
            )
        one = _run(name, config, episodes, missing_episodes(folder, config, episodes))
        runs.append(replace(one, note=remarks.get(name, "")))
        on_progress(name)
    pairings: list[Pairing] = []
    for one, two in [*pairwise(runs), *((runs[0], run) for run in runs[2:])]:
        pairings.append(_pairing(one, two))
        on_progress(f"{two.name} against {one.name}")
    return Comparison(tuple(runs), tuple(pairings), tuple(_notes(runs)))


def _run(name: str, config: Mapping[str, Any], episodes: tuple[Episode, ...], missing: int) -> Run:
    turns = int(config["max_steps"])
    return Run(
        name=name,
        config=config,
        episodes=episodes,
        summary=summarize(episodes, turns),
        by_difficulty=measure_by(episodes, turns, difficulty),
        by_turn=recovery_by_turn(episodes, turns),
        by_tokens=recovery_by_tokens(episodes),
        preservation=_classes(score(episode) for episode in episodes),
        missing=missing,
    )


def _classes(scores: Iterable[Scores]) -> dict[str, int]:
    """Episodes by preservation in tenths; those not recovered, and those that kept all, are classes of their own."""
    names = [f"{low / 10:g}–{(low + 1) / 10:g}" for low in range(10)]
    counts = dict.fromkeys((NOT_RECOVERED, *names, WHOLE), 0)
    for one in scores:
        if math.isnan(one.preservation):
            continue
        if not one.recovered:
            counts[NOT_RECOVERED] += 1
        elif one.preservation >= KEPT:
            counts[WHOLE] += 1
        else:
            counts[names[int(10 * one.preservation)]] += 1
    return counts


def difficulty(episode: Episode) -> str:
    """The difficulty label, or ``unknown``."""
    return episode.difficulty or UNLABELLED


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """Everything as JSON: ``runs`` as in their ``summary.json``; undefined figures are null."""
    return {
        "runs": {run.name: summary_record(run.summary) for run in comparison.runs},
        "paired": [
            {"first": pairing.first, "second": pairing.second, **_paired_record(pair)}
            for pairing in comparison.pairings
            for pair in pairing.overall
        ],
        "paired_by_type": [
            {"first": pairing.first, "second": pairing.second, "type": label, **_paired_record(pair)}
            for pairing in comparison.pairings
            for label, pairs in pairing.by_type.items()
            for pair in pairs
        ],
        "paired_by_difficulty": [
            {"first": pairing.first, "second": pairing.second, "difficulty": label, **_paired_record(pair)}
            for pairing in comparison.pairings
            for label, pairs in pairing.by_difficulty.items()
            for pair in pairs
        ],
        "by_difficulty": {
            run.name: {
                label: {name: _defined(estimate) for name, estimate in figures.items()}
                for label, figures in run.by_difficulty.items()
            }
            for run in comparison.runs
        },
        "recovery_by_turn": {run.name: [_defined(figure) for figure in run.by_turn] for run in comparison.runs},
        "recovery_by_tokens": {
            run.name: [{"tokens": budget, **_defined(figure)} for budget, figure in run.by_tokens]
            for run in comparison.runs
        },
        "preservation_classes": {run.name: dict(run.preservation) for run in comparison.runs},
        "judged": {run.name: run.summary.n - run.summary.lost for run in comparison.runs},
        "lost_to_infrastructure": {run.name: run.summary.lost for run in comparison.runs},
        "missing_episodes": {run.name: run.missing for run in comparison.runs},
        "shared_problems": [
            {"first": pairing.first, "second": pairing.second, "n": pairing.shared} for pairing in comparison.pairings
        ],
        "descriptions": {run.name: run.description for run in comparison.runs},
        "verdicts": list(comparison.verdicts),
        "notes": list(comparison.notes),
    }


def _defined(estimate: Estimate) -> dict[str, Any]:
    record: dict[str, Any] = null_for_nan(asdict(estimate))
    return record


def _names(folders: Sequence[Path]) -> list[str]:
    """Folder names where they are unique, whole paths where they are not."""
    names = [folder.resolve().name for folder in folders]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("a run is named twice: give each folder once")
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _pairing(one: Run, two: Run) -> Pairing:
    turns = min(one.max_turns, two.max_turns)
    overall = compare_runs(one.episodes, two.episodes, turns)
    if all(pair.difference.n == 0 for pair in overall):
        raise InputError(f"{one.name} and {two.name} share no problem: they cannot be compared")

    def groups(label: Callable[[Episode], str]) -> dict[str, tuple[Paired, ...]]:
        labels = sorted({label(episode) for episode in two.episodes})
        tested = {}
        for name in labels if len(labels) > 1 else ():
            first, second = ([episode for episode in run.episodes if label(episode) == name] for run in (one, two))
            tested[name] = compare_runs(first, second, turns)
        return tested

    return Pairing(one.name, two.name, overall, groups(fault_type), groups(difficulty))


# Differences between configurations that are the point of a comparison, or follow from others.
_EXPECTED = (
    *("agent.name", "agent.model", "agent.base_url", "agent.think", "agent.amount", "agent.seed", "benchmark"),
    *("records_hash", "max_steps", "benchmark_hash", "limit", "problems"),
)


def _notes(runs: Sequence[Run]) -> list[str]:
    notes = []
    if len({run.max_turns for run in runs}) > 1:
        turns = ", ".join(f"{run.name} {run.max_turns}" for run in runs)
        notes.append(f"the runs differ in --max-steps: {turns}; pairs hold RR@k up to the fewer turns")
    if len({run.config["benchmark_hash"] for run in runs}) > 1:
        problems = ", ".join(f"{run.name} {run.problems}" for run in runs)
        notes.append(f"the runs differ in their problems: {problems}; pairs hold the shared problems only")
    configs = [flat_config(run.config) for run in runs]
    for key in dict.fromkeys(key for config in configs for key in config if key not in _EXPECTED):
        held = {run.name: config[key] for run, config in zip(runs, configs, strict=True) if key in config}
        if len(set(map(repr, held.values()))) > 1:  # an agent that reads no prompt has no style
            notes.append(f"the runs differ in {key}: {', '.join(f'{name} {value}' for name, value in held.items())}")
    for run in runs:
        if run.summary.lost:
            notes.append(f"{run.name}: {lost_words(run.summary.lost, run.summary.n)}")
        if run.missing > 0:
            notes.append(
                f"{run.name} is incomplete, {run.missing} episodes are missing: the ones "
                "that ended first are the short ones, so its figures are biased"
            )
    return notes


def _paired_record(pair: Paired) -> dict[str, Any]:
    record = null_for_nan({**asdict(pair.difference), "p": pair.p})
    return {"metric": pair.metric, **record, "separable": pair.separable, "verdict": pair.verdict}


_DIFFICULTIES = ("easy", "medium", "hard")


def _by_difficulty(label: str) -> tuple[int, str]:
    return (_DIFFICULTIES.index(label) if label in _DIFFICULTIES else len(_DIFFICULTIES), label)
