"""Where judges work, so that the event loop never waits for Gurobi: threads, or processes of their own.

Threads share Python's lock with the loop, and Gurobi's interface holds it for most of a short question: with eight
requests in flight the loop took twice as long. So where several episodes of a served model run at the same time, the
judges are processes, and what travels is prompts, answers and finished episodes.
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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.evaluate.host import LOST, Host, JudgeLostError
from ordebug_plugin.redaction import keyless

T = TypeVar("T")

_HEAD = struct.Struct("!Q")  # length of the message that follows
_PIECE = 1 << 18  # bytes read at once
_PROCESSES = 8  # at most
_NICE = 5  # of judges, to the event loop's 0
# Seconds for one question to a process, which is several calls of Gurobi, each under the work limit (by default 60,
# about as many seconds). One that takes longer hangs.
HANG = 1800.0
_HANG_PER_WORK = 30.0  # the same for a work limit that is higher


class Seat(Protocol):
    """One judge and its `Host`, elsewhere.

    Attributes:
        taken: Episodes that hold it.
    """

    taken: int

    async def call(self, method: str, *arguments: Any) -> Any:
        """Calls a method of the host; its exceptions are raised here."""
        ...

    async def ready(self) -> None:
        """Comes back when the judge can work."""
        ...

    def close(self) -> None:
        """Frees the judge, once it has done what it was asked for."""
        ...

    def abandon(self) -> None:
        """Leaves the judge at once: it may be inside Gurobi for long."""
        ...


class ThreadSeat:
    """A judge in a thread of this process; see `Seat`."""

    def __init__(self, work_limit: float, models_kept: int) -> None:
        self.taken = 0
        self._host = Host(work_limit, models_kept)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge")

    async def run(self, function: Callable[[Host], T]) -> T:
        """Calls a function with the host, in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, self._host)

    async def call(self, method: str, *arguments: Any) -> Any:
        """See `Seat`."""
        return await self.run(lambda host: getattr(host, method)(*arguments))

    async def ready(self) -> None:
        """See `Seat`."""
        await self.call("ready")

    def close(self) -> None:
        """See `Seat`."""
        self._thread.submit(self._host.close)
        self._thread.shutdown()

    def abandon(self) -> None:
        """See `Seat`. The judge must not be taken away while its thread is inside Gurobi."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class ProcessSeat:
    """A judge in a process of its own, started with the first call, again where it died or hung; see `Seat`.

    Args:
        work_limit: See `Host`.
        models_kept: See `Host`.
        hang: Seconds for one question, after which the process is killed. Those that wait behind it do not count.
    """

    def __init__(self, work_limit: float, models_kept: int, hang: float) -> None:
        self.taken = 0
        self._arguments = (work_limit, models_kept)
        self._hang = hang
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: deque[asyncio.Future[Any]] = deque()  # answers come in the order of the questions
        self._began = 0.0  # when the process began with the first of them
        self._alarm: asyncio.TimerHandle | None = None
        self._unsent, self._received = bytearray(), bytearray()

    async def call(self, method: str, *arguments: Any) -> Any:
        """See `Seat`. Whoever stops waiting leaves a question that is still judged.

        Raises:
            JudgeLostError: The process died, hung, or cannot be started.
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
            self._alarm = loop.call_later(self._hang, self._ring)
        self._unsent += _HEAD.pack(len(message)) + message
        self._write()
        return await answer

    async def ready(self) -> None:
        """See `Seat`."""
        await self.call("ready")

    def close(self) -> None:
        """See `Seat`."""
        self.abandon()

    def abandon(self) -> None:
        """See `Seat`."""
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
                env={**keyless(os.environ), "PYTHONPATH": path},
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
        left = self._began + self._hang - loop.time()
        self._alarm = loop.call_later(left, self._ring) if self._asked and left > 0 else None
        if self._asked and left <= 0:
            self._lose(f"the process that judged the episode did not answer within {self._hang:g} s")

    def _lose(self, reason: str = LOST) -> None:
        """Ends the process; whoever waits for it is told."""
        if self._process is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        asyncio.get_running_loop().remove_writer(self._socket)
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._process = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._asked:
            answer = self._asked.popleft()
            if not answer.done():
                answer.set_exception(JudgeLostError(reason))


SeatT = TypeVar("SeatT", bound=Seat)


class Seats(Generic[SeatT]):
    """The seats of a run.

    Attributes:
        all: Every one.
    """

    def __init__(self, seats: Sequence[SeatT]) -> None:
        self.all = tuple(seats)
        self._at: dict[str, SeatT] = {}

    @contextmanager
    def take(self, problem_hash: str) -> Iterator[SeatT]:
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
def seated(seats: Sequence[SeatT]) -> Iterator[Seats[SeatT]]:
    """Seats for a run: closed at its end, abandoned where an exception ends it."""
    try:
        yield Seats(seats)
    except BaseException:
        for seat in seats:
            seat.abandon()
        raise
    for seat in seats:
        seat.close()


def make_seats(requests: int, work_limit: float, ahead: int = 0) -> list[Seat]:
    """Seats for so many requests to a served model at the same time: one for each core, a thread for a single one.

    A thread cannot be killed, so that one has no limit but Gurobi's own.

    Args:
        requests: At the same time.
        work_limit: Of the judges.
        ahead: Episodes that each seat may hold beyond those.
    """
    if requests == 1:
        return [ThreadSeat(work_limit, models_kept=1)]
    n = min(requests, _PROCESSES, len(os.sched_getaffinity(0)))
    hang = max(HANG, _HANG_PER_WORK * work_limit)
    kept = 2 * (math.ceil(requests / n) + ahead)
    return [ProcessSeat(work_limit, models_kept=kept, hang=hang) for _ in range(n)]


def serve() -> None:
    """What a process of a seat does: answers in order, until the socket closes."""
    # The loop goes first: on two cores that are both full, requests took a tenth longer without this (bench_eval.py).
    os.nice(_NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then closes the socket
    handle, work_limit, models_kept = sys.argv[1:]
    host = Host(float(work_limit), int(models_kept))
    # The garbage collector leaves alone what stays; else it takes a tenth of the time.
    gc.set_threshold(100_000, 50, 100)
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
