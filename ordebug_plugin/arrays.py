"""A model as arrays: what any solver of linear models takes, whoever read the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # scipy.sparse takes half a second to import
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arrays:
    """Minimize or maximize costs·x + constant, so that row_lower <= A x <= row_upper and lower <= x <= upper.

    Attributes:
        costs: One for each of n columns.
        constant: Of the objective.
        maximize: Its direction.
        matrix: A, of m rows and n columns.
        row_lower: Of m rows; -inf for none.
        row_upper: Likewise.
        lower: Of n columns.
        upper: Likewise.
        kinds: Of n columns, as `scipy.optimize.milp` has them: 0 continuous, 1 integer, 2 semi-continuous, 3
            semi-integer.
        beyond: What the model has that is none of this, in words; empty for a linear one.
    """

    costs: Floats
    constant: float
    maximize: bool
    matrix: csr_matrix
    row_lower: Floats
    row_upper: Floats
    lower: Floats
    upper: Floats
    kinds: NDArray[np.int8]
    beyond: tuple[str, ...] = ()

    @property
    def is_discrete(self) -> bool:
        """Whether some column is not continuous."""
        return bool(self.kinds.any())

    def violation(self, point: Floats) -> float:
        """By how much a point violates a row or a bound, or a whole column is not whole, at most.

        Semi-continuous columns may be 0 as well as within their bounds.
        """
        activity = self.matrix @ point
        semi = self.kinds >= _SEMI
        outside = np.maximum(self.lower - point, point - self.upper)
        outside[semi] = np.minimum(outside[semi], np.abs(point[semi]))
        whole = np.isin(self.kinds, (1, 3))
        worst = [self.row_lower - activity, activity - self.row_upper, outside]
        worst.append(np.abs(point - np.round(point))[whole])
        return max(0.0, *(float(part.max()) for part in worst if part.size))


_SEMI = 2
