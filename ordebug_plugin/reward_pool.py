"""Batches of answers to components of rewards, in worker processes beside the trainer.

Total: whatever a batch holds, as many results come back as it has answers. A solver that fails, hangs or takes its
process down costs the answers it had in hand, which are None, and nothing else: the process is killed and replaced.
Results do not depend on the number of workers.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from functools import lru_cache

from loky import get_reusable_executor

from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.grading import REWARD_PATIENCE, REWARD_WORK_LIMIT, Grader, Task
from ordebug_plugin.reward import Components

logger = logging.getLogger(__name__)

# Seconds for a batch after which Gurobi counts as hung: it ignores its own limits, or a file does not come off a
# network drive. Far above the patience of a single call, which catches what is only slow.
REWARD_HANG = 1800.0
# A batch of 64 answers keeps no more of them busy.
MAX_WORKERS = 8
WORKERS_VARIABLE = "ORDEBUG_WORKERS"
_IDLE = 600  # seconds after which a worker without work goes away
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
        hang: Seconds for a batch, after which the workers that have not answered are killed.
        workers: Processes; 0 grades in this one, which nothing can kill. Default: ORDEBUG_WORKERS, else one per core,
            8 at most.
    """

    def __init__(self, limits: Limits = _LIMITS, *, hang: float = REWARD_HANG, workers: int | None = None) -> None:
        self._limits, self._hang = limits, hang
        self._workers = default_workers() if workers is None else workers
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
        if self._workers == 0 or not groups:
            return _grade_groups(self._limits, groups)
        results: list[Results] = [[f"Gurobi did not return within {self._hang:g} s"] * len(own) for _, own in groups]
        executor = get_reusable_executor(self._workers, timeout=_IDLE)  # a new one where the last one broke
        # Two pieces a worker: calls cost, and pieces differ in length.
        places = [range(start, len(groups), 2 * self._workers) for start in range(2 * self._workers)]
        # Pickled here: loky's own pickler takes anything, and its time.
        futures = {
            executor.submit(_work, pickle.dumps((self._limits, [groups[place] for place in own]))): own
            for own in places
            if own
        }
        done, hung = wait(futures, timeout=self._hang)
        for future in done:
            try:
                graded = pickle.loads(future.result())
            except Exception as error:  # whatever took the worker down, its answers are lost
                graded = [[f"the worker died: {error!r}"] * len(results[place]) for place in futures[future]]
            for place, own in zip(futures[future], graded, strict=True):
                results[place] = own
        if hung:
            executor.shutdown(wait=False, kill_workers=True)
        return results


def default_workers() -> int:
    """Worker processes, unless told otherwise."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get(WORKERS_VARIABLE, min(cores, MAX_WORKERS)))


@lru_cache(maxsize=1)
def _grader(limits: Limits) -> Grader:
    return Grader(limits.work_limit, limits.patience)


def _work(call: bytes) -> bytes:
    """What a worker does."""
    _settle()
    return pickle.dumps(_grade_groups(*pickle.loads(call)))


@lru_cache(maxsize=1)
def _settle() -> None:
    """Lets the garbage collector leave alone what stays: else it takes a tenth of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _grade_groups(limits: Limits, groups: Sequence[Group]) -> list[Results]:
    return [[_grade_one(limits, task, answers) for answers in own] for task, own in groups]


def _grade_one(limits: Limits, task: Task, answers: tuple[str, ...]) -> Components | str:
    try:
        return _grader(limits).grade(task, answers).components
    except OrdebugError as error:
        return str(error)
