import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordebug_plugin.errors import ActionError
from ordebug_plugin.linear import exact, ratio, read_sum, render_sum, short

NAMES = dict.fromkeys(
    ["x", "y", "z", "xy", "x(1)", "flow[a,b]", "flow[a, b]", "req [Mon 1]", "größe", "6", "7", "36", "6th", "e5", "a-b"]
)
COEFFICIENTS = st.one_of(
    st.integers(-1000, 1000).map(float),
    st.floats(1e-9, 1e12).flatmap(lambda size: st.sampled_from([size, -size])),
).filter(bool)


@given(st.dictionaries(st.sampled_from(sorted(NAMES)), COEFFICIENTS, min_size=1))
def test_what_is_written_reads_back_to_the_last_bit(coefficients: dict[str, float]) -> None:
    terms = tuple((name, coefficients[name]) for name in NAMES if name in coefficients)
    assert read_sum(render_sum(terms), NAMES) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("3 x + 2 y", {"x": 3, "y": 2}),
        ("x - y", {"x": 1, "y": -1}),
        ("- x", {"x": -1}),
        ("-x+2y", {"x": -1, "y": 2}),
        ("+ 2 x", {"x": 2}),
        ("3*x + 2 * y", {"x": 3, "y": 2}),
        ("x + -2 y", {"x": 1, "y": -2}),
        ("x - -2 y", {"x": 1, "y": 2}),
        ("1e-3 x + 2.5E2 y", {"x": 1e-3, "y": 250}),
        (".5 x", {"x": 0.5}),
        ("2 y + x + 3 x", {"x": 4, "y": 2}),
        ("x + y - y", {"x": 1}),
        ("0.1 y + 0.2 y - 0.3 y + x", {"x": 1}),
        ("0 y + x", {"x": 1}),
        ("3 6 + 2 7", {"6": 3, "7": 2}),
        ("6 + 7", {"6": 1, "7": 1}),
        ("36 - 6", {"6": -1, "36": 1}),
        ("2 6th - 6", {"6": -1, "6th": 2}),
        ("xy", {"xy": 1}),
        ("2xy", {"xy": 2}),
        ("2 e5", {"e5": 2}),
        ("a-b - 2 a-b", {"a-b": -1}),
        ("2 x(1) + flow[a,b] - 3 flow[a, b]", {"x(1)": 2, "flow[a,b]": 1, "flow[a, b]": -3}),
        ("req [Mon 1] + 4 größe", {"req [Mon 1]": 1, "größe": 4}),
    ],
)
def test_reading(text: str, terms: dict[str, float]) -> None:
    assert dict(read_sum(text, NAMES)) == pytest.approx(terms)
    assert [name for name, _ in read_sum(text, NAMES)] == [name for name in NAMES if name in terms]


def test_a_shorter_name_is_tried_where_the_longest_leads_nowhere() -> None:
    names = dict.fromkeys(["3", "x", "x + 3 y", "y", "z"])
    assert dict(read_sum("3 x", names)) == {"x": 3}
    assert dict(read_sum("x + 3 y + z", names)) == {"x + 3 y": 1, "z": 1}
    assert dict(read_sum("x + 3 y z", dict.fromkeys(["x", "x + 3 y", "y z"]))) == {"x": 1, "y z": 3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x + 4", "'\\+ 4' has a number without a variable"),
        ("4 + x", "'4 \\+ x' has a number without a variable"),
        ("0", "number without a variable"),
        ("2 q", "'2 q' is no variable"),
        ("x + nan y", "'\\+ nan y' is no variable"),
        ("inf x", "'inf x' is no variable"),
        ("3 (x + y)", "is no variable"),
        ("x y", "is no variable"),
        ("x +", "is no variable"),
        ("", "is no variable"),
        ("1_0 x", "is no variable"),
        ("٣ x", "is no variable"),
        ("0 x", "no variable is left"),
        ("x - x", "no variable is left"),
        ("0.1 x + 0.2 x - 0.3 x", "no variable is left"),
        ("1e13 x", "from 1e-09 to 1e\\+12"),
        ("1e999 x", "from 1e-09 to 1e\\+12"),
        ("1e999 x - 1e999 x", "from 1e-09 to 1e\\+12"),
        ("1e-10 x", "from 1e-09 to 1e\\+12"),
    ],
)
def test_refusals_say_why(text: str, reason: str) -> None:
    with pytest.raises(ActionError, match=reason):
        read_sum(text, NAMES)


@given(st.text(alphabet="x y6+-*3.e[,]"))
def test_reading_refuses_or_gives_what_reads_back(text: str) -> None:
    try:
        terms = read_sum(text, NAMES)
    except ActionError:
        return
    assert read_sum(render_sum(terms), NAMES) == terms


def test_garbage_of_any_length_is_read_to_its_end() -> None:
    """Every place is tried once: else this would take longer than the test suite may."""
    names = dict.fromkeys(f"{'ab' * size}" for size in range(1, 40))
    assert len(read_sum(" + ".join(["abab"] * 20_000), names)) == 1
    with pytest.raises(ActionError, match="is no variable"):
        read_sum("ab + " * 20_000 + "!", names)
    with pytest.raises(ActionError, match="is no variable"):
        read_sum(" " * 200_000 + "!", names)


@pytest.mark.parametrize(
    ("one", "other", "factor"),
    [
        ({"x": 3, "y": 2}, {"y": 2, "x": 3}, 1),
        ({"x": 6, "y": 4}, {"x": 3, "y": 2}, 2),
        ({"x": -3, "y": -2}, {"x": 3, "y": 2}, -1),
        ({"x": 0.333333333333}, {"x": 1 / 3}, 1),
        ({"x": 1, "y": 0}, {"x": 2}, 0.5),
        ({"x": 3, "y": 2.001}, {"x": 3, "y": 2}, None),
        ({"x": 3}, {"x": 3, "y": 2}, None),
        ({"x": 3}, {"y": 3}, None),
        ({"x": 3}, {}, None),
        ({}, {}, 1),
    ],
)
def test_ratio(one: dict[str, float], other: dict[str, float], factor: float | None) -> None:
    assert ratio(tuple(one.items()), tuple(other.items())) == factor


def test_numbers() -> None:
    assert [exact(value) for value in (3.0, 0.1, 1e20, 1 / 3)] == ["3", "0.1", "1e+20", "0.3333333333333333"]
    assert short(1 / 3) == "0.333333333333"
    assert math.isclose(float(short(math.pi)), math.pi, rel_tol=1e-11)
