"""What is known about a broken model: the culprit, the objective before the fault, and a fix.

Our own benchmarks state these in fields of their own (`culprit`, `added_rows`, `fix`). The public files state them in
words (``Remove chain constraints: _chain_constr_1, …``), and some of their labels are wrong or loose, so what can be
read from them is read here, in one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.actions import Action, ActionKind, parse_action
from ordebug_plugin.errors import ActionError, ProblemError
from ordebug_plugin.fields import Fields, is_number

# target_type always says "constraint" in the public files, but the targets of these fault types are variables.
_VARIABLE_TYPES = frozenset({"B", "H"})


@dataclass(frozen=True)
class Truth:
    """Ground truth of one problem; every field may be empty.

    Attributes:
        rows: The culprit rows.
        variables: The culprit variables (their bounds or type).
        objective: Optimal objective value of the model before it was broken, or None.
        added_rows: Rows that the fault added: not part of the original, so dropping them costs nothing.
        fix: Actions that undo the fault as far as the action set can, in order.
    """

    rows: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    objective: float | None = None
    added_rows: tuple[str, ...] = ()
    fix: tuple[Action, ...] = ()

    @property
    def has_culprit(self) -> bool:
        """Whether it is known what is at fault."""
        return bool(self.rows or self.variables)


UNKNOWN = Truth()
_REMOVED = re.compile(r"[Rr]emove (?:chain constraints: |contradicting constraint )?(.+)")


def read_truth(record: Mapping[str, object]) -> Truth:
    """Reads the truth from one record of a ``dataset.json``, ours or the public layout.

    Raises:
        ProblemError: A field has the wrong type, or the fix is no action.
    """
    value = _objective(record.get("original_objective"))
    if "culprit" in record:
        return _read_own(record, value)
    rows, variables = _public_target(str(record.get("error_type") or ""), str(record.get("target_name") or ""))
    sentence = str(record.get("ground_truth_fix") or "")
    added = _public_added_rows(sentence)
    # The culprit first: any of the added rows may already be enough.
    drops = sorted(added, key=lambda row: row not in rows) or rows
    fix = tuple(Action(ActionKind.DROP_CONSTRAINT, row) for row in drops)
    return Truth(rows, variables, value, added, fix)


def _objective(value: object) -> float | None:
    if value is None:
        return None
    if not is_number(value):
        raise ProblemError(f"original_objective must be a finite number or null, not {value!r}")
    return float(value)


def dump_truth(truth: Truth) -> dict[str, object]:
    """A truth as JSON; `load_truth` reads it back unchanged."""
    return {
        "rows": list(truth.rows),
        "variables": list(truth.variables),
        "objective": truth.objective,
        "added_rows": list(truth.added_rows),
        "fix": [str(action) for action in truth.fix],
    }


def load_truth(record: Fields) -> Truth:
    """Reads what `dump_truth` wrote.

    Raises:
        ValueError, ActionError: It is something else.
    """
    return Truth(
        rows=record.texts("rows"),
        variables=record.texts("variables"),
        objective=record.number_or_none("objective"),
        added_rows=record.texts("added_rows"),
        fix=tuple(parse_action(text) for text in record.texts("fix")),
    )


def _read_own(record: Mapping[str, object], objective: float | None) -> Truth:
    culprit = record["culprit"]
    if not isinstance(culprit, Mapping):
        raise ProblemError("culprit must be an object with 'rows' and 'variables'")
    try:
        fix = tuple(parse_action(text) for text in _strings(record.get("fix"), "fix"))
    except ActionError as error:
        raise ProblemError(f"fix is no action: {error}") from error
    return Truth(
        rows=_strings(culprit.get("rows"), "culprit.rows"),
        variables=_strings(culprit.get("variables"), "culprit.variables"),
        objective=objective,
        added_rows=_strings(record.get("added_rows"), "added_rows"),
        fix=fix,
    )


def _strings(value: object, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ProblemError(f"{name} must be a list of strings")
    return tuple(value)


def _public_target(error_type: str, target: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Reads ``target_name``: a row, ``row:var`` (type C), a variable (B, H) or a comma list (E, G)."""
    if not target:
        return (), ()
    if error_type in _VARIABLE_TYPES:
        return (), (target,)
    if error_type == "C":
        return (target.rpartition(":")[0] or target,), ()
    if error_type in {"E", "G"}:
        return tuple(part.strip() for part in target.split(",") if part.strip()), ()
    return (target,), ()


def _public_added_rows(sentence: str) -> tuple[str, ...]:
    """The rows that a public fix removes: they were not in the original model."""
    match = _REMOVED.search(sentence.removesuffix("\n").rpartition("\n")[2])
    return tuple(part.strip() for part in match[1].split(",")) if match else ()
