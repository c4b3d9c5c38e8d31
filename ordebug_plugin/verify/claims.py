"""What a record of a benchmark claims about its problem, beyond the truth that everything else goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from ordebug_plugin.restoration import Restoration, read_restoration
from ordebug_plugin.truth import Truth
from ordebug_plugin.verify.facts import Facts


@dataclass(frozen=True)
class Claims:
    """Claims that can be true or false; None, or empty, where the record makes none.

    Attributes:
        exact: Whether culprit and fix are stated in fields of their own, as our benchmarks do, not read from words.
        fix_text: The fix in words.
        restoration: What these words mean; None where they are not understood.
        iis_rows: Rows of the recorded IIS.
        iis_bounds: Variables of which a bound is in it.
        status: Status of the model as loaded.
        problem_type: ``lp`` or ``mip``.
        target_type: ``constraint`` or ``variable``.
        target_name: What is at fault, as the public files name it.
        n_rows: Number of rows.
        n_variables: Number of variables.
        facts: What the solver is said to have found out.
    """

    exact: bool = False
    fix_text: str = ""
    restoration: Restoration | None = None
    iis_rows: tuple[str, ...] | None = None
    iis_bounds: tuple[str, ...] = ()
    status: str | None = None
    problem_type: str | None = None
    target_type: str | None = None
    target_name: str | None = None
    n_rows: int | None = None
    n_variables: int | None = None
    facts: Facts | None = None


def read_claims(record: Mapping[str, object], truth: Truth) -> Claims:
    """Reads the claims of one record; a field of the wrong type claims nothing."""
    sentence = _text(record.get("ground_truth_fix")) or ""
    return Claims(
        exact="culprit" in record,
        fix_text=sentence,
        restoration=read_restoration(sentence, truth.added_rows),
        iis_rows=_names(record.get("iis_constraints")),
        iis_bounds=_names(record.get("iis_bounds")) or (),
        status=_text(record.get("initial_status")),
        problem_type=_text(record.get("problem_type")),
        target_type=_text(record.get("target_type")),
        target_name=_text(record.get("target_name")),
        n_rows=_count(record.get("n_constraints")),
        n_variables=_count(record.get("n_variables")),
        facts=_facts(record.get("facts")),
    )


def _facts(value: object) -> Facts | None:
    if not isinstance(value, Mapping) or set(value) != {field.name for field in fields(Facts)}:
        return None
    drops = _names(value["single_drops"])
    return Facts(**{**value, "single_drops": drops})


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _names(value: object) -> tuple[str, ...] | None:
    return tuple(map(str, value)) if isinstance(value, list) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
