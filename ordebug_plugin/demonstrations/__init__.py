"""Demonstrations, verified by the solver: made by policies, or collected from the runs of any model."""

from ordebug_plugin.demonstrations.make import DemonstrationReport, make_demonstrations
from ordebug_plugin.demonstrations.policies import Policy, Recipe

__all__ = ["DemonstrationReport", "Policy", "Recipe", "make_demonstrations"]
