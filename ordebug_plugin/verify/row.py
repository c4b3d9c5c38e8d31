"""One row of a file of demonstrations, and every question that is asked of it.

Each answer is yes, no, or None where the question does not arise, so that a share is always of the rows it is about.
"""

from __future__ import annotations

from dataclasses import dataclass

from ordebug_plugin.actions import Action
from ordebug_plugin.problem import Problem
from ordebug_plugin.verify.demonstration import Demonstration, names_decision
from ordebug_plugin.verify.replay import Replayed

# OP of at least this much counts as the objective kept.
OBJECTIVE_KEPT = 0.999


@dataclass(frozen=True)
class Row:
    """One row, as far as it could be verified.

    Attributes:
        number: Its place in the file, from 1.
        demonstration: What its text says; None where it is no Alpaca row.
        problem: Its problem; None where that is not in the benchmark.
        replayed: What the judge says; None where it was not asked.
        reason: Why not.
    """

    number: int
    demonstration: Demonstration | None
    problem: Problem | None = None
    replayed: Replayed | None = None
    reason: str | None = None

    @property
    def action(self) -> Action | None:
        """The action, its target as the model has it where that is known."""
        if self.replayed is not None:
            return self.replayed.action
        return None if self.demonstration is None else self.demonstration.answer.action

    @property
    def parsable(self) -> bool | None:
        """Whether the answer has an action that can be read."""
        return None if self.demonstration is None else self.demonstration.answer.action is not None

    @property
    def well_formed(self) -> bool | None:
        """Whether the answer is exactly in the answer format."""
        return None if self.demonstration is None else self.demonstration.answer.well_formed

    @property
    def coherent(self) -> bool | None:
        """Whether the reasoning names what the action acts on, and the numbers that it decides on."""
        if self.demonstration is None or self.action is None:
            return None
        kept = () if self.replayed is None else self.replayed.kept
        return names_decision(self.demonstration.answer.think or "", self.action, kept)

    @property
    def first_row(self) -> bool | None:
        """Whether the action targets the first IIS row of its prompt."""
        if self.demonstration is None or self.action is None or not self.demonstration.shown.iis_rows:
            return None
        return self.action.target == self.demonstration.shown.iis_rows[0]

    @property
    def leaks(self) -> bool | None:
        """Whether the prompt has lines that tell the answer."""
        return None if self.demonstration is None else self.demonstration.leaks

    @property
    def judged(self) -> bool:
        """Whether the judge was asked."""
        return self.replayed is not None

    @property
    def true_prompt(self) -> bool | None:
        """Whether the prompt shows the very state in which the answer was replayed."""
        return None if self.replayed is None else self.replayed.true_prompt

    @property
    def executed(self) -> bool | None:
        """Whether the action was carried out."""
        return None if self.replayed is None else self.replayed.refused is None

    @property
    def recovered(self) -> bool | None:
        """Whether the answer recovers at once."""
        return None if self.replayed is None else self.replayed.recovered

    @property
    def advances(self) -> bool | None:
        """Whether it recovers, or leaves less to repair than before."""
        return None if self.replayed is None else self.replayed.advances

    @property
    def hit(self) -> bool | None:
        """Whether it touches the culprit, where that is known."""
        return None if self.replayed is None else self.replayed.hit

    @property
    def op(self) -> float | None:
        """Optimality preservation; None where it is undefined."""
        return None if self.replayed is None else self.replayed.op

    @property
    def objective_kept(self) -> bool | None:
        """Of a row that recovers, whether the objective is that of the model before the fault."""
        return None if self.op is None or not self.recovered else self.op >= OBJECTIVE_KEPT

    @property
    def proven(self) -> bool:
        """Whether the answer is well-formed and recovers at once."""
        return bool(self.well_formed and self.recovered)

    @property
    def error_type(self) -> str | None:
        """Fault type of the problem, or as the row names it."""
        stated = None if self.problem is None else self.problem.error_type
        return stated or (None if self.demonstration is None else self.demonstration.error_type)

    @property
    def difficulty(self) -> str | None:
        """Likewise."""
        stated = None if self.problem is None else self.problem.difficulty
        return stated or (None if self.demonstration is None else self.demonstration.difficulty)

    @property
    def kind(self) -> str | None:
        """Kind of its action."""
        return None if self.action is None else str(self.action.kind)
