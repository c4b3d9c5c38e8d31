"""Episodes as training data: an Alpaca row of one turn, and the whole as a conversation.

A conversation is ChatML: messages as every trainer takes them, those of the assistant that must not be learnt with
``"loss": false``, which ms-swift reads; ``metadata.learn`` says the same as numbers of turns, from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ordebug_plugin.demonstrations.policies import Turn
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import INSTRUCTION, SYSTEM_PROMPT, Message, Style, render_messages, render_state


def labels(problem: Problem, record: Mapping[str, object], policy: str) -> dict[str, object]:
    """What is said about every row of a problem; `record` is its entry in the index."""
    family = record.get("family")
    return {
        "problem_id": problem.id,
        "problem_hash": problem.content_hash,
        "error_type": problem.error_type,
        "difficulty": problem.difficulty,
        "family": family if isinstance(family, str) else None,
        "action_set": "extended" if problem.extended else "public",
        "policy": policy,
    }


def alpaca_row(turn: Turn, style: Style, metadata: Mapping[str, object]) -> dict[str, object]:
    """One turn as an Alpaca row."""
    return {
        "instruction": INSTRUCTION,
        "input": render_state(turn.observation, style),
        "output": turn.answer,
        **own_system(style.system),
        "metadata": {**metadata, "turn": turn.observation.turn + 1},
    }


def own_system(system: str | None) -> dict[str, object]:
    """The column of a system prompt that is another than the default one, which `convert` would put in its place."""
    return {"system": system} if system and system != SYSTEM_PROMPT else {}


def chat_row(turns: Sequence[Turn], style: Style, metadata: Mapping[str, object]) -> dict[str, object]:
    """A whole episode as a conversation, as `prompt.render_messages` writes it at evaluation."""
    last = turns[-1]
    messages = [
        *render_messages(last.observation, replace(style, conversation=True)),
        Message("assistant", last.answer),
    ]
    return conversation(messages, [turn.learn for turn in turns], metadata)


def conversation(
    messages: Sequence[Message], learn: Sequence[bool], metadata: Mapping[str, object]
) -> dict[str, object]:
    """Messages as a row; `learn` says of each of the assistant's whether it may be learnt."""
    flags = iter(learn)
    written: list[dict[str, object]] = []
    for message in messages:
        item: dict[str, object] = {"role": message.role, "content": message.content}
        if message.role == "assistant" and not next(flags):
            item["loss"] = False
        written.append(item)
    numbers = [number for number, learnt in enumerate(learn, 1) if learnt]
    return {"messages": written, "metadata": {**metadata, "learn": numbers}}
