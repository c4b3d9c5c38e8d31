"""What a server answered, taken apart: the text, the reasoning and where it was, what was cut, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ordebug_plugin.actions import THINK_CLOSE, THINK_OPEN
from ordebug_plugin.documents import parse_json
from ordebug_plugin.episode import Reply
from ordebug_plugin.errors import ServerError
from ordebug_plugin.prompt import canonical_answer


class ThinkText(StrEnum):
    """Where a server puts the think text.

    CONTENT: between tags in the content. REASONING_CONTENT, REASONING: in a field of that name, without tags. PROMPT:
    in the content, but its opener is the end of the prompt. NONE: a whole answer had none. UNKNOWN: the answer was cut
    before it could be told. The last two are no place: a later answer may show one.
    """

    CONTENT = "content"
    REASONING_CONTENT = "reasoning_content"
    REASONING = "reasoning"
    PROMPT = "prompt"
    NONE = "none"
    UNKNOWN = "unknown"

    def told_by(self, other: ThinkText) -> ThinkText:
        """What is known after another answer: a place, once shown, stands; a whole answer says more than a cut one."""
        if self is ThinkText.UNKNOWN or (self is ThinkText.NONE and other is not ThinkText.UNKNOWN):
            return other
        return self


@dataclass(frozen=True)
class Completion:
    """One chat completion.

    Attributes:
        content: The message's content, as it was sent.
        reasoning: Its think text, where the server has a field of its own for it.
        field: The name of that field.
        truncated: Whether the token limit cut it.
        prompt_tokens: As the server counted them, or None.
        completion_tokens: Likewise.
    """

    content: str | None
    reasoning: str | None
    field: ThinkText | None
    truncated: bool
    prompt_tokens: int | None
    completion_tokens: int | None

    @property
    def think_text(self) -> ThinkText:
        """Where the think text is."""
        content = self.content or ""
        if self.reasoning and self.field is not None:
            return self.field
        if THINK_OPEN in content:
            return ThinkText.CONTENT
        if THINK_CLOSE in content:
            return ThinkText.PROMPT
        return ThinkText.UNKNOWN if self.truncated else ThinkText.NONE

    def reply(self, prompt: str, seconds: float, *, opened: bool = False) -> Reply:
        """The canonical answer.

        Args:
            prompt: The user message that it answers.
            seconds: Wall time it took.
            opened: Whether the server's prompts are known to end in an opener (`ThinkText.PROMPT`).
        """
        text = canonical_answer(self.content, self.reasoning, truncated=self.truncated, opened=opened)
        return Reply(
            text=text,
            prompt=prompt,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            seconds=seconds,
            truncated=self.truncated,
            raw=None if text == self.content else (self.content, self.reasoning),
        )


def read_completion(body: bytes) -> Completion:
    """Takes the body of a response apart. A server may send anything under a 200.

    Raises:
        ServerError: It is no chat completion.
    """
    try:
        record = parse_json(body, finite=False)
        choice = record["choices"][0]
        message = choice["message"]
        field = next((where for where in _FIELDS if message.get(where) is not None), None)
        content, reasoning = _text(message.get("content")), _text(message.get(field) if field else None)
        truncated = choice.get("finish_reason") == "length"
        usage = record.get("usage") or {}
        tokens = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    except _GARBAGE as error:
        raise ServerError(f"the reply is no chat completion: {type(error).__name__}: {error}") from error
    return Completion(content, reasoning, field, truncated, *tokens)


def read_models(body: bytes) -> tuple[str, ...]:
    """The names in a list of models.

    Raises:
        ServerError: It is no such list.
    """
    try:
        return tuple(str(model["id"]) for model in parse_json(body, finite=False)["data"] or ())
    except _GARBAGE as error:
        shown = " ".join(body[:80].decode(errors="replace").split())
        raise ServerError(f"it answers /models with no list of models, but with {shown or 'nothing'}") from error


# What taking apart a body raises that is not what it should be.
_GARBAGE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
_FIELDS = (ThinkText.REASONING_CONTENT, ThinkText.REASONING)
_MOST_TOKENS = 2**53  # beyond, a float is another number, and JSON has no other


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    """A number of tokens, or None: a poor count costs a figure of costs, not the answer."""
    value = usage.get(name)
    return value if type(value) is int and 0 <= value < _MOST_TOKENS else None  # a bool is an int, too


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
