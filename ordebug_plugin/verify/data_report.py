"""A verified file of demonstrations as tables for people, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from ordebug_plugin.verify.answered import Answered
from ordebug_plugin.verify.dataset import DatasetCheck
from ordebug_plugin.verify.dimension import Dimension, Figure
from ordebug_plugin.verify.question import QUESTIONS, shares
from ordebug_plugin.verify.row import Row
from ordebug_plugin.verify.share import Share, share_of

_BY_GROUP = ("judged", "recovered", "hit", "objective_kept", "coherent", "first_row")
# What rows are grouped by: an attribute of `Row`, and its name.
_GROUPS = (("error_type", "fault type"), ("difficulty", "difficulty"), ("kind", "action"), ("family", "family"))
# The questions that an answer of a conversation is asked for itself.
_OF_ANSWERS = tuple(question.name for question in QUESTIONS if hasattr(Answered, question.name))


def data_tables(check: DatasetCheck, quality: Sequence[Dimension]) -> list[Table]:
    """The five dimensions, what repeats itself, and figures by fault type, difficulty, kind of action and family."""
    table = Table(title=f"{check.source.name} on {check.benchmark.name}, n={len(check.rows)}", title_justify="left")
    table.add_column("what", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    for dimension in quality:
        table.add_row(f"{dimension.heading.upper()}: {dimension.level}", "")
        for figure in dimension.figures:
            table.add_row(figure.heading, _shown(figure))
        table.add_section()
    table.add_row("REPETITION", "")
    for figure in repetition_figures(check):
        table.add_row(figure.heading, _shown(figure))
    return [table, *(_group_table(check, key, noun) for key, noun in _GROUPS if _is_known(check, key))]


def verdict_table(quality: Sequence[Dimension]) -> Table:
    """The verdict on each dimension, in words."""
    table = Table(title="verdict", title_justify="left")
    table.add_column("dimension", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("why")
    for dimension in quality:
        table.add_row(dimension.heading, dimension.level, dimension.verdict)
    return table


def repetition_figures(check: DatasetCheck) -> tuple[Figure, ...]:
    """What shows only beside the other rows."""
    several = check.contradictions
    return (
        Figure("duplicates", "rows that repeat an earlier one", check.duplicates),
        Figure("duplicates_unlabelled", "… after the ID and Type lines are gone", check.duplicates_unlabelled),
        Figure("prompts", "distinct prompts without these lines", several.prompts),
        Figure("answers", "contradictory: prompts with several answers", several.answers),
        Figure("actions", "… of these, with several actions", several.actions),
    )


def data_record(check: DatasetCheck, quality: Sequence[Dimension]) -> dict[str, object]:
    """Everything, for machines."""
    lengths = check.lengths
    answers = [answer for row in check.rows for answer in row.learned]
    return {
        "source": check.source.name,
        "benchmark": check.benchmark.name,
        "n": len(check.rows),
        "shares": _share_records(check.rows),
        "answers": {
            "n": len(answers),
            **{name: _share_record(share_of(getattr(answer, name) for answer in answers)) for name in _OF_ANSWERS},
        },
        "unjudged": dict(check.unjudged),
        "duplicates": check.duplicates,
        "duplicates_unlabelled": check.duplicates_unlabelled,
        "contradictions": asdict(check.contradictions),
        "problems": {"judged": len({row.problem for row in check.judged}), "of": len(check.benchmark.problems)},
        "quality": {dimension.name: _dimension_record(dimension) for dimension in quality},
        "findings": {one.name: len(one.faulty(check.rows)) for one in QUESTIONS if one.fault is not None},
        "tokens": None
        if lengths is None
        else {
            "tokenizer": lengths.tokenizer,
            "cutoff_len": lengths.cutoff,
            "max": lengths.longest,
            "p50": lengths.percentile(50),
            "p99": lengths.percentile(99),
            "truncated": lengths.truncated,
        },
        **{
            f"by_{key}": {
                label: {"n": len(rows), **_share_records(rows)} for label, rows in _groups(check, key).items()
            }
            for key, _ in _GROUPS
        },
        "rows": [_row_record(row) for row in check.rows],
    }


def _dimension_record(dimension: Dimension) -> dict[str, object]:
    return {
        "level": str(dimension.level),
        "verdict": dimension.verdict,
        "figures": {
            figure.name: _share_record(figure.value) if isinstance(figure.value, Share) else figure.value
            for figure in dimension.figures
        },
        "charts": {chart.name: dict(chart.bars) for chart in dimension.charts},
    }


def _share_records(rows: Sequence[Row]) -> dict[str, object]:
    return {name: _share_record(share) for name, share in shares(rows).items()}


def _share_record(share: Share) -> dict[str, object]:
    return {"count": share.count, "of": share.of, "share": share.value}


def _row_record(row: Row) -> dict[str, object]:
    decisive = row.decisive
    return {
        "row": row.number,
        "problem_id": None if row.demonstration is None else row.demonstration.problem_id,
        "problem_hash": None if row.problem is None else row.problem.content_hash,
        "reason": row.reason,
        "error": None if decisive is None else decisive.turn.answer.error,
        "refused": None if decisive is None or decisive.played is None else decisive.played.refused,
        "action": None if row.action is None else str(row.action),
        "op": row.op,
        "tokens": row.tokens,
        **{question.name: getattr(row, question.name) for question in QUESTIONS},
        "turns": [_answer_record(answer) for answer in row.answers],
    }


def _answer_record(answer: Answered) -> dict[str, object]:
    return {
        "turn": answer.turn.number,
        "learned": answer.turn.learned,
        "action": None if answer.action is None else str(answer.action),
        "error": answer.turn.answer.error,
        "refused": None if answer.played is None else answer.played.refused,
        "unknown_names": answer.unknown_names,
        "unsourced_numbers": answer.unsourced_numbers,
        **{name: getattr(answer, name) for name in _OF_ANSWERS},
    }


def _groups(check: DatasetCheck, key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in sorted(check.rows, key=lambda row: getattr(row, key) or "~"):  # those without come last
        groups.setdefault(getattr(row, key) or "none", []).append(row)
    return groups


def _is_known(check: DatasetCheck, key: str) -> bool:
    return key != "family" or any(row.family for row in check.rows)


def _group_table(check: DatasetCheck, key: str, noun: str) -> Table:
    table = Table(title=f"by {noun}", title_justify="left")
    table.add_column(noun, no_wrap=True)
    for name in ("rows", *_BY_GROUP):
        table.add_column(name.replace("_", " "), justify="right")
    for label, rows in _groups(check, key).items():
        figures = shares(rows)
        table.add_row(label, str(len(rows)), *(figures[name].percent for name in _BY_GROUP))
    return table


def _shown(figure: Figure) -> str:
    return "–" if figure.value is None else str(figure.value)
