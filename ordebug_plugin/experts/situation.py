"""What an expert reasons about: a turn, and what the model should say.

An expert knows the true rows, which are those of the model after its fix. That is what the specification states of
them, so whatever an expert says of a row and its statement can be checked in the prompt.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.edits import Edits, apply_action, apply_all, resolve
from ordebug_plugin.env import Observation
from ordebug_plugin.errors import ActionError
from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import Terms, render_sides, render_sum
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Detail, Style
from ordebug_plugin.scoring import optimality_preservation
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Verdict
from ordebug_plugin.verify.row import OBJECTIVE_KEPT


class Voice(StrEnum):
    """How an expert writes.

    VARIED: in many phrasings, for language models. TERSE: in one short form, for tiny models from random weights.
    """

    VARIED = "varied"
    TERSE = "terse"


@dataclass(frozen=True)
class Move:
    """One answer: the reasoning and the action it leads to."""

    think: str
    action: Action


@dataclass(frozen=True)
class Element:
    """A row or a variable of the conflict: what the model says of it, and what it should say.

    Attributes:
        name: Its name.
        is_row: Whether it is a row.
        now: Its sides or bounds as they stand.
        stated: As they should be; None for a row that nobody asked for.
        terms: Of a row, its terms as they stand.
        stated_terms: As they should be.
        whole: Of a variable, ``integer`` or ``binary`` where it is one.
    """

    name: str
    is_row: bool
    now: Interval
    stated: Interval | None
    terms: Terms = ()
    stated_terms: Terms = ()
    whole: str = ""

    @property
    def coefficients(self) -> tuple[tuple[str, float, float], ...]:
        """(variable, coefficient as it stands, as it should be), only those that differ; 0 where it is not there."""
        if self.stated is None:
            return ()
        now, stated = dict(self.terms), dict(self.stated_terms)
        pairs = ((name, now.get(name, 0.0), stated.get(name, 0.0)) for name in {**now, **stated})
        return tuple((name, one, other) for name, one, other in pairs if one != other)

    @property
    def differs(self) -> bool:
        """Whether the model says something else than it should."""
        return self.stated is None or self.now != self.stated or bool(self.coefficients)


@dataclass(frozen=True, eq=False)
class Situation:
    """One turn, as an expert sees it.

    Attributes:
        judge: The solver, for facts.
        problem: The problem.
        observation: What the prompt shows: an infeasible model and its IIS.
        style: How it shows it.
        voice: How to write.
        rng: What decides where there is a choice.
        wrong: What an earlier turn did that helped nothing and still stands; None where there is no such thing.
    """

    judge: Judge
    problem: Problem
    observation: Observation
    style: Style
    voice: Voice
    rng: random.Random
    wrong: Action | None = None

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows in conflict, as listed."""
        return () if self.observation.iis is None else self.observation.iis.rows

    @property
    def bounds(self) -> tuple[str, ...]:
        """The variables whose bounds are in conflict, as listed."""
        return () if self.observation.iis is None else self.observation.iis.bounds

    @cached_property
    def true(self) -> Edits | None:
        """What makes the model the one before the fault; None where that is not known, or the solver denies it."""
        truth = self.problem.truth
        edits = apply_all(self.observation.shape, truth.fix) if truth.fix else None
        if edits is None or truth.objective is None:
            return edits
        return edits if self.keeps(self.judge.solve(self.problem, edits)) else None

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """The conflict, in the order of the prompt; empty where the true rows are not known."""
        if self.true is None:
            return ()
        observation, shape, true = self.observation, self.observation.shape, self.true
        added = set(self.problem.truth.added_rows)
        rows = [
            Element(
                name,
                True,
                observation.edits.row(shape, name),
                None if name in added else true.row(shape, name),
                observation.terms[name],
                true.terms(shape, name),
            )
            for name in self.rows
        ]
        return (*rows, *(self._variable(name, true) for name in self.bounds))

    def is_fault(self, name: str) -> bool:
        """Whether an element is wrong in the file as loaded, whatever was done since."""
        return any(action.target == name for action in self.problem.truth.fix)

    def _variable(self, name: str, true: Edits) -> Element:
        observation, shape = self.observation, self.observation.shape
        whole = "binary" if name in shape.binaries else "integer" if name in shape.integers else ""
        return Element(name, False, observation.edits.variable(shape, name), true.variable(shape, name), whole=whole)

    def after(self, action: Action) -> Edits | None:
        """The edits after an action; None where it would be refused."""
        shape, edits = self.observation.shape, self.observation.edits
        try:
            return apply_action(shape, edits, resolve(shape, edits, action))
        except ActionError:
            return None

    def solve(self, action: Action) -> Verdict | None:
        """What the solver says after an action; None where it would be refused."""
        edits = self.after(action)
        return None if edits is None else self.judge.solve(self.problem, edits)

    def keeps(self, verdict: Verdict) -> bool:
        """Whether a verdict has the objective of the model before the fault."""
        original = self.problem.truth.objective
        if original is None or verdict.objective is None:
            return False
        return optimality_preservation(verdict.objective, original) >= OBJECTIVE_KEPT

    def exact_repair(self, element: Element) -> Action | None:
        """The action that makes the model say what it should of an element; None where there is none."""
        for action in self.problem.truth.fix:
            if action.target == element.name:
                return _as_shown(action, element)
        if element.stated is None:
            return Action(ActionKind.DROP_CONSTRAINT, element.name)
        if not element.is_row:
            return Action(ActionKind.UPDATE_BOUNDS, element.name, (element.stated.lower, element.stated.upper))
        for side in (element.stated.lower, element.stated.upper):
            action = Action(ActionKind.UPDATE_RHS, element.name, (side,))
            edits = None if side in (-float("inf"), float("inf")) else self.after(action)
            if edits is not None and edits.row(self.observation.shape, element.name) == element.stated:
                return action
        return None


def _as_shown(action: Action, element: Element) -> Action:
    """A row is written anew as prompts write rows: the order and the spelling of what can be copied."""
    if action.kind is not ActionKind.REWRITE_CONSTRAINT or element.stated is None:
        return action
    sides = render_sides(element.stated.lower, element.stated.upper)
    return replace(action, expression=f"{render_sum(element.stated_terms)} {sides}")


def is_specified(situation: Situation) -> bool:
    """Whether the prompt says what the model should say."""
    return situation.style.detail is Detail.FULL and situation.observation.specification is not None
