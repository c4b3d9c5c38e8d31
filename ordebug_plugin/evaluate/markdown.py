"""A comparison as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ordebug_plugin.evaluate.compare import Paired
from ordebug_plugin.evaluate.comparison import Comparison
from ordebug_plugin.evaluate.table import PUBLISHED, measures, paired_cells
from ordebug_plugin.metrics import judged

# The characters of a name that Markdown would read; names of runs, files and rows are not ours.
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&!])")
# What is shown of each group.
GROUPED = ("rr@1", "rr@5", "da", "hit", "preservation")


def render_markdown(comparison: Comparison) -> str:
    """The published table, all measures, groups by fault type and difficulty, paired tests, verdicts in words."""
    shown = measures(comparison.summaries.values())
    runs = comparison.runs
    names = [escape(run.name) for run in runs]
    blocks = [
        f"# {' against '.join(reversed(names))}",
        *(f"- **{escape(run.name)}**: {escape(run.description)}" for run in runs),
    ]
    if comparison.notes:
        blocks += ["", *(f"> {escape(note)}" for note in comparison.notes)]
    blocks += ["", "## As published", "", PUBLISHED_NOTE, ""]
    blocks += markdown_table(
        ["", *(measure.heading for measure in PUBLISHED), "episodes"],
        (
            [name, *(measure.value(run.summary.metrics.get(measure.name)) for measure in PUBLISHED), run.summary.size]
            for name, run in zip(names, runs, strict=True)
        ),
    )
    blocks += ["", "## All measures", "", "With 95% intervals.", ""]
    blocks += markdown_table(
        ["measure", *(f"{name}, n={run.summary.size}" for name, run in zip(names, runs, strict=True))],
        (
            [measure.heading, *(measure.both(run.summary.metrics.get(measure.name)) for run in runs)]
            for measure in shown
        ),
    )
    grouped = [measure for measure in shown if measure.name in GROUPED]
    groups = (
        ("fault type", comparison.types, [run.summary.by_type for run in runs]),
        ("difficulty", comparison.difficulties, [run.by_difficulty for run in runs]),
    )
    for noun, labels, figures in groups:
        blocks += ["", f"## By {noun}", ""]
        blocks += markdown_table(
            [noun, "run", "n", *(measure.heading for measure in grouped)],
            (
                [
                    *(escape(label), name, str(judged(one[label]))),
                    *(measure.both(one[label].get(measure.name)) for measure in grouped),
                ]
                for label in labels
                for name, one in zip(names, figures, strict=True)
                if label in one
            ),
        )
    blocks += ["", "## Paired tests, on the problems that both runs hold", "", TESTS_NOTE, ""]
    blocks += markdown_table(
        ["measure", "of", "against", *_PAIRED],
        (
            [pair.metric, escape(one.second), escape(one.first), *_paired(pair)]
            for one in comparison.pairings
            for pair in one.overall
            if pair.difference.n
        ),
    )
    for noun, tested in (
        ("fault type", [one.by_type for one in comparison.pairings]),
        ("difficulty", [one.by_difficulty for one in comparison.pairings]),
    ):
        rows = [
            [escape(label), pair.metric, escape(one.second), escape(one.first), *_paired(pair)]
            for one, groups in zip(comparison.pairings, tested, strict=True)
            for label, pairs in groups.items()
            for pair in pairs
            if pair.difference.n and pair.metric in GROUPED
        ]
        if rows:
            blocks += ["", f"### By {noun}", "", MANY_TESTS, ""]
            blocks += markdown_table([noun, "measure", "of", "against", *_PAIRED], rows)
    blocks += ["", "## In words", "", *(f"- {escape(sentence)}" for sentence in comparison.verdicts)]
    return "\n".join(blocks) + "\n"


_PAIRED = ("difference", "95% interval", "p", "n", "verdict")


def _paired(pair: Paired) -> list[str]:
    return [*paired_cells(pair), str(pair.difference.n), pair.verdict]


PUBLISHED_NOTE = (
    "RR@k: share of problems recovered within k turns. DA: touched IIS rows / IIS rows. Steps, tokens and seconds are "
    "means over all episodes, those not recovered included."
)


TESTS_NOTE = (
    "Intervals are bootstrapped over problems. p is of the exact McNemar test for yes and no with one sample a "
    "problem, else of the paired randomization test; it decides the verdict."
)
MANY_TESTS = "Many and small tests: about one in twenty separates two equal runs by chance."


def escape(text: str) -> str:
    """A text as it is, on one line, whatever signs it holds."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, its first column on the left; cells are Markdown already."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
