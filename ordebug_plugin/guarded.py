"""A judge that can be killed: in a process of its own, ended where Gurobi does not return.

Gurobi keeps its own limits nearly always. Where it does not (a loop of its own, a file on a network drive that is gone,
a licence server that accepts and says nothing), nothing inside the process can end it: the call holds the thread, and
often Python's lock. So the process that waits is another one than the process that may hang.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ordebug_plugin import solver
from ordebug_plugin.edits import NO_EDITS, Edits, Shape
from ordebug_plugin.errors import InputError, OrdebugError, SolverError
from ordebug_plugin.linear import Terms
from ordebug_plugin.outline import Outline
from ordebug_plugin.problem import Problem
from ordebug_plugin.restoration import Restoration
from ordebug_plugin.solver import DEFAULT_PATIENCE, DEFAULT_WORK_LIMIT, Judge, Licence
from ordebug_plugin.solver.configuration import configuration
from ordebug_plugin.solver.ledger import Call
from ordebug_plugin.verdict import IIS, Audit, Relaxation, Status, Verdict
from ordebug_plugin.workers import HANG_VARIABLE, KILLABLE_VARIABLE, Lost, Workers

if TYPE_CHECKING:
    from ordebug_plugin.arrays import Arrays

# Seconds for one question, which is several calls of Gurobi, each under the work limit (by default 60, about as many
# seconds). One that takes longer hangs.
_HANG = 1800.0
_HANG_PER_WORK = 30.0  # the same for a work limit that is higher
# Seconds until Gurobi has its licence: a server that is there answers at once, and Gurobi itself gives up after 20 or,
# asking a token server that accepts and says nothing, never.
_START = 120.0


def hang_limit(work_limit: float) -> float:
    """Seconds for one question to a judge, after which its process is killed: ORDEBUG_HANG, else by the work limit.

    Raises:
        InputError: ORDEBUG_HANG is no positive number.
    """
    text = os.environ.get(HANG_VARIABLE)
    if text is None:
        return max(_HANG, _HANG_PER_WORK * work_limit)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(f"the environment variable {HANG_VARIABLE} must be a number of seconds above 0, not {text!r}")
    return seconds


def start_limit(hang: float) -> float:
    """Seconds for the start of a judge, of which a question may take so many."""
    return min(hang, _START)


def no_start(seconds: float) -> SolverError:
    """What is raised where a judge has not started by then.

    Raises:
        InputError: What is set for licences makes no sense, which the judge had no time to say.
    """
    text = os.environ.get(HANG_VARIABLE)
    short = (
        f" {HANG_VARIABLE}={text} allows no more, and a start takes a second or several: if that is the cause, give it "
        "more."
        if text is not None and seconds < _START
        else ""
    )
    return SolverError(
        f"Gurobi did not start within {seconds:g} s, with {configuration().kind}.{short} Where a server gives the "
        "licence: does it answer, and can it be reached from here (docs/limits.md, Licences)?"
    )


def probe_licence() -> Licence:
    """The licence in use, found out in a process that is killed where its server does not answer.

    Raises:
        InputError: What is set for licences makes no sense.
        SolverError: Gurobi cannot start.
    """
    processes, seconds = Workers(1), start_limit(hang_limit(DEFAULT_WORK_LIMIT))
    try:
        (result,) = processes.map(licence_or_error, [()], seconds)
    except OSError as error:
        raise SolverError(f"a process to start Gurobi in cannot be started: {error}") from error
    finally:
        processes.close()
    if isinstance(result, Lost):
        raise no_start(seconds)
    if isinstance(result, OrdebugError):
        raise result
    return result  # type: ignore[no-any-return]


def licence_or_error() -> Licence | OrdebugError:
    """The licence in use, or why there is none: what `probe_licence` has a process find out. Raises nothing."""
    try:
        return solver.probe_licence()
    except OrdebugError as error:
        return error


def make_judge(
    *,
    work_limit: float = DEFAULT_WORK_LIMIT,
    patience: float = DEFAULT_PATIENCE,
    models_kept: int = 256,
    ledger: bool = False,
) -> Judge:
    """A judge that cannot hang whoever asks it: a guarded one, or a plain one where this process itself is killed.

    Raises:
        InputError: An environment variable makes no sense.
        SolverError: No Gurobi environment can be started (licence), or none within the limit.
    """
    kind = Judge if os.environ.get(KILLABLE_VARIABLE) else GuardedJudge
    return kind(work_limit=work_limit, patience=patience, models_kept=models_kept, ledger=ledger)


def check_gurobi(*, work_limit: float = DEFAULT_WORK_LIMIT) -> None:
    """Finds out, once and before any work, that a judge can start: a licence that does not work is told here.

    Raises:
        InputError: An environment variable makes no sense.
        SolverError: No Gurobi environment can be started (licence), or none within the limit.
    """
    make_judge(work_limit=work_limit).close()


class GuardedJudge(Judge):
    """A `Judge` in a process of its own, with the same answers.

    That process is killed where it takes too long for a question, which then is a `SolverError`; the next question
    starts another.

    Args:
        work_limit: See `Judge`.
        patience: See `Judge`.
        models_kept: See `Judge`.
        ledger: See `Judge`.
        hang: Seconds for one question; None for `hang_limit`.

    Raises:
        InputError: ORDEBUG_HANG makes no sense.
        SolverError: No Gurobi environment can be started (licence), or none within the limit.
    """

    def __init__(  # super().__init__ is called in the other process
        self,
        *,
        work_limit: float = DEFAULT_WORK_LIMIT,
        patience: float = DEFAULT_PATIENCE,
        models_kept: int = 256,
        ledger: bool = False,
        hang: float | None = None,
    ) -> None:
        self._settings = (work_limit, patience, models_kept, ledger)
        self._hang = hang_limit(work_limit) if hang is None else hang
        self._process = Workers(1)
        self._shapes: OrderedDict[str, Shape] = OrderedDict()
        self._shapes_kept = models_kept
        try:
            self._parameters: dict[str, float] = self._start()
        except SolverError:
            self.close()
            raise

    @property
    def calls(self) -> tuple[Call, ...]:
        """See `Judge`; since its process began."""
        return self._ask("calls")  # type: ignore[no-any-return]  # as everything that comes out of a pipe

    @property
    def parameters(self) -> dict[str, float]:
        """See `Judge`."""
        return self._parameters

    def close(self) -> None:
        """Ends the process."""
        self._process.close()
        self._shapes.clear()

    def shape(self, problem: Problem) -> Shape:
        """See `Judge`; the terms of every row come with it."""
        known = self._shapes.get(problem.content_hash)
        if known is None:
            known = self._shapes[problem.content_hash] = self._ask("shape", problem)
            if len(self._shapes) > self._shapes_kept:
                self._shapes.popitem(last=False)
        self._shapes.move_to_end(problem.content_hash)
        return known

    def terms(self, problem: Problem, rows: Iterable[str], edits: Edits = NO_EDITS) -> dict[str, Terms]:
        """See `Judge`."""
        shape = self.shape(problem)
        return {row: edits.terms(shape, row) for row in rows}

    def outline(self, problem: Problem) -> Outline:
        """See `Judge`."""
        return self._ask("outline", problem)  # type: ignore[no-any-return]

    def arrays(self, problem: Problem, edits: Edits = NO_EDITS) -> Arrays:
        """See `Judge`."""
        return self._ask("arrays", problem, edits)  # type: ignore[no-any-return]

    def others(self, problem: Problem) -> Mapping[str, str]:
        """See `Judge`."""
        return self._ask("others", problem)  # type: ignore[no-any-return]

    def written(self, problem: Problem, edits: Edits, suffix: str) -> bytes:
        """See `Judge`."""
        return self._ask("written", problem, edits, suffix)  # type: ignore[no-any-return]

    def solve(self, problem: Problem, edits: Edits = NO_EDITS) -> Verdict:
        """See `Judge`."""
        return self._ask("solve", problem, edits)  # type: ignore[no-any-return]

    def iis(self, problem: Problem, edits: Edits = NO_EDITS) -> IIS | None:
        """See `Judge`."""
        return self._ask("iis", problem, edits)  # type: ignore[no-any-return]

    def is_irreducible(self, problem: Problem, edits: Edits = NO_EDITS) -> bool:
        """See `Judge`."""
        return self._ask("is_irreducible", problem, edits)  # type: ignore[no-any-return]

    def is_hairline(self, problem: Problem, edits: Edits = NO_EDITS) -> bool:
        """See `Judge`."""
        return self._ask("is_hairline", problem, edits)  # type: ignore[no-any-return]

    def relaxation(self, problem: Problem, edits: Edits = NO_EDITS) -> Relaxation | None:
        """See `Judge`."""
        return self._ask("relaxation", problem, edits)  # type: ignore[no-any-return]

    def infeasibility(self, problem: Problem, edits: Edits = NO_EDITS) -> float | None:
        """See `Judge`."""
        return self._ask("infeasibility", problem, edits)  # type: ignore[no-any-return]

    def audit(self, problem: Problem, edits: Edits) -> Audit:
        """See `Judge`."""
        return self._ask("audit", problem, edits)  # type: ignore[no-any-return]

    def restored(self, problem: Problem, restoration: Restoration) -> Verdict:
        """See `Judge`."""
        return self._ask("restored", problem, restoration)  # type: ignore[no-any-return]

    def can_hold(self, problem: Problem, restoration: Restoration, work_limit: float | None = None) -> Status:
        """See `Judge`."""
        return self._ask("can_hold", problem, restoration, work_limit)  # type: ignore[no-any-return]

    def _start(self) -> dict[str, float]:
        seconds = start_limit(self._hang)
        result = self._call("parameters", (), seconds)
        if isinstance(result, Lost):
            raise no_start(seconds)
        return result  # type: ignore[no-any-return]

    def _ask(self, question: str, problem: Problem | None = None, *arguments: object) -> Any:
        result = self._call(question, () if problem is None else (problem, *arguments), self._hang)
        if isinstance(result, Lost):
            where = "" if problem is None else f"{problem.path}: "
            raise SolverError(f"{where}{result.reason}")
        return result

    def _call(self, question: str, arguments: tuple[object, ...], seconds: float) -> Any:
        """The answer; `Lost` where the process took longer, or died."""
        try:
            (result,) = self._process.map(_answer, [(self._settings, question, arguments)], seconds)
        except OSError as error:
            raise SolverError(f"a process to judge in cannot be started: {error}") from error
        if isinstance(result, Lost):
            return result
        answer, failure = result
        if failure is not None:
            raise failure
        return answer


@lru_cache(maxsize=1)
def _judge(work_limit: float, patience: float, models_kept: int, ledger: bool) -> Judge:
    return Judge(work_limit=work_limit, patience=patience, models_kept=models_kept, ledger=ledger)


def _answer(
    settings: tuple[float, float, int, bool], question: str, arguments: tuple[Any, ...]
) -> tuple[Any, Exception | None]:
    """What the process does: the judge's answer, or the error that is raised where it was asked."""
    try:
        asked = getattr(_judge(*settings), question)
        answer = asked(*arguments) if callable(asked) else asked
    except (OrdebugError, KeyError) as error:
        return None, error
    if isinstance(answer, Shape):  # its terms are read from the model, which stays here
        answer = replace(answer, terms=dict(answer.terms))
    return answer, None
