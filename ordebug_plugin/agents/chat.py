"""A language model behind any OpenAI-compatible server: SGLang, vLLM, swift deploy, llamafactory api, a vendor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import cast

import openai
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from ordebug_plugin.env import Observation, RepairEnv
from ordebug_plugin.episode import Reply
from ordebug_plugin.errors import ServerError
from ordebug_plugin.prompt import Message, Style, canonical_answer, render_messages


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn.

    Attributes:
        temperature: 0 is greedy.
        max_tokens: Token limit of one answer; a longer one is cut and counted as truncated.
        seed: Passed to the server; None leaves it out for servers that refuse it.
    """

    temperature: float = 0.0
    max_tokens: int = 2048
    seed: int | None = 0


@dataclass(frozen=True)
class Endpoint:
    """Where the model is served.

    Attributes:
        base_url: Root of the API, e.g. ``http://127.0.0.1:8000/v1``.
        model: Model name as the server knows it.
        api_key: Sent as bearer token; never logged or written to disk.
        timeout: Seconds until one request is given up.
        retries: Attempts after the first failed one.
    """

    base_url: str
    model: str
    api_key: str = field(default="EMPTY", repr=False)
    timeout: float = 600.0
    retries: int = 4


class ChatAgent:
    """Sends each turn as a fresh conversation with the whole state, or the conversation so far (`Style`).

    The openai client owns the retries (connection errors, 408, 409, 429 and 5xx, with back-off and jitter); nothing
    else here retries.

    Args:
        endpoint: Where the model is served.
        style: How prompts are rendered.
        sampling: How answers are drawn.
    """

    def __init__(self, endpoint: Endpoint, style: Style, sampling: Sampling) -> None:
        self.name = endpoint.model
        self._url = endpoint.base_url
        self._style = style
        self._sampling = sampling
        self._client = openai.OpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            timeout=endpoint.timeout,
            max_retries=endpoint.retries,
        )

    def probe(self) -> None:
        """Asks the server for its models, to find a dead one before the first episode.

        Raises:
            ServerError: It cannot be reached, or does not know the model.
        """
        try:
            served = [str(model.id) for model in self._client.with_options(timeout=10.0, max_retries=1).models.list()]
        except openai.NotFoundError:
            return  # some servers have no /models; the first request will tell
        except openai.AuthenticationError as error:
            raise ServerError(f"{self._url} refuses the key in OPENAI_API_KEY: {_reason(error)}") from error
        except (openai.OpenAIError, AttributeError, TypeError, ValueError) as error:
            raise ServerError(
                f"no OpenAI-compatible server at {self._url}: {_reason(error)}. "
                "Start one (README, 'Serve a model'), and give its address up to and including /v1"
            ) from error
        if served and self.name not in served:
            raise ServerError(f"{self._url} serves {', '.join(served)}, not {self.name!r}: pass one of them as --model")

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Answers one observation.

        Raises:
            ServerError: The server failed after all retries, or its reply holds no choice.
        """
        return self.ask(render_messages(observation, self._style))

    def ask(self, messages: Sequence[Message], offset: int = 0) -> Reply:
        """Answers one conversation.

        Args:
            messages: What to send.
            offset: Added to the seed: many servers give the same answer to the same prompt and seed.

        Raises:
            ServerError: As in `act`.
        """
        sent = [cast("ChatCompletionMessageParam", asdict(message)) for message in messages]
        started = time.perf_counter()
        try:
            completion = self._client.chat.completions.create(
                model=self.name,
                messages=sent,
                temperature=self._sampling.temperature,
                max_tokens=self._sampling.max_tokens,
                seed=self._sampling.seed + offset if self._sampling.seed is not None else openai.omit,
            )
        except openai.NotFoundError as error:
            raise ServerError(f"{self._url}: {_reason(error)} (does the address end in /v1?)") from error
        except (openai.OpenAIError, ValueError) as error:  # a ValueError is a body that is no JSON
            raise ServerError(f"{self._url}: {_reason(error)}") from error
        return _read(completion, self._url, messages[-1].content, time.perf_counter() - started)


def _read(completion: ChatCompletion, url: str, prompt: str, seconds: float) -> Reply:
    """Takes a reply apart. A server may send anything under a 200; the client's types promise more than it checks."""
    try:
        choice = completion.choices[0]
        extra = choice.message.model_extra or {}
        content, reasoning = (
            _text(choice.message.content),
            _text(extra.get("reasoning_content", extra.get("reasoning"))),
        )
        truncated = choice.finish_reason == "length"
        usage = completion.usage
        tokens = (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ServerError(f"{url}: the reply is no chat completion: {type(error).__name__}: {error}") from error
    text = canonical_answer(content, reasoning, truncated=truncated)
    return Reply(
        text=text,
        prompt=prompt,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
        seconds=seconds,
        truncated=truncated,
        raw=None if text == content else (content, reasoning),
    )


def _text(value: object) -> str | None:
    """Text, or the joined text parts of a list of parts; None for null.

    Raises:
        TypeError: It is something else.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(str(part["text"]) for part in value if isinstance(part, dict) and part.get("type") == "text")
    raise TypeError(f"content is neither text nor parts: {type(value).__name__}")


def _reason(error: Exception) -> str:
    """The error in one line, cut: a server may answer with a page of HTML."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
