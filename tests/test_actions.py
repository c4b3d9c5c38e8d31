import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ordebug_plugin.actions import PUBLIC_ACTIONS, SIGNATURES, Action, ActionKind, parse_action, parse_answer
from ordebug_plugin.errors import ActionError

finite = st.floats(allow_nan=False, allow_infinity=False)
# A name may be anything that fits on a line; the grammar cannot keep spaces at its ends.
names = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\n\r"), min_size=1, max_size=91
).filter(lambda name: name == name.strip(" \t") and not any(kind in name for kind in ActionKind))


@st.composite
def actions(draw: st.DrawFn) -> Action:
    kind = draw(st.sampled_from(ActionKind))
    if SIGNATURES[kind].target is None:
        return Action(kind)
    name = draw(names)
    if kind is ActionKind.REWRITE_CONSTRAINT:
        # Where a name with a comma and a blank ends, the grammar cannot know: only the model's names tell.
        name, left, sides = name.replace(", ", ","), draw(names), (draw(finite), draw(finite))
        relation = draw(st.sampled_from([f"<= {sides[0]}", f">= {sides[0]}", f"= {sides[0]}", "in [{}, {}]"]))
        return Action(kind, name, expression=f"{left} {relation.format(*sorted(sides))}")
    if kind is ActionKind.RELAX_CONSTRAINT:
        return Action(kind, name, (draw(st.floats(0, 1e300)),))
    if kind is ActionKind.UPDATE_BOUNDS:
        lower, upper = sorted((draw(finite), draw(finite)))
        return Action(kind, name, draw(st.sampled_from([(lower, upper), (-math.inf, upper), (lower, math.inf)])))
    return Action(kind, name, (draw(finite),) if SIGNATURES[kind].numbers else ())


@given(actions())
@example(Action(ActionKind.DROP_CONSTRAINT, "flow[a,b]"))
@example(Action(ActionKind.DROP_CONSTRAINT, "x(1)"))
@example(Action(ActionKind.RELAX_CONSTRAINT, "req [Mon 1]", (1.5,)))
@example(Action(ActionKind.UPDATE_RHS, "42", (7.0,)))
@example(Action(ActionKind.RELAX_CONSTRAINT, "6th", (1e-7,)))
@example(Action(ActionKind.UPDATE_BOUNDS, "größe,1,2", (-math.inf, math.inf)))
@example(Action(ActionKind.DROP_CONSTRAINT, "a\u2028b"))
@example(Action(ActionKind.REWRITE_CONSTRAINT, "flow[a,b]", expression="3 x[1,2] + 2 y <= 40"))
@example(Action(ActionKind.REWRITE_CONSTRAINT, "6", expression="3 6 + 2 7 in [4, 40]"))
def test_every_action_reads_back_unchanged(action: Action) -> None:
    assert parse_action(str(action)) == action
    parsed = parse_answer(f"<think>\nwhy\n</think>\n\nAction: {action}")
    assert parsed.action == action
    assert parsed.well_formed
    assert parsed.think == "why"


@given(st.text())
def test_parsing_an_answer_never_raises(text: str) -> None:
    parsed = parse_answer(text)
    assert (parsed.action is None) == (parsed.error is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET_IIS", Action(ActionKind.GET_IIS)),
        ("SUBMIT()", Action(ActionKind.SUBMIT)),
        ("RESET ( )", Action(ActionKind.RESET)),
        ("UPDATE_BOUNDS(x(1,2), -inf, 5)", Action(ActionKind.UPDATE_BOUNDS, "x(1,2)", (-math.inf, 5.0))),
        ("RELAX_CONSTRAINT(a, b, 1e3)", Action(ActionKind.RELAX_CONSTRAINT, "a, b", (1000.0,))),
    ],
)
def test_lenient_where_nothing_is_ambiguous(text: str, expected: Action) -> None:
    assert parse_action(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("DROP_CONSTRANT(c1)", "did you mean DROP_CONSTRAINT"),
        ("drop_constraint(c1)", "did you mean DROP_CONSTRAINT"),
        ("FIX_IT(c1)", "unknown action"),
        ("DROP_CONSTRAINT()", "needs 1 argument"),
        ("DROP_CONSTRAINT", "needs 1 argument"),
        ("RELAX_CONSTRAINT(c1)", "needs 2 argument"),
        ("UPDATE_BOUNDS(x, 3)", "needs 3 argument"),
        ("RELAX_CONSTRAINT(c1, nan)", "must be a number"),
        ("RELAX_CONSTRAINT(c1, 1_000)", "must be a number"),
        ("RELAX_CONSTRAINT(c1, ١)", "must be a number"),
        ("RELAX_CONSTRAINT(c1, inf)", "must be finite"),
        ("RELAX_CONSTRAINT(c1, 1e999)", "must be finite"),
        ("UPDATE_BOUNDS(x, 0, 1e999)", "must be finite"),
        ("UPDATE_RHS(c1, -inf)", "must be finite"),
        ("RELAX_CONSTRAINT(c1, -1)", "must not be negative"),
        ("UPDATE_BOUNDS(x, 3, 2)", "above the upper bound"),
        ("UPDATE_BOUNDS(x, inf, inf)", "no value lies between"),
        ("SUBMIT(now)", "takes no arguments"),
        ("REWRITE_CONSTRAINT(c1)", "write it as 3 x"),
        ("REWRITE_CONSTRAINT(c1, 3 x)", "write it as 3 x"),
        ("REWRITE_CONSTRAINT(c1, 3 x <= y)", "on the right one number"),
        ("REWRITE_CONSTRAINT(c1, 3 x < 4)", "write it as 3 x"),
        ("REWRITE_CONSTRAINT(c1, 3 x <= inf)", "write it as 3 x"),
        ("REWRITE_CONSTRAINT(c1, 3 x <= nan)", "write it as 3 x"),
        ("REWRITE_CONSTRAINT(c1, 3 x >= 1e999)", "finite"),
        ("REWRITE_CONSTRAINT(c1, 3 x in [4, 1])", "above the upper side"),
        ("REWRITE_CONSTRAINT(3 x <= 4)", "needs a row and what it becomes"),
        ("REWRITE_CONSTRAINT(, 3 x <= 4)", "needs a row and what it becomes"),
        ("REWRITE_CONSTRAINT(c1, <= 4)", "needs a row and what it becomes"),
        ("DROP_CONSTRAINT(a) DROP_CONSTRAINT(b)", "several actions"),
        ("GET_IIS() and then SUBMIT", "cannot read"),
        ("let me drop c1", "cannot read"),
    ],
)
def test_refusals_say_why(text: str, reason: str) -> None:
    with pytest.raises(ActionError, match=reason):
        parse_action(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<think>\nAction: SUBMIT()\n</think>", "no action found"),
        ("<think>\nAction: DROP_CONSTRAINT(c1)", "not closed"),
        ("<think>\na\n</think>\n\nAction: SUBMIT()\nAction: RESET()", "exactly one action"),
        ("Action: DROP_CONSTRAINT(a)\nDROP_CONSTRAINT(b)", "exactly one action"),
        ("Action: DROP_CONSTRAINT(a)\naction: RESET()", "exactly one action"),
        ("Action : RESET()\nAction: DROP_CONSTRAINT(a)", "exactly one action"),
        ("DROP_CONSTRAINT(a)", "no action found"),
        ("", "no action found"),
    ],
)
def test_text_that_must_not_act(text: str, error: str) -> None:
    parsed = parse_answer(text)
    assert parsed.action is None
    assert parsed.error is not None
    assert error in parsed.error
    assert not parsed.well_formed


def test_only_text_after_the_last_think_tag_acts() -> None:
    parsed = parse_answer("<think>\nAction: SUBMIT()\n</think>\nno: </think>\n\nAction: GET_IIS()")
    assert parsed.action == Action(ActionKind.GET_IIS)


@pytest.mark.parametrize(
    "text",
    [
        "Action: SUBMIT()",  # no reasoning
        "<think>\n\n</think>\n\nAction: SUBMIT()",  # empty reasoning
        "<think>\nwhy\n</think>\n\nI will now submit.\nAction: SUBMIT()",  # talk beside the action
        "Well: <think>\nwhy\n</think>\n\nAction: SUBMIT()",  # talk before the reasoning
    ],
)
def test_an_action_in_a_poor_answer_acts_but_is_not_well_formed(text: str) -> None:
    parsed = parse_answer(text)
    assert parsed.action == Action(ActionKind.SUBMIT)
    assert not parsed.well_formed


def test_an_action_of_the_other_set_is_told_from_one_that_does_not_exist() -> None:
    with pytest.raises(ActionError, match="REWRITE_CONSTRAINT is not among the actions of this benchmark: GET_IIS, "):
        parse_action("REWRITE_CONSTRAINT(c1, 3 x <= 4)", PUBLIC_ACTIONS)
    with pytest.raises(ActionError, match="did you mean RELAX_CONSTRAINT") as refusal:
        parse_action("RELAXWRITE_CONSTRAINT(c1, 3 x <= 4)", PUBLIC_ACTIONS)
    assert "REWRITE_CONSTRAINT?" not in str(refusal.value)


def test_a_megabyte_of_garbage_stays_out_of_the_message() -> None:
    parsed = parse_answer("Action: " + "x" * 1_000_000)
    assert parsed.error is not None
    assert len(parsed.error) < 300
