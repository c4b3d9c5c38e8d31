"""One call per problem, in this process or in several; results in order, and the same whatever the number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ordebug_plugin.guarded import make_judge
from ordebug_plugin.solver import Judge
from ordebug_plugin.workers import Workers

# Seconds for one problem, after which Gurobi counts as hung: far above the patience of its single calls.
HANG = 3600.0
# Calls handed out at once, for each worker: often enough to show progress, so many that none waits long for the rest.
_SLICE = 16


@lru_cache(maxsize=1)
def judge_of(work_limit: float) -> Judge:
    """The judge of this process; problems come one after the other, so it keeps one model."""
    return make_judge(work_limit=work_limit, models_kept=1)


def call_each(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    *,
    workers: int,
    on_done: Callable[[Any], None] | None = None,
) -> list[Any]:
    """Calls a function of a module once for each tuple of arguments.

    Args:
        function: Total.
        calls: Arguments that can be pickled.
        workers: Processes; 0 for none but this one.
        on_done: Called with every result, in order.

    Returns:
        A result per call; `workers.Lost` where its process was killed or died.

    Raises:
        OSError: No process can be started.
    """
    results: list[Any] = []
    pool = Workers(workers) if workers and calls else None
    size = 1 if pool is None else _SLICE * workers
    try:
        for start in range(0, len(calls), size):
            part = calls[start : start + size]
            done = [function(*call) for call in part] if pool is None else pool.map(function, part, HANG)
            for result in done:
                results.append(result)
                if on_done is not None:
                    on_done(result)
    finally:
        if pool is not None:
            pool.close()
    return results
