"""What the solver was asked, and what it said: enough to ask it again elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from ordebug_plugin.edits import Edits


@dataclass(frozen=True)
class Call:
    """One question that Gurobi answered; what was remembered is not asked again.

    Attributes:
        question: ``solve``, ``iis``, ``irreducible``, ``relaxation``, ``infeasibility`` or ``audit``.
        model: Content hash of the model as loaded.
        edits: What differed from it.
        answer: What came of it: a `Verdict`, `IIS`, `Relaxation`, `Audit`, a number, or None.
        seconds: Wall time.
    """

    question: str
    model: str
    edits: Edits
    answer: object
    seconds: float
