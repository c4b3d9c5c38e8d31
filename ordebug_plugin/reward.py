"""Episode to reward: deterministic, solver-derived, every component in [0, 1].

The figures come from `scoring.score`, so a reward is never another opinion than the evaluator's. What this module
adds is a shape that cannot be gamed and that tells answers apart: recovery alone is worth half, the other half is the
quality of the repair, and a failed answer earns a little for the infeasibility that it removed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from ordebug_plugin.episode import Episode
from ordebug_plugin.scoring import Scores, score, touched_elements

# What recovery is worth by itself; the rest of `repair` is the quality of the repair.
RECOVERY = 0.5
# The most that an answer can earn without recovery: less than RECOVERY, so no failure beats a recovery.
PARTIAL = 0.25
# How much of a repair's quality hangs on ending at the true model, side by side. OP and FP cannot see a side that does
# not bind at the optimum: relaxing the culprit by 1e12 where variables are unbounded, or freeing both bounds of a
# variable, would tie with the honest repair. Small, because what we evaluate is preservation.
FIDELITY = 0.1
# What is left of a composite when no answer is in the answer format. An action in a poor answer acts, but an empty
# think block, or talk around the action, must not pay as much as the same action in a good answer.
MALFORMED = 0.5


@dataclass(frozen=True)
class Evidence:
    """Solver facts that a reward needs beyond the episode.

    Attributes:
        needed: L1 cost of the cheapest repair of the broken model; None where it is not known, or bears on nothing.
        remaining: The same for the model as the episode left it; 0 where it was recovered.
        cheapest: Elements, (``row`` or ``variable``, name), that the cheapest repair changes.
        deviation: How far the model that the episode left is from the model with the fault undone, summed over all
            sides; inf where a side is gone that should not be, or is there that should be gone. Where the fault is
            unknown: inf where any side is gone, else 0.
        turns_needed: Turns after which the known fix recovers; 1 where none is known.
    """

    needed: float | None
    remaining: float | None
    cheapest: frozenset[tuple[str, str]]
    deviation: float
    turns_needed: int


@dataclass(frozen=True)
class Components:
    """The components of one reward.

    Attributes:
        format: Share of answers exactly in the answer format.
        repair: Recovered: 0.5 + 0.5 × quality, which is preservation × (0.9 + 0.1 × fidelity), and fidelity is
            needed / (needed + deviation). Not recovered: up to 0.25, for the infeasibility removed.
        diagnosis: DA-F1 against the culprit; where that is unknown, the share of what was touched that is in the IIS
            or in the cheapest repair.
        preservation: OP × FP; minimality × FP where the original objective is unknown; 0 where not recovered.
        efficiency: Turns that the known fix needs (1 where none is known) over turns taken; 0 where not recovered.
    """

    format: float
    repair: float
    diagnosis: float
    preservation: float
    efficiency: float


COMPONENTS = tuple(field.name for field in fields(Components))


@dataclass(frozen=True)
class Weights:
    """Weights of a composite. Its sum is scaled by the format, so format needs no weight of its own."""

    repair: float
    diagnosis: float
    preservation: float
    efficiency: float


# As published (repair .5, diagnosis .3, efficiency .2), and with the weight moved to what a repair preserves.
PRESETS: Mapping[str, Weights] = {
    "ordebug": Weights(repair=0.5, diagnosis=0.3, preservation=0.0, efficiency=0.2),
    "ordebug_preserve": Weights(repair=0.3, diagnosis=0.2, preservation=0.4, efficiency=0.1),
}


def components(episode: Episode, evidence: Evidence) -> Components:
    """The components of an episode that infrastructure did not lose."""
    scores = score(episode)
    preservation = _preservation(scores)
    if scores.recovered:
        quality = preservation * (1 - FIDELITY + FIDELITY * _fidelity(evidence))
        repair = RECOVERY + (1 - RECOVERY) * quality
        efficiency = min(1.0, evidence.turns_needed / max(1, scores.answers))
    else:
        repair, efficiency = PARTIAL * _progress(evidence), 0.0
    return Components(
        format=scores.well_formed / max(1, scores.answers),
        repair=repair,
        diagnosis=_diagnosis(episode, scores, evidence),
        preservation=preservation,
        efficiency=efficiency,
    )


def composite(parts: Components, weights: Weights) -> float:
    """The weighted sum, scaled from `MALFORMED` to 1 by the share of well-formed answers."""
    total: float = sum(getattr(weights, field.name) * getattr(parts, field.name) for field in fields(Weights))
    return total * (MALFORMED + (1 - MALFORMED) * parts.format)


def _preservation(scores: Scores) -> float:
    if not scores.recovered:
        return 0.0
    if not math.isnan(scores.op):
        return scores.op * scores.fp
    # An optimum that is not proven leaves OP undefined, a licence limit the minimality: FP is always known.
    return scores.fp if math.isnan(scores.minimality) else scores.minimality * scores.fp


def _fidelity(evidence: Evidence) -> float:
    if evidence.deviation == 0.0:
        return 1.0
    return evidence.needed / (evidence.needed + evidence.deviation) if evidence.needed else 0.0


def _progress(evidence: Evidence) -> float:
    """Share of the infeasibility that was removed; 0 where it grew or is not known."""
    if not evidence.needed or evidence.remaining is None:
        return 0.0
    return min(1.0, max(0.0, 1.0 - evidence.remaining / evidence.needed))


def _diagnosis(episode: Episode, scores: Scores, evidence: Evidence) -> float:
    if episode.truth.has_culprit:
        return scores.da_f1
    touched = touched_elements(episode)
    if not touched or episode.iis is None:
        return 0.0
    conflict = {("row", name) for name in episode.iis.rows} | {("variable", name) for name in episode.iis.bounds}
    return len(touched & (conflict | evidence.cheapest)) / len(touched)
