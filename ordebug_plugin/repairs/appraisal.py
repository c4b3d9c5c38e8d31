"""Anybody's repair, scored: a second model file beside the broken one, with the measures of the evaluation.

A repair that consists of edits is scored exactly as an episode that made them. A model that drifted beyond that keeps
the measures that still mean the same, and the others are left out, each with its reason. A model that has next to none
of the broken one's rows is no repair of it, feasible or not: nothing of it is scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ordebug_plugin.edits import Edits
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.episode import Episode, Repair
from ordebug_plugin.errors import InputError, ProblemError
from ordebug_plugin.points import lost_rows
from ordebug_plugin.problem import Benchmark, Problem
from ordebug_plugin.repairs.difference import Change, Content, Difference, compare, content, kept_rows
from ordebug_plugin.rollout import audit_edits, lost_episode, not_kept
from ordebug_plugin.scoring import Scores, f1, score
from ordebug_plugin.solver import Judge
from ordebug_plugin.truth import Truth
from ordebug_plugin.verdict import IIS, Audit, Status, Verdict

# What a repair is scored by, of `scoring.Scores`.
MEASURES = ("op", "fp", "preservation", "minimality")
# With less than this share of the rows (`difference.kept_rows`), and at least one, a model is another one altogether.
LEAST_KEPT = 0.1


@dataclass(frozen=True)
class Appraisal:
    """A repair, scored.

    Attributes:
        difference: From the broken model to the repaired one.
        verdict: What the solver says of the repaired one.
        scores: Its measures (`scoring.Scores`), NaN where undefined; of an episode without turns.
        da_f1: F1 of what was changed against the culprit, or the IIS where that is not known.
        repair: The solver's facts; None where the model is not repaired.
        missing: Measure to the reason why it cannot be given.
        left: The conflict that is left, where it is still infeasible.
        original: From the original model to the repaired one, where there is an original.
        truth: What is known about the fault.
        rows: Rows of the broken model.
        kept_rows: Those that are in the repaired one.
        related: Whether the repaired model can be a repair of the broken one: it has its rows.
    """

    difference: Difference
    verdict: Verdict
    scores: Scores
    da_f1: float
    repair: Repair | None
    missing: Mapping[str, str]
    left: IIS | None
    original: Difference | None
    truth: Truth
    rows: int
    kept_rows: int
    related: bool

    @property
    def repaired(self) -> bool:
        """Whether it is the broken model still, now feasible with a finite optimum."""
        return self.related and self.verdict.status.is_repaired


def with_known_truth(problem: Problem, benchmark: Benchmark) -> Problem:
    """The problem with what a benchmark knows of it, found by the content of the model file.

    Raises:
        InputError: The benchmark does not have this model.
    """
    for known in benchmark.problems:
        if known.content_hash == problem.content_hash:
            return replace(problem, truth=known.truth)
    raise InputError(f"{benchmark.name} has no problem with the content of {problem.path}: is it the right benchmark?")


def appraise(judge: Judge, broken: Problem, repaired: Problem, original: Problem | None = None) -> Appraisal:
    """Scores a repaired model file.

    Args:
        judge: The solver.
        broken: The broken model, with what is known about its fault.
        repaired: What somebody made of it.
        original: The model before the fault; what is known is read off it then.

    Raises:
        ProblemError: A file cannot be read, the broken model is not infeasible, or the original is not feasible, or
            is another model altogether.
        SolverError: Gurobi failed.
    """
    iis = RepairEnv(judge, broken).reset().iis
    first, second = content(judge, broken), content(judge, repaired)
    difference, verdict = compare(first, second), judge.solve(repaired)
    related = _are_related(first, second)
    beside = true = None
    if original is not None:
        before = content(judge, original)
        if not _are_related(first, before):
            raise ProblemError(f"{original.path} has next to none of the rows of {broken.path}: it is not its original")
        fault, beside = compare(first, before), compare(before, second)
        true = fault.edits
        broken = replace(broken, truth=_truth_of(judge, original, fault, before))
    reference = difference if beside is None else beside
    repair = None
    if related and verdict.status.is_repaired:
        repair = _facts(judge, broken, difference, verdict, true)
        if reference.drift_of("objective"):
            repair = replace(repair, objective=None)
    episode = _episode(broken, first, iis, verdict, repair)
    scores = score(episode)
    if related:
        missing = _reasons(episode, scores, difference, reference)
    else:
        missing = dict.fromkeys((*MEASURES, "da_f1"), "it is no repair of this model")
        scores = replace(scores, op=math.nan, fp=math.nan, preservation=math.nan, minimality=math.nan)
    return Appraisal(
        difference=difference,
        verdict=verdict,
        scores=scores,
        da_f1=_diagnosis(difference, broken.truth, iis) if related else math.nan,
        repair=repair,
        missing=missing,
        left=judge.iis(repaired) if related and verdict.status is Status.INFEASIBLE else None,
        original=beside,
        truth=broken.truth,
        rows=len(first.shape.rows),
        kept_rows=kept_rows(first.shape, second.shape),
        related=related,
    )


def _are_related(first: Content, second: Content) -> bool:
    """Whether the second model has enough rows of the first; where that has none at all, enough of its variables."""
    old, new = first.shape, second.shape
    if old.rows:
        kept, of = kept_rows(old, new), len(old.rows)
    else:
        kept, of = len(old.variables.keys() & new.variables.keys()), len(old.variables)
    return kept > 0 and kept >= LEAST_KEPT * of


def _truth_of(judge: Judge, original: Problem, fault: Difference, before: Content) -> Truth:
    """What the original says about the fault."""
    verdict = judge.solve(original)
    if not verdict.status.is_repaired:
        raise ProblemError(
            f"{original.path}: the original must be feasible with a finite optimum, it is {verdict.status}"
        )
    types = [change.name for change in fault.drift_of("type")]
    return Truth(
        rows=fault.edits.changed_rows,
        variables=(*(name for name, _ in fault.edits.variables), *types),
        objective=verdict.objective,
        added_rows=tuple(row for row in sorted(fault.edits.dropped()) if row not in before.shape.rows),
    )


def _facts(judge: Judge, broken: Problem, difference: Difference, verdict: Verdict, true: Edits | None) -> Repair:
    edits = difference.edits
    # A model on the edge of the solver's tolerance may be feasible as a file, and infeasible as edits.
    if not difference.drifted and judge.solve(broken, edits).status.is_repaired:
        return audit_edits(judge, broken, edits, true)
    shape = judge.shape(broken)
    lost = not_kept(shape, edits, lost_rows(shape, edits), broken.truth.fix if true is None else true)
    return Repair(verdict.objective, None, Audit(math.nan, lost))


def _episode(broken: Problem, first: Content, iis: IIS | None, verdict: Verdict, repair: Repair | None) -> Episode:
    """The repair as an episode of which only the end is known."""
    undecided = Outcome.LIMIT if verdict.status is Status.LIMIT else Outcome.SUBMITTED
    return replace(
        lost_episode(broken, 0, None),
        n_rows=len(first.shape.rows),
        aliases=dict(first.shape.aliases),
        iis=iis,
        outcome=undecided if repair is None else Outcome.RECOVERED,
        repair=repair,
    )


def _diagnosis(difference: Difference, truth: Truth, iis: IIS | None) -> float:
    touched = {("row", name) for name in difference.edits.changed_rows}
    touched |= {("variable", name) for name, _ in difference.edits.variables}
    touched |= {("variable", change.name) for change in difference.drift_of("type")}
    rows, variables = (truth.rows, truth.variables) if truth.has_culprit or iis is None else (iis.rows, iis.bounds)
    return f1(touched, {("row", name) for name in rows} | {("variable", name) for name in variables})


def _reasons(episode: Episode, scores: Scores, difference: Difference, reference: Difference) -> dict[str, str]:
    """Why a measure is undefined, for those that are."""
    repair = episode.repair
    if repair is None:
        reason = "undecided within the work limit" if episode.outcome is Outcome.LIMIT else "the model is not repaired"
        return {name: reason for name in MEASURES if math.isnan(getattr(scores, name))}
    reasons = {}
    if math.isnan(scores.op):
        if reference.drift_of("objective"):
            reasons["op"] = f"the objective is another one ({_names(reference.drift_of('objective'))})"
        elif episode.truth.objective is None:
            reasons["op"] = "the objective before the fault is not known: give --original or --truth"
        else:
            reasons["op"] = "the optimum is not proven within the work limit"
    if math.isnan(scores.fp):
        reasons["fp"] = "no row of the broken model was in the original"
    if math.isnan(scores.minimality):
        drifted = f"more changed than sides, bounds and coefficients ({_names(difference.drifted)})"
        unknown = "the cheapest repair of the broken model could not be computed within the work limit and the licence"
        edge = "as edits of the broken model it is infeasible by the solver's tolerance"
        on_edge = math.isnan(repair.audit.granted)
        reasons["minimality"] = drifted if difference.drifted else edge if on_edge else unknown
    if math.isnan(scores.preservation):
        known = episode.truth.objective is not None
        reasons["preservation"] = (
            "it is OP × FP, of which one is missing"
            if known
            else "it is minimality where the original objective is not known"
        )
    return reasons


def _names(changes: tuple[Change, ...], most: int = 5) -> str:
    shown = ", ".join(f"{change.what} {change.name}" for change in changes[:most])
    return shown if len(changes) <= most else f"{shown} and {len(changes) - most} more"
