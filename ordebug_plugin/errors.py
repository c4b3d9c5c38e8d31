"""The vocabulary of failures: one exception per boundary crossed.

Code raises these where the failure arises; `cli.main` is the one place that catches them all and turns each into a
message on stderr and an exit code. An infrastructure failure (`SolverError`, `ServerError`) is never a wrong answer.
"""

from __future__ import annotations


class OrdebugError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1


class InputError(OrdebugError):
    """Something the user gave cannot be used: a file, a row of data, an option."""

    exit_code = 2


class ProblemError(InputError):
    """A benchmark or a model file cannot be used: missing, unreadable, or not infeasible."""


class ActionError(OrdebugError):
    """An answer carries no action that can be executed. Costs the model a turn; never stops a run."""


class SolverError(OrdebugError):
    """Gurobi failed for a reason that is not the model's: licence, memory, internal error."""

    exit_code = 3


class LicenseLimitError(SolverError):
    """The model is larger than the Gurobi licence in use allows (Gurobi error 10010)."""


class MemoryLimitError(SolverError):
    """Gurobi reached the memory limit that its user set (MemLimit, SoftMemLimit), or the machine's."""


class ServerError(OrdebugError):
    """An OpenAI-compatible server is unreachable, or keeps failing after its retries."""

    exit_code = 4
