"""First answers to unseen prompts: their form, whether they act, and what came of them beside the base model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ordebug_plugin.actions import parse_answer
from ordebug_plugin.episode import Episode, Turn
from ordebug_plugin.evaluate.compare import Paired, compare_runs
from ordebug_plugin.readiness.check import Check, Question, Side, State
from ordebug_plugin.readiness.thresholds import Thresholds
from ordebug_plugin.statistics import Estimate, proportion

TASK = {"rr@5": "RR@5 above the base model", "hit": "hit above the base model"}
TASK["preservation"] = "preservation above the base model"


def first_turns(episodes: Sequence[Episode]) -> list[Turn]:
    """The first turn of every episode that infrastructure did not lose: one independent answer per problem."""
    return [episode.turns[0] for episode in episodes if episode.outcome is not None and episode.turns]


def format_accuracy(episodes: Sequence[Episode]) -> Estimate:
    """Share of first answers that are well-formed (`actions.Answer.well_formed`), Wilson interval."""
    turns = first_turns(episodes)
    return proportion(sum(turn.step.well_formed for turn in turns), len(turns))


def action_accuracy(episodes: Sequence[Episode]) -> Estimate:
    """Share of first answers whose action can be executed in the state that the prompt shows, Wilson interval.

    That is: exactly one action after the think text, of the benchmark's action set, with a row or variable that the
    model has and numbers that the action takes. An answer may be malformed otherwise and still act. Whether the action
    helps is not asked here; RR@5, hit and preservation say that.
    """
    turns = first_turns(episodes)
    return proportion(sum(turn.step.action is not None and not turn.step.refused for turn in turns), len(turns))


def without_thinking(episodes: Sequence[Episode]) -> Estimate:
    """Share of first answers that hold no think text, or an empty one."""
    turns = first_turns(episodes)
    return proportion(sum(not (parse_answer(turn.reply.text).think or "").strip() for turn in turns), len(turns))


def cut(episodes: Sequence[Episode]) -> Estimate:
    """Share of first answers that the token limit cut."""
    turns = first_turns(episodes)
    return proportion(sum(turn.reply.truncated for turn in turns), len(turns))


def form_checks(episodes: Sequence[Episode], thresholds: Thresholds) -> list[Check]:
    """Format and action accuracy."""
    missing, truncated = without_thinking(episodes), cut(episodes)
    form = Question("format", "format accuracy", Side.LEAST, thresholds.number("format", "least"))
    act = Question("action", "action accuracy", Side.LEAST, thresholds.number("action", "least"))
    habits = f"{missing.value:.0%} without think text, {truncated.value:.0%} cut by the token limit"
    return [
        form.held(format_accuracy(episodes), f"first answers; {habits}"),
        act.held(action_accuracy(episodes), "first answers whose action can be executed in the state shown"),
    ]


def task_checks(base: Sequence[Episode] | None, episodes: Sequence[Episode]) -> list[Check]:
    """RR@5, hit and preservation against the base model, by the paired tests of `evaluate.compare`.

    All three are to be passed, so each is tested at its full level: an intersection-union test (Berger 1982,
    Technometrics 24) needs no correction.
    """
    if base is None:
        reason = "no --base: evaluate the base model on the same problems (`ordebug eval … --max-steps 5 --out RUN`)"
        return [_question(name).unmeasured(reason) for name in TASK]
    pairs = {pair.metric: pair for pair in compare_runs(base, episodes)}
    return [_task_check(pairs[name]) for name in TASK]


def _question(name: str) -> Question:
    return Question(name, TASK[name], Side.ABOVE, 0.0)


def _task_check(pair: Paired) -> Check:
    if math.isnan(pair.difference.value):
        reason = "the base run and this one share no problem where it is defined"
        return _question(pair.metric).unmeasured(reason)
    above = pair.separable and pair.difference.value > 0
    state = State.PASSED if above else State.FAILED
    note = f"difference to the base model: {pair.basis}"
    return _question(pair.metric).ended(state, pair.difference, note, separable=pair.separable)
