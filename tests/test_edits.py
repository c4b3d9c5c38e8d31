import math

import pytest

from ordebug_plugin.actions import parse_action
from ordebug_plugin.edits import NO_EDITS, Edits, Shape, apply_action, granted_sides, resolve
from ordebug_plugin.errors import ActionError
from ordebug_plugin.interval import FREE, Interval

SHAPE = Shape(
    rows={
        "le": Interval(-math.inf, 4.0),
        "ge": Interval(2.0, math.inf),
        "eq": Interval(3.0, 3.0),
        "range": Interval(1.0, 6.0),
        "odd, 1.0": Interval(0.0, 0.0),
        "odd": Interval(0.0, 0.0),
    },
    variables={"x": Interval(0.0, 10.0), "b": Interval(0.0, 1.0)},
    binaries=frozenset({"b"}),
)


def after(*texts: str) -> Edits:
    edits = NO_EDITS
    for text in texts:
        edits = apply_action(SHAPE, edits, resolve(SHAPE, edits, parse_action(text)))
    return edits


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("RELAX_CONSTRAINT(le, 1)", "le", Interval(-math.inf, 5.0)),
        ("RELAX_CONSTRAINT(ge, 1)", "ge", Interval(1.0, math.inf)),
        ("RELAX_CONSTRAINT(eq, 1)", "eq", Interval(2.0, 4.0)),
        ("RELAX_CONSTRAINT(range, 1)", "range", Interval(0.0, 7.0)),
        ("UPDATE_RHS(le, 9)", "le", Interval(-math.inf, 9.0)),
        ("UPDATE_RHS(ge, 9)", "ge", Interval(9.0, math.inf)),
        ("UPDATE_RHS(eq, 9)", "eq", Interval(9.0, 9.0)),
        ("DROP_CONSTRAINT(eq)", "eq", FREE),
        ("RELAX_CONSTRAINT(eq, 1e30)", "eq", FREE),
    ],
)
def test_relax_loosens_update_sets_and_drop_frees(text: str, row: str, expected: Interval) -> None:
    assert after(text).row(SHAPE, row) == expected


def test_edits_are_canonical() -> None:
    assert after("RELAX_CONSTRAINT(le, 1)", "UPDATE_RHS(ge, 1)") == after("UPDATE_RHS(ge, 1)", "UPDATE_RHS(le, 5)")
    assert after("UPDATE_RHS(le, 9)", "UPDATE_RHS(le, 4)") == NO_EDITS
    assert after("UPDATE_BOUNDS(x, -5, 5)", "UPDATE_BOUNDS(x, 0, 10)") == NO_EDITS
    assert after("DROP_CONSTRAINT(le)", "UPDATE_BOUNDS(x, 1, 2)", "RESET()") == NO_EDITS


def test_looking_changes_nothing() -> None:
    assert after("GET_IIS()", "CHECK_SLACK(le)", "SUBMIT()") == NO_EDITS


@pytest.mark.parametrize(
    "text", ["DROP_CONSTRAINT(nope)", "CHECK_SLACK(x)", "UPDATE_BOUNDS(le, 0, 1)", "DROP_CONSTRAINT('le')"]
)
def test_unknown_names_are_refused(text: str) -> None:
    with pytest.raises(ActionError, match="names are exact"):
        after(text)


@pytest.mark.parametrize("kind", ["DROP_CONSTRAINT(le)", "RELAX_CONSTRAINT(le, 1)", "CHECK_SLACK(le)"])
def test_a_dropped_row_is_gone_until_reset(kind: str) -> None:
    with pytest.raises(ActionError, match="RESET"):
        after("DROP_CONSTRAINT(le)", kind)
    assert after("DROP_CONSTRAINT(le)", "RESET()", kind) == after(kind)


def test_an_exact_name_goes_before_a_superfluous_number() -> None:
    assert after("DROP_CONSTRAINT(odd, 1.0)").row(SHAPE, "odd, 1.0") == FREE
    assert after("DROP_CONSTRAINT(le, 0.0)").row(SHAPE, "le") == FREE
    for text in ("DROP_CONSTRAINT(le, much)", "RELAX_CONSTRAINT(le, 99, 0.5)", "CHECK_SLACK(le, 1)"):
        with pytest.raises(ActionError, match="no constraint named"):
            after(text)
    with pytest.raises(ActionError, match="no variable named"):
        after("UPDATE_BOUNDS(x, 7, 0, 2)")


def test_bounds_of_a_binary_stay_within_0_and_1() -> None:
    """Gurobi keeps a binary within 0 and 1 whatever its bounds say, so wider ones would do nothing in silence."""
    with pytest.raises(ActionError, match="binary"):
        after("UPDATE_BOUNDS(b, 0, 5)")
    assert after("UPDATE_BOUNDS(b, 1, 1)").variable(SHAPE, "b") == Interval(1.0, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "value", "expected"),
    [
        (Interval(0, 10), Interval(-2, 13), 99.0, (2.0, 3.0)),
        (Interval(0, 10), Interval(1, 9), 5.0, (0.0, 0.0)),
        (Interval(0, 10), FREE, 12.0, (0.0, 2.0)),
        (Interval(0, 10), FREE, -1.0, (1.0, 0.0)),
        (Interval(0, 10), Interval(-math.inf, 12), 11.0, (0.0, 2.0)),
    ],
)
def test_what_an_edit_gave_away(old: Interval, new: Interval, value: float, expected: tuple[float, float]) -> None:
    assert granted_sides(old, new, value) == expected
