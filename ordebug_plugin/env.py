"""The environment: an infeasible model, one action a turn, the solver's word after each.

`RepairEnv` follows the reset/step contract of gymnasium: `reset` gives the first observation, `step` takes a whole
answer and gives the next one, and after the episode ended only `reset` is allowed. It is deterministic: the same
problem and the same answers give the same observations. A malformed or refused action is an ordinary turn: it costs
a step, changes nothing, and the next observation says what was wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ordebug_plugin.actions import EXTENDED_ACTIONS, PUBLIC_ACTIONS, Action, ActionKind, Answer, parse_answer
from ordebug_plugin.edits import NO_EDITS, TOLERANCE, Edits, Shape, apply_action, resolve
from ordebug_plugin.errors import ActionError, ProblemError
from ordebug_plugin.linear import Terms
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.specification import Specification
from ordebug_plugin.verdict import IIS, Status, Verdict

MAX_TURNS = 20


class Outcome(StrEnum):
    """How an episode ended.

    RECOVERED: feasible with a finite optimum after a repair. SUBMITTED: SUBMIT on a model that is not. OUT_OF_TURNS.
    LIMIT: turns ran out while the solver could not decide within its WorkLimit, neither success nor failure.
    Two kinds of OUT_OF_TURNS that only the record of an episode can tell (`episode.name_outcome`): TRUNCATED, the last
    answer was cut by the token limit; REFUSED, no answer had an action that could be executed.
    """

    RECOVERED = "recovered"
    SUBMITTED = "submitted-infeasible"
    OUT_OF_TURNS = "out-of-turns"
    LIMIT = "limit"
    TRUNCATED = "truncated"
    REFUSED = "refused"


@dataclass(frozen=True)
class TermsUnder(Mapping[str, Terms]):
    """The linear terms of some rows under edits, each read from the model when it is asked for.

    Attributes:
        edits: What was changed.
        shape: The model as loaded.
        rows: The rows.
    """

    edits: Edits
    shape: Shape = field(repr=False)
    rows: tuple[str, ...]

    def __getitem__(self, row: str) -> Terms:
        """The terms of one of these rows."""
        if row not in self.rows:
            raise KeyError(row)
        return self.edits.terms(self.shape, row)

    def __iter__(self) -> Iterator[str]:
        """The rows, in their order."""
        return iter(self.rows)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)


@dataclass(frozen=True)
class Step:
    """One turn as the environment saw it.

    Attributes:
        answer: The canonical answer text.
        action: The action, its target as the model has it; None where the answer has none.
        well_formed: Whether the answer is exactly in the answer format.
        refused: Whether the action could not be executed (malformed, unknown name).
        note: What came of it, one line, shown to the model in the next prompt.
        status: Solver status after the turn.
        objective: Objective value after the turn, where the optimum is proven.
        iis: The IIS after the turn, while the model is infeasible.
    """

    answer: str
    action: Action | None
    well_formed: bool
    refused: bool
    note: str
    status: Status
    objective: float | None
    iis: IIS | None


@dataclass(frozen=True)
class Observation:
    """What the agent may see.

    Attributes:
        problem_id: Id of the problem; shown only in prompts with labels.
        error_type: Fault label of the benchmark; likewise.
        turn: Turns taken so far.
        max_turns: Turns allowed.
        status: Solver status.
        iis: The IIS while the model is infeasible; None where it is not, or none was found within the WorkLimit.
        shape: The model as loaded.
        edits: What was changed so far.
        terms: The linear terms of the rows in the IIS, as they stand.
        history: The steps taken so far.
        previous: The observation before the last step; None at the start.
        specification: What the model should say, where that is written down.
        extended: Whether the action set is the extended one.
    """

    problem_id: str
    error_type: str | None
    turn: int
    max_turns: int
    status: Status
    iis: IIS | None
    shape: Shape = field(repr=False)
    edits: Edits
    terms: Mapping[str, Terms] = field(repr=False)
    history: tuple[Step, ...]
    previous: Observation | None = field(default=None, repr=False)
    specification: Specification | None = field(default=None, repr=False)
    extended: bool = False

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the rows still in effect, in model order."""
        dropped = self.edits.dropped()
        return tuple(name for name in self.shape.rows if name not in dropped)


@dataclass(frozen=True)
class Transition:
    """Result of one step.

    Attributes:
        observation: The state after it.
        step: What happened.
        outcome: How the episode ended, or None while it goes on.
    """

    observation: Observation
    step: Step
    outcome: Outcome | None


class RepairEnv:
    """One problem, as a sequence of turns.

    Args:
        judge: The solver; used by this environment's thread alone while it runs.
        problem: The infeasible model.
        max_turns: Turns until the episode ends unrecovered.
        blind: Computes nothing that is only there to be looked at: no IIS, no slacks. A replay is faster so.
    """

    def __init__(self, judge: Judge, problem: Problem, max_turns: int = MAX_TURNS, *, blind: bool = False) -> None:
        if max_turns < 1:
            raise ValueError(f"max_turns must be at least 1, not {max_turns}")
        self.judge = judge
        self.problem = problem
        self.max_turns = max_turns
        self._edits = NO_EDITS
        self._history: tuple[Step, ...] = ()
        self._last: Observation | None = None
        self._shape = Shape({}, {})  # until the model is read
        self._running = False
        self._blind = blind
        self._actions = EXTENDED_ACTIONS if problem.extended else PUBLIC_ACTIONS

    @property
    def edits(self) -> Edits:
        """What differs from the model as loaded at the moment."""
        return self._edits

    def reset(self) -> Observation:
        """Starts the episode over on the model as loaded.

        Raises:
            ProblemError: The model file cannot be read, or the model is not infeasible: there is nothing to repair.
            SolverError: Gurobi failed.
        """
        self._edits, self._history, self._last = NO_EDITS, (), None
        verdict, shape = self.judge.solve(self.problem), self.judge.shape(self.problem)
        if verdict.status is not Status.INFEASIBLE:
            hairline = verdict.status.is_repaired and self.judge.is_hairline(self.problem)
            reason = _EMPTY if shape.is_empty else _HAIRLINE if hairline else _NOT_INFEASIBLE[verdict.status]
            raise ProblemError(f"{self.problem.path}: {reason}")
        self._running, self._shape = True, shape
        return self._observe(verdict.status, self._iis(verdict))

    def step(self, text: str) -> Transition:
        """Takes one answer and lets the solver judge it.

        Args:
            text: The canonical answer (`prompt.canonical_answer`).

        Raises:
            RuntimeError: The episode has ended, or was never started.
            SolverError: Gurobi failed; the episode is lost, not wrong.
        """
        if not self._running:
            raise RuntimeError("the episode is not running: call reset() first")
        answer = parse_answer(text, self._actions)
        action, refusal = self._execute(answer)
        verdict = self.judge.solve(self.problem, self._edits)
        iis = self._iis(verdict)
        step = Step(
            answer=text,
            action=action,
            well_formed=answer.well_formed,
            refused=refusal is not None,
            note=self._note(answer.action, action, verdict) if refusal is None else f"refused: {refusal}",
            status=verdict.status,
            objective=verdict.objective,
            iis=iis,
        )
        self._history = (*self._history, step)
        outcome = self._outcome(action, refusal is not None, verdict)
        self._running = outcome is None
        return Transition(self._observe(verdict.status, iis), step, outcome)

    def _iis(self, verdict: Verdict) -> IIS | None:
        if self._blind or verdict.status is not Status.INFEASIBLE:
            return None
        return self.judge.iis(self.problem, self._edits)

    def _execute(self, answer: Answer) -> tuple[Action | None, str | None]:
        """Applies the action to the edits; returns it, resolved, and why it was refused, or None."""
        if answer.action is None:
            return None, answer.error
        try:
            action = resolve(self._shape, self._edits, answer.action)
            self._edits = apply_action(self._shape, self._edits, action)
        except ActionError as error:
            return answer.action, str(error)
        return action, None

    def _note(self, written: Action | None, action: Action | None, verdict: Verdict) -> str:
        if action is not None and action.kind is ActionKind.CHECK_SLACK and action.target is not None:
            return _UNSEEN if self._blind else self._slack(action.target)
        note = _STATUS_NOTES.get(verdict.status, str(verdict.status))
        if written == action or (action is not None and action.kind is ActionKind.REWRITE_CONSTRAINT):
            return note
        return f"{note} (the extra number was ignored)"

    def _slack(self, row: str) -> str:
        """Where the row stands at the least infeasible point: an infeasible model has no other slack to report."""
        relaxation = self.judge.relaxation(self.problem, self._edits)
        if relaxation is None:
            return "slack unknown: the cheapest repair could not be computed"
        value = dict(relaxation.activities)[row]
        interval = self._edits.row(self._shape, row)
        violation = interval.violation(value)
        if violation > TOLERANCE:
            return f"violated by {violation:g} at the least infeasible point"
        slack = min(value - interval.lower, interval.upper - value)
        return f"slack {slack if slack > TOLERANCE else 0:g} at the least infeasible point"

    def _outcome(self, action: Action | None, refused: bool, verdict: Verdict) -> Outcome | None:
        if verdict.status.is_repaired:
            return Outcome.RECOVERED
        if action is not None and action.kind is ActionKind.SUBMIT and not refused:
            return Outcome.LIMIT if verdict.status is Status.LIMIT else Outcome.SUBMITTED
        if len(self._history) >= self.max_turns:
            return Outcome.LIMIT if verdict.status is Status.LIMIT else Outcome.OUT_OF_TURNS
        return None

    def _observe(self, status: Status, iis: IIS | None) -> Observation:
        self._last = Observation(
            problem_id=self.problem.id,
            error_type=self.problem.error_type,
            turn=len(self._history),
            max_turns=self.max_turns,
            status=status,
            iis=iis,
            shape=self._shape,
            edits=self._edits,
            terms={} if iis is None else TermsUnder(self._edits, self._shape, iis.rows),
            history=self._history,
            previous=self._last,
            specification=self.problem.specification,
            extended=self.problem.extended,
        )
        return self._last


_EMPTY = "there is no row and no variable in it: is this the right file, and is all of it there?"
_HAIRLINE = (
    "the model is feasible within Gurobi's tolerances (1e-6 a row or bound, 1e-5 a whole number) and infeasible with "
    "1e-9: so small a conflict is rounding, and nothing a repair could show. Where it is meant, write the model in "
    "smaller units"
)
_NOT_INFEASIBLE = {
    Status.OPTIMAL: "the model is feasible, there is nothing to repair",
    Status.FEASIBLE: "the model is feasible, there is nothing to repair",
    Status.UNBOUNDED: "the model is unbounded, not infeasible: there is no conflict to repair",
    Status.LIMIT: "Gurobi could not prove the model infeasible within the work limit: raise --work-limit",
}
_UNSEEN = "slack not computed"
_STATUS_NOTES = {
    Status.INFEASIBLE: "still infeasible",
    Status.UNBOUNDED: "feasible but unbounded: a constraint that limits the objective is gone",
    Status.LIMIT: "the solver's work limit was reached, feasibility is unknown",
}
