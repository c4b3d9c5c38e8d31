"""HTTP clients whose requests have limits: of time, which the library starts anew with every byte, and of size.

Redirections are followed here: the library would read the body of each, whole and unpacked, before it goes on.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import Any

import openai

# The openai client retries what its HTTP library calls a timeout: httpx, or httpx2 since 3.0.
_http: Any = sys.modules[openai.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0]]

# Bytes of an answer, unpacked. A hundred thousand tokens with their probabilities take less.
MOST_BYTES = 32 << 20
# What is unpacked piece by piece, and to no more than a thousand times its size; other packings have no such bound.
_PACKINGS = "gzip, deflate"
# One request and no other, its answer not read.
_STEP = {"stream": True, "follow_redirects": False}


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """Gives one attempt up after some time, however much of an answer has come by then, and cuts long answers.

    Args:
        limit: Seconds from asking for a connection to the last byte of the answer.
    """

    def __init__(self, limit: float) -> None:
        super().__init__(headers={"Accept-Encoding": _PACKINGS})
        self._limit = limit

    async def send(self, request: Any, **options: Any) -> Any:
        """Sends a request and reads the answer, of which `MOST_BYTES` and a piece are kept.

        Raises:
            TimeoutException: It took too long; of the HTTP library.
        """
        try:
            async with asyncio.timeout(self._limit):
                response = await super().send(request, **{**options, **_STEP})
                history: list[Any] = []
                while response.next_request is not None:
                    await response.aclose()  # whatever it holds
                    history.append(_passed(response, history, self.max_redirects))
                    response = await super().send(response.next_request, **{**options, **_STEP})
                body = bytearray()
                async for piece in response.aiter_bytes() if _unpacks(response) else response.aiter_raw():
                    body += piece
                    if len(body) > MOST_BYTES:
                        break
                await response.aclose()
        except TimeoutError as error:
            raise _late(request, self._limit) from error
        return _whole(response, body, history)


class BoundedSyncClient(openai.DefaultHttpxClient):
    """The same for one thread; the limit is looked at with every piece, so a silent server may take it twice.

    Args:
        limit: As there.
    """

    def __init__(self, limit: float) -> None:
        super().__init__(headers={"Accept-Encoding": _PACKINGS})
        self._limit = limit

    def send(self, request: Any, **options: Any) -> Any:
        """As there.

        Raises:
            TimeoutException: As there.
        """
        until = time.monotonic() + self._limit
        response = super().send(request, **{**options, **_STEP})
        history: list[Any] = []
        while response.next_request is not None:
            response.close()
            if time.monotonic() > until:
                raise _late(request, self._limit)
            history.append(_passed(response, history, self.max_redirects))
            response = super().send(response.next_request, **{**options, **_STEP})
        body = bytearray()
        try:
            for piece in response.iter_bytes() if _unpacks(response) else response.iter_raw():
                body += piece
                if len(body) > MOST_BYTES:
                    break
                if time.monotonic() > until:
                    raise _late(request, self._limit)
        finally:
            response.close()
        return _whole(response, body, history)


def _unpacks(response: Any) -> bool:
    return response.headers.get("Content-Encoding", "identity").strip().lower() in {"identity", "gzip", "deflate"}


def _late(request: Any, limit: float) -> Exception:
    late: Exception = _http.ReadTimeout(f"no whole answer within {limit:g} s", request=request)
    return late


def _passed(response: Any, history: list[Any], most: int) -> Any:
    """A redirection that is followed, after some others.

    Raises:
        TooManyRedirects: It is one too many; of the HTTP library.
    """
    if len(history) >= most:
        many: Exception = _http.TooManyRedirects(f"more than {most} redirections", request=response.request)
        raise many
    return response


def _whole(response: Any, body: bytearray, history: list[Any]) -> Any:
    """The response as if it had been read at once, after some redirections."""
    packed = {"content-encoding", "content-length", "transfer-encoding"}
    headers: Mapping[str, str] = {name: text for name, text in response.headers.items() if name.lower() not in packed}
    read = _http.Response(
        response.status_code,
        headers=headers,
        content=bytes(body),
        request=response.request,
        extensions=response.extensions,
    )
    read.history = history
    return read
