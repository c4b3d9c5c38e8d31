"""What happened in an episode, turn by turn, in words: what each action did, and where it went wrong.

Every judgement is read off the episode's record and its scores; nothing here asks a solver.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.env import Outcome
from ordebug_plugin.episode import Episode, Turn
from ordebug_plugin.scoring import Scores, conflict_elements, culprit_elements, touched_elements
from ordebug_plugin.verdict import IIS, Status

# From this preservation on a repair counts as having kept the model.
KEPT = 0.999
# Of episodes that ran out of turns, what is known beside that.
_WHY = {
    Outcome.TRUNCATED: ", the last answer cut by the token limit",
    Outcome.REFUSED: ", no answer with an action that could be executed",
}
# Names listed before the rest is only counted.
_NAMED = 6


@dataclass(frozen=True)
class TurnStory:
    """One turn in words.

    Attributes:
        change: What the action did to the model.
        conflict: What became of the conflict.
        flaw: What was wrong with it; None where nothing was.
    """

    change: str
    conflict: str
    flaw: str | None


@dataclass(frozen=True)
class Story:
    """An episode in words.

    Attributes:
        headline: How it ended, and why, in a sentence without a point.
        wrong_turn: The turn, from 1, where it first went wrong; None where nothing did.
        turns: Each turn.
    """

    headline: str
    wrong_turn: int | None
    turns: tuple[TurnStory, ...]


def tell(episode: Episode, scores: Scores) -> Story:
    """The story of one episode.

    Args:
        episode: Its record.
        scores: Its scores, as `scoring.score` gives them.
    """
    turns = tuple(_turn_story(episode, number) for number in range(len(episode.turns)))
    wrong = next((number for number, turn in enumerate(turns, 1) if turn.flaw is not None), None)
    if scores.recovered and _kept(scores) and scores.hit != 0:
        wrong = None  # what was tried on the way did no harm
    return Story(_headline(episode, scores, turns), wrong, turns)


def _kept(scores: Scores) -> bool:
    return math.isnan(scores.preservation) or scores.preservation >= KEPT


def _headline(episode: Episode, scores: Scores, turns: Sequence[TurnStory]) -> str:
    count = len(turns)
    match episode.outcome:
        case None:
            return f"lost to infrastructure, neither right nor wrong: {episode.error}"
        case Outcome.RECOVERED:
            return _recovered(episode, scores)
        case Outcome.SUBMITTED:
            return f"turn {count} submits a model that is still infeasible; {_tally(episode, scores)}"
        case Outcome.LIMIT:
            return f"undecided: the solver's work limit was reached after {_turns(count)}"
        case other:
            return f"no repair within {_turns(count)}{_WHY.get(other, '')}; {_tally(episode, scores)}"


def _recovered(episode: Episode, scores: Scores) -> str:
    parts = [f"recovered in turn {len(episode.turns)}"]
    if scores.hit == 0:
        parts.append(f"but the first repair does not touch the culprit {_names(culprit_elements(episode.truth))}")
    elif scores.hit == 1:
        parts.append("the first repair touches the culprit")
    if not _kept(scores):
        parts.append(f"preservation {scores.preservation:.3f}")
        repair, original = episode.repair, episode.truth.objective
        if repair is not None and repair.objective is not None and original is not None and scores.op < KEPT:
            parts.append(f"the optimum is {repair.objective:g} where it was {original:g} before the fault")
        lost = [] if repair is None else sorted(set(repair.audit.lost_rows) - set(episode.truth.added_rows))
        if lost:
            parts.append(f"no longer enforced: {_list(lost)}")
    return ", ".join(parts)


def _tally(episode: Episode, scores: Scores) -> str:
    """What the answers were spent on."""
    repairs = sum(bool(_touched(episode, turn)) for turn in episode.turns)
    useless = sum(_untouched(episode, number) for number in range(len(episode.turns)))
    parts = [
        f"{scores.answers} answers",
        f"{repairs} repairs" + (f", {useless} of them outside the conflict" if useless else ""),
    ]
    parts += [f"{scores.refused} refused or without an action"] if scores.refused else []
    parts += [f"{scores.truncated} cut by the token limit"] if scores.truncated else []
    return ", ".join(parts)


def _turn_story(episode: Episode, number: int) -> TurnStory:
    turn, before = episode.turns[number], _iis_before(episode, number)
    step = turn.step
    return TurnStory(
        change="nothing" if step.refused or step.action is None else _effect(step.action),
        conflict=_conflict(before, step.iis, step.status),
        flaw=_flaw(episode, number),
    )


def _iis_before(episode: Episode, number: int) -> IIS | None:
    return episode.iis if number == 0 else episode.turns[number - 1].step.iis


def _effect(action: Action) -> str:
    """What an action that was carried out did."""
    target, numbers = action.target, [f"{value:g}" for value in action.numbers]
    words = {
        ActionKind.DROP_CONSTRAINT: f"{target} has no effect any more",
        ActionKind.RELAX_CONSTRAINT: f"{target} is loosened by {', '.join(numbers)}",
        ActionKind.UPDATE_RHS: f"the side of {target} is {', '.join(numbers)}",
        ActionKind.UPDATE_BOUNDS: f"{target} is between {' and '.join(numbers)}",
        ActionKind.REWRITE_CONSTRAINT: f"{target} is now {action.expression}",
        ActionKind.RESET: "the model is as it was loaded",
    }
    return words.get(action.kind, "nothing: the action only looks")


def _conflict(before: IIS | None, after: IIS | None, status: Status) -> str:
    """The difference between two conflicts."""
    if status is not Status.INFEASIBLE:
        return "the conflict is resolved" if status.is_repaired else "the conflict is gone"
    if before is None or after is None:
        return "the conflict is not known"
    gone, new = (
        sorted(conflict_elements(one) - conflict_elements(two)) for one, two in ((before, after), (after, before))
    )
    if not gone and not new:
        return "the same conflict"
    parts = [f"out of it: {_list(name for _, name in gone)}"] if gone else []
    parts += [f"new in it: {_list(name for _, name in new)}"] if new else []
    return "another conflict; " + "; ".join(parts)


def _flaw(episode: Episode, number: int) -> str | None:
    """What was wrong with a turn, the gravest first."""
    turn = episode.turns[number]
    step, flaw = turn.step, None
    if turn.reply.truncated:
        flaw = "the token limit cut the answer"
    elif step.refused or step.action is None:
        flaw = step.note
    elif step.status is Status.UNBOUNDED:
        flaw = "feasible but unbounded: a row that limits the objective is gone"
    elif step.action.kind is ActionKind.SUBMIT and not step.status.is_repaired:
        flaw = "submits a model that is not repaired"
    elif not step.action.is_repair:
        flaw = _repeated(episode, number)
    elif _untouched(episode, number):
        flaw = "touches nothing that is in the conflict"
    elif _misses_culprit(episode, turn):
        flaw = f"in the conflict, but not the culprit {_names(culprit_elements(episode.truth))}"
    return flaw


def _repeated(episode: Episode, number: int) -> str | None:
    """Whether an action that changes nothing was taken before, in the same state."""
    action = episode.turns[number].step.action
    for earlier in range(number - 1, -1, -1):
        other = episode.turns[earlier].step
        if other.action == action:
            return f"the same as turn {earlier + 1}, and nothing has changed since"
        if other.action is not None and not other.refused and other.action.is_repair:
            return None
    return None


def _touched(episode: Episode, turn: Turn) -> set[tuple[str, str]]:
    """What the repair of one turn changed."""
    return touched_elements(replace(episode, turns=(turn,)))


def _untouched(episode: Episode, number: int) -> bool:
    """Whether a turn repaired something outside the conflict that it was shown."""
    touched = _touched(episode, episode.turns[number])
    before = conflict_elements(_iis_before(episode, number))
    return bool(touched) and bool(before) and not touched & before


def _misses_culprit(episode: Episode, turn: Turn) -> bool:
    culprit = culprit_elements(episode.truth)
    touched = _touched(episode, turn)
    return bool(culprit) and bool(touched) and not touched & culprit


def _names(elements: Iterable[tuple[str, str]]) -> str:
    return _list(name for _, name in sorted(elements))


def _list(names: Iterable[str]) -> str:
    listed = list(names)
    rest = len(listed) - _NAMED
    return ", ".join(listed[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"
