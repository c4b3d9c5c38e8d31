"""The families of models, each in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping

from ordebug_plugin.generate.families import production
from ordebug_plugin.generate.family import Family

FAMILIES: Mapping[str, Family] = {family.name: family for family in (production.FAMILY,)}
