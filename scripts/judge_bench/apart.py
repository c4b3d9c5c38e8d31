"""What is measured in processes of their own: workers, and memory."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge_bench.ours import our_episode
from judge_bench.script import Script
from ordebug_plugin import parallel
from ordebug_plugin.actions import Action
from ordebug_plugin.parallel import judge_of
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, Judge

KEEP_ALL = 100_000  # models


@dataclass(frozen=True)
class Spread:
    """What some workers took, from the first episode to the last: seconds of wall time, and of CPU time."""

    wall: float
    busiest: float
    total: float


def work(problem: Problem, actions: tuple[Action, ...]) -> tuple[int, tuple[float, float], tuple[float, float]]:
    """What a worker does: who it is, and its clocks (wall, CPU) before and after an episode."""
    before = time.time(), time.process_time()
    our_episode(judge_of(DEFAULT_WORK_LIMIT), Script(problem, actions))
    return os.getpid(), before, (time.time(), time.process_time())


def spread(scripts: list[Script], n: int) -> Spread:
    """Plays by some workers. Their start does not count; what they do between two episodes does."""
    spans = parallel.call_each(work, [(one.problem, one.actions) for one in scripts], workers=n)
    spent: dict[int, float] = {}
    for worker in {pid for pid, _, _ in spans}:
        own = [(before, after) for pid, before, after in spans if pid == worker]
        spent[worker] = max(after[1] for _, after in own) - min(before[1] for before, _ in own)
    wall = max(after[0] for _, _, after in spans) - min(before[0] for _, before, _ in spans)
    return Spread(wall, max(spent.values()), sum(spent.values()))


def keep_all(scripts: list[Script], results: Any) -> None:
    """Memory (KiB) of a process before, and after an episode on every model, all of them kept."""
    with Judge(models_kept=KEEP_ALL) as judge:
        before = resident()
        for script in scripts:
            our_episode(judge, script)
            judge.infeasibility(script.problem)
        results.put((before, resident()))


def resident() -> float:
    """Resident memory of this process, in KiB; `ru_maxrss` begins with that of the process that started it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024
