"""A verified file of demonstrations as figures, as tables for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from rich.table import Table

from ordebug_plugin.verify.dataset import DatasetCheck
from ordebug_plugin.verify.row import OBJECTIVE_KEPT, Row


@dataclass(frozen=True)
class Share:
    """How many of how many; `value` is None where there is nothing to count."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share, from 0 to 1."""
        return self.count / self.of if self.of else None

    def __str__(self) -> str:
        """For a table."""
        return "–" if self.value is None else f"{self.count} of {self.of} ({100 * self.value:.1f}%)"


# Questions of `Row`, and how they read in a table; those before `judged` ask the text alone.
_QUESTIONS: tuple[tuple[str, str], ...] = (
    ("parsable", "an action that can be read"),
    ("well_formed", "well-formed"),
    ("coherent", "the reasoning names target and numbers of the action"),
    ("first_row", "the action targets the first IIS row"),
    ("leaks", "the prompt has ID or Type lines, which leak"),
    ("judged", "replayed through the judge"),
    ("true_prompt", "the prompt shows the state it is replayed in"),
    ("executed", "the action is carried out"),
    ("recovered", "recovered at once"),
    ("advances", "recovered, or less infeasible than before"),
    ("hit", "the action hits the culprit"),
    ("objective_kept", f"objective kept (OP ≥ {OBJECTIVE_KEPT}), of the recovered"),
    ("proven", "proven: well-formed and recovered"),
)
_BY_GROUP = ("judged", "recovered", "hit", "objective_kept", "coherent", "first_row")
# What rows are grouped by: an attribute of `Row`, and its name.
_GROUPS = (("error_type", "fault type"), ("difficulty", "difficulty"), ("kind", "action"))


def share(rows: Iterable[Row], question: str) -> Share:
    """Counts the answers to a question."""
    answers = [answer for answer in (getattr(row, question) for row in rows) if answer is not None]
    return Share(sum(answers), len(answers))


def shares(rows: Sequence[Row]) -> dict[str, Share]:
    """Every figure of some rows, by name."""
    return {name: share(rows, name) for name, _ in _QUESTIONS}


def data_tables(check: DatasetCheck) -> list[Table]:
    """The file in figures, and by fault type, difficulty and kind of action."""
    table = Table(title=f"{check.source.name} on {check.benchmark.name}, n={len(check.rows)}", title_justify="left")
    table.add_column("what", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    for name, heading in _QUESTIONS:
        table.add_row(heading, str(share(check.rows, name)), end_section=name in ("leaks", "judged"))
    several = check.contradictions
    for heading, value in (
        ("rows that repeat an earlier one", check.duplicates),
        ("… after the ID and Type lines are gone", check.duplicates_unlabelled),
        ("distinct prompts without these lines", several.prompts),
        ("contradictory: prompts with several answers", several.answers),
        ("… of these, with several actions", several.actions),
        ("problems of the benchmark with a judged row", f"{_problems(check)} of {len(check.benchmark.problems)}"),
    ):
        table.add_row(heading, str(value))
    return [table, *(_group_table(check, key, noun) for key, noun in _GROUPS)]


def data_record(check: DatasetCheck) -> dict[str, object]:
    """Everything, for machines."""
    return {
        "source": check.source.name,
        "benchmark": check.benchmark.name,
        "n": len(check.rows),
        "shares": _share_records(check.rows),
        "unjudged": dict(check.unjudged),
        "duplicates": check.duplicates,
        "duplicates_unlabelled": check.duplicates_unlabelled,
        "contradictions": asdict(check.contradictions),
        "problems": {"judged": _problems(check), "of": len(check.benchmark.problems)},
        **{
            f"by_{key}": {
                label: {"n": len(rows), **_share_records(rows)} for label, rows in _groups(check, key).items()
            }
            for key, _ in _GROUPS
        },
        "rows": [_row_record(row) for row in check.rows],
    }


def _share_records(rows: Sequence[Row]) -> dict[str, object]:
    return {name: {"count": s.count, "of": s.of, "share": s.value} for name, s in shares(rows).items()}


def _row_record(row: Row) -> dict[str, object]:
    return {
        "row": row.number,
        "problem_id": None if row.demonstration is None else row.demonstration.problem_id,
        "problem_hash": None if row.problem is None else row.problem.content_hash,
        "reason": row.reason,
        "error": None if row.demonstration is None else row.demonstration.answer.error,
        "refused": None if row.replayed is None else row.replayed.refused,
        "action": None if row.action is None else str(row.action),
        "op": row.op,
        **{name: getattr(row, name) for name, _ in _QUESTIONS},
    }


def _groups(check: DatasetCheck, key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in sorted(check.rows, key=lambda row: getattr(row, key) or "~"):  # those without come last
        groups.setdefault(getattr(row, key) or "none", []).append(row)
    return groups


def _group_table(check: DatasetCheck, key: str, noun: str) -> Table:
    table = Table(title=f"by {noun}", title_justify="left")
    table.add_column(noun, no_wrap=True)
    for name in ("rows", *_BY_GROUP):
        table.add_column(name.replace("_", " "), justify="right")
    for label, rows in _groups(check, key).items():
        figures = shares(rows)
        table.add_row(label, str(len(rows)), *(_percent(figures[name]) for name in _BY_GROUP))
    return table


def _percent(figure: Share) -> str:
    return "–" if figure.value is None else f"{100 * figure.value:.1f}%"


def _problems(check: DatasetCheck) -> int:
    return len({row.problem for row in check.judged})
