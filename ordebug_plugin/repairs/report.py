"""Repairs for a human to read, and the same for machines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from ordebug_plugin.actions import parse_answer
from ordebug_plugin.linear import short
from ordebug_plugin.repairs.account import Account
from ordebug_plugin.repairs.appraisal import LEAST_KEPT, MEASURES, Appraisal
from ordebug_plugin.repairs.conflict import Conflict
from ordebug_plugin.repairs.difference import Change
from ordebug_plugin.truth import dump_truth
from ordebug_plugin.verdict import IIS, Status

_WIDTH = 110
# Rows of a conflict, changes and alternatives beyond these are counted; --json has them all.
_MOST_ROWS = 30
_MOST_CHANGES = 40
_MOST_ALTERNATIVES = 8
_LONGEST = 160
# What is said of a variable begins with its name.
_LABELS = {"bounds": "bounds", "type": "type", "variable": "variable"}


def conflict_lines(conflict: Conflict) -> Iterator[str]:
    """The conflict, written out, and why it cannot hold."""
    proven = "" if conflict.minimal or not conflict.size else " (not proven to be irreducible within the work limit)"
    yield f"Conflict (IIS){proven}:"
    parts = [(name, text) for name, text in conflict.rows] + [("bounds", text) for _, text in conflict.bounds]
    parts += [("not linear", name) for name in conflict.others]
    width = max((len(name) for name, _ in parts[:_MOST_ROWS]), default=0)
    for name, text in parts[:_MOST_ROWS]:
        yield f"  {name:{min(width, 24)}}  {_cut(text)}"
    yield from _more(len(parts), _MOST_ROWS)
    yield from _paragraph(conflict.words)


def account_lines(account: Account) -> Iterator[str]:
    """What was done, what it cost, what else could be done, and what to check next."""
    episode, scores = account.episode, account.scores
    yield ""
    if not account.repaired:
        yield f"Not repaired ({_end(account)}) in {scores.answers} turn{'s' if scores.answers != 1 else ''}:"
    else:
        yield f"Repaired in {scores.answers} turn{'s' if scores.answers != 1 else ''}:"
    for number, turn in enumerate(episode.turns, 1):
        yield f"  {number}. {turn.step.action or 'no action'}: {turn.step.note}"
        think = parse_answer(turn.reply.text).think
        if think and turn.reply.completion_tokens is not None:  # built-in agents have no more to say than the action
            yield from _paragraph(textwrap.shorten(think, 600, placeholder=" …"), "     ")
    yield ""
    yield f"Changes{'' if account.repaired else ', which do not repair it and are not written'}:"
    yield from change_lines(account.changes)
    yield ""
    if episode.repair is not None:
        objective = episode.repair.objective
        yield f"Objective now: {'not proven within the work limit' if objective is None else short(objective)}"
        yield f"Given way: {_amount(episode.repair.audit.granted)}, needed at least: {_amount(episode.repair.needed)}"
        yield f"Minimality: {_score(scores.minimality)} (1 is the cheapest repair there is)"
        if episode.repair.audit.lost_rows:
            yield f"Rows without effect, or another row now: {', '.join(episode.repair.audit.lost_rows)}"
        yield ""
    yield from _alternative_lines(account)
    if account.advice:
        yield ""
        yield "What to check next:"
        for line in account.advice:
            yield from _paragraph(line, "    ", "  - ")


def _end(account: Account) -> str:
    """Why it is not repaired. A model that is submitted need not be infeasible any more."""
    if account.status is Status.UNBOUNDED:
        return "feasible now, but unbounded: nothing limits the objective"
    if account.status is Status.LIMIT:
        return "undecided within the work limit"
    return str(account.episode.outcome)


def change_lines(changes: Sequence[Change]) -> Iterator[str]:
    """Changes as a diff: what stood there with a minus, what stands there now with a plus."""
    if not changes:
        yield "  none"
    for change in changes[:_MOST_CHANGES]:
        label = _LABELS.get(change.what, change.name)
        if change.what == "objective":
            label = f"objective, {change.name}"
        if change.before is not None:
            gone = "" if change.after is not None else "   (dropped)" if change.what == "row" else "   (gone)"
            yield f"  - {label}: {_cut(change.before)}{gone}"
        if change.after is not None:
            yield f"  + {label}: {_cut(change.after)}{'' if change.before is not None else '   (added)'}"
    yield from _more(len(changes), _MOST_CHANGES)


def _alternative_lines(account: Account) -> Iterator[str]:
    if not account.searched:
        yield "Alternatives: not looked for"
        return
    yield "Alternatives (given way | minimality | objective):"
    if not account.alternatives:
        yield "  none was found"
    for one in account.alternatives[:_MOST_ALTERNATIVES]:
        chosen = "   <- this repair" if account.repaired and one.edits == account.edits else ""
        figures = f"{_amount(one.granted)} | {_score(one.minimality)} | {_amount(one.objective)}"
        yield f"  {one.what}: {figures}{chosen}"
    yield from _more(len(account.alternatives), _MOST_ALTERNATIVES)


def appraisal_lines(appraisal: Appraisal) -> Iterator[str]:
    """A scored repair."""
    difference, verdict = appraisal.difference, appraisal.verdict
    if not appraisal.related:
        yield from _unrelated_lines(appraisal)
    elif appraisal.repaired:
        objective = "not proven within the work limit" if verdict.objective is None else short(verdict.objective)
        yield f"It repairs: feasible, {'optimum' if verdict.objective is not None else 'its optimum'} {objective}"
    else:
        unbounded = " (feasible, but nothing limits the objective)" if verdict.status is Status.UNBOUNDED else ""
        yield f"It does not repair: {verdict.status}{unbounded}{_left(appraisal.left)}"
    yield ""
    yield f"Changes to rows and bounds ({len(difference.edited)}):"
    yield from change_lines(difference.edited)
    if difference.drifted:
        yield ""
        yield f"Beyond what a repair may change ({len(difference.drifted)}):"
        yield from change_lines(difference.drifted)
    if not difference.shared_rows:
        yield "  (the two models share no row by name: rows can only be compared where names are kept)"
    if appraisal.original is not None:
        yield ""
        left = len(appraisal.original.changes)
        legend = "; - original, + repaired" if left else ""
        yield f"Where the repaired model still differs from the original ({left}{legend}):"
        yield from change_lines(appraisal.original.changes)
    yield ""
    yield from _measure_lines(appraisal)


def _unrelated_lines(appraisal: Appraisal) -> Iterator[str]:
    verdict = appraisal.verdict
    if appraisal.rows:
        count = "none" if not appraisal.kept_rows else f"only {appraisal.kept_rows}"
        yield f"It is no repair of this model: of the {appraisal.rows} rows of the broken model, {count} is in it."
        yield f"(Such a row has its name and more than half of its terms; {LEAST_KEPT:.0%} are the least for a repair.)"
    else:
        yield "It is no repair of this model: it has next to none of its variables."
    optimum = "" if verdict.objective is None else f", optimum {short(verdict.objective)}"
    yield f"By itself the other model is {verdict.status}{optimum}, which says nothing of the broken one."


def _measure_lines(appraisal: Appraisal) -> Iterator[str]:
    for measure in MEASURES:
        value, reason = getattr(appraisal.scores, measure), appraisal.missing.get(measure)
        yield f"{measure:<13} {_score(value)}{'' if reason is None else f'  ({reason})'}"
    against = "the culprit" if appraisal.truth.has_culprit else "the IIS, for the culprit is not known"
    said = appraisal.missing.get("da_f1", f"what was changed against {against}")
    yield f"{'da_f1':<13} {_score(appraisal.da_f1)}  ({said})"
    repair = appraisal.repair
    if repair is not None and not math.isnan(repair.audit.granted):
        yield f"given way     {_amount(repair.audit.granted)}, needed at least {_amount(repair.needed)}"
    if repair is not None and repair.audit.lost_rows:
        added, note = appraisal.truth.added_rows, " (added by the fault: to lose it costs nothing)"
        lost = [f"{row}{note if row in added else ''}" for row in repair.audit.lost_rows]
        yield f"lost rows     {', '.join(lost)}"


def account_record(account: Account) -> dict[str, Any]:
    """All of a repair as JSON."""
    episode, conflict = account.episode, account.conflict
    facts = episode.repair
    return {
        "model": str(account.problem.path),
        "repaired": account.repaired,
        "outcome": episode.outcome,
        "status": account.status,
        "conflict": {
            "rows": dict(conflict.rows),
            "bounds": dict(conflict.bounds),
            "others": list(conflict.others),
            "minimal": conflict.minimal,
            "disjoint": conflict.disjoint,
            "explanation": conflict.words,
        },
        "turns": [
            {"action": _action(turn.step.action), "note": turn.step.note, "answer": turn.reply.text}
            for turn in episode.turns
        ],
        "changes": [_change(change) for change in account.changes],
        "objective": None if facts is None else facts.objective,
        "needed": conflict.needed,
        "granted": None if facts is None else facts.audit.granted,
        "lost_rows": [] if facts is None else list(facts.audit.lost_rows),
        "minimality": _or_null(account.scores.minimality),
        "alternatives_searched": account.searched,
        "alternatives": [
            {
                "what": one.what,
                "alone": one.alone,
                "granted": one.granted,
                "minimality": one.minimality,
                "objective": one.objective,
            }
            for one in account.alternatives
        ],
        "check_next": list(account.advice),
        "aliases": dict(episode.aliases),
    }


def appraisal_record(appraisal: Appraisal) -> dict[str, Any]:
    """A scored repair as JSON; what is undefined is null, and `missing` says why."""
    repair, left = appraisal.repair, appraisal.left
    return {
        "repaired": appraisal.repaired,
        "related": appraisal.related,
        "rows": appraisal.rows,
        "kept_rows": appraisal.kept_rows,
        "status": appraisal.verdict.status,
        "objective": appraisal.verdict.objective,
        **{measure: _or_null(getattr(appraisal.scores, measure)) for measure in MEASURES},
        "da_f1": _or_null(appraisal.da_f1),
        "granted": None if repair is None else _or_null(repair.audit.granted),
        "needed": None if repair is None else repair.needed,
        "lost_rows": [] if repair is None else list(repair.audit.lost_rows),
        "missing": dict(appraisal.missing),
        "changes": [_change(change) for change in appraisal.difference.edited],
        "drifted": [_change(change) for change in appraisal.difference.drifted],
        "shared_rows": appraisal.difference.shared_rows,
        "left": None if left is None else {"rows": list(left.rows), "bounds": list(left.bounds)},
        "beside_original": None if appraisal.original is None else [_change(one) for one in appraisal.original.changes],
        "truth": dump_truth(appraisal.truth),
    }


def _change(change: Change) -> dict[str, str | None]:
    return {"what": change.what, "name": change.name, "before": change.before, "after": change.after}


def _action(action: object) -> str | None:
    return None if action is None else str(action)


def _left(iis: IIS | None) -> str:
    if iis is None:
        return ""
    parts = [*iis.rows, *(f"bounds of {name}" for name in iis.bounds), *iis.others]
    shown = ", ".join(parts[:_MOST_ALTERNATIVES])
    return f"; in conflict: {shown}{'' if len(parts) <= _MOST_ALTERNATIVES else ', …'}"


def _paragraph(text: str, indent: str = "  ", first: str | None = None) -> list[str]:
    # Names may hold hyphens, and are looked for in the model.
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _more(count: int, most: int) -> Iterator[str]:
    if count > most:
        yield f"  … and {count - most} more (--json lists all)"


def _cut(text: str) -> str:
    """A long row without its middle: its sides are at the end."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 50]} … {text[-45:]}"


def _amount(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"


def _score(value: float | None) -> str:
    return "—" if value is None or math.isnan(value) else f"{value:.3f}"


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
