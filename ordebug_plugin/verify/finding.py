"""What a check of a label comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin.edits import Shape


class Check(StrEnum):
    """What is checked, in the order in which it is reported."""

    ID = "id"
    DUPLICATE = "duplicate"
    READABLE = "readable"
    INFEASIBLE = "infeasible"
    CULPRIT = "culprit"
    FIX = "fix"
    OBJECTIVE = "objective"
    IIS = "iis"
    PROBLEM_TYPE = "problem-type"
    TARGET_TYPE = "target-type"
    SIZE = "size"
    CHEAPEST = "cheapest-repair"
    SINGLE_DROPS = "single-drops"
    DISJOINT = "disjoint-iis"
    SPECIFICATION = "specification"


class Ruling(StrEnum):
    """What came of a check."""

    PROVEN = "proven"
    WRONG = "wrong"
    UNCHECKED = "unchecked"


@dataclass(frozen=True)
class Finding:
    """One check of one problem; the reason is empty where it is proven."""

    check: Check
    ruling: Ruling
    reason: str = ""


def proven(check: Check) -> Finding:
    """A label that the solver confirms."""
    return Finding(check, Ruling.PROVEN)


def wrong(check: Check, reason: str) -> Finding:
    """A label that the solver contradicts."""
    return Finding(check, Ruling.WRONG, reason)


def unchecked(check: Check, reason: str) -> Finding:
    """A label that nothing is proven about."""
    return Finding(check, Ruling.UNCHECKED, reason)


def missing_names(shape: Shape, rows: Iterable[str], variables: Iterable[str]) -> str:
    """The rows and variables that a model does not have, in words; empty where it has all."""
    absent = [f"row {name}" for name in dict.fromkeys(rows) if name not in shape.rows]
    return listed([*absent, *(f"variable {name}" for name in dict.fromkeys(variables) if name not in shape.variables)])


def listed(names: Iterable[str | None]) -> str:
    """Names for a message, in one order."""
    return ", ".join(sorted(str(name) for name in names))
