"""Conversations of several turns, ``{"messages": […], "metadata": {…, "learn": […]}}``, as the frameworks take them.

Which answers are to be learnt is said twice: ``"loss": false`` on a message of the assistant, which ms-swift reads
(and keeps the reasoning of every turn, unless ``loss_scale`` is ``last_round``), and the numbers of turns in
``metadata.learn``. A row that says it in one way alone is read as well. LLaMA-Factory knows no such mark, only
``mask_history``, which learns the last answer alone (and keeps the reasoning of earlier ones with
``preserve_thinking``): for it, a conversation becomes one for each answer to learn, which ends with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ordebug_plugin.actions import EXTENDED_ACTIONS, PUBLIC_ACTIONS, parse_answer
from ordebug_plugin.data.marks import MarkError, learned_turns
from ordebug_plugin.errors import InputError
from ordebug_plugin.prompt import INSTRUCTION, join_instruction, strip_labels


class ChatError(InputError):
    """A row is no conversation to learn from; the message is the reason."""


@dataclass(frozen=True)
class Exchange:
    """A prompt, the answer to it, and whether that is to be learnt."""

    user: str
    assistant: str
    learn: bool


@dataclass(frozen=True)
class Chat:
    """A conversation.

    Attributes:
        system: The system prompt, or None.
        exchanges: The turns.
        changed: Whether labels that leak the answer were removed from a prompt.
        metadata: Whatever the row says about itself.
    """

    system: str | None
    exchanges: tuple[Exchange, ...]
    changed: bool
    metadata: Mapping[str, object] = field(default_factory=dict)

    def as_messages(self) -> dict[str, object]:
        """The row for ms-swift."""
        messages: list[dict[str, object]] = []
        if self.system:
            messages.append({"role": "system", "content": self.system})
        for exchange in self.exchanges:
            answer: dict[str, object] = {"role": "assistant", "content": exchange.assistant}
            messages += [
                {"role": "user", "content": exchange.user},
                answer if exchange.learn else {**answer, "loss": False},
            ]
        return {"messages": messages, "metadata": dict(self.metadata)}

    def as_sharegpt(self) -> list[dict[str, object]]:
        """The rows for LLaMA-Factory: each ends with an answer to learn."""
        rows: list[dict[str, object]] = []
        for number, exchange in enumerate(self.exchanges, 1):
            if not exchange.learn:
                continue
            turns = [
                {"from": speaker, "value": text}
                for one in self.exchanges[:number]
                for speaker, text in (("human", one.user), ("gpt", one.assistant))
            ]
            metadata = {**self.metadata, "turn": number, "learn": [number]}
            rows.append({"conversations": turns, "system": self.system or "", "metadata": metadata})
        return rows


def read_chat(row: Mapping[str, object], *, system: str | None, keep_labels: bool) -> Chat:
    """Reads a conversation.

    Args:
        row: ``messages``, and optionally ``metadata``.
        system: System prompt of a row that has none of its own.
        keep_labels: Keep the public ``ID:`` and ``Type:`` lines, which leak the answer.

    Raises:
        ChatError: It is none, what it says of the answers to learn makes no sense, or one of these has no action that
            can be executed.
    """
    metadata = row.get("metadata") or {}
    messages = row.get("messages")
    if not isinstance(metadata, Mapping):
        raise ChatError(f"'metadata' must be an object, not {type(metadata).__name__}")
    if not isinstance(messages, list) or not messages:
        raise ChatError("'messages' must be a list of messages")
    spoken = [_message(message, number) for number, message in enumerate(messages, 1)]
    own = spoken.pop(0)[1] if spoken[0][0] == "system" else None
    if len(spoken) % 2 or not spoken or [role for role, _, _ in spoken] != ["user", "assistant"] * (len(spoken) // 2):
        raise ChatError("after the system prompt, user and assistant must take turns, and the assistant have the last")
    try:
        learned = learned_turns(metadata.get("learn"), [loss for _, _, loss in spoken[1::2]])
    except MarkError as wrong:
        raise ChatError(str(wrong)) from wrong
    exchanges, changed = [], False
    marks = learned or [True] * (len(spoken) // 2)
    for (_, prompt, _), (_, answer, _), learn in zip(spoken[::2], spoken[1::2], marks, strict=True):
        shown = prompt if keep_labels else _without_labels(prompt)
        changed |= shown != prompt
        exchanges.append(Exchange(shown, answer, learn))
    actions = EXTENDED_ACTIONS if metadata.get("action_set") == "extended" else PUBLIC_ACTIONS
    for number, exchange in enumerate(exchanges, 1):
        error = parse_answer(exchange.assistant, actions).error if exchange.learn else None
        if error is not None:
            raise ChatError(f"the action of turn {number} cannot be executed: {error}")
    return Chat(own or system or None, tuple(exchanges), changed, dict(metadata))


def _message(message: object, number: int) -> tuple[str, str, bool | None]:
    """Role, text and mark of one message."""
    if not isinstance(message, Mapping):
        raise ChatError(f"message {number} must be an object, not {type(message).__name__}")
    role, content, loss = message.get("role"), message.get("content"), message.get("loss")
    if not isinstance(role, str) or not isinstance(content, str):
        raise ChatError(f"message {number} needs the strings 'role' and 'content'")
    if loss is not None and not isinstance(loss, bool):
        raise ChatError(f"the loss of message {number} must be true or false, not {loss!r}")
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise ChatError(f"message {number} holds a lone surrogate, which is not a character") from error
    return role, content, loss


def _without_labels(prompt: str) -> str:
    head = f"{INSTRUCTION}\n\n"
    if not prompt.startswith(head):
        return prompt
    return join_instruction(INSTRUCTION, strip_labels(prompt.removeprefix(head)))
