"""What the judge says: status, objective, IIS, the cheapest repair, and what a repair gave away."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin.interval import Interval


class Status(StrEnum):
    """What is proven about a model.

    OPTIMAL: feasible, with a proven finite optimum. FEASIBLE: an incumbent, its optimality not proven within the
    WorkLimit. INFEASIBLE. UNBOUNDED: feasible, without a finite optimum. LIMIT: nothing proven within the WorkLimit.
    """

    OPTIMAL = "OPTIMAL"
    FEASIBLE = "FEASIBLE"
    INFEASIBLE = "INFEASIBLE"
    UNBOUNDED = "UNBOUNDED"
    LIMIT = "LIMIT"

    @property
    def is_repaired(self) -> bool:
        """Whether the model is feasible with a finite optimum: an incumbent proves feasibility."""
        return self in (Status.OPTIMAL, Status.FEASIBLE)


@dataclass(frozen=True)
class Verdict:
    """One solve: the status, and the objective value where the optimum is proven (else None)."""

    status: Status
    objective: float | None = None


@dataclass(frozen=True)
class IIS:
    """An irreducible infeasible subsystem, in model order.

    Attributes:
        rows: Its linear constraints.
        bounds: Variables of which a bound is in it.
        others: Its quadratic, SOS and general constraints, which no action can edit.
        minimal: Whether Gurobi calls it irreducible; proof is another question (`Judge.is_irreducible`).
    """

    rows: tuple[str, ...]
    bounds: tuple[str, ...]
    others: tuple[str, ...] = ()
    minimal: bool = True


@dataclass(frozen=True)
class Relaxation:
    """The cheapest repair: the L1 optimum of Gurobi's feasRelax over all rows and bounds.

    Attributes:
        cost: Sum of all amounts, in the units of the rows.
        rows: (row, the interval its relaxation needs), only those that must give way.
        variables: (variable, the bounds its relaxation needs), likewise.
        activities: Value of a·x per row at the least infeasible point.
    """

    cost: float
    rows: tuple[tuple[str, Interval], ...]
    variables: tuple[tuple[str, Interval], ...]
    activities: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Audit:
    """What a repair gave away (DESIGN: minimality, FP).

    Attributes:
        granted: Sum of relaxations granted, at least `needed` up to tolerance.
        lost_rows: Changed rows that cannot bind any more.
    """

    granted: float
    lost_rows: tuple[str, ...]
