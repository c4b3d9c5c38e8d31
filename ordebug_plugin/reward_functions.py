"""Rewards as trainers call them: ``f(completions, **columns) -> list[float]``, the convention of TRL and ms-swift.

Plain picklable callables, total and deterministic: as many floats as completions, whatever they hold. A completion that
could not be judged (infrastructure) gets the mean of its prompt group and is counted in `FAILURES`.

>>> REWARDS["ordebug"](["no action at all"], task=["no task at all"])
[0.0]
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ordebug_plugin.errors import OrdebugError, ProblemError, SolverError
from ordebug_plugin.grading import Task
from ordebug_plugin.reward import COMPONENTS, PRESETS, Components, composite
from ordebug_plugin.reward_pool import RewardPool
from ordebug_plugin.tasks import COLUMN, load_task

logger = logging.getLogger(__name__)

# What a multi-turn environment adds to the ``rollout_infos`` of ms-swift: the answers of all turns, and whether it lost
# the solver on the way.
ANSWERS, LOST = "answers", "lost"
# How many completions could not be judged, by reward function, since the process began.
FAILURES: Counter[str] = Counter()


@dataclass(frozen=True)
class RewardFunction:
    """One reward.

    Attributes:
        name: A component (``ordebug_repair``) or a composite (``ordebug``).
    """

    name: str

    @property
    def __name__(self) -> str:
        """The name under which trainers log it."""
        return self.name

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]:
        """Rewards of a batch.

        Args:
            completions: Answers; text, or chat messages of which the assistant's are the answers.
            **columns: Dataset columns, each a list as long: ``task`` (`tasks.dump_task`), ``prompt_id`` where the
                trainer numbers its groups, and ``rollout_infos`` with `ANSWERS`, a whole trajectory where the
                completions hold its last turn only (ms-swift), and `LOST`.
        """
        infos = _infos(columns.get("rollout_infos"), len(completions))
        tasks = _tasks(columns.get(COLUMN), len(completions))
        lost_on_the_way = SolverError("the environment lost the solver")
        judged = [lost_on_the_way if info.get(LOST) else task for task, info in zip(tasks, infos, strict=True)]
        parts = pool().components(judged, _trajectories(completions, infos))
        lost = parts.count(None)
        if lost:
            FAILURES[self.name] += lost
            logger.warning("%s: %d of %d completions could not be judged", self.name, lost, len(completions))
        return neutral([None if part is None else self.value(part) for part in parts], _groups(columns, tasks))

    def value(self, parts: Components) -> float:
        """This reward of an answer with these components."""
        if self.name in PRESETS:
            return composite(parts, PRESETS[self.name])
        return float(getattr(parts, self.name.removeprefix("ordebug_")))


REWARDS: Mapping[str, RewardFunction] = {
    name: RewardFunction(name) for name in (*(f"ordebug_{component}" for component in COMPONENTS), *PRESETS)
}


def pool() -> RewardPool:
    """One pool per process, shared by all reward functions: a completion is judged once for all of them."""
    return _pool_of(os.getpid())  # a forked process inherits no workers


@lru_cache(maxsize=1)
def _pool_of(process: int) -> RewardPool:
    return RewardPool()


def _tasks(column: Any, n: int) -> list[Task | OrdebugError]:
    if not isinstance(column, Sequence) or isinstance(column, str) or len(column) != n:
        missing = ProblemError(f"the dataset has no column {COLUMN!r}: write it with `ordebug data grpo`")
        return [missing] * n
    tasks: list[Task | OrdebugError] = []
    for entry in column:
        try:
            tasks.append(load_task(str(entry)))
        except OrdebugError as error:
            tasks.append(error)
    return tasks


def _infos(column: Any, n: int) -> list[Mapping[str, Any]]:
    """What the rollout says of each completion."""
    if not isinstance(column, Sequence) or len(column) != n:
        return [{}] * n
    return [info if isinstance(info, Mapping) else {} for info in column]


def _trajectories(completions: Sequence[Any], infos: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The answers of every trajectory."""
    trajectories = [_answers(completion) for completion in completions]
    for number, info in enumerate(infos):
        answers = info.get(ANSWERS)
        if isinstance(answers, list | tuple) and answers:
            trajectories[number] = [str(text) for text in answers]
    return trajectories


def _answers(completion: Any) -> list[str]:
    """The assistant's texts of a completion; what is neither text nor messages counts as an empty answer."""
    if isinstance(completion, str):
        return [completion]
    if isinstance(completion, Sequence):
        messages = [message for message in completion if isinstance(message, Mapping)]
        return [str(message.get("content") or "") for message in messages if message.get("role") == "assistant"] or [""]
    return [""]


def _groups(columns: Mapping[str, Any], tasks: Sequence[Task | OrdebugError]) -> list[Hashable]:
    """The prompt of each completion: as the trainer numbers it, else the task."""
    ids = columns.get("prompt_id")
    if isinstance(ids, Sequence) and not isinstance(ids, str) and len(ids) == len(tasks):
        return [str(value) for value in ids]
    return [("error", str(task)) if isinstance(task, OrdebugError) else task for task in tasks]


def neutral(values: Sequence[float | None], groups: Sequence[Hashable]) -> list[float]:
    """Fills in the mean of the group's scorable members, 0 where it has none: either way no advantage comes of it.

    Args:
        values: One per answer; None where infrastructure failed.
        groups: The prompt of each answer.
    """
    known: dict[Hashable, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        if value is not None:
            known.setdefault(group, []).append(value)
    means = {group: sum(members) / len(members) for group, members in known.items()}
    return [means.get(group, 0.0) if value is None else value for value, group in zip(values, groups, strict=True)]
