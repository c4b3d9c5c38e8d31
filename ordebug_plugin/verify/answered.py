"""One answer, and every question that is asked of it: of its text, and of what the judge says.

Each is answered yes, no, or None where the question does not arise, so that a share is always of what it is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from ordebug_plugin.actions import Action
from ordebug_plugin.verify.demonstration import Turn
from ordebug_plugin.verify.played import Played
from ordebug_plugin.verify.reasoning import (
    agrees,
    masked,
    names_decision,
    names_target,
    unknown_names,
    unsourced_numbers,
)

_STATUS = re.compile(r"^## Current State\nStatus: (\S.*)$", re.MULTILINE)
_INFEASIBLE = "INFEASIBLE"


@dataclass(frozen=True)
class Answered:
    """A turn, and what came of it.

    Attributes:
        turn: Prompt and answer.
        played: What the judge says; None where it was not asked.
        before: All prompts and answers before this prompt, for what reasoning may refer to.
    """

    turn: Turn
    played: Played | None
    before: str

    @property
    def think(self) -> str:
        """The reasoning; empty where there is none."""
        return (self.turn.answer.think or "").strip()

    @property
    def action(self) -> Action | None:
        """The action, its target as the model has it where that is known."""
        return self.turn.answer.action if self.played is None else self.played.action

    @property
    def kind(self) -> str | None:
        """Kind of its action."""
        return None if self.action is None else str(self.action.kind)

    @property
    def parsable(self) -> bool:
        """Whether the answer has an action that can be read."""
        return self.turn.answer.action is not None

    @property
    def well_formed(self) -> bool:
        """Whether the answer is exactly in the answer format."""
        return self.turn.answer.well_formed

    @property
    def readable(self) -> bool:
        """Whether the prompt shows a status, the conflict where there is one, and a history that can be read."""
        status = _STATUS.search(self.turn.shown.state)
        if status is None or self.turn.shown.history is None:
            return False
        return status[1] != _INFEASIBLE or self.turn.shown.iis_rows is not None

    @property
    def leaks(self) -> bool:
        """Whether the prompt has lines that tell the answer."""
        return self.turn.leaks

    @property
    def thinks(self) -> bool:
        """Whether there is any reasoning."""
        return bool(self.think)

    @cached_property
    def coherent(self) -> bool | None:
        """Whether the reasoning names what the action acts on, and the numbers that it decides on."""
        if self.action is None:
            return None
        return names_decision(self.think, self.action, () if self.played is None else self.played.kept)

    @cached_property
    def names_target(self) -> bool | None:
        """Whether the reasoning names what the action acts on."""
        return None if self.action is None or not self.thinks else names_target(self.think, self.action)

    @cached_property
    def unknown_names(self) -> tuple[str, ...] | None:
        """The names in the reasoning that no prompt shows."""
        return unknown_names(self.think, self._shown)

    @property
    def names_known(self) -> bool | None:
        """Whether there is none."""
        return None if self.unknown_names is None else not self.unknown_names

    @cached_property
    def unsourced_numbers(self) -> tuple[str, ...] | None:
        """The numbers in the reasoning that come neither from prompts nor from the action."""
        return unsourced_numbers(self.think, self._shown, self.turn.names, self.action)

    @property
    def numbers_known(self) -> bool | None:
        """Whether there is none."""
        return None if self.unsourced_numbers is None else not self.unsourced_numbers

    @cached_property
    def agrees(self) -> bool | None:
        """Whether the action is the one that the reasoning announces."""
        return None if self.action is None else agrees(self.think, self.turn.names, self.action)

    @cached_property
    def pattern(self) -> str:
        """The reasoning without names and numbers."""
        return masked(self.think, self.turn.names)

    @property
    def place(self) -> int | None:
        """Place of the target in the rows of the IIS as listed, from 1; 0 where it is none of them."""
        rows = self.turn.shown.iis_rows
        if self.action is None or self.action.target is None or not rows:
            return None
        return rows.index(self.action.target) + 1 if self.action.target in rows else 0

    @property
    def first_row(self) -> bool | None:
        """Whether the action targets the first IIS row of its prompt."""
        if self.action is None or not self.turn.shown.iis_rows:
            return None
        return self.place == 1

    @property
    def true_prompt(self) -> bool | None:
        """Whether the prompt shows the very state in which the answer was replayed."""
        return None if self.played is None else self.played.true_prompt

    @property
    def executed(self) -> bool | None:
        """Whether the action was carried out."""
        return None if self.played is None else self.played.refused is None

    @property
    def advances(self) -> bool | None:
        """Whether it recovers, or leaves less to repair than before."""
        return None if self.played is None else self.played.advances

    @property
    def useful(self) -> bool | None:
        """Whether it recovers, leaves less to repair, looks at something new or takes back what was done."""
        return None if self.played is None else self.played.useful

    @property
    def _shown(self) -> str:
        return f"{self.before}\n{self.turn.prompt}"
