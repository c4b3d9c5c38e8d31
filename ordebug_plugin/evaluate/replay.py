"""A recorded episode carried out again on the solver: is every status, IIS and objective what the record says?

The answers are taken from the record, everything else is computed anew, by the code that ran the episode. A repaired
model is audited again, too, what the record says of the fault, its label and its difficulty is held against the
benchmark, and what a served model was shown is rendered again. Seconds and tokens are the agent's, and left alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from ordebug_plugin.env import RepairEnv
from ordebug_plugin.episode import Episode, name_outcome
from ordebug_plugin.errors import InputError, LicenseLimitError, ProblemError, ServerError
from ordebug_plugin.evaluate.records import episode_record
from ordebug_plugin.parallel import Crew, call_each
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Style, render_messages
from ordebug_plugin.rollout import Rollout
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, Judge
from ordebug_plugin.solver.ledger import Call
from ordebug_plugin.truth import Truth, dump_truth
from ordebug_plugin.workers import Lost

# Objective values of one Gurobi version are the same to the last digit; of two, to about this.
_RELATIVE = 1e-6
# What the benchmark (labels, by which figures are grouped), the environment and the audit say, as `records` writes it.
_OF_EPISODE = ("error_type", "difficulty", "outcome", "n_rows", "aliases", "iis")
_OF_TURN = ("action", "well_formed", "refused", "note", "status", "objective", "iis")
_OF_REPAIR = ("objective", "needed", "granted", "lost_rows")


@dataclass(frozen=True)
class Difference:
    """One thing that is not as recorded.

    Attributes:
        turn: Number of the turn, from 1; 0 for the episode as a whole.
        what: Name of the entry in ``episodes.jsonl``.
        recorded: What the record says.
        found: What the solver says now.
    """

    turn: int
    what: str
    recorded: object
    found: object


@dataclass(frozen=True)
class Replayed:
    """One episode, carried out again.

    Attributes:
        problem_id: Of its problem.
        sample: Number of the repetition.
        turns: Turns that were carried out.
        differences: What is not as recorded; empty where all is confirmed.
        failure: Why it could not be carried out to its end: that says nothing of the record.
        calls: What the solver was asked, in order.
    """

    problem_id: str
    sample: int
    turns: int
    differences: tuple[Difference, ...] = ()
    failure: str | None = None
    calls: tuple[Call, ...] = ()

    @property
    def confirmed(self) -> bool:
        """Whether everything is as recorded."""
        return self.failure is None and not self.differences


def replay_run(  # noqa: PLR0913  # all but two by keyword
    episodes: Sequence[Episode],
    problems: Sequence[Problem],
    *,
    max_steps: int,
    style: Style | None = None,
    work_limit: float = DEFAULT_WORK_LIMIT,
    workers: Crew = 0,
    on_progress: Callable[[Replayed], None] | None = None,
) -> list[Replayed]:
    """Carries out episodes again, each from the model as loaded.

    Args:
        episodes: What was recorded.
        problems: Where their models are, found by the hash of their content, and by id where models are there twice.
        max_steps: Turns of an episode, as in the run.
        style: How its prompts were rendered; None leaves them alone.
        work_limit: As in the run: with another, answers may be others.
        workers: Who works; at least one process, so that one that hangs can be killed.
        on_progress: Called with every episode that was carried out.

    Raises:
        InputError: The model of an episode is not among the problems.
    """
    found = _by_model(problems)
    calls = [(work_limit, max_steps, style, _problem_of(episode, found), episode) for episode in episodes]
    done: list[Replayed] = []

    def report(result: Replayed | Lost) -> None:
        if isinstance(result, Lost):
            episode = episodes[len(done)]
            result = Replayed(episode.problem_id, episode.sample, 0, failure=result.reason)
        done.append(result)
        if on_progress is not None:
            on_progress(result)

    call_each(_replay_one, calls, workers=workers or 1, on_done=report)
    return done


def replay(judge: Judge, problem: Problem, episode: Episode, max_steps: int, style: Style | None = None) -> Replayed:
    """Carries out one episode again.

    Args:
        judge: A judge that was asked nothing yet, so that `Replayed.calls` lack nothing; else they are the new ones.
        problem: Its problem.
        episode: What was recorded.
        max_steps: Turns of an episode.
        style: How its prompts were rendered; None leaves them alone.
    """
    truth = problem.truth
    problem = replace(problem, truth=episode.truth)  # the audit asks for the fix that the episode was scored with
    before = len(judge.calls)
    rollout = Rollout(RepairEnv(judge, problem, max_steps), episode.sample)
    try:
        state = rollout.start()
    except (ProblemError, LicenseLimitError) as error:
        return Replayed(episode.problem_id, episode.sample, 0, failure=str(error))
    prompts: list[Difference] = []
    for number, turn in enumerate(episode.turns, 1):
        if isinstance(state, Episode):
            break
        if style is not None:
            prompts += _other_prompt(number, turn.reply.prompt, render_messages(state, style)[-1].content)
        state = rollout.take(turn.reply)
    # An episode that goes on where its record ends was lost there.
    again = state if isinstance(state, Episode) else rollout.give_up(ServerError("the record ends here"))
    calls = judge.calls[before:]
    failure = again.error if again is state else None
    differences = () if failure is not None else (*prompts, *_differences(episode, again, truth))
    return Replayed(episode.problem_id, episode.sample, len(again.turns), differences, failure, calls)


def _replay_one(work_limit: float, max_steps: int, style: Style | None, problem: Problem, episode: Episode) -> Replayed:
    """What a worker does: with a judge of its own, so that the ledger has all of it, and no answers of other runs."""
    with Judge(work_limit=work_limit, models_kept=1, ledger=True, stored=False) as judge:
        return replay(judge, problem, episode, max_steps, style)


def _by_model(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.content_hash, []).append(problem)
    return found


def _problem_of(episode: Episode, found: Mapping[str, list[Problem]]) -> Problem:
    same = found.get(episode.problem_hash, [])
    if not same:
        raise InputError(
            f"the model of {episode.problem_id} is not in the benchmark (SHA-256 {episode.problem_hash[:12]}…): name "
            "the benchmark of the run with --bench"
        )
    return next((problem for problem in same if problem.id == episode.problem_id), same[0])


def _other_prompt(number: int, recorded: str | None, found: str) -> Iterator[Difference]:
    """Where two prompts part: their first lines that are not the same."""
    for one, other in zip_longest((recorded or "").split("\n"), found.split("\n")):
        if one != other:
            yield Difference(number, "prompt", one, other)
            return


def _differences(recorded: Episode, again: Episode, truth: Truth) -> Iterator[Difference]:
    if recorded.outcome is not None:  # older runs know fewer names
        recorded = replace(recorded, outcome=name_outcome(recorded.outcome, recorded.turns))
    old, new = episode_record(recorded), episode_record(again)
    if dump_truth(recorded.truth) != dump_truth(truth):
        yield Difference(0, "truth", dump_truth(recorded.truth), dump_truth(truth))
    yield from _compared(0, _OF_EPISODE, old, new)
    for number, (one, other) in enumerate(zip(old["turns"], new["turns"], strict=False), 1):
        yield from _compared(number, _OF_TURN, one, other)
    if len(old["turns"]) != len(new["turns"]):
        yield Difference(0, "turns", len(old["turns"]), len(new["turns"]))
    repairs = old["repair"], new["repair"]
    if None in repairs:
        if repairs[0] != repairs[1]:
            yield Difference(0, "repair", *repairs)
    else:
        yield from _compared(0, _OF_REPAIR, *repairs)


def _compared(
    turn: int, names: Sequence[str], old: Mapping[str, object], new: Mapping[str, object]
) -> Iterator[Difference]:
    for name in names:
        if not _same(old[name], new[name]):
            yield Difference(turn, name, old[name], new[name])


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=_RELATIVE)
    return one == other
