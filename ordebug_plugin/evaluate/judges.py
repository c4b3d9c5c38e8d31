"""Judges in threads of their own, so that the event loop never waits for Gurobi."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from ordebug_plugin.solver import Judge

T = TypeVar("T")

# Threads at least, where there are episodes enough: one hard model must not hold up all the others.
_THREADS = 4
# Seconds that a thread waits for its turn. Most questions take Gurobi a millisecond, and threads that ask them at the
# same time lose more in handing Python's lock around than they gain: on two cores the event loop was half as fast. A
# thread that has waited so long is behind a hard one, and goes on beside it.
_TURN = 0.02


class Seat:
    """One thread and its judge, made when first asked for.

    Attributes:
        taken: Episodes that hold it.
    """

    def __init__(self, work_limit: float, models_kept: int, turn: threading.Lock | None) -> None:
        self.taken = 0
        self._work_limit, self._models_kept = work_limit, models_kept
        self._turn = turn
        self._judge: Judge | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge")

    async def run(self, function: Callable[[Judge], T]) -> T:
        """Calls a function with the judge, in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._call, function)

    def close(self) -> None:
        """Frees the judge, once its thread has done what it was asked for."""
        if self._judge is not None:
            self._thread.submit(self._judge.close)
        self._thread.shutdown()

    def abandon(self) -> None:
        """Leaves the thread to itself: its judge must not be taken away while it is inside Gurobi."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _call(self, function: Callable[[Judge], T]) -> T:
        if self._judge is None:
            self._judge = Judge(work_limit=self._work_limit, models_kept=self._models_kept)
        if self._turn is None or not self._turn.acquire(timeout=_TURN):
            return function(self._judge)
        try:
            return function(self._judge)
        finally:
            self._turn.release()


class Judges:
    """A fixed number of seats. Used as a context: closed at its end, abandoned where an exception ends it.

    Args:
        episodes: Episodes at the same time.
        work_limit: See `Judge`.
        apart: One seat for each episode: their agents think in the judge's thread. Else about as many as there are
            cores, and they take turns.
    """

    def __init__(self, episodes: int, work_limit: float, *, apart: bool) -> None:
        n = episodes if apart else min(episodes, max(_THREADS, os.cpu_count() or 1))
        turn = None if apart else threading.Lock()
        # An episode asks about its own model alone.
        self._most = 1 if apart else 2 * math.ceil(episodes / n)
        self._seats = [Seat(work_limit, self._most, turn) for _ in range(n)]
        self._at: dict[str, Seat] = {}

    @contextmanager
    def seat(self, problem_hash: str) -> Iterator[Seat]:
        """A seat for an episode, which stays there because its model is loaded.

        Samples of a problem share one while it is not crowded: its judge remembers what one of them asked.
        """
        seat = self._at.get(problem_hash)
        if seat is None or seat.taken >= self._most:
            seat = self._at[problem_hash] = min(self._seats, key=lambda one: one.taken)
        seat.taken += 1
        try:
            yield seat
        finally:
            seat.taken -= 1

    def __enter__(self) -> Judges:
        """Returns the judges themselves."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Closes the seats, or abandons them."""
        for seat in self._seats:
            if kind is None:
                seat.close()
            else:
                seat.abandon()
