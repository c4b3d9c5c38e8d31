"""One row of a file as a demonstration: a conversation of one turn or several, and what its text says by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ordebug_plugin.actions import Answer
from ordebug_plugin.shown import Shown
from ordebug_plugin.verify.reasoning import listed_names


@dataclass(frozen=True)
class Turn:
    """A prompt and the answer to it.

    Attributes:
        number: Its place in the conversation, from 1.
        prompt: The user message, as it is.
        output: The answer.
        shown: What the prompt shows.
        answer: The answer, taken apart.
        unlabelled: The prompt without the lines that leak the answer: what a model is trained on.
        past: What the state in the prompt says after `shown.state`: the previous actions as they are written.
        learned: Whether a model is trained on this answer.
    """

    number: int
    prompt: str
    output: str
    shown: Shown
    answer: Answer
    unlabelled: str
    past: str
    learned: bool = True

    @property
    def leaks(self) -> bool:
        """Whether the prompt has lines that tell the answer: ``ID:`` and ``Type:``."""
        return self.unlabelled != self.prompt

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names that the prompt lists."""
        return listed_names(self.prompt)


@dataclass(frozen=True)
class Demonstration:
    """One row.

    Attributes:
        number: Its place in the file, from 1.
        system: Its own system prompt, or None.
        turns: The conversation; an Alpaca row has one turn.
        marked: Whether the row says itself which answers are learned; else all are.
        alpaca: Whether it is an Alpaca row, which is given a system prompt when it is trained on.
        problem_id: As the metadata name it, or else the prompt; or None.
        problem_hash: Likewise.
        error_type: Likewise.
        difficulty: Likewise.
        extended: Whether the metadata name the extended action set, of which the default system prompt then tells.
    """

    number: int
    system: str | None
    turns: tuple[Turn, ...]
    marked: bool
    alpaca: bool
    problem_id: str | None
    problem_hash: str | None
    error_type: str | None
    difficulty: str | None
    extended: bool = False

    @property
    def learned(self) -> tuple[Turn, ...]:
        """The turns whose answers a model is trained on."""
        return tuple(turn for turn in self.turns if turn.learned)

    @property
    def text(self) -> tuple[str, ...]:
        """All prompts and answers, as they are."""
        return tuple(text for turn in self.turns for text in (turn.prompt, turn.output))

    def context(self, turn: Turn) -> tuple[str, ...]:
        """What a model sees before the answer of a turn, without labels."""
        earlier = [text for one in self.turns[: turn.number - 1] for text in (one.unlabelled, one.output)]
        return (*earlier, turn.unlabelled)
