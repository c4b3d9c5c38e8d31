"""An HTTP client whose requests have a limit; its own timeouts start anew with every byte."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import openai

# The openai client retries what its HTTP library calls a timeout: httpx, or httpx2 since 3.0.
_http: Any = sys.modules[openai.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0]]


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """Gives one attempt up after some time, however much of an answer has come by then.

    Args:
        limit: Seconds from asking for a connection to the last byte of the answer.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        self._limit = limit

    async def send(self, request: Any, **options: Any) -> Any:
        """Sends a request and reads the answer.

        Raises:
            TimeoutException: It took too long; of the HTTP library.
        """
        try:
            async with asyncio.timeout(self._limit):
                return await super().send(request, **options)
        except TimeoutError as error:
            raise _http.ReadTimeout(f"no whole answer within {self._limit:g} s", request=request) from error
