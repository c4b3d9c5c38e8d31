"""Waiting for threads without being deaf to Ctrl-C."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

_NAP = 0.2  # seconds

T = TypeVar("T")


def as_done(futures: Iterable[Future[T]]) -> Iterator[Future[T]]:
    """The futures in the order in which they end.

    Waits in short naps: Gurobi leaves the handler of SIGINT in a state in which it does not end a wait, so that Ctrl-C
    would be heard only when the next episode has ended.
    """
    done: queue.SimpleQueue[Future[T]] = queue.SimpleQueue()
    left = 0
    for future in futures:
        future.add_done_callback(done.put)
        left += 1
    while left:
        with contextlib.suppress(queue.Empty):
            yield done.get(timeout=_NAP)
            left -= 1
