"""The families of models, each in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping

from ordebug_plugin.generate.families import (
    assignment,
    blending,
    cashflow,
    commitment,
    facility,
    inventory,
    network,
    plans,
    production,
    projects,
    scheduling,
    transportation,
    workforce,
)
from ordebug_plugin.generate.family import Family

_MODULES = (
    production,
    transportation,
    blending,
    inventory,
    network,
    workforce,
    facility,
    assignment,
    scheduling,
    projects,
    commitment,
    cashflow,
    plans,
)
_ALL = tuple(module.FAMILY for module in _MODULES)
FAMILIES: Mapping[str, Family] = {family.name: family for family in _ALL}
# Those that are drawn unless others are asked for: whose problems teach diagnosis.
DEFAULT_FAMILIES = tuple(family.name for family in _ALL if not family.plain)
