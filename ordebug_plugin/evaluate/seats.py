"""Where judges work, so that the event loop never waits for Gurobi: processes of their own.

Threads would share Python's lock with the loop, and Gurobi's interface holds it for most of a short question: with
eight requests in flight the loop took twice as long. And a process can be killed where Gurobi does not return. What
travels is prompts, answers and finished episodes.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.evaluate.host import LOST, Host, JudgeLostError
from ordebug_plugin.guarded import hang_limit, no_start, start_limit
from ordebug_plugin.processes import end_process
from ordebug_plugin.redaction import keyless
from ordebug_plugin.workers import GARBAGE, HANG_VARIABLE, KILLABLE_VARIABLE

_HEAD = struct.Struct("!Q")  # length of the message that follows
_PIECE = 1 << 18  # bytes read at once
_PROCESSES = 8  # at most
_NICE = 5  # of judges, to the event loop's 0


class ProcessSeat:
    """One judge and its `Host` in a process of their own, started with the first call, again where it died or hung.

    Attributes:
        taken: Episodes that hold it.

    Args:
        work_limit: See `Host`.
        models_kept: See `Host`.
        hang: Seconds for one question, after which the process is killed. Those that wait behind it do not count.
    """

    def __init__(self, work_limit: float, models_kept: int, hang: float) -> None:
        self.taken = 0
        self._arguments = (work_limit, models_kept)
        self._hang = self._limit = hang
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: deque[asyncio.Future[Any]] = deque()  # answers come in the order of the questions
        self._began = 0.0  # when the process began with the first of them
        self._alarm: asyncio.TimerHandle | None = None
        self._unsent, self._received = bytearray(), bytearray()

    async def call(self, method: str, *arguments: Any) -> Any:
        """Calls a method of the host. Whoever stops waiting leaves a question that is still judged.

        Raises:
            JudgeLostError: The process died, hung, or cannot be started.
            OrdebugError: What the method raises.
        """
        message = pickle.dumps((method, arguments), pickle.HIGHEST_PROTOCOL)
        if self._process is None:
            self._start()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if not self._asked:
            self._began = loop.time()
        self._asked.append(answer)
        if self._alarm is None:
            self._alarm = loop.call_later(self._limit, self._ring)
        self._unsent += _HEAD.pack(len(message)) + message
        self._write()
        return await answer

    async def ready(self) -> None:
        """Comes back when the judge can work.

        Raises:
            SolverError: It cannot be made, or not in time: its licence server does not answer.
        """
        self._limit = start_limit(self._hang)
        try:
            await self.call("ready")
        except JudgeLostError as failure:
            raise no_start(self._limit) from failure
        finally:
            self._limit = self._hang

    def close(self) -> None:
        """Ends the process at once, also inside Gurobi."""
        if self._process is not None:
            self._lose()

    def _start(self) -> None:
        self._socket, other = socket.socketpair()
        # The package may have been found by a path that only this process knows; -P: never in the folder at hand, whose
        # files are anybody's.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        code = "from ordebug_plugin.evaluate.seats import serve; serve()"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", code, str(other.fileno()), *map(repr, self._arguments)],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # whatever a licence has to say must not end up in somebody's JSON
                env={**keyless(os.environ), "PYTHONPATH": path, KILLABLE_VARIABLE: "1"},
            )
        except OSError as error:
            self._socket.close()
            raise JudgeLostError(f"a process to judge in cannot be started: {error}") from error
        finally:
            other.close()
        self._socket.setblocking(False)
        self._unsent.clear()
        self._received.clear()
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _write(self) -> None:
        """Sends what the socket takes; never half a message, whoever is cancelled."""
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose()
            return
        del self._unsent[:sent]
        if self._unsent:
            asyncio.get_running_loop().add_writer(self._socket, self._write)
        else:
            asyncio.get_running_loop().remove_writer(self._socket)

    def _read(self) -> None:
        try:
            piece = self._socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._lose()
            return
        self._received += piece
        while len(self._received) >= _HEAD.size:
            end = _HEAD.size + _HEAD.unpack_from(self._received)[0]
            if len(self._received) < end:
                return
            result, failed = pickle.loads(self._received[_HEAD.size : end])
            del self._received[:end]
            answer = self._asked.popleft()
            self._began = asyncio.get_running_loop().time()
            if answer.done():  # nobody waits any more
                continue
            if failed:
                answer.set_exception(result)
            else:
                answer.set_result(result)

    def _ring(self) -> None:
        """Looks whether the process hangs, and again when it could: a timer for every question would cost more."""
        loop = asyncio.get_running_loop()
        left = self._began + self._limit - loop.time()
        self._alarm = loop.call_later(left, self._ring) if self._asked and left > 0 else None
        if self._asked and left <= 0:
            self._lose(f"the process that judged the episode did not answer within {self._limit:g} s ({HANG_VARIABLE})")

    def _lose(self, reason: str = LOST) -> None:
        """Ends the process; whoever waits for it is told."""
        if self._process is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        asyncio.get_running_loop().remove_writer(self._socket)
        self._socket.close()
        end_process(self._process)
        self._process = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._asked:
            answer = self._asked.popleft()
            if not answer.done():
                answer.set_exception(JudgeLostError(reason))


class Seats:
    """The seats of a run.

    Attributes:
        all: Every one.
    """

    def __init__(self, seats: Sequence[ProcessSeat]) -> None:
        self.all = tuple(seats)
        self._at: dict[str, ProcessSeat] = {}

    @contextmanager
    def take(self, problem_hash: str) -> Iterator[ProcessSeat]:
        """A seat for an episode, which stays there because its model is loaded.

        It is the one that the fewest episodes hold. Samples of a problem share one, unless it has twice as many
        episodes as that: its judge remembers what one of them asked.
        """
        seat = min(self.all, key=lambda one: one.taken)
        before = self._at.get(problem_hash)
        if before is not None and before.taken <= 2 * seat.taken + 1:
            seat = before
        self._at[problem_hash] = seat
        seat.taken += 1
        try:
            yield seat
        finally:
            seat.taken -= 1


@contextmanager
def seated(seats: Sequence[ProcessSeat]) -> Iterator[Seats]:
    """Seats for a run, closed at its end, however it ends."""
    try:
        yield Seats(seats)
    finally:
        for seat in seats:
            seat.close()


def make_seats(episodes: int, work_limit: float, ahead: int = 0) -> list[ProcessSeat]:
    """Seats for so many episodes at the same time: one for each core.

    Args:
        episodes: At the same time; of a served model, its requests.
        work_limit: Of the judges.
        ahead: Episodes that each seat may hold beyond those.

    Raises:
        InputError: ORDEBUG_HANG makes no sense.
    """
    n = min(episodes, _PROCESSES, len(os.sched_getaffinity(0)))
    kept = 1 if episodes == 1 else 2 * (math.ceil(episodes / n) + ahead)
    return [ProcessSeat(work_limit, models_kept=kept, hang=hang_limit(work_limit)) for _ in range(n)]


def serve() -> None:
    """What a process of a seat does: answers in order, until the socket closes."""
    # The loop goes first: on two cores that are both full, requests took a tenth longer without this (bench_eval.py).
    os.nice(_NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then closes the socket
    handle, work_limit, models_kept = sys.argv[1:]
    host = Host(float(work_limit), int(models_kept))
    gc.set_threshold(*GARBAGE)
    with socket.socket(fileno=int(handle)) as pipe, pipe.makefile("rb") as incoming:
        try:
            while head := incoming.read(_HEAD.size):
                method, arguments = pickle.loads(incoming.read(_HEAD.unpack(head)[0]))
                try:
                    result, failed = getattr(host, method)(*arguments), False
                except OrdebugError as error:
                    result, failed = error, True
                message = pickle.dumps((result, failed), pickle.HIGHEST_PROTOCOL)
                pipe.sendall(_HEAD.pack(len(message)) + message)
        except (EOFError, OSError, pickle.UnpicklingError):
            return
