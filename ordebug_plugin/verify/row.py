"""One row of a file of demonstrations, and every question that is asked of it.

Each answer is yes, no, or None where the question does not arise, so that a share is always of the rows it is about.
What is asked of answers is true of a row where it is true of every answer that a model is trained on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ordebug_plugin.actions import Action
from ordebug_plugin.problem import Problem
from ordebug_plugin.verify.answered import Answered
from ordebug_plugin.verify.demonstration import Demonstration
from ordebug_plugin.verify.replay import Replayed

# OP of at least this much counts as the objective kept.
OBJECTIVE_KEPT = 0.999


@dataclass(frozen=True)
class Row:
    """One row, as far as it could be verified.

    Attributes:
        number: Its place in the file, from 1.
        demonstration: What its text says; None where it is no demonstration.
        problem: Its problem; None where that is not in the benchmark.
        replayed: What the judge says; None where it was not asked.
        reason: Why not.
        family: Family of the problem, where the benchmark says.
        tokens: Length of the training example; None where it was not asked for.
        fits: Whether it is trained on whole; None likewise.
    """

    number: int
    demonstration: Demonstration | None
    problem: Problem | None = None
    replayed: Replayed | None = None
    reason: str | None = None
    family: str | None = None
    tokens: int | None = None
    fits: bool | None = None

    @cached_property
    def answers(self) -> tuple[Answered, ...]:
        """Its answers in order."""
        if self.demonstration is None:
            return ()
        turns = self.demonstration.turns
        played = (None,) * len(turns) if self.replayed is None else self.replayed.answers
        before = ("\n".join(self.demonstration.text[: 2 * place]) for place in range(len(turns)))
        return tuple(map(Answered, turns, played, before))

    @cached_property
    def learned(self) -> tuple[Answered, ...]:
        """Those that a model is trained on."""
        return tuple(answer for answer in self.answers if answer.turn.learned)

    @property
    def decisive(self) -> Answered | None:
        """Its first repair, or where it repairs nothing, its last answer."""
        repairs = (answer for answer in self.learned if answer.action is not None and answer.action.is_repair)
        return next(repairs, self.learned[-1] if self.learned else None)

    @property
    def action(self) -> Action | None:
        """The action of that answer."""
        return None if self.decisive is None else self.decisive.action

    @property
    def kind(self) -> str | None:
        """Kind of that action."""
        return None if self.decisive is None else self.decisive.kind

    @property
    def first_row(self) -> bool | None:
        """Whether that action targets the first IIS row of its prompt."""
        return None if self.decisive is None else self.decisive.first_row

    @property
    def readable(self) -> bool | None:
        """Whether its prompts show a state that can be read."""
        return _every(answer.readable for answer in self.answers)

    @property
    def leaks(self) -> bool | None:
        """Whether a prompt has lines that tell the answer."""
        return any(answer.leaks for answer in self.answers) if self.answers else None

    @property
    def parsable(self) -> bool | None:
        """Whether its answers have actions that can be read."""
        return _every(answer.parsable for answer in self.learned)

    @property
    def well_formed(self) -> bool | None:
        """Whether they are exactly in the answer format."""
        return _every(answer.well_formed for answer in self.learned)

    @property
    def thinks(self) -> bool | None:
        """Whether they reason."""
        return _every(answer.thinks for answer in self.learned)

    @property
    def coherent(self) -> bool | None:
        """Whether the reasoning names what the action acts on, and the numbers that it decides on."""
        return _every(answer.coherent for answer in self.learned)

    @property
    def names_target(self) -> bool | None:
        """Whether the reasoning names what the action acts on."""
        return _every(answer.names_target for answer in self.learned)

    @property
    def names_known(self) -> bool | None:
        """Whether every name in the reasoning stands in a prompt."""
        return _every(answer.names_known for answer in self.learned)

    @property
    def numbers_known(self) -> bool | None:
        """Whether every number in it does, or in the action."""
        return _every(answer.numbers_known for answer in self.learned)

    @property
    def agrees(self) -> bool | None:
        """Whether the actions are those that the reasoning announces."""
        return _every(answer.agrees for answer in self.learned)

    @property
    def judged(self) -> bool:
        """Whether the judge was asked."""
        return self.replayed is not None

    @property
    def true_prompt(self) -> bool | None:
        """Whether its prompts show the very states in which the answers were replayed."""
        return _every(answer.true_prompt for answer in self.answers)

    @property
    def follows(self) -> bool | None:
        """Whether those after the first do: what the answers before them led to."""
        return _every(answer.true_prompt for answer in self.answers[1:])

    @property
    def executed(self) -> bool | None:
        """Whether the actions were carried out."""
        return _every(answer.executed for answer in self.learned)

    @property
    def recovered(self) -> bool | None:
        """Whether the model is repaired at the end; an Alpaca row has one answer to do so."""
        return None if self.replayed is None else self.replayed.recovered

    @property
    def arrives(self) -> bool | None:
        """Whether it recovers, or is one step of an episode that is not all here, and a useful one.

        One step is a row that ends with the only answer that it has to learn: an Alpaca row, or a conversation that
        was cut after each answer to learn (`ordebug data convert --to sharegpt`).
        """
        step = len(self.learned) == 1 and self.learned[0] is self.answers[-1]
        return self.useful if step and not self.recovered else self.recovered

    @property
    def advances(self) -> bool | None:
        """Whether the last answer recovers, or leaves less to repair than before."""
        return self.answers[-1].advances if self.answers else None

    @property
    def useful(self) -> bool | None:
        """Whether the answers recover, leave less to repair, look at something new or take back what was done."""
        return _every(answer.useful for answer in self.learned)

    @property
    def hit(self) -> bool | None:
        """Whether the first repair touches the culprit, where there is one and that is known."""
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
        """Whether the row is well-formed and arrives: it recovers, or is one useful step towards that.

        Of a conversation also whether its later prompts are what its answers led to, and where it says which answers
        are learned, whether each of these is useful.
        """
        marked = self.demonstration is not None and self.demonstration.marked
        wasted = marked and self.useful is False
        return bool(self.well_formed and self.arrives and self.follows is not False and not wasted)

    @property
    def kept(self) -> bool:
        """Whether it is proven, and not known to be cut in training."""
        return self.proven and self.fits is not False

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


def _every(answers: Iterable[bool | None]) -> bool | None:
    """Whether all are yes, of those that are asked; None where none is."""
    asked = [answer for answer in answers if answer is not None]
    return all(asked) if asked else None
