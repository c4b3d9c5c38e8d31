"""What a trainer asks the solver, in worker processes beside it: components of rewards, and the next turn.

Total: whatever a batch holds, as many results come back as it has answers. A solver that fails, hangs or takes its
process down costs the answers it had in hand, which are None, and nothing else: the process is killed and replaced.
Results do not depend on the number of workers.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ordebug_plugin.cluster import Cluster, Relay
from ordebug_plugin.errors import InputError, OrdebugError, SolverError
from ordebug_plugin.grading import MAX_ANSWER, REWARD_PATIENCE, REWARD_WORK_LIMIT, Grader, Task
from ordebug_plugin.guarded import check_gurobi, hang_limit, licence_or_error, start_limit
from ordebug_plugin.parallel import Crew
from ordebug_plugin.prompt import Style
from ordebug_plugin.reward import Components
from ordebug_plugin.scene import Scene, scene
from ordebug_plugin.workers import Lost, Workers

logger = logging.getLogger(__name__)

# A batch of 64 answers keeps no more of them busy.
MAX_WORKERS = 8
WORKERS_VARIABLE = "ORDEBUG_WORKERS"
RAY_VARIABLE = "ORDEBUG_RAY"
_KEPT = 8192
_LOST = "reward: an answer could not be judged and is neutral: %s"

# What is graded: a task, and a digest of the answers to it.
Key = tuple[Task, bytes]
Call = tuple["Limits", Task, list[tuple[str, ...]]]
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
        hang: Seconds for the answers to one task, after which the worker that has them is killed; by default the limit
            of one question.
        workers: Who grades; 0 for this process, which nothing can kill. Default: `default_crew`.
    """

    def __init__(self, limits: Limits = _LIMITS, *, hang: float | None = None, workers: Crew | None = None) -> None:
        self._limits = limits
        self._hang = hang_limit(limits.work_limit) if hang is None else hang
        workers = default_crew() if workers is None else workers
        self._workers = Relay(workers) if isinstance(workers, Cluster) else Workers(workers) if workers else None
        self._known: dict[Key, Components] = {}
        self._last: tuple[list[Key | None], dict[Key, Components]] = ([], {})
        self._lock = threading.Lock()

    def components(
        self, tasks: Sequence[Task | OrdebugError], answers: Sequence[Sequence[str]]
    ) -> list[Components | None]:
        """Grades a batch of trajectories; None where the task is an error, or the solver failed. Raises nothing."""
        keys: list[Key | None] = []
        asked: dict[Key, tuple[Task, tuple[str, ...]]] = {}
        for task, given in zip(tasks, answers, strict=True):
            if isinstance(task, OrdebugError):
                logger.warning(_LOST, task)
                keys.append(None)
                continue
            cut = tuple(text[-MAX_ANSWER:] for text in given)
            key = (task, _digest(cut))
            asked[key] = (task, cut)
            keys.append(key)
        with self._lock:
            # Every reward asks for the same batch: what could not be judged for the first is not tried for the next.
            if keys != self._last[0]:
                self._last = (keys, self._grade(asked))
            found = self._last[1]
        return [None if key is None else found.get(key) for key in keys]

    def scene(self, task: Task, answers: Sequence[str], max_turns: int, style: Style) -> Scene | None:
        """The turn that follows some answers (`scene.scene`); None where the solver failed. Raises nothing."""
        call = (self._limits, task, tuple(text[-MAX_ANSWER:] for text in answers), max_turns, style)
        (result,) = self._map(show_scene, [call])
        if isinstance(result, Scene):
            return result
        logger.warning("environment: a turn could not be computed, its trajectory is neutral: %s", result)
        return None

    def close(self) -> None:
        """Ends its processes, if it has any; the next batch starts others."""
        if self._workers is not None:
            self._workers.close()

    def _grade(self, asked: Mapping[Key, tuple[Task, tuple[str, ...]]]) -> dict[Key, Components]:
        """The components of what is asked; what could not be judged is left out and logged."""
        found = {key: self._known[key] for key in asked if key in self._known}
        groups: dict[Task, list[Key]] = {}
        for key in asked:
            if key not in found:
                groups.setdefault(key[0], []).append(key)
        calls = [(self._limits, task, [asked[key][1] for key in own]) for task, own in groups.items()]
        for own, results in zip(groups.values(), self._call(calls), strict=True):
            for key, result in zip(own, results, strict=True):
                if isinstance(result, Components):
                    found[key] = result
                else:
                    logger.warning(_LOST, result)
        if len(self._known) > _KEPT:
            self._known.clear()
        self._known |= found
        return found

    def _call(self, calls: list[Call]) -> list[Results]:
        """Grades groups: for each the components of its answers, or why there are none."""
        return [
            [result] * len(call[2]) if isinstance(result, str) else result
            for call, result in zip(calls, self._map(grade_group, calls), strict=True)
        ]

    def _map(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What the workers, or without any this process, make of calls; for each why nothing came of it."""
        if self._workers is None:
            return [function(*call) for call in calls]
        try:
            results = self._workers.map(function, calls, self._hang)
        except OSError as error:  # no more processes, no more memory
            return [f"no process to judge it can be started: {error}"] * len(calls)
        except OrdebugError as error:  # of a cluster
            return [str(error)] * len(calls)
        return [result.reason if isinstance(result, Lost) else result for result in results]


def _digest(answers: tuple[str, ...]) -> bytes:
    """Stands for answers, which may be long, in the memory."""
    return hashlib.sha256(pickle.dumps(answers)).digest()


def default_crew() -> Crew:
    """Who grades, unless told otherwise: the Ray cluster that ORDEBUG_RAY names, else worker processes.

    Raises:
        InputError: See `default_workers`.
    """
    address = os.environ.get(RAY_VARIABLE)
    return Cluster(address) if address else default_workers()


def check_crew() -> None:
    """Finds out, before a training begins, that its rewards can be computed by `default_crew`.

    Raises:
        InputError: An environment variable makes no sense; Ray is not installed, or there is no cluster.
        SolverError: Gurobi cannot start, here or on the cluster.
    """
    crew = default_crew()
    if not isinstance(crew, Cluster):
        check_gurobi(work_limit=REWARD_WORK_LIMIT)
        return
    relay, seconds = Relay(crew), start_limit(hang_limit(REWARD_WORK_LIMIT))
    try:
        (result,) = relay.map(licence_or_error, [()], seconds)
    finally:
        relay.close()
    if isinstance(result, OrdebugError):
        raise result
    if isinstance(result, Lost):
        raise SolverError(f"Gurobi does not start on the Ray cluster at {crew.address}: {result.reason}")


def default_workers() -> int:
    """Worker processes, unless told otherwise.

    Raises:
        InputError: ORDEBUG_WORKERS is no whole number of at least 0.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = os.environ.get(WORKERS_VARIABLE, str(min(cores, MAX_WORKERS)))
    if not text.isdecimal():
        raise InputError(
            f"the environment variable {WORKERS_VARIABLE} must be a whole number of at least 0, not {text!r}"
        )
    return int(text)


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


def show_scene(limits: Limits, task: Task, answers: Sequence[str], max_turns: int, style: Style) -> Scene | str:
    """The turn that follows some answers, or why there is none."""
    try:
        return scene(_grader(limits).judge(), task, answers, max_turns, style)
    except OrdebugError as error:
        return str(error)
