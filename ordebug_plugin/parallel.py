"""Judged work, one call per unit: in this process, in several, or on a Ray cluster.

Every command that asks the solver about many problems goes through here. A result depends on its call alone, so the
results are the same, in the same order, wherever and by however many they were made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ordebug_plugin.cluster import Cluster
from ordebug_plugin.guarded import hang_limit, make_judge
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, Judge
from ordebug_plugin.workers import Workers

# A call is a whole problem, of several questions: it may take as long as so many of them.
_QUESTIONS = 2
# Who works: so many processes of this machine (0 for none but this one), or a cluster.
Crew = int | Cluster


@lru_cache(maxsize=1)
def judge_of(work_limit: float) -> Judge:
    """The judge of this process; problems come one after the other, so it keeps one model."""
    return make_judge(work_limit=work_limit, models_kept=1)


def call_each(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    *,
    workers: Crew,
    on_done: Callable[[Any], None] | None = None,
) -> list[Any]:
    """Calls a function of a module once for each tuple of arguments; results in order.

    Args:
        function: Total.
        calls: Arguments that can be pickled.
        workers: Who works.
        on_done: Called with every result, in order.

    Returns:
        A result per call; `workers.Lost` where its process was killed or died.

    Raises:
        OSError: No process can be started.
        InputError: Ray is not installed, or the cluster cannot be reached, or ORDEBUG_HANG makes no sense.
        SolverError: The cluster cannot do the work.
    """
    results: list[Any] = [None] * len(calls)
    ended: set[int] = set()  # out of order
    told = 0

    def keep(number: int, result: Any) -> None:
        nonlocal told
        results[number] = result
        ended.add(number)
        while told in ended:
            ended.remove(told)
            if on_done is not None:
                on_done(results[told])
            told += 1

    run_each(function, calls, workers=workers, on_end=keep)
    return results


def run_each(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    *,
    workers: Crew,
    on_end: Callable[[int, Any], None],
    hang: float | None = None,
) -> None:
    """As `call_each`, for whoever wants results as soon as there are any.

    Args:
        function: See `call_each`.
        calls: See `call_each`.
        workers: See `call_each`.
        on_end: Called with a call's number and its result, in the order in which they end; its exceptions end the work.
        hang: Seconds for one call, after which its process is killed; by default the limit of two questions.

    Raises:
        OSError: See `call_each`.
        InputError: See `call_each`.
        SolverError: See `call_each`.
    """
    hang = _QUESTIONS * hang_limit(DEFAULT_WORK_LIMIT) if hang is None else hang
    if isinstance(workers, Cluster):
        workers.map(function, calls, hang, on_end)
    elif workers == 0:
        for number, call in enumerate(calls):
            on_end(number, function(*call))
    else:
        pool = Workers(min(workers, len(calls)))
        try:
            pool.map(function, calls, hang, on_end)
        finally:
            pool.close()
