"""A language model behind any OpenAI-compatible server: SGLang, vLLM, swift deploy, llamafactory api, a vendor."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import openai

from ordebug_plugin.agents.bounded import MOST_BYTES, BoundedClient, BoundedSyncClient
from ordebug_plugin.agents.completion import Completion, ThinkText, read_completion, read_models
from ordebug_plugin.env import Observation, RepairEnv
from ordebug_plugin.episode import Reply
from ordebug_plugin.errors import ServerError
from ordebug_plugin.prompt import Message, Style, render_messages
from ordebug_plugin.redaction import Secrets, public_url

_PATH = "/chat/completions"
_NO_KEY = "EMPTY"  # what servers without keys are sent
_ALONE = 3  # requests, at most, that go one by one until it is known where the server puts its think text


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn.

    Attributes:
        temperature: 0 is greedy.
        max_tokens: Token limit of one answer; a longer one is cut and counted as truncated.
        seed: Passed to the server; None leaves it out.
        body: More fields of every request, and others for those above; None leaves one out.
    """

    temperature: float = 0.0
    max_tokens: int = 2048
    seed: int | None = 0
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Endpoint:
    """Where the model is served.

    Attributes:
        base_url: Root of the API, e.g. ``http://127.0.0.1:8000/v1``.
        model: Model name as the server knows it.
        api_key: Sent as bearer token; never logged or written to disk.
        timeout: Seconds until one attempt of a request is given up, from its beginning to the last byte of the answer.
        retries: Attempts after the first failed one.
    """

    base_url: str
    model: str
    api_key: str = field(default=_NO_KEY, repr=False)
    timeout: float = 600.0
    retries: int = 4


class ChatAgent:
    """Sends each turn as a fresh conversation with the whole state, or the conversation so far (`Style`).

    The openai client owns the retries (connection errors, timeouts, 408, 409, 429 and 5xx, with back-off and jitter);
    nothing else here retries. Answers are read by `completion`, not by its types, which promise more than they check.

    Args:
        endpoint: Where the model is served.
        style: How prompts are rendered.
        sampling: How answers are drawn.
    """

    def __init__(self, endpoint: Endpoint, style: Style, sampling: Sampling) -> None:
        self.name = endpoint.model
        self._url = public_url(endpoint.base_url)
        self._secrets = Secrets.of(endpoint.base_url, endpoint.api_key)
        self.style = style
        self._sampling = sampling
        self._options: dict[str, Any] = {
            "base_url": endpoint.base_url,
            "api_key": endpoint.api_key,
            "timeout": endpoint.timeout,
            "max_retries": endpoint.retries,
        }
        self._client = openai.OpenAI(**self._options, http_client=BoundedSyncClient(endpoint.timeout))

    def probe(self) -> None:
        """Asks the server for its models, to find a dead one before the first episode.

        Raises:
            ServerError: It cannot be reached, has no chat completions at this address, or does not know the model.
        """
        try:
            client = self._client.with_options(timeout=10.0, max_retries=1)
            served = read_models(client.get("/models", cast_to=openai.HttpxBinaryResponseContent).content)
        except openai.NotFoundError:
            self._find_path()  # some servers have no /models
            return
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            verb = "asks for a" if self._client.api_key == _NO_KEY else "refuses the"
            raise self._error(f" {verb} key in OPENAI_API_KEY: {_reason(error)}") from error
        except (openai.OpenAIError, ServerError, ValueError) as error:
            raise ServerError(
                f"no OpenAI-compatible server at {self._url}: {self._secrets.hide(_reason(error))}. "
                "Start one (README, 'Serve a model'), and give its address up to and including /v1"
            ) from error
        if served and self.name not in served:
            raise self._error(f" serves {', '.join(served)}, not {self.name!r}: pass one of them as --model")

    def _find_path(self) -> None:
        """Finds out whether the server has chat completions, by a question without messages: it costs no answer.

        Raises:
            ServerError: Nothing is there, as where an address lacks its /v1.
        """
        client = self._client.with_options(timeout=10.0, max_retries=0)
        try:
            client.post(_PATH, cast_to=openai.HttpxBinaryResponseContent, body={"model": self.name})
        except openai.NotFoundError as error:
            hint = _moved(error.response) or self._longer()
            raise self._error(f" has no chat completions: {_reason(error)}{hint}") from error
        except (openai.OpenAIError, ValueError):
            return  # it is there, and refuses a question without messages; the first request will tell the rest

    def _longer(self) -> str:
        """A hint, where the address lacks a /v1."""
        url = f"{self._url.rstrip('/')}/v1"
        try:
            client = self._client.with_options(base_url=url, timeout=10.0, max_retries=0)
            client.get("/models", cast_to=openai.HttpxBinaryResponseContent)
        except (openai.AuthenticationError, openai.PermissionDeniedError):
            pass  # it answers, too
        except (openai.OpenAIError, ValueError):
            return " (does the address end in /v1?)"
        return f". The address lacks its end: give {url}"

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Answers one observation.

        Raises:
            ServerError: The server failed after all retries, or its reply is no chat completion.
        """
        return self.ask(render_messages(observation, self.style))

    def ask(self, messages: Sequence[Message], offset: int = 0) -> Reply:
        """Answers one conversation.

        Args:
            messages: What to send.
            offset: Added to the seed: many servers give the same answer to the same prompt and seed.

        Raises:
            ServerError: As in `act`.
        """
        started = time.perf_counter()
        with self.failures():
            response = self._client.post(
                _PATH, cast_to=openai.HttpxBinaryResponseContent, body=self.body(messages, offset)
            )
            completion = self.read(response)
        return completion.reply(messages[-1].content, time.perf_counter() - started)

    def go_on(self, messages: Sequence[Message]) -> str:
        """What the model adds to an answer that was begun for it.

        vLLM and SGLang continue the last message by ``continue_final_message``; ``swift deploy`` does so by itself. A
        server that does not know it refuses, or begins another message: the text tells.

        Args:
            messages: The conversation, the beginning of the assistant's answer last.

        Raises:
            ServerError: As in `act`.
        """
        body = self.body(messages, 0)
        body |= {"continue_final_message": True, "add_generation_prompt": False}
        with self.failures():
            response = self._client.post(_PATH, cast_to=openai.HttpxBinaryResponseContent, body=body)
            return self.read(response).content or ""

    @contextlib.asynccontextmanager
    async def connected(
        self, in_flight: int, think: ThinkText | None = None, on_think: Callable[[ThinkText], None] = lambda _: None
    ) -> AsyncIterator[Connection]:
        """An asynchronous connection, closed at the end.

        Args:
            in_flight: Requests at the same time; more of them wait for their turn.
            think: Where the server puts the think text, as far as it is known; None finds out with the first answers.
            on_think: Told what was found out, before that answer is given to anybody, and again what a later one shows.
        """
        async with openai.AsyncOpenAI(**self._options, http_client=BoundedClient(self._options["timeout"])) as client:
            yield Connection(self, client, in_flight, think, on_think)

    def body(self, messages: Sequence[Message], offset: int) -> dict[str, Any]:
        """What is sent for a conversation."""
        sampling = self._sampling
        fields = {
            "messages": [asdict(message) for message in messages],
            "model": self.name,
            "max_tokens": sampling.max_tokens,
            "seed": None if sampling.seed is None else sampling.seed + offset,
            "temperature": sampling.temperature,
            **sampling.body,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Whatever the client or the server does is one `ServerError` that names the server."""
        try:
            yield
        except ServerError as error:
            raise self._error(f": {error}") from error
        except openai.NotFoundError as error:
            hint = _moved(error.response) or " (does the address end in /v1?)"
            raise self._error(f": {_reason(error)}{hint}") from error
        except openai.APIStatusError as error:
            raise self._error(f": {_reason(error)}{_moved(error.response)}") from error
        except (openai.OpenAIError, ValueError) as error:
            raise self._error(f": {_reason(error)}") from error

    def _error(self, what: str) -> ServerError:
        """An error that names the server, and nothing that is secret, whatever the server sent back."""
        return ServerError(f"{self._url}{self._secrets.hide(what)}")

    def read(self, response: openai.HttpxBinaryResponseContent) -> Completion:
        """Takes an answer apart, without anything that is secret.

        Raises:
            ServerError: It is no chat completion, or too long to be one.
        """
        body = response.content
        try:
            if len(body) > MOST_BYTES:
                raise ServerError(f"the reply is longer than {MOST_BYTES >> 20} MiB")
            completion = read_completion(body)
        except ServerError as error:
            raise ServerError(f"{error}{_moved(response.response)}") from error
        said = (completion.content, completion.reasoning)
        content, reasoning = (None if text is None else self._secrets.hide(text) for text in said)
        return replace(completion, content=content, reasoning=reasoning)


class Connection:
    """Asks a model from an event loop; made by `ChatAgent.connected`.

    Where the server puts its think text is found out at the start: the first request goes alone, and the others wait
    for its answer; where that was cut before it could be told, the second goes alone, and the third. Where the prompts
    turn out to end in an opener, an answer without any tag is read as reasoning that was never closed.

    Where one of those shows a place, nothing depends on timing. Where none does, the first later answer that shows one
    decides for all that come after it; what was read before stays as it was read. With several requests in flight, time
    then decides which whole answers without any tag still act. All other answers are read the same whenever they come.
    """

    def __init__(
        self,
        agent: ChatAgent,
        client: openai.AsyncOpenAI,
        in_flight: int,
        think: ThinkText | None,
        on_think: Callable[[ThinkText], None],
    ) -> None:
        self._agent = agent
        self._turn = asyncio.Semaphore(in_flight)
        self._client = client
        self._think = think
        self._on_think = on_think
        self._first = asyncio.Lock()
        self._alone = _ALONE if think in (None, ThinkText.UNKNOWN) else 0

    async def ask(
        self, messages: Sequence[Message], offset: int = 0, on_sent: Callable[[], None] = lambda: None
    ) -> Reply:
        """Answers one conversation; see `ChatAgent.ask`.

        Args:
            messages: As there.
            offset: As there.
            on_sent: Called when the request need not wait for others any more.

        Raises:
            ServerError: As there.
        """
        if self._alone:
            async with self._first:
                if self._alone:
                    on_sent()
                    try:
                        reply = await self._ask(messages, offset)
                    except BaseException:
                        self._alone = 0  # a server that fails is not waited for again and again, one by one
                        raise
                    self._alone = self._alone - 1 if self._think is ThinkText.UNKNOWN else 0
                    return reply
        async with self._turn:
            on_sent()
            return await self._ask(messages, offset)

    async def _ask(self, messages: Sequence[Message], offset: int) -> Reply:
        started = time.perf_counter()
        with self._agent.failures():
            body = self._agent.body(messages, offset)
            response = await self._client.post(_PATH, cast_to=openai.HttpxBinaryResponseContent, body=body)
            completion = self._agent.read(response)
        shown = completion.think_text
        known = shown if self._think is None else self._think.told_by(shown)
        if known is not self._think:
            self._think = known
            self._on_think(known)
        opened = self._think is ThinkText.PROMPT
        return completion.reply(messages[-1].content, time.perf_counter() - started, opened=opened)


def _moved(response: Any) -> str:
    """A hint, where the server sent the request elsewhere: by 301, 302 and 303 a question becomes a GET."""
    if not response.history:
        return ""
    where, status = public_url(str(response.url)), response.history[0].status_code
    return f" (sent on to {where} by {status}: give the address where the server is)"


def _reason(error: Exception) -> str:
    """The error in one line, cut: a server may answer with a page of HTML."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
