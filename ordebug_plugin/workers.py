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
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from ordebug_plugin.redaction import keyless


@dataclass(frozen=True)
class Lost:
    """What stands for the result of a call that has none.

    Attributes:
        reason: Why.
    """

    reason: str


# Seconds for one question to a judge (`guarded.hang_limit`); other limits of time are multiples of it.
HANG_VARIABLE = "ORDEBUG_HANG"
# Set in processes that somebody kills where they hang: what they call needs no other guard (`guarded`).
KILLABLE_VARIABLE = "ORDEBUG_KILLABLE"
# Thresholds of the garbage collector, which leaves alone what stays: else it takes up to a tenth of the time.
GARBAGE = (100_000, 50, 100)
# A call waits in the pipe of a busy worker, so that none is idle until this process wakes up, but a small one alone:
# while a pipe is full, nobody would look at the time.
_AHEAD = 2
_SMALL = 16_384  # bytes
_NAP = 0.2  # seconds; `futures` says why


class _Worker:
    """One process and the pipe to it.

    Attributes:
        pipe: The parent's end.
        calls: Numbers of the calls it was sent and has not answered, in order.
        deadline: When the first of them will have had its time.

    Args:
        scratch: Folder for its temporary files.
    """

    def __init__(self, scratch: str) -> None:
        self.calls: deque[int] = deque()
        self.deadline = 0.0
        self.pipe, other = Pipe()
        # The package may have been found by a path that only this process knows; -P: never in the folder at hand, whose
        # files are anybody's.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", "from ordebug_plugin.workers import serve; serve()", str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # whatever a licence has to say must not end up in somebody's JSON
                env={**keyless(os.environ), "PYTHONPATH": path, "TMPDIR": scratch, KILLABLE_VARIABLE: "1"},
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
        self._busy: dict[Connection, _Worker] = {}
        self._lock = threading.Lock()
        # Theirs to use and ours to remove: one that is killed cannot.
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        atexit.register(self.close)

    def map(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        timeout: float,
        on_end: Callable[[int, Any], None] = lambda _number, _result: None,
    ) -> list[Any]:
        """Calls a function of a module once for each tuple of arguments; results in order.

        Args:
            function: Total; an exception takes its worker down.
            calls: Arguments that can be pickled.
            timeout: Seconds for a call, after which its worker is killed.
            on_end: Called with a call's number and its result, in the order in which they end.

        Returns:
            A result per call, `Lost` where its worker was killed or died.

        Raises:
            OSError: No process can be started.
        """
        with self._lock:
            results: list[Any] = [None] * len(calls)
            waiting = deque(range(len(calls)))

            def end(number: int, result: Any) -> None:
                results[number] = result
                on_end(number, result)

            try:
                while waiting or self._busy:
                    self._send(function, calls, waiting, timeout, end)
                    self._receive(waiting, timeout, end)
            finally:
                # Not empty after an exception alone: what these would answer is nobody's result any more.
                while self._busy:
                    self._busy.popitem()[1].kill()
            return results

    def close(self) -> None:
        """Ends the processes; the next call starts others."""
        for worker in [*self._idle, *self._busy.values()]:
            worker.kill()
        self._idle.clear()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _start(self) -> _Worker:
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="ordebug-workers-", ignore_cleanup_errors=True)
        return _Worker(self._scratch.name)

    def _send(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        waiting: deque[int],
        timeout: float,
        end: Callable[[int, Any], None],
    ) -> None:
        """Gives every worker a call, and where more than one for each are left, a second one to wait behind it."""
        while waiting:
            behind = None
            if not self._idle and len(self._busy) == self._n:
                behind = min(self._busy.values(), key=lambda busy: len(busy.calls))
                if len(behind.calls) >= _AHEAD or len(waiting) <= self._n:
                    return
            message = pickle.dumps((function, calls[waiting[0]]))
            if behind is not None and len(message) > _SMALL:
                return
            fresh = behind is None and not self._idle
            worker = behind or (self._start() if fresh else self._idle.pop())
            try:
                worker.pipe.send_bytes(message)
            except OSError:  # it died since its last call, or cannot even start
                if worker.calls:
                    return  # what it has in hand is lost, which is for `_receive` to find out
                worker.kill()
                if fresh:
                    end(waiting.popleft(), Lost("a process to judge it did not start"))
                continue
            if not worker.calls:
                worker.deadline = time.monotonic() + timeout
            worker.calls.append(waiting.popleft())
            self._busy[worker.pipe] = worker

    def _receive(self, waiting: deque[int], timeout: float, end: Callable[[int, Any], None]) -> None:
        """Waits until a worker answers, dies, or has had its time."""
        until = min((worker.deadline for worker in self._busy.values()), default=0.0)
        ready = wait(list(self._busy), min(_NAP, max(0.0, until - time.monotonic())))
        for pipe, worker in list(self._busy.items()):
            if pipe in ready:
                try:
                    result = pickle.loads(pipe.recv_bytes())
                except (EOFError, OSError):
                    result = Lost("the process that judged it died")
            elif worker.deadline <= time.monotonic():
                result = Lost(f"Gurobi did not return within {timeout:g} s ({HANG_VARIABLE} sets the limit)")
            else:
                continue
            number = worker.calls.popleft()
            worker.deadline = time.monotonic() + timeout
            if isinstance(result, Lost):
                worker.kill()
                waiting.extendleft(reversed(worker.calls))  # they did not begin
            if isinstance(result, Lost) or not worker.calls:
                del self._busy[pipe]
            if not isinstance(result, Lost) and not worker.calls:
                self._idle.append(worker)
            end(number, result)


def serve() -> None:
    """What a worker does: calls what it is told to, until the pipe closes."""
    # Ctrl-C, and SIGTERM to a whole group, are for the trainer or the command, which then closes the pipe: a worker
    # that died by itself would be a loss.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pipe = Connection(int(sys.argv[1]))
    gc.set_threshold(*GARBAGE)
    try:
        while True:
            function, call = pickle.loads(pipe.recv_bytes())
            pipe.send_bytes(pickle.dumps(function(*call)))
    except (EOFError, OSError):
        return
