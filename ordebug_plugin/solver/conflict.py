"""The IIS of an infeasible model under edits: Gurobi's computeIIS, by the way that is fastest for the kind of model.

The IIS of a state is the same whatever was asked before: each way starts at a reset, and is chosen by the model alone.

- Small LPs, and small MIPs as loaded: computeIIS goes on from the solve that proved the model infeasible, which it
  would otherwise repeat.
- Small MIPs under edits, where their relaxation is infeasible: the IIS of that, in a tenth of the time, where it is
  certain to be one of the MIP too (`irreducible.for_whole`). It is not always the one that Gurobi gives for the MIP, so
  it is not taken of models as loaded, of which the public prompts show that.
- Other small MIPs: from a reset, with presolve, which the many models inside its search need although ours do not.
- LPs of more than `_CANONICAL_ROWS` rows: on a copy without an objective, which asks for a point alone. Primal simplex
  finds out three to six times sooner there that none exists, so that such a model is also first solved there. This is
  an IIS, but not always the one that Gurobi gives for the model with its objective; that of a smaller model is.
- Everything else: from a reset.
"""

from __future__ import annotations

import math
from itertools import compress

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.edits import NO_EDITS, Edits
from ordebug_plugin.errors import MemoryLimitError, SolverError
from ordebug_plugin.solver.irreducible import for_whole, is_doubtful, needs_all
from ordebug_plugin.solver.loaded import Loaded
from ordebug_plugin.solver.others import parts
from ordebug_plugin.solver.search import OUT_OF_MEMORY, OVERDUE, drop_objective
from ordebug_plugin.verdict import IIS

# Up to here the IIS is what Gurobi says of a model that it has just read.
_CANONICAL_ROWS = 200
# Work units for making an IIS irreducible: on some small MIPs a unit takes half a minute, and the whole limit hours.
_IIS_WORK = 0.3
_LEAST_TOLERANCE = 1e-9
_IN_IIS = {gp.QConstr: "IISQConstr", gp.SOS: "IISSOS", gp.GenConstr: "IISGenConstr"}
_FEASIBLE = 10015  # Gurobi's error where it is asked for the IIS of a feasible model


def goes_on_from_proof(loaded: Loaded, edits: Edits) -> bool:
    """Whether the IIS of this model is sought where a solve of the same edits has ended (`Loaded.proof`)."""
    return loaded.search.plain and (loaded.search.linear or (bool(loaded.search.whole) and edits == NO_EDITS))


def find_iis(loaded: Loaded, edits: Edits) -> IIS | None:
    """An IIS of the model under edits; None where there is none to be shown (`Judge.iis`)."""
    if is_refuted(loaded, edits):
        pure = _pure(loaded)
        pure.proof = None  # computeIIS uses it up
        minimal = _compute(pure.model)
        if minimal is not None:
            return _read(loaded, pure.model, minimal=minimal)
    loaded.carry(edits)
    if loaded.search.whole and edits != NO_EDITS and (iis := _of_relaxation(loaded, edits)) is not None:
        return iis
    model, search = loaded.model, loaded.search
    search.presolve(True)
    if loaded.proof != edits or not goes_on_from_proof(loaded, edits):
        search.reset()  # after edit and undo, the IIS would otherwise depend on the path taken
    loaded.proof = None  # computeIIS uses it up
    minimal = _compute(model)
    if not minimal and search.plain:
        with search.unbridled(_IIS_WORK):
            model.reset()
            minimal = _compute(model)
    if minimal is None and search.plain:
        with search.unbridled():
            model.reset()
            minimal = _compute(model)
    return None if minimal is None else _read(loaded, model, minimal=minimal)


def is_irreducible(loaded: Loaded, edits: Edits, iis: IIS) -> bool:
    """Whether no element of an IIS of the model under edits can be left out; False also where that is not decided."""
    return iis.minimal and (not is_doubtful(loaded) or needs_all(loaded, _pure(loaded), edits, iis))


def is_hairline(loaded: Loaded, edits: Edits) -> bool:
    """Whether no point is left with the smallest tolerances that Gurobi has; False also where that is not decided."""
    pure = _pure(loaded)
    pure.carry(edits)
    strict = pure.duplicate()
    try:
        for name in ("FeasibilityTol", "IntFeasTol"):
            strict.model.setParam(name, _LEAST_TOLERANCE)
        return strict.search.optimize().status == GRB.INFEASIBLE
    finally:
        strict.dispose()


def is_refuted(loaded: Loaded, edits: Edits) -> bool:
    """Whether a large LP under edits is proven infeasible by its copy without an objective; False says nothing."""
    if not loaded.search.linear or len(loaded.shape.rows) <= _CANONICAL_ROWS:
        return False
    pure = _pure(loaded)
    if pure.proof != edits:
        pure.carry(edits)
        pure.model.reset()
        pure.model.optimize()
        pure.proof = edits if pure.model.Status == GRB.INFEASIBLE else None
    return pure.proof is not None


def _of_relaxation(loaded: Loaded, edits: Edits) -> IIS | None:
    """An IIS of the relaxation of a small MIP that carries the edits, where it is one of the MIP; else None."""
    search = loaded.search
    if loaded.proof != edits or not search.is_relaxed:
        search.reset()
        if search.optimize_relaxation().status != GRB.INFEASIBLE:
            return None
    loaded.proof = None  # computeIIS uses it up
    if not _compute(search.model):
        return None
    iis = _read(loaded, search.model, minimal=True)
    return None if iis is None else for_whole(loaded, edits, iis)


def _pure(loaded: Loaded) -> Loaded:
    if loaded.pure is None:
        edits = loaded.edits
        loaded.carry(Edits(rewrites=edits.rewrites))
        loaded.pure = loaded.duplicate()
        loaded.carry(edits)
        model = loaded.pure.model
        drop_objective(model)
        model.Params.Presolve = 0 if loaded.search.linear else -1
        if loaded.search.linear:
            model.Params.Method = 0
    return loaded.pure


def _read(loaded: Loaded, model: gp.Model, *, minimal: bool) -> IIS | None:
    rows = tuple(compress(loaded.shape.rows, model.getAttr(GRB.Attr.IISConstr)))
    lower, upper = model.getAttr(GRB.Attr.IISLB), model.getAttr(GRB.Attr.IISUB)
    bounds = tuple(name for name, place in loaded.places.items() if lower[place] or upper[place])
    others = (
        ()
        if loaded.search.linear
        else tuple(name for name, part in parts(model).items() if part.getAttr(_IN_IIS[type(part)]))
    )
    if not rows and not bounds and not others:
        return None
    return IIS(rows, bounds, others, minimal=minimal)


def _compute(model: gp.Model) -> bool | None:
    """Leaves an IIS in the model, or none where the WorkLimit ends, or the conflict is as small as the tolerances.

    Such a model is infeasible to one method and feasible to another; what is certain is that no conflict can be shown.

    Returns:
        Whether the IIS is proven irreducible; None where there is none.

    Raises:
        MemoryLimitError: SoftMemLimit ended it.
        SolverError: Our patience did.
    """
    minimal: bool | None = None
    try:
        model.computeIIS()
        minimal = bool(model.getAttr(GRB.Attr.IISMinimal))
    except gp.GurobiError as error:
        if error.errno != _FEASIBLE:
            raise
        return None
    except AttributeError:
        pass
    if not minimal:
        _check_limits(model)
    return minimal


def _check_limits(model: gp.Model) -> None:
    """After an IIS that is not proven, or none: computeIIS does not say which limit ended it."""
    if model.Runtime >= model.Params.TimeLimit:
        raise SolverError(OVERDUE)
    if model.Params.SoftMemLimit < math.inf and model.Work < model.Params.WorkLimit:
        raise MemoryLimitError(OUT_OF_MEMORY)
