"""Fuzzing of what reads answers, rows, prompts and replies: a result or one of our errors, and round trips."""

from __future__ import annotations

import json
import math

from hypothesis import example, given
from hypothesis import strategies as st

from ordebug_plugin.actions import (
    EXTENDED_ACTIONS,
    PUBLIC_ACTIONS,
    SIGNATURES,
    Action,
    ActionKind,
    parse_action,
    parse_answer,
)
from ordebug_plugin.agents.completion import read_completion, read_models
from ordebug_plugin.edits import NO_EDITS, Shape, apply_action, resolve
from ordebug_plugin.errors import ActionError
from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import read_sum, render_sides, render_sum, split_sides
from ordebug_plugin.prompt import canonical_answer, strip_labels, strip_specification
from ordebug_plugin.rewriting import read_rewriting
from ordebug_plugin.shown import read_names, read_state
from ordebug_plugin.verify.reasoning import (
    agrees,
    listed_names,
    masked,
    names_decision,
    unknown_names,
    unsourced_numbers,
)
from tests.fuzzed import ODD, TEXTS, damaged_records, damaged_texts, fuzz, ours, within_patience
from tests.test_chat import completion

# A name as a model file may have it: no comma and no parenthesis at its ends, nothing that is trimmed.
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=20).filter(
    lambda name: name == name.strip() and ")" not in name
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COEFFICIENTS = st.floats(1e-9, 1e12) | st.floats(-1e12, -1e-9)


@st.composite
def actions(draw: st.DrawFn) -> Action:
    kind = draw(st.sampled_from(PUBLIC_ACTIONS))
    signature = SIGNATURES[kind]
    if signature.target is None:
        return Action(kind)
    numbers: tuple[float, ...] = ()
    if kind is ActionKind.UPDATE_BOUNDS:
        numbers = tuple(sorted((draw(NUMBERS | st.just(-math.inf)), draw(NUMBERS))))
    elif signature.numbers:
        numbers = (abs(draw(NUMBERS)),)
    return Action(kind, draw(NAMES), numbers)


@fuzz
@given(actions())
def test_an_action_is_read_back_as_it_was_written(action: Action) -> None:
    assert parse_action(str(action)) == action


@fuzz
@given(TEXTS)
@example("<think></think>Action: " + "A" + " " * 300_000 + "x")
@example("Action: DROP_CONSTRAINT(a)" + " " * 300_000 + "x")
@example("Action: RELAX_CONSTRAINT(a, " + "1" * 300_000 + "x)")
def test_an_answer_is_taken_apart_whatever_it_is(text: str) -> None:
    with within_patience():
        found = parse_answer(text)
    assert (found.action is None) is (found.error is not None)
    if found.action is not None:
        assert parse_action(str(found.action)) == found.action


@fuzz
@given(TEXTS, TEXTS | st.none(), TEXTS | st.none(), st.booleans(), st.booleans())
def test_what_a_server_moved_is_put_together_again(
    text: str, content: str | None, reasoning: str | None, truncated: bool, opened: bool
) -> None:
    parse_answer(canonical_answer(content, reasoning, truncated=truncated, opened=opened))
    strip_specification(strip_labels(text))


@fuzz
@given(st.dictionaries(NAMES, COEFFICIENTS, min_size=1, max_size=5), NUMBERS, NUMBERS)
def test_a_row_is_read_back_by_the_names_of_its_model(terms: dict[str, float], one: float, other: float) -> None:
    """Names may be ambiguous beside signs and numbers; then another row is read, or none, but nothing breaks."""
    written = tuple(terms.items())
    lower, upper = sorted((one, other))
    text = f"{render_sum(written)} {render_sides(lower, upper)}"
    left, low, high = split_sides(text)
    assert (low, high) == (lower, upper)
    plain = all(name.isalpha() and name not in ("e", "E") for name in terms)
    read = ours(lambda: read_sum(left, terms))
    assert not plain or dict(read or ()) == terms


@fuzz
@given(TEXTS, st.dictionaries(NAMES, st.none(), max_size=4))
@example("x <= " + "1" * 200_000 + "y", {"x": None})
@example("x" + " " * 200_000 + "y <= 1", {"x": None})
def test_any_text_is_a_row_or_refused(text: str, names: dict[str, None]) -> None:
    ours(lambda: read_sum(split_sides(text)[0], names))
    action = ours(lambda: parse_action(f"REWRITE_CONSTRAINT({text})"))
    if action is not None:
        ours(lambda: read_rewriting(action, names, names))


@fuzz
@given(TEXTS, st.lists(NAMES, min_size=1, max_size=4, unique=True), st.sampled_from(EXTENDED_ACTIONS), NUMBERS)
@example("DROP_CONSTRAINT(a" + " " * 300_000 + "b)", ["a"], ActionKind.RESET, 0.0)
def test_an_action_meets_any_model(text: str, names: list[str], kind: ActionKind, number: float) -> None:
    """Either edits, which are undone by RESET, or a refusal."""
    free = Interval(-math.inf, math.inf)
    shape = Shape(
        dict.fromkeys(names, Interval(0.0, number)), dict.fromkeys(names, free), terms=dict.fromkeys(names, ())
    )
    for said in (text, f"{kind}({names[0]}, {number})", f"{kind}({names[0]}, {text} <= {number})"):
        try:
            edits = apply_action(shape, NO_EDITS, resolve(shape, NO_EDITS, parse_action(said)))
        except ActionError:
            continue
        assert apply_action(shape, edits, Action(ActionKind.RESET)) == NO_EDITS


@fuzz
@given(TEXTS, TEXTS)
@example("## IIS (\nConflicting Constraints: [" + "[" * 50_000 + "]", "")
@example("## IIS (\nConflicting Constraints: [" + "'a', " * 50_000 + "1]", "")
@example("x\n\n## Previous Actions\n1. DROP_CONSTRAINT(" + "a: " * 100_000, "")
def test_any_prompt_can_be_read(prompt: str, think: str) -> None:
    with within_patience():
        read_state(prompt)
        names = listed_names(prompt)
        action = Action(ActionKind.RELAX_CONSTRAINT, "a", (1.0,))
        unknown_names(think, prompt)
        unsourced_numbers(think, prompt, names, action)
        agrees(think, names, action)
        names_decision(think, action)
        masked(think, names)


@fuzz
@given(st.lists(st.text(), max_size=5))
def test_a_list_of_names_is_read_back(names: list[str]) -> None:
    plain = [name for name in names if name.isprintable()]  # repr() writes others by escapes
    assert read_names(str(plain)) == tuple(plain)
    assert read_names(str(names)) == tuple(names)


@fuzz
@given(damaged_records(completion("Action: GET_IIS()", reasoning_content="r")) | ODD)
def test_a_damaged_completion_is_a_server_error(reply: object) -> None:
    body = json.dumps(reply).encode()
    found = ours(lambda: read_completion(body))
    if found is not None:
        parse_answer(found.reply("prompt", 0.0).text)
    ours(lambda: read_models(body))


@fuzz
@given(st.binary() | damaged_texts(json.dumps(completion("Action: GET_IIS()"))))
def test_a_torn_reply_is_a_server_error(body: bytes) -> None:
    ours(lambda: read_completion(body))
    ours(lambda: read_models(body))
