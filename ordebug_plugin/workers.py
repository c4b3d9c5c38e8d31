"""Processes of our own that grade, each at the end of a pipe: killed when they hang, replaced when they die.

Not an executor of the standard library: those start workers by running the trainer's main module again, and cannot kill
one alone.
"""

from __future__ import annotations

import atexit
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
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
    """One process and the pipe to it."""

    def __init__(self) -> None:
        self.pipe, other = Pipe()
        # The package may have been found by a path that only this process knows.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from ordebug_plugin.workers import serve; serve()", str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # whatever a licence has to say must not end up in somebody's JSON
                env={**os.environ, "PYTHONPATH": path},
            )
        except OSError:
            self.pipe.close()
            raise
        finally:
            other.close()

    def kill(self) -> None:
        self.pipe.close()
        self._process.kill()
        self._process.wait()


class Workers:
    """A fixed number of processes, started when first asked for; they end with this one. Safe to use from any thread.

    Args:
        n: How many.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, int, float]] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def map(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], timeout: float) -> list[Any]:
        """Calls a function of a module once for each tuple of arguments; results in order.

        Args:
            function: Total; an exception takes its worker down.
            calls: Arguments that can be pickled.
            timeout: Seconds for a call, after which its worker is killed.

        Returns:
            A result per call, `Lost` where its worker was killed or died.

        Raises:
            OSError: No process can be started.
        """
        with self._lock:
            results: list[Any] = [None] * len(calls)
            waiting = deque(range(len(calls)))
            try:
                while waiting or self._busy:
                    self._send(function, calls, waiting, timeout, results)
                    self._receive(timeout, results)
            finally:
                # Not empty after an exception alone: what these would answer is nobody's result any more.
                while self._busy:
                    self._busy.popitem()[1][0].kill()
            return results

    def close(self) -> None:
        """Ends the processes; the next call starts others."""
        for worker in [*self._idle, *(entry[0] for entry in self._busy.values())]:
            worker.kill()
        self._idle.clear()

    def _send(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        waiting: deque[int],
        timeout: float,
        results: list[Any],
    ) -> None:
        """Gives every idle worker a call. It waits for one, so no pipe fills up."""
        while waiting and len(self._busy) < self._n:
            fresh = not self._idle
            worker = _Worker() if fresh else self._idle.pop()
            try:
                worker.pipe.send_bytes(pickle.dumps((function, calls[waiting[0]])))
            except OSError:  # it died since its last call, or cannot even start
                worker.kill()
                if fresh:
                    results[waiting.popleft()] = Lost("a process to judge it did not start")
                continue
            self._busy[worker.pipe] = worker, waiting.popleft(), time.monotonic() + timeout

    def _receive(self, timeout: float, results: list[Any]) -> None:
        """Waits until a worker answers, dies, or has had its time."""
        until = min((deadline for _, _, deadline in self._busy.values()), default=0.0)
        ready = wait(list(self._busy), max(0.0, until - time.monotonic()))
        for pipe, (worker, number, deadline) in list(self._busy.items()):
            if pipe in ready:
                try:
                    results[number] = pickle.loads(pipe.recv_bytes())
                except (EOFError, OSError):
                    results[number] = Lost("the process that judged it died")
            elif deadline <= time.monotonic():
                results[number] = Lost(f"Gurobi did not return within {timeout:g} s")
            else:
                continue
            del self._busy[pipe]
            if isinstance(results[number], Lost):
                worker.kill()
            else:
                self._idle.append(worker)


def serve() -> None:
    """What a worker does: calls what it is told to, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer, which then closes the pipe
    pipe = Connection(int(sys.argv[1]))
    # The garbage collector leaves alone what stays; else it takes a tenth of the time.
    gc.set_threshold(100_000, 50, 100)
    try:
        while True:
            function, call = pickle.loads(pipe.recv_bytes())
            pipe.send_bytes(pickle.dumps(function(*call)))
    except (EOFError, OSError):
        return
