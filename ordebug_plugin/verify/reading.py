"""Rows of a file as demonstrations: Alpaca rows, ``messages`` (ChatML) and ``conversations`` (ShareGPT) alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ordebug_plugin.actions import parse_answer
from ordebug_plugin.data.marks import MarkError, learned_turns
from ordebug_plugin.errors import InputError
from ordebug_plugin.prompt import join_instruction, strip_labels
from ordebug_plugin.shown import read_state
from ordebug_plugin.verify.demonstration import Demonstration, Turn

# Where a state begins in a message, with labels and without.
_STATE = re.compile(r"^## (?:Problem|Current State)$", re.MULTILINE)
# How the two ways to write a conversation call the speaker and the text, and ShareGPT its speakers.
_CHATS = {"messages": ("role", "content"), "conversations": ("from", "value")}
_ROLES = {"human": "user", "gpt": "assistant"}
# What the public prompts say about their problem; the public conversations say it nowhere else.
_LABELS = {
    "problem_id": re.compile(r"## Problem\n(?:.*\n)?ID: (.+)"),
    "error_type": re.compile(r"## Problem\n(?:.*\n)?Type: (.+)"),
}


class UnreadableRowError(InputError):
    """One row is no demonstration; the message is the reason, the caller knows file and row number."""


@dataclass(frozen=True)
class _Exchange:
    """A turn as the row has it: what stands before the state, the state, the answer, and its mark for training."""

    lead: str
    state: str
    output: str
    learned: bool | None = None


def read_demonstration(row: object, number: int) -> Demonstration:
    """Reads one row.

    Its problem a row may name in ``metadata`` or beside them, or in the lines of a public prompt that leak it.

    Which answers are learned a conversation may say in ``metadata.learn``, a list of turn numbers from 1, or by
    ``loss: true`` or ``false`` in the answers themselves, where those without it are learned.

    Raises:
        UnreadableRowError: It is neither an Alpaca row nor a conversation.
    """
    if not isinstance(row, Mapping):
        raise UnreadableRowError(f"a row must be an object, not {type(row).__name__}")
    metadata = row.get("metadata")
    about = metadata if isinstance(metadata, Mapping) else {}
    chat = next((name for name in _CHATS if name in row), None)
    system, exchanges = _alpaca(row) if chat is None else _conversation(row, chat)
    learned = _learned(about.get("learn"), exchanges)
    labels = {name: pattern.match(exchanges[0].state) for name, pattern in _LABELS.items()}
    shown = {name: found[1] for name, found in labels.items() if found is not None}
    about = {**shown, **{name: value for name, value in {**row, **about}.items() if value is not None}}
    return Demonstration(
        number=number,
        system=system,
        turns=tuple(
            _turn(place, exchange, learns)
            for place, (exchange, learns) in enumerate(
                zip(exchanges, learned or [True] * len(exchanges), strict=True), 1
            )
        ),
        marked=learned is not None,
        alpaca=chat is None,
        problem_id=_text(about, "problem_id"),
        problem_hash=_text(about, "problem_hash"),
        error_type=_text(about, "error_type"),
        difficulty=_text(about, "difficulty"),
        extended=about.get("action_set") == "extended",
    )


def _turn(number: int, exchange: _Exchange, learned: bool) -> Turn:
    shown, bare = read_state(exchange.state), strip_labels(exchange.state)
    return Turn(
        number=number,
        prompt=exchange.lead + exchange.state,
        output=exchange.output,
        shown=shown,
        answer=parse_answer(exchange.output),
        unlabelled=exchange.lead + bare,
        past=bare.removeprefix(shown.state),
        learned=learned,
    )


def _alpaca(row: Mapping[str, object]) -> tuple[str | None, list[_Exchange]]:
    texts = []
    for name in ("instruction", "input", "output"):
        value = row.get(name)
        if not isinstance(value, str):
            raise UnreadableRowError(f"{name!r} is missing or not text")
        texts.append(value)
    instruction, state, output = texts
    system = row.get("system")
    lead = join_instruction(instruction, state).removesuffix(state) if state else instruction
    return system if isinstance(system, str) and system else None, [_Exchange(lead, state, output)]


def _conversation(row: Mapping[str, object], key: str) -> tuple[str | None, list[_Exchange]]:
    listed = row[key]
    if not isinstance(listed, list) or not listed:
        raise UnreadableRowError(f"{key!r} is no list of messages")
    messages = [_message(message, place, *_CHATS[key]) for place, message in enumerate(listed, 1)]
    system = row.get("system")
    own = system if isinstance(system, str) and system else None
    if messages[0][0] == "system":
        own, messages = messages[0][1], messages[1:]
    roles = [role for role, _, _ in messages]
    if not roles or len(roles) % 2 or roles != ["user", "assistant"] * (len(roles) // 2):
        raise UnreadableRowError(f"{key!r} must be questions and answers in turn, not {', '.join(roles) or 'nothing'}")
    exchanges = []
    for (_, prompt, _), (_, output, learned) in zip(messages[::2], messages[1::2], strict=True):
        found = _STATE.search(prompt)
        begin = len(prompt) if found is None else found.start()
        exchanges.append(_Exchange(prompt[:begin], prompt[begin:], output, learned))
    return own, exchanges


def _message(message: object, place: int, speaker: str, text: str) -> tuple[str, str, bool | None]:
    """Role, text and mark of one message."""
    if not isinstance(message, Mapping):
        raise UnreadableRowError(f"message {place} must be an object, not {type(message).__name__}")
    role, content, loss = message.get(speaker), message.get(text), message.get("loss")
    if not isinstance(role, str) or not isinstance(content, str):
        raise UnreadableRowError(f"message {place} needs the strings {speaker!r} and {text!r}")
    if loss is not None and not isinstance(loss, bool):
        raise UnreadableRowError(f"'loss' of message {place} must be true or false, not {loss!r}")
    return _ROLES.get(role, role), content, loss


def _learned(numbers: object, exchanges: Sequence[_Exchange]) -> list[bool] | None:
    """Whether each answer is learned; None where the row does not say."""
    try:
        return learned_turns(numbers, [exchange.learned for exchange in exchanges])
    except MarkError as error:
        raise UnreadableRowError(str(error)) from error


def _text(about: Mapping[str, object], name: str) -> str | None:
    value = about.get(name)
    return value if isinstance(value, str) else None
