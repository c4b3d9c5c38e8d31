"""A Ray cluster that does judged work; the only importer of ray.

A task of the cluster is a few calls, each done in a process beside Ray's own (`workers`), so that one that crashes or
hangs is killed and named as on one machine. A task whose node is lost is done again on another.
"""

from __future__ import annotations

import logging
import math
import os
import platform
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from ordebug_plugin import __version__
from ordebug_plugin.errors import InputError, OrdebugError, SolverError
from ordebug_plugin.model_files import pack, unpacked
from ordebug_plugin.solver import gurobi_version
from ordebug_plugin.workers import Lost, Workers

# Calls of a task at most: a task costs a millisecond or two, as much as a short call. Fewer where there are few, so
# that no node waits long for the last of them.
_CALLS = 16
_TASKS = 8  # for each CPU, if there are calls enough
# Tasks on their way for each CPU: while one is done, the next arrives.
_AHEAD = 2
# How often a task is done again whose node was lost, or ran out of memory.
_RETRIES = 8
_NAP = 0.2  # seconds; `futures` says why
# Seconds that a task may wait for a CPU, beyond the time of its calls.
_PATIENCE = 600.0
# Seconds until the cluster's head takes a connection and says its first word; a head that is there does so at once.
_GREETING = 10.0
# How a client of HTTP/2 begins (RFC 9113, 3.4): the preface, and a frame of settings without any. The server answers
# with its own settings, frames of type 4 whose head is 9 bytes long. gRPC, and so all of Ray, speaks HTTP/2.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster.

    Attributes:
        address: As ``ray.init`` takes it: ``auto``, ``host:6379``, ``ray://host:10001``.
        most: Tasks at the same time at most; None for one for each CPU of the cluster.
    """

    address: str
    most: int | None = None

    def map(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        timeout: float,
        on_end: Callable[[int, Any], None] = lambda _number, _result: None,
    ) -> list[Any]:
        """Calls a function of a module once for each tuple of arguments; see `workers.Workers.map`.

        Args:
            function: Total.
            calls: Arguments that can be pickled. Model files of problems among them travel along.
            timeout: Seconds for a call, after which its process is killed.
            on_end: Called with a call's number and its result, in the order in which they end.

        Returns:
            A result per call, `Lost` where its process was killed or died.

        Raises:
            InputError: Ray is not installed, or the cluster cannot be reached.
            SolverError: A node has other versions than this one, or nobody does the work.
        """
        ray = _connected(self.address)
        task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_work)
        ours = _versions()
        slots = self._slots(ray)
        size = max(1, min(_CALLS, len(calls) // (slots * _TASKS)))
        waiting = deque(range(0, len(calls), size))
        running: dict[Any, int] = {}
        results: list[Any] = [None] * len(calls)
        heard = time.monotonic()
        try:
            while waiting or running:
                ahead = slots * _AHEAD if self.most is None else slots
                while waiting and len(running) < ahead:
                    first = waiting.popleft()
                    part = [pack((function, call)) for call in calls[first : first + size]]
                    running[task.remote(ours, part, timeout)] = first
                done, _ = ray.wait(list(running), num_returns=1, timeout=_NAP)
                for reference in done:
                    first = running.pop(reference)
                    n = min(size, len(calls) - first)
                    for number, result in enumerate(_result(ray, reference, n), first):
                        results[number] = result
                        on_end(number, result)
                if done:
                    heard = time.monotonic()
                    slots = self._slots(ray)  # nodes come and go
                elif time.monotonic() - heard > size * timeout + _PATIENCE:
                    raise SolverError(f"the Ray cluster at {self.address} has done nothing for too long: `ray status`")
        finally:
            for reference in running:  # nobody's result any more
                ray.cancel(reference, force=True)
        return results

    def _slots(self, ray: Any) -> int:
        cpus = max(1, int(ray.cluster_resources().get("CPU", 0)))
        return cpus if self.most is None else min(self.most, cpus)


class Relay:
    """A cluster that is spoken to by a process of its own: ms-swift takes a Ray connected in its process for its own.

    Args:
        cluster: The cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._process = cluster, Workers(1)

    def map(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], timeout: float) -> list[Any]:
        """As `Cluster.map`.

        Args:
            function: See there.
            calls: See there.
            timeout: See there.

        Raises:
            InputError: See there.
            SolverError: See there; or the process died.
        """
        # The cluster's own limits end it.
        (answer,) = self._process.map(_relayed, [(self._cluster, function, calls, timeout)], math.inf)
        if isinstance(answer, Lost):
            raise SolverError(f"the process that speaks to the Ray cluster at {self._cluster.address} died")
        if isinstance(answer, OrdebugError):
            raise answer
        return list(answer)

    def close(self) -> None:
        """Ends the process; the next call starts another."""
        self._process.close()


def check_head(address: str, seconds: float = _GREETING) -> None:
    """Finds out whether something like a cluster's head is at an address: Ray itself tries for minutes.

    An address without host and port, as ``auto``, is left to Ray, and so is one that Ray reaches through a proxy.

    Args:
        address: As ``ray.init`` takes it.
        seconds: To wait for a connection, and then for the first word.

    Raises:
        InputError: Nobody listens there, nobody answers, or something else does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or _is_on("RAY_grpc_enable_http_proxy"):
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), seconds) as connection:
            if _is_on("RAY_USE_TLS"):  # by which the first word is another
                return
            connection.sendall(_PREFACE)
            with connection.makefile("rb") as incoming:
                head = incoming.read(9)
    except TimeoutError as error:
        raise _no_cluster(address, f"nothing answers within {seconds:g} s") from error
    except (OSError, ValueError, OverflowError) as error:  # refused; no such host; no such port
        raise _no_cluster(address, getattr(error, "strerror", None) or error) from error
    if len(head) < 9 or head[3] != 4:
        raise _no_cluster(address, "what listens there is no Ray (the port of `ray start --head` is 6379)")


def _relayed(
    cluster: Cluster, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], timeout: float
) -> list[Any] | OrdebugError:
    try:
        return cluster.map(function, calls, timeout)
    except OrdebugError as error:
        return error
    except Exception as error:  # of Ray, which has many
        return SolverError(f"the Ray cluster at {cluster.address} failed: {type(error).__name__}: {error}")


def _is_on(variable: str) -> bool:
    """As Ray reads its variables."""
    return os.environ.get(variable, "0").lower() in ("1", "true")


def _no_cluster(address: str, reason: object) -> InputError:
    return InputError(f"no Ray cluster at {address}: {reason}; `ray start --head` starts one")


def _connected(address: str) -> Any:
    """Ray, connected to a cluster; a process has one connection, until it ends.

    Raises:
        InputError: Ray is not installed, or there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415  # an extra, and slow to import
    except ImportError as error:
        raise InputError("--ray needs Ray: pip install -e '.[ray]' in the clone, on every node") from error
    if not ray.is_initialized():
        if address.startswith("ray://") and find_spec("grpc") is None:
            raise InputError(f"an address like {address} needs Ray's client: pip install 'ray[client]'")
        check_head(address)
        before = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise _no_cluster(address, str(error).rstrip(".")) from error
        finally:
            if before is not None and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray takes it; how a command ends is ours to say
    return ray


def _versions() -> tuple[tuple[str, str], ...]:
    """What must be the same everywhere for results to be the same."""
    python = ".".join(platform.python_version_tuple()[:2])
    return ("ordebug_plugin", __version__), ("gurobi", gurobi_version()), ("python", python)


def _result(ray: Any, reference: Any, n: int) -> Sequence[Any]:
    """What came of the calls of a task."""
    try:
        results: Sequence[Any] = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, SolverError):
            raise error.cause from None
        raise SolverError(
            f"a node of the Ray cluster cannot do the work: {str(error.cause).strip()}. Is ordebug_plugin installed "
            "there?"
        ) from error
    except ray.exceptions.RayError as error:  # after all retries
        return [Lost(f"every node that judged it was lost: {type(error).__name__}")] * n
    return results


def _work(ours: tuple[tuple[str, str], ...], part: Sequence[bytes], timeout: float) -> list[Any]:
    """A task.

    Raises:
        SolverError: The versions differ.
    """
    for (name, here), (_, there) in zip(_versions(), ours, strict=True):
        if here != there:
            raise SolverError(
                f"{platform.node()}, a node of the Ray cluster, has {name} {here}, and the command {there}: results "
                "would differ; install the same on every node"
            )
    return _process().map(_call, [(packed,) for packed in part], timeout)


@lru_cache(maxsize=1)
def _process() -> Workers:
    """The process beside Ray's own that calls Gurobi."""
    return Workers(1)


def _call(packed: bytes) -> Any:
    with unpacked(packed) as (function, call):
        return function(*call)
