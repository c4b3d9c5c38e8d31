"""Processes of our own that grade, each at the end of a pipe: killed when they hang, replaced when they die.

Not an executor of the standard library or loky: theirs cost several milliseconds a batch, a quarter of what a batch
takes, and start workers by running the trainer's main module again, or cannot kill one alone.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any


@dataclass(frozen=True)
class Lost:
    """What stands for the result of a call that has none.

    Attributes:
        reason: Why.
    """

    reason: str


class _Worker:
    """One process, the pipe to it, and the calls it was sent."""

    def __init__(self) -> None:
        self.pipe, other = Pipe()
        self.pending: deque[int] = deque()
        self.deadline = 0.0
        # The package may have been found by a path that only this process knows.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from ordebug_plugin.workers import serve; serve()", str(other.fileno())],
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        other.close()

    def kill(self) -> None:
        self.pipe.close()
        self._process.kill()
        self._process.wait()


class Workers:
    """A fixed number of processes, started when first asked for; they end with this one.

    Args:
        n: How many.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._alive: list[_Worker] = []

    def map(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], timeout: float) -> list[Any]:
        """Calls a function of a module once for each tuple of arguments; results in order.

        Args:
            function: Total; an exception takes its worker down.
            calls: Arguments that can be pickled.
            timeout: Seconds for a call, after which its worker is killed.

        Returns:
            A result per call, `Lost` where its worker was killed or died.
        """
        results: list[Any] = [None] * len(calls)
        waiting = deque(range(len(calls)))
        while waiting or any(worker.pending for worker in self._alive):
            self._send(function, calls, waiting, timeout)
            busy = {worker.pipe: worker for worker in self._alive if worker.pending}
            until = min((worker.deadline for worker in busy.values()), default=0.0)
            ready = {busy[pipe] for pipe in wait(list(busy), max(0.0, until - time.monotonic()))}  # type: ignore[index]
            for worker in busy.values():
                if worker in ready:
                    try:
                        result = pickle.loads(worker.pipe.recv_bytes())
                    except (EOFError, OSError):
                        result = Lost("the process that judged it died")
                elif worker.deadline <= time.monotonic():
                    result = Lost(f"Gurobi did not return within {timeout:g} s")
                else:
                    continue
                results[worker.pending.popleft()] = result
                worker.deadline = time.monotonic() + timeout
                if isinstance(result, Lost):
                    self._replace(worker, waiting)
        return results

    def _send(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], waiting: deque[int], timeout: float
    ) -> None:
        """Gives every worker a call, and the next one in advance, so that none waits for this process."""
        for depth in range(2):
            for place in range(self._n):
                if not waiting:
                    return
                if place == len(self._alive):
                    self._alive.append(_Worker())
                worker = self._alive[place]
                if len(worker.pending) > depth:
                    continue
                try:
                    worker.pipe.send_bytes(pickle.dumps((function, calls[waiting[0]])))
                except OSError:  # it died since its last call
                    if not worker.pending:  # else `map` finds out, and which call took it down
                        self._replace(worker, waiting)
                    continue
                if not worker.pending:
                    worker.deadline = time.monotonic() + timeout
                worker.pending.append(waiting.popleft())

    def _replace(self, worker: _Worker, waiting: deque[int]) -> None:
        """Ends a worker; what it had not begun goes to others."""
        waiting.extend(worker.pending)
        worker.kill()
        self._alive.remove(worker)


def serve() -> None:
    """What a worker does: calls what it is told to, until the pipe closes."""
    pipe = Connection(int(sys.argv[1]))
    # The garbage collector leaves alone what stays; else it takes a tenth of the time.
    gc.set_threshold(100_000, 50, 100)
    while True:
        try:
            function, call = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        pipe.send_bytes(pickle.dumps(function(*call)))
