"""What to check next: a solver can say what would make a model feasible, not what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ordebug_plugin.agents.heuristic import DropFirst, RelaxMinimal
from ordebug_plugin.env import Outcome
from ordebug_plugin.episode import Episode
from ordebug_plugin.experts.words import joined
from ordebug_plugin.repairs.alternatives import Alternative
from ordebug_plugin.repairs.conflict import Conflict
from ordebug_plugin.repairs.difference import Change
from ordebug_plugin.specification import Specification
from ordebug_plugin.verdict import Status

# More changes, and more names, than these are left to the list of changes.
_MOST = 6


def advise(  # noqa: PLR0913  # all that is known
    changes: Sequence[Change],
    conflict: Conflict,
    alternatives: Sequence[Alternative],
    specification: Specification | None,
    *,
    episode: Episode,
    below: Sequence[str] = (),
    by: str = "",
) -> tuple[str, ...]:
    """What somebody who knows the application should look at, in order of importance.

    Args:
        changes: What the repair changed; empty where there is none.
        conflict: Of the model as loaded.
        alternatives: Other repairs.
        specification: What the model should say, where that is written down.
        episode: How it was repaired, or was not.
        below: Variables that the repair lets be negative, and the file did not.
        by: Name of the agent.
    """
    said = {} if specification is None else specification.statements
    advice = [] if changes else [_more(episode, by)]
    advice += [_about(change, said.get(change.name), specified=bool(said)) for change in changes[:_MOST]]
    if below:
        advice.insert(
            0,
            f"{joined(below)} may be negative now, which rarely means anything. If it does not, choose another repair.",
        )
    if changes and not said:
        advice.append(
            "Look up where these numbers come from: the unit, the sign, <= for >=, something typed or counted twice."
        )
    advice += _beside(conflict, changes, said)
    advice += _others(changes, conflict, alternatives)
    if by == RelaxMinimal.name and any(change.after is not None for change in changes):
        advice.append(
            "relax-minimal gives way by what is just enough, and a ten-millionth more: before the model is used, "
            "replace such numbers by ones you can stand behind."
        )
    if conflict.others:
        advice.append(f"{joined(conflict.others)}: no action can change these; look at them in the model file.")
    return tuple(advice)


def _more(episode: Episode, by: str) -> str:
    """What could help where the model is not repaired; never what has just failed."""
    last = episode.turns[-1].step.status if episode.turns else None
    other = f"let another agent try (--agent {DropFirst.name if by == RelaxMinimal.name else RelaxMinimal.name})"
    if last is Status.UNBOUNDED:
        return (
            "The conflict is gone, but nothing limits the objective any more: look for a bound or a row that is "
            "missing, or an objective in the wrong direction."
        )
    if last is Status.LIMIT:
        return "The solver could not decide within its work limit: raise --work-limit."
    cut = sum(turn.reply.truncated for turn in episode.turns)
    if 2 * cut > len(episode.turns) or episode.outcome is Outcome.TRUNCATED:
        return (
            f"{cut} of {len(episode.turns)} answers were cut by the token limit: raise --max-tokens. Where the server "
            "has no room for longer answers, let prompts show less (--detail names), if the model was trained on such."
        )
    if episode.outcome is Outcome.REFUSED:
        return (
            "No answer had an action that could be executed: ask the model as it was trained (--detail, --system, "
            f"--no-history, --extended), or {other}."
        )
    if episode.outcome is Outcome.SUBMITTED:
        return f"The model is still infeasible, and the agent gave up by itself: {other}."
    return f"The model is still infeasible: raise --max-steps, or {other}."


def _about(change: Change, statement: str | None, *, specified: bool) -> str:
    source = ""
    if statement is not None:
        source = f" The specification says: {statement}"
    elif specified:
        source = " The specification says nothing of it: perhaps nobody asked for it."
    if change.after is None:
        return f"{change.name}: nothing asks for {change.before} any more. Can you do without it?{source}"
    before, after = change.sides or (change.before, change.after)
    if change.what == "bounds":
        return f"{change.name}: were the bounds {before} what was meant? The repair makes them {after}.{source}"
    return f"{change.name}: was {before} what was meant? The repair makes it {after}.{source}"


def _beside(conflict: Conflict, changes: Sequence[Change], said: Mapping[str, str]) -> Iterator[str]:
    """The rest of the conflict beside what the specification says of it."""
    if not said:
        return
    changed = {change.name for change in changes}
    rest = [(name, text) for name, text in (*conflict.rows, *conflict.bounds) if name not in changed]
    for name, text in rest[:_MOST]:
        if name in said:
            yield f"{name}: the model asks for {text}. The specification says: {said[name]}"
    names = [name for name, _ in rest if name not in said]
    if names:
        yield f"Also in the conflict, and not in the specification: {joined(names[:_MOST])}."


def _others(changes: Sequence[Change], conflict: Conflict, alternatives: Sequence[Alternative]) -> Iterator[str]:
    touched = {change.name for change in changes}
    names = [one.alone for one in alternatives if one.alone is not None and one.alone not in touched]
    if names:
        shown = joined(names[:_MOST], "or") + (f" (or {len(names) - _MOST} more)" if len(names) > _MOST else "")
        one = "one of them" if len(names) > 1 else "it"
        yield (
            f"The mistake may be elsewhere: to let go of {shown} alone would be enough, so an error in {one} explains "
            "the conflict as well. If you find one, correct it in the model instead of taking this repair."
            if changes
            else f"To let go of {shown} alone would be enough, so an error in {one} explains the conflict. If you find "
            "one, correct it in the model."
        )
    elif conflict.disjoint > 1:
        yield "No single row is to blame: look for what the changed rows share, such as data from one source."
    big = [change.name for change in changes if change.after is not None]
    if len(big) > _MOST:
        yield f"{len(big)} elements were changed: so many are rarely mistakes of their own, look for one behind them."
