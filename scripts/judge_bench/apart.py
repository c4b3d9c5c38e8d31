"""What is measured in processes of their own: workers, and memory."""

from __future__ import annotations

import multiprocessing
import resource
from multiprocessing.synchronize import Barrier
from typing import Any

from judge_bench.clock import timed
from judge_bench.ours import our_episode
from judge_bench.script import Script
from ordebug_plugin.solver import Judge

KEEP_ALL = 100_000  # models


def serve(scripts: list[Script], start: Barrier, results: Any) -> None:
    """A worker: plays its share, every state new to it."""
    with Judge() as judge:
        start.wait()
        spent: list[tuple[float, float]] = []
        with timed(spent):
            for script in scripts:
                our_episode(judge, script)
    results.put(spent[0])


def spread(scripts: list[Script], n: int) -> tuple[float, float]:
    """Seconds until the last of some workers was done, and CPU time of the busiest."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(n), context.Queue()
    processes = [context.Process(target=serve, args=(scripts[k::n], start, results)) for k in range(n)]
    for process in processes:
        process.start()
    spent = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return max(wall for wall, _ in spent), max(cpu for _, cpu in spent)


def keep_all(scripts: list[Script], results: Any) -> None:
    """Peak memory (KiB) of a process before, and after an episode on every model, all of them kept."""
    with Judge(models_kept=KEEP_ALL) as judge:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for script in scripts:
            our_episode(judge, script)
            judge.infeasibility(script.problem)
        results.put((before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
