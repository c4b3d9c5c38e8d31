"""What the index of a benchmark says about a proven problem, whatever it was made of."""

from __future__ import annotations

from dataclasses import asdict

from ordebug_plugin.generate.instance import Instance
from ordebug_plugin.generate.proof import Proof
from ordebug_plugin.verdict import Status


def labels(instance: Instance, proof: Proof) -> dict[str, object]:
    """The labels that `ordebug bench check` proves again."""
    broken, undo = instance.broken, instance.undo
    discrete = any(column.integer for column in broken.columns)
    return {
        "action_set": "extended",
        "problem_type": "mip" if discrete else "lp",
        "n_variables": len(broken.columns),
        "n_constraints": len(broken.rows),
        "initial_status": str(Status.INFEASIBLE),
        "culprit": {"rows": list(undo.rows), "variables": list(undo.variables)},
        "added_rows": list(undo.added_rows),
        "fix": [str(action) for action in undo.fix],
        "original_objective": proof.objective,
        "iis_constraints": list(proof.iis.rows),
        "iis_bounds": list(proof.iis.bounds),
        "facts": asdict(proof.facts),
        "cheapest_repair_hits": proof.cheapest_hits,
    }
