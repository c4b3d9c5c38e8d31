"""The questions that the report asks, in its order: what an answer means, and which dimension of quality it is of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ordebug_plugin.verify.row import OBJECTIVE_KEPT, Row
from ordebug_plugin.verify.share import Share, share_of

FORMAT, CORRECTNESS, COHERENCE, COVERAGE = "format", "correctness", "coherence", "coverage"


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: Attribute of `Row`, and of `Answered` where `answers` says so.
        dimension: The dimension of quality that it belongs to.
        heading: How it reads in a table.
        fault: The answer that is a finding; None where neither is.
        defect: The finding, in words.
        answers: Whether every answer that is learned counts for itself, not the row.
    """

    name: str
    dimension: str
    heading: str
    fault: bool | None = None
    defect: str = ""
    answers: bool = False

    def ask(self, rows: Iterable[Row]) -> Share:
        """The share of yes, among the answers of some rows or among the rows."""
        if self.answers:
            return share_of(getattr(answer, self.name) for row in rows for answer in row.learned)
        return share_of(getattr(row, self.name) for row in rows)

    def faulty(self, rows: Iterable[Row]) -> list[Row]:
        """The rows where the answer is a finding."""
        return [row for row in rows if self.fault is not None and getattr(row, self.name) is self.fault]


QUESTIONS: tuple[Question, ...] = (
    Question("parsable", FORMAT, "an action that can be read", False, "no action that can be read", answers=True),
    Question("well_formed", FORMAT, "well-formed", False, "not exactly in the answer format", answers=True),
    Question("readable", FORMAT, "the prompt shows a state that can be read", False, "a prompt that cannot be read"),
    Question("leaks", FORMAT, "the prompt has ID or Type lines, which leak", True, "the prompt gives its label away"),
    Question(
        "true_prompt",
        FORMAT,
        "the prompt shows the state it is replayed in",
        False,
        "a prompt that shows another state than the environment",
    ),
    Question(
        "follows",
        FORMAT,
        "… and so do the later prompts of a conversation",
        False,
        "a later prompt that is not what the answers before it led to",
    ),
    Question("fits", FORMAT, "not longer than the cutoff", False, "longer than the cutoff: cut in training"),
    Question("judged", CORRECTNESS, "replayed through the judge", False, "not replayed"),
    Question("executed", CORRECTNESS, "the action is carried out", False, "the action is refused", answers=True),
    Question("recovered", CORRECTNESS, "recovered at once, or at the end"),
    Question(
        "arrives",
        CORRECTNESS,
        "recovered, or for a row of one answer to learn, a useful step",
        False,
        "neither a repair nor a useful step",
    ),
    Question("advances", CORRECTNESS, "recovered, or less infeasible than before"),
    Question(
        "useful",
        CORRECTNESS,
        "useful: nearer to a repair, a new look, or a step back",
        False,
        "a step that helps nothing",
        answers=True,
    ),
    Question("hit", CORRECTNESS, "the first repair hits the culprit", False, "the first repair misses the culprit"),
    Question(
        "objective_kept",
        CORRECTNESS,
        f"objective kept (OP ≥ {OBJECTIVE_KEPT}), of the recovered",
        False,
        "repaired, but with another objective",
    ),
    Question("proven", CORRECTNESS, "proven: well-formed, and recovered or a useful step"),
    Question("thinks", COHERENCE, "there is reasoning", False, "no reasoning", answers=True),
    Question(
        "coherent",
        COHERENCE,
        "the reasoning names target and numbers of the action",
        False,
        "the reasoning does not name what the action decides",
        answers=True,
    ),
    Question(
        "names_target",
        COHERENCE,
        "… its target",
        False,
        "the reasoning does not name what is acted on",
        answers=True,
    ),
    Question(
        "names_known",
        COHERENCE,
        "every name in it is in the prompt",
        False,
        "a name that no prompt shows",
        answers=True,
    ),
    Question(
        "numbers_known",
        COHERENCE,
        "every number in it is in the prompt or the action",
        False,
        "a number from nowhere",
        answers=True,
    ),
    Question(
        "agrees", COHERENCE, "it announces this action", False, "the action is not the one announced", answers=True
    ),
    Question("first_row", COVERAGE, "the action targets the first IIS row", answers=True),
)
BY_NAME = {question.name: question for question in QUESTIONS}


def shares(rows: Sequence[Row]) -> dict[str, Share]:
    """Every figure of some rows, by name, counted in rows."""
    return {question.name: share_of(getattr(row, question.name) for row in rows) for question in QUESTIONS}
