"""The quality of a file of demonstrations in five dimensions, each with its figures and a verdict in words."""

from __future__ import annotations

import re

from ordebug_plugin.verify.dataset import DatasetCheck
from ordebug_plugin.verify.dimension import (
    ALMOST_ALL,
    MOSTLY,
    Chart,
    Dimension,
    Figure,
    Level,
    asked,
    findings,
    level_of,
    told,
)
from ordebug_plugin.verify.question import BY_NAME, COHERENCE, CORRECTNESS, FORMAT
from ordebug_plugin.verify.repetition import commonest
from ordebug_plugin.verify.share import Share
from ordebug_plugin.verify.spread import coverage, difficulty

_HEADING = re.compile(r"^## .*$", re.MULTILINE)
# The one section that only some prompts of a file have: those after the first turn.
_LATER = "## Previous Actions"


def dimensions(check: DatasetCheck) -> tuple[Dimension, ...]:
    """The five dimensions of a file that was replayed."""
    return _format(check), _correctness(check), _coherence(check), coverage(check), difficulty(check)


def _format(check: DatasetCheck) -> Dimension:
    rows, demonstrations = check.rows, check.demonstrations
    found = findings(rows, FORMAT)
    unread = Share(len(rows) - len(demonstrations), len(rows))
    if unread.count:
        found.insert(0, ("no demonstration at all", unread))
    shown = [turn for row in demonstrations for turn in row.turns if turn.shown.iis_rows is not None]
    layouts = commonest(_layout(turn.prompt) for turn in shown)
    layout = Share(layouts[0][1] if layouts else 0, len(shown))
    systems = {row.system for row in demonstrations}
    words = told(found) or "every row is read, well-formed and shows the state it is replayed in"
    if len(layouts) > 1:
        words += f"; {len(layouts)} layouts of prompts are mixed"
    if len(systems) > 1:
        words += f"; {len(systems)} system prompts are mixed"
    level = level_of(found)
    if level is Level.SOUND and (len(layouts) > 1 or len(systems) > 1):
        level = Level.FLAWED
    figures = [
        Figure("read", "rows that are demonstrations", Share(len(demonstrations), len(rows))),
        *asked(rows, FORMAT),
        Figure("layout", "prompts with a conflict in the commonest layout", layout),
        Figure("layouts", "layouts of prompts", len(layouts)),
        Figure("systems", "system prompts, none counted as one", len(systems)),
    ]
    lengths = check.lengths
    if lengths is not None:
        figures += [
            Figure("tokens_max", "tokens of a training example, most", lengths.longest),
            Figure("tokens_p50", "… half have at most", lengths.percentile(50)),
            Figure("tokens_p99", "… 99% have at most", lengths.percentile(99)),
            Figure("truncated", f"examples cut at {lengths.cutoff} tokens", lengths.truncated),
        ]
    return Dimension(FORMAT, "Format consistency", level, words, tuple(figures))


def _correctness(check: DatasetCheck) -> Dimension:
    rows = check.rows
    found = findings(rows, CORRECTNESS, without=("judged",))
    judged = BY_NAME["judged"].ask(rows)
    level = level_of(found) if judged.count else Level.UNKNOWN
    words = told(found) or ("every answer that was replayed repairs its model as it should" if judged.count else "")
    if judged.count < judged.of:
        some = f"only {judged} of the rows could be replayed" if judged.count else "not one row could be replayed"
        words = some + (f"; of these: {words}" if words else "")
    return Dimension(CORRECTNESS, "Action correctness", level, words, tuple(asked(rows, CORRECTNESS)))


def _coherence(check: DatasetCheck) -> Dimension:
    rows = check.rows
    thoughts = [answer for row in rows for answer in row.learned if answer.thinks]
    distinct = len({answer.think for answer in thoughts})
    patterns = commonest(answer.pattern for answer in thoughts)
    most = Share(patterns[0][1] if patterns else 0, len(thoughts))
    found = findings(rows, COHERENCE)
    level, words = level_of(found), told(found) or "the reasoning fits prompt and action everywhere"
    if (most.value or 0) >= MOSTLY:
        words += f"; {most} of the thoughts are one pattern, but for names and numbers: a formula, not reasoning"
        level = Level.POOR if (most.value or 0) >= ALMOST_ALL or level is Level.POOR else Level.FLAWED
    figures = [
        *asked(rows, COHERENCE),
        Figure("distinct", "distinct thoughts", Share(distinct, len(thoughts))),
        Figure("patterns", "… but for names and numbers", Share(len(patterns), len(thoughts))),
        Figure("pattern", "thoughts of the commonest pattern", most),
    ]
    bars = tuple((_short(pattern), count) for pattern, count in patterns[:8])
    return Dimension(
        COHERENCE,
        "Reasoning coherence",
        level if any(row.learned for row in rows) else Level.UNKNOWN,
        words,
        tuple(figures),
        (Chart("patterns", "commonest thoughts (· a name, # a number)", bars),),
    )


def _layout(prompt: str) -> str:
    """The headings of a prompt, and what stands before the first."""
    found = list(_HEADING.finditer(prompt))
    lead = prompt[: found[0].start()] if found else prompt
    return "\n".join([lead.strip(), *(match[0] for match in found if match[0] != _LATER)])


def _short(text: str, most: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"
