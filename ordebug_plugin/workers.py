"""Processes of our own that judge, each at the end of a pipe: killed when they hang, replaced when they die.

Not an executor of the standard library: those start workers by running the trainer's main module again, and cannot kill
one alone.
"""

from __future__ import annotations

import atexit
import gc
import math
import os
import pickle
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ordebug_plugin.processes import end_process, stop_process
from ordebug_plugin.redaction import keyless
from ordebug_plugin.scratch import Scratch


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
# Calls wait in the pipe of a busy worker, so that none is idle until this process wakes up: one, and of short calls as
# many as take it so long. This process then need not wake up for each: it would take a core from a worker.
_LEAD = 0.02  # seconds
_MOST = 32
# Bytes; only small calls wait: while a pipe is full, nobody would look at the time.
_SMALL = 16_384
_SERVE = "from ordebug_plugin.workers import serve; serve()"
_NAP = 0.2  # seconds; `futures` says why
_NEVER = 1e9  # seconds; a limit in the kernel's form cannot be infinite
_CLOSED = Lost("the processes were ended while it was judged")


class _Worker:
    """One process and the pipe to it.

    Attributes:
        pipe: The parent's end.
        calls: Numbers of the calls it was sent and has not answered, in order.
        deadline: When the first of them will have had its time.

    Args:
        scratch: Folder for its temporary files.
    """

    def __init__(self, scratch: Path) -> None:
        self.calls: deque[int] = deque()
        self.deadline = 0.0
        self._allowed = math.inf
        self.pipe, other = Pipe()
        # The package may have been found by a path that only this process knows; -P: never in the folder at hand, whose
        # files are anybody's.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE, str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # whatever a licence has to say must not end up in somebody's JSON
                env={**keyless(os.environ), "PYTHONPATH": path, "TMPDIR": str(scratch), KILLABLE_VARIABLE: "1"},
            )
        except OSError:
            self.pipe.close()
            raise
        finally:
            other.close()

    def allow(self, seconds: float) -> None:
        """How long this process and that one may wait for each other in the midst of a message: then it is an error.

        One that stands still, or hangs before it has read anything, would have this one wait with it for ever.
        """
        if seconds == self._allowed:
            return
        # A timeval, of seconds and microseconds; zeros would be no limit.
        limit = struct.pack("ll", *divmod(max(1, int(min(seconds, _NEVER) * 1e6)), 1_000_000))
        with socket.fromfd(self.pipe.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as pipe:
            pipe.setblocking(True)  # whatever somebody has made the default of sockets
            for direction in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                pipe.setsockopt(socket.SOL_SOCKET, direction, limit)
        self._allowed = seconds

    def stop(self) -> None:
        """Ends the process, from any thread: whoever has the pipe finds out."""
        stop_process(self._process)

    def kill(self) -> None:
        """Ends the process and waits for it (`end_process`)."""
        self.pipe.close()
        end_process(self._process)


class Workers:
    """A fixed number of processes, started when first asked for; they end with this one. Safe to use from any thread.

    A fork of this process has none of them, and starts its own.

    Args:
        n: How many.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._all: list[_Worker] = []
        self._pipes: selectors.BaseSelector | None = None  # while there are processes
        self._pace = _LEAD  # seconds that a call of this map takes a worker, of late
        self._lock = threading.Lock()
        self._settled = True  # whether no worker has anything in hand, and all are listened to
        self._closing = False
        self._scratch: Scratch | None = None  # theirs to use and ours to remove: one that is killed cannot
        _EVERY.add(self)

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
            self._pace = _LEAD
            if not self._settled:  # an interrupt came while another was dealt with
                self._end_all()

            def end(number: int, result: Any) -> None:
                results[number] = result
                on_end(number, result)

            self._settled = False
            try:
                while (waiting or self._busy()) and not self._closing:
                    self._send(function, calls, waiting, timeout, end)
                    self._receive(waiting, timeout, end)
                unanswered = sorted([*waiting, *(number for worker in self._busy() for number in worker.calls)])
                if unanswered:
                    self._end_all()
                for number in unanswered:
                    end(number, _CLOSED)
            except BaseException:  # what they would answer is nobody's result any more
                self._end_all()
                raise
            self._settled = True
            return results

    def close(self) -> None:
        """Ends the processes; the next call starts others. What a call in another thread has not yet got is `Lost`."""
        self._closing = True
        try:
            for worker in list(self._all):
                worker.stop()
            with self._lock:
                self._end_all()
                if self._pipes is not None:
                    self._pipes.close()
                    self._pipes = None
                if self._scratch is not None:
                    self._scratch.remove()
                    self._scratch = None
                atexit.unregister(self.close)
        finally:
            self._closing = False

    def forget(self) -> None:
        """In a fork: processes, pipes and folder are its parent's, and are left to it."""
        self._lock, self._closing, self._settled, self._scratch = threading.Lock(), False, True, None
        for worker in self._all:
            worker.pipe.close()
        if self._pipes is not None:
            self._pipes.close()  # not one by one: what it listens to is shared
        self._all, self._pipes = [], None

    def _end_all(self) -> None:
        while self._all:
            self._end(self._all[0])
        self._settled = True

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._all if worker.calls]

    def _start(self) -> _Worker:
        if self._scratch is None:
            atexit.register(self.close)
            self._scratch = Scratch()
        if self._pipes is None:
            self._pipes = selectors.DefaultSelector()
        worker = _Worker(self._scratch.path)
        self._all.append(worker)
        self._pipes.register(worker.pipe, selectors.EVENT_READ, worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        if self._pipes is not None and not worker.pipe.closed:  # else an interrupt came between, the last time
            with suppress(KeyError):  # likewise
                self._pipes.unregister(worker.pipe)
        worker.kill()
        self._all.remove(worker)

    def _send(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        waiting: deque[int],
        timeout: float,
        end: Callable[[int, Any], None],
    ) -> None:
        """Gives every worker a call, and where more than one for each are left, others to wait behind it."""
        while waiting:
            # What a worker may hold: two at least, one in hand and one that waits, whatever they take.
            fresh, room = False, max(2, min(int(_LEAD / self._pace), _MOST, len(waiting) // self._n))
            worker = min(self._all, key=lambda one: len(one.calls), default=None)
            if worker is None or (worker.calls and len(self._all) < self._n):
                worker, fresh = self._start(), True
            free = not worker.calls
            if not free and (len(worker.calls) > room // 2 or len(waiting) <= self._n):
                return
            share = [waiting[place] for place in range(1 if room == 2 else room - len(worker.calls))]
            message = pickle.dumps((function, [calls[number] for number in share]))
            if len(message) > _SMALL and len(share) > 1:
                if len(worker.calls) > 1:
                    return  # one by one they would fill the pipe
                del share[1:]
                message = pickle.dumps((function, [calls[share[0]]]))
            if len(message) > _SMALL and not free:
                return
            if free:
                worker.deadline = time.monotonic() + timeout
            before = list(worker.calls)
            worker.calls.extend(share)  # before they are sent: it never seems idle with something in hand
            try:
                worker.allow(timeout)
                worker.pipe.send_bytes(message)
            except OSError:  # it died since its last call, or cannot even start, or does not read
                worker.calls = deque(before)
                if not free:
                    worker.stop()  # half a message would spoil the next
                    return  # what it has in hand is lost, which is for `_receive` to find out
                self._end(worker)
                if fresh:
                    end(waiting.popleft(), Lost("a process to judge it did not start"))
                continue
            for _ in share:
                waiting.popleft()

    def _receive(self, waiting: deque[int], timeout: float, end: Callable[[int, Any], None]) -> None:
        """Waits until a worker answers, dies, or has had its time."""
        busy = self._busy()
        if waiting and busy and min(len(worker.calls) for worker in busy) * self._pace > _LEAD / 2:
            time.sleep(_LEAD / 4)  # nobody will be idle before that
        until = min((worker.deadline for worker in busy), default=0.0)
        if self._pipes is None:  # nothing could be started
            return
        ready = self._pipes.select(min(_NAP, max(0.0, until - time.monotonic())))
        while ready:
            for key, _ in ready:
                self._take(key.data, self._read(key.data, waiting, timeout), waiting, timeout, end)
            if waiting and len(self._busy()) < self._n:
                return
            ready = self._pipes.select(0.0)
        now = time.monotonic()
        for worker in [worker for worker in self._busy() if worker.deadline <= now]:
            self._take(worker, _hung(timeout), waiting, timeout, end)

    def _read(self, worker: _Worker, waiting: deque[int], timeout: float) -> Any:
        """The result of the first of its calls; some of those behind it may come back."""
        try:
            seconds, back, result = pickle.loads(worker.pipe.recv_bytes())
        except BlockingIOError:  # in the midst of an answer
            return _hung(timeout)
        except (EOFError, OSError):
            return Lost("the process that judged it died")
        self._pace = max(1e-6, self._pace + (seconds - self._pace) / 8)
        if back:
            first, *others = worker.calls
            worker.calls = deque([first, *others[back:]])
            waiting.extendleft(reversed(others[:back]))
        return result

    def _take(
        self, worker: _Worker, result: Any, waiting: deque[int], timeout: float, end: Callable[[int, Any], None]
    ) -> None:
        """Takes the result of the first of the calls that a worker has; one that died between two maps has none."""
        number = worker.calls.popleft() if worker.calls else None
        worker.deadline = time.monotonic() + timeout
        if isinstance(result, Lost):
            waiting.extendleft(reversed(worker.calls))  # they did not begin
            self._end(worker)
        if number is not None:
            end(number, result)


def _hung(timeout: float) -> Lost:
    return Lost(f"Gurobi did not return within {timeout:g} s ({HANG_VARIABLE} sets the limit)")


# Those of this process, for as long as somebody holds them.
_EVERY: weakref.WeakSet[Workers] = weakref.WeakSet()


def _forget_all() -> None:
    for workers in list(_EVERY):
        workers.forget()


os.register_at_fork(after_in_child=_forget_all)


def serve() -> None:
    """What a worker does: calls what it is told to, until the pipe closes."""
    # Ctrl-C, and SIGTERM to a whole group, are for the trainer or the command, which then closes the pipe: a worker
    # that died by itself would be a loss.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pipe = Connection(int(sys.argv[1]))
    gc.set_threshold(*GARBAGE)
    with suppress(EOFError, OSError):
        while True:
            function, share = pickle.loads(pipe.recv_bytes())
            for place, call in enumerate(share, start=1):
                began = time.perf_counter()
                result = function(*call)
                seconds = time.perf_counter() - began
                back = len(share) - place if seconds > _LEAD else 0  # they came with a short one, and may not be short
                pipe.send_bytes(pickle.dumps((seconds, back, result)))
                if back:
                    break
