"""The judge: what Gurobi says about a model and its edits. The only package that imports gurobipy."""

from __future__ import annotations

from ordebug_plugin.solver.judge import DEFAULT_PATIENCE, DEFAULT_WORK_LIMIT, Judge
from ordebug_plugin.solver.licence import Licence, probe_licence
from ordebug_plugin.solver.messages import reading_messages
from ordebug_plugin.solver.version import gurobi_version
from ordebug_plugin.solver.writing import FORMATS

__all__ = [
    "DEFAULT_PATIENCE",
    "DEFAULT_WORK_LIMIT",
    "FORMATS",
    "Judge",
    "Licence",
    "gurobi_version",
    "probe_licence",
    "reading_messages",
]
