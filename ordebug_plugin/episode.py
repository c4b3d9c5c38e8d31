"""The record of an episode: everything that scoring needs, so that a score can be recomputed without a solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ordebug_plugin.env import Outcome, Step
from ordebug_plugin.truth import Truth
from ordebug_plugin.verdict import IIS, Audit


@dataclass(frozen=True)
class Reply:
    """What an agent answered in one turn.

    Attributes:
        text: The canonical answer.
        prompt: The user message it was shown, or for an agent that read the state itself, the state in words.
        prompt_tokens: As the server counted them, or None.
        completion_tokens: Likewise.
        seconds: Wall time of the answer.
        truncated: Whether the token limit cut the answer.
        raw: Content and reasoning as the server sent them, where `text` was put together from them.
    """

    text: str
    prompt: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    truncated: bool = False
    raw: tuple[str | None, str | None] | None = None


@dataclass(frozen=True)
class Turn:
    """One turn: the agent's side, the environment's side, and the solver's wall time in seconds."""

    reply: Reply
    step: Step
    solver_seconds: float

    @property
    def acted(self) -> str:
        """The action that was carried out; ``none`` where none was, so that all answers that do not act are one."""
        return "none" if self.step.action is None or self.step.refused else str(self.step.action)


def name_outcome(outcome: Outcome, turns: Sequence[Turn]) -> Outcome:
    """The outcome of an episode by its most telling name; only out-of-turns has others.

    An answer that was cut says nothing about what the model would have done, so that comes before refused.
    """
    if outcome is not Outcome.OUT_OF_TURNS or not turns:
        return outcome
    if turns[-1].reply.truncated:
        return Outcome.TRUNCATED
    return Outcome.REFUSED if all(turn.step.refused for turn in turns) else outcome


@dataclass(frozen=True)
class Repair:
    """Solver facts about a recovered model.

    Attributes:
        objective: Its objective value; None where the optimum is not proven.
        needed: L1 cost of the cheapest repair of the broken model; None where it could not be computed.
        audit: What the repair gave away.
    """

    objective: float | None
    needed: float | None
    audit: Audit


@dataclass(frozen=True)
class Episode:
    """One agent on one problem.

    Attributes:
        problem_id: Id within the benchmark.
        problem_hash: Content hash of the model.
        error_type: Fault label, or None.
        difficulty: Label, or None.
        truth: What is known about the fault.
        n_rows: Rows of the model as loaded.
        aliases: Names given to rows and variables that share one in the file: the name used, to the name there.
        sample: Number of the repetition, from 0.
        iis: The IIS of the broken model; None where the episode never started.
        turns: The turns taken.
        outcome: How it ended; None where infrastructure failed, see `error`.
        error: What failed: a server or the solver. Such an episode is neither right nor wrong.
        repair: Facts about the repaired model, where it was recovered.
        extended: Whether the action set was the extended one.
    """

    problem_id: str
    problem_hash: str
    error_type: str | None
    difficulty: str | None
    truth: Truth
    n_rows: int
    aliases: Mapping[str, str]
    sample: int
    iis: IIS | None
    turns: tuple[Turn, ...]
    outcome: Outcome | None
    error: str | None = None
    repair: Repair | None = None
    extended: bool = False

    def within(self, turns: int) -> Episode:
        """The episode as it would have ended, had fewer turns been allowed.

        One that the solver could not decide at its last turn stays so: nobody asked about the earlier ones.
        """
        if len(self.turns) <= turns or self.outcome is Outcome.LIMIT:
            return self
        kept = self.turns[:turns]
        return replace(self, turns=kept, outcome=name_outcome(Outcome.OUT_OF_TURNS, kept), error=None, repair=None)
