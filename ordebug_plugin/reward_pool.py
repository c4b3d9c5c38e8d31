"""Batches of answers to components of rewards, in worker processes beside the trainer.

Total: whatever a batch holds, as many results come back as it has answers. A solver that fails, hangs or takes its
process down costs the answers it had in hand, which are None, and nothing else: the process is killed and replaced.
Results do not depend on the number of workers.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.grading import REWARD_PATIENCE, REWARD_WORK_LIMIT, Grader, Task
from ordebug_plugin.reward import Components
from ordebug_plugin.workers import Lost, Workers

logger = logging.getLogger(__name__)

# Seconds for the answers to one prompt after which Gurobi counts as hung: it ignores its own limits, or a file does
# not come off a network drive. Far above the patience of a single call, which catches what is only slow.
REWARD_HANG = 1800.0
# A batch of 64 answers keeps no more of them busy.
MAX_WORKERS = 8
WORKERS_VARIABLE = "ORDEBUG_WORKERS"
_KEPT = 8192
_LOST = "reward: an answer could not be judged and is neutral: %s"

# What is graded: a task, and the answers to it.
Key = tuple[Task, tuple[str, ...]]
Group = tuple[Task, list[tuple[str, ...]]]
Results = list[Components | str]


@dataclass(frozen=True)
class Limits:
    """Limits of one worker.

    Attributes:
        work_limit: Gurobi work units per call.
        patience: Seconds per Gurobi call, after which an answer counts as not judged.
    """

    work_limit: float = REWARD_WORK_LIMIT
    patience: float = REWARD_PATIENCE


_LIMITS = Limits()


class RewardPool:
    """Grades batches, and remembers: several rewards ask for the same batch, and groups repeat themselves.

    Args:
        limits: Limits of the workers.
        hang: Seconds for the answers to one task, after which the worker that has them is killed.
        workers: Processes; 0 grades in this one, which nothing can kill. Default: ORDEBUG_WORKERS, else one per core,
            8 at most.
    """

    def __init__(self, limits: Limits = _LIMITS, *, hang: float = REWARD_HANG, workers: int | None = None) -> None:
        self._limits, self._hang = limits, hang
        workers = default_workers() if workers is None else workers
        self._workers = Workers(workers) if workers else None
        self._known: dict[Key, Components] = {}

    def components(
        self, tasks: Sequence[Task | OrdebugError], answers: Sequence[Sequence[str]]
    ) -> list[Components | None]:
        """Grades a batch of trajectories; None where the task is an error, or the solver failed. Raises nothing."""
        keys: list[Key | None] = []
        for task, given in zip(tasks, answers, strict=True):
            if isinstance(task, OrdebugError):
                logger.warning(_LOST, task)
                keys.append(None)
            else:
                keys.append((task, tuple(given)))
        found = {key: self._known[key] for key in keys if key in self._known}
        unknown: dict[Task, list[tuple[str, ...]]] = {}
        for key in dict.fromkeys(keys):
            if key is not None and key not in found:
                unknown.setdefault(key[0], []).append(key[1])
        for (task, asked), results in zip(unknown.items(), self._grade(list(unknown.items())), strict=True):
            for own, result in zip(asked, results, strict=True):
                if isinstance(result, Components):
                    found[task, own] = result
                else:
                    logger.warning(_LOST, result)
        if len(self._known) > _KEPT:
            self._known.clear()
        self._known |= found
        return [None if key is None else found.get(key) for key in keys]

    def _grade(self, groups: list[Group]) -> list[Results]:
        """Grades what is not known: for each group the components of its answers, or why there are none."""
        if self._workers is None:
            return [grade_group(self._limits, *group) for group in groups]
        graded = self._workers.map(grade_group, [(self._limits, *group) for group in groups], self._hang)
        return [
            [result.reason] * len(own) if isinstance(result, Lost) else result
            for (_, own), result in zip(groups, graded, strict=True)
        ]


def default_workers() -> int:
    """Worker processes, unless told otherwise."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get(WORKERS_VARIABLE, min(cores, MAX_WORKERS)))


@lru_cache(maxsize=1)
def _grader(limits: Limits) -> Grader:
    return Grader(limits.work_limit, limits.patience)


def grade_group(limits: Limits, task: Task, group: Sequence[tuple[str, ...]]) -> Results:
    """The components of all answers to a task, or why there are none."""
    results: Results = []
    for answers in group:
        try:
            results.append(_grader(limits).grade(task, answers).components)
        except OrdebugError as error:
            results.append(str(error))
    return results
