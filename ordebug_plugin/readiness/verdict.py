"""Everything together: the checks, whether the checkpoint is ready, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin.episode import Episode
from ordebug_plugin.postmortem.training import Training
from ordebug_plugin.readiness.advice import Advice, advise
from ordebug_plugin.readiness.answers import form_checks, task_checks
from ordebug_plugin.readiness.check import Check, State
from ordebug_plugin.readiness.diversity import diversity_checks
from ordebug_plugin.readiness.faithfulness import faithfulness_check
from ordebug_plugin.readiness.gather import Evidence
from ordebug_plugin.readiness.loss import loss_checks
from ordebug_plugin.readiness.retention import Item, retention_check
from ordebug_plugin.readiness.thresholds import Thresholds


class Verdict(StrEnum):
    """READY: every deciding check was passed. NOT_READY: one failed.

    UNDECIDED: none failed, and one has no figure, or too much was lost to the server or the solver.
    """

    READY = "ready"
    NOT_READY = "not ready"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Readiness:
    """What there is to say about a checkpoint.

    Attributes:
        model: Its name.
        verdict: Whether it is ready.
        checks: All of them, in the order of `thresholds.CHECKS`.
        deciding: Names of those that decide.
        advice: What to change.
        lost: Answers and episodes that the server or the solver lost; they are in no figure.
        too_many_lost: Whether they are too many to call anybody ready.
        base_lost: Episodes of the base model that were lost, where they are too many to compare with.
    """

    model: str
    verdict: Verdict
    checks: tuple[Check, ...]
    deciding: frozenset[str]
    advice: tuple[Advice, ...]
    lost: int = 0
    too_many_lost: bool = False
    base_lost: int = 0

    @property
    def reason(self) -> str:
        """The verdict in one sentence."""
        failed = [check.title for check in self.checks if self._counts(check, State.FAILED)]
        missing = [check.title for check in self.checks if self._counts(check, State.NOT_MEASURED)]
        near = [
            check.title
            for check in self.checks
            if check.name in self.deciding and check.state is not State.NOT_MEASURED and not check.separable
        ]
        words = f"{self.verdict}: "
        words += (
            f"failed {', '.join(failed)}" if failed else "nothing failed" if missing else "all that decides is passed"
        )
        words += f"; not measured: {', '.join(missing)}" if missing else ""
        if self.too_many_lost:
            words += f"; too many answers ({self.lost}) were lost to the server or the solver: ask again"
        if self.base_lost:
            words += f"; too many episodes of the base model ({self.base_lost}) were lost: `ordebug eval … --resume`"
        return words + (f"; not separable from the threshold: {', '.join(near)}" if near else "")

    def _counts(self, check: Check, state: State) -> bool:
        return check.name in self.deciding and check.state is state


@dataclass(frozen=True)
class Given:
    """What the user brings beside the checkpoint.

    Attributes:
        training: The log of its SFT; None where there is none.
        base: Episodes of the base model; None where there are none.
        items: Prompts for its general abilities.
        step: Of the training, at which the checkpoint was saved; None where that is not known.
    """

    training: Training | None
    base: Sequence[Episode] | None
    items: Sequence[Item]
    step: int | None = None


def judge_readiness(model: str, evidence: Evidence, given: Given, thresholds: Thresholds) -> Readiness:
    """Holds all that was gathered against the thresholds."""
    checks = (
        *loss_checks(given.training, thresholds, given.step),
        *form_checks(evidence.episodes, thresholds),
        *task_checks(given.base, evidence.episodes),
        *diversity_checks(evidence.groups, evidence.acts, thresholds),
        retention_check(given.items, evidence.retention, thresholds),
        faithfulness_check(evidence.cuts, evidence.said, evidence.failure, thresholds),
    )
    # Nobody has to bring prompts of their own; who does wants them to count.
    left_out = set() if given.items else {"retention"}
    # Where no culprit is known, nothing can hit it.
    if not any(episode.truth.has_culprit for episode in evidence.episodes):
        left_out.add("hit")
    deciding = frozenset(thresholds.deciding) - left_out
    states = {check.state for check in checks if check.name in deciding}
    most = thresholds.number("lost", "most")
    too_many = evidence.lost_share > most
    base_lost = sum(episode.outcome is None for episode in given.base or ())
    if base_lost <= most * len(given.base or ()):
        base_lost = 0
    verdict = (
        Verdict.NOT_READY
        if State.FAILED in states
        else Verdict.UNDECIDED
        if State.NOT_MEASURED in states or too_many or base_lost
        else Verdict.READY
    )
    advice = tuple(advise(checks, evidence, given.training))
    return Readiness(model, verdict, checks, deciding, advice, evidence.lost, too_many, base_lost)
