"""Waiting for threads without being deaf to Ctrl-C, and asking a server many things at once."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ordebug_plugin.errors import ServerError

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


def ask_all(requests: Sequence[Callable[[], T]], concurrency: int) -> Iterator[tuple[int, T | ServerError]]:
    """Makes requests to a server, so many at once.

    Args:
        requests: What to call, each in a thread.
        concurrency: How many at once.

    Yields:
        The place of a request and its result, or why the server gave none, in the order in which they end.
    """
    threads = ThreadPoolExecutor(concurrency, thread_name_prefix="ask")
    try:
        places = {threads.submit(request): place for place, request in enumerate(requests)}
        for future in as_done(places):
            try:
                yield places[future], future.result()
            except ServerError as error:
                yield places[future], error
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    threads.shutdown()
