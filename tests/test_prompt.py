import math
from dataclasses import replace
from pathlib import Path

import pytest

from ordebug_plugin.actions import PUBLIC_ACTIONS, ActionKind, parse_action, parse_answer
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.interval import Interval
from ordebug_plugin.prompt import (
    EXTENDED_SYSTEM_PROMPT,
    MAX_LISTED_ROWS,
    MAX_TERMS_FULL,
    SYSTEM_PROMPT,
    Detail,
    Style,
    canonical_answer,
    render_answer,
    render_bounds,
    render_messages,
    render_sides,
    render_state,
    strip_labels,
    strip_specification,
)
from ordebug_plugin.solver import Judge
from ordebug_plugin.specification import read_specification
from tests.toys import CONFLICT, CONFLICT_SPECIFICATION, answer, write_problem

STATE = """## Current State
Status: INFEASIBLE

## IIS (Irreducible Infeasible Subsystem)
Conflicting Constraints: ['low', 'high']

## Model Structure
Constraints: 3
Variables: 2
Constraint Names: ['low', 'high', 'side']"""


def test_the_compact_form_to_the_byte(tmp_path: Path) -> None:
    with Judge() as judge:
        env = RepairEnv(judge, write_problem(tmp_path / "mip_typeA_001.lp", CONFLICT))
        observation = env.reset()
        assert render_state(observation, Style()) == STATE
        labelled = render_state(observation, Style(labels=True))
        assert labelled == f"## Problem\nID: mip_typeA_001\nType: unknown\n\n{STATE}"
        assert strip_labels(labelled) == STATE
        after = env.step(answer("RELAX_CONSTRAINT(high, 1)")).observation
        assert render_state(after, Style(history=False)) == STATE
        past = "\n\n## Previous Actions\n1. RELAX_CONSTRAINT(high, 1.0): still infeasible"
        assert render_state(after, Style()) == STATE + past


def test_names_are_listed_only_for_small_models(tmp_path: Path) -> None:
    with Judge() as judge:
        for extra in (MAX_LISTED_ROWS - 3, MAX_LISTED_ROWS - 2):
            rows = "".join(f" e{i}: y <= {i + 1}\n" for i in range(extra))
            text = CONFLICT.replace("Bounds", rows + "Bounds")
            state = render_state(RepairEnv(judge, write_problem(tmp_path / f"{extra}.lp", text)).reset(), Style())
            assert ("Constraint Names" in state) == (extra == MAX_LISTED_ROWS - 3)


def test_messages_hold_the_system_prompt_and_the_whole_state(tmp_path: Path) -> None:
    with Judge() as judge:
        observation = RepairEnv(judge, write_problem(tmp_path / "a.lp", CONFLICT)).reset()
    system, user = render_messages(observation, Style())
    assert (system.role, system.content, user.role) == ("system", SYSTEM_PROMPT, "user")
    assert user.content.endswith(STATE)
    (alone,) = render_messages(observation, Style(system=None))
    assert alone == user


def test_a_conversation_holds_every_turn_as_it_was_shown(tmp_path: Path) -> None:
    style = Style(conversation=True)
    shown, given = [], [answer("GET_IIS()"), "nonsense"]
    with Judge() as judge:
        env = RepairEnv(judge, write_problem(tmp_path / "a.lp", CONFLICT))
        observation = env.reset()
        for text in given:
            shown.append(render_messages(observation, Style())[-1])
            observation = env.step(text).observation
    messages = render_messages(observation, style)
    assert [message.role for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [messages[1], messages[3]] == shown
    assert [messages[2].content, messages[4].content] == given
    assert messages[5] == render_messages(observation, Style())[-1]


def test_the_system_prompt_names_every_action() -> None:
    assert all(kind in SYSTEM_PROMPT for kind in PUBLIC_ACTIONS)
    assert ActionKind.REWRITE_CONSTRAINT not in SYSTEM_PROMPT
    assert f"{SYSTEM_PROMPT}, REWRITE_CONSTRAINT(row, 3 x + 2 y <= 40)" == EXTENDED_SYSTEM_PROMPT


def test_strip_labels_leaves_other_text_alone() -> None:
    for text in (STATE, "## Problem\nA factory makes Type: B parts.\n", "ID: 3\nType: A", ""):
        assert strip_labels(text) == text


def test_strip_labels_keeps_a_description() -> None:
    text = f"## Problem\nID: a\nType: B\nA factory makes parts.\n\n{STATE}"
    assert strip_labels(text) == f"## Problem\nA factory makes parts.\n\n{STATE}"


def test_answers_are_well_formed() -> None:
    action = parse_action("UPDATE_BOUNDS(x(1), -inf, 3)")
    parsed = parse_answer(render_answer("line\n\nline", action))
    assert (parsed.think, parsed.action, parsed.well_formed) == ("line\n\nline", action, True)


CANONICAL = "<think>\nwhy\n</think>\n\nAction: SUBMIT()"


@pytest.mark.parametrize(
    ("content", "reasoning"),
    [
        (CANONICAL, None),
        ("Action: SUBMIT()", "why"),
        ("\n\nAction: SUBMIT()", "\nwhy\n"),
        ("\nwhy\n</think>\n\nAction: SUBMIT()", None),
        (CANONICAL, "why"),
    ],
)
def test_reasoning_is_put_back_wherever_the_server_left_it(content: str, reasoning: str | None) -> None:
    assert canonical_answer(content, reasoning) == CANONICAL


def test_null_content_is_an_empty_answer() -> None:
    assert canonical_answer(None) == ""
    assert parse_answer(canonical_answer(None, "thinking only")).action is None


def test_the_algebra_of_the_iis_as_it_stands(tmp_path: Path) -> None:
    text = """
Minimize
 obj: x
Subject To
 long: {terms} + w - 2.5 b >= 100
 fixed: x = 7
 cap: x <= 9
Bounds
 {bounds}
 w <= 3
General
 w
Binary
 b
End
"""
    names = [f"x{number}" for number in range(12)]
    bounds = "\n ".join(f"0 <= {name} <= 1" for name in names)
    problem = write_problem(tmp_path / "long.lp", text.format(terms=" + ".join(names), bounds=bounds))
    with Judge() as judge:
        env = RepairEnv(judge, problem)
        start = env.reset()
        state = render_state(start, Style(detail=Detail.ALGEBRA))
        env.step(answer("UPDATE_BOUNDS(w, 0, 5)"))
        later = render_state(env.step(answer("RELAX_CONSTRAINT(long, 1)")).observation, Style(detail=Detail.ALGEBRA))
    section = state.partition("## IIS in Full\n")[2].partition("\n\n")[0].splitlines()
    full = render_state(start, Style(detail=Detail.FULL))
    assert "x11 + w - 2.5 b >= 100 (long)" in full
    assert "more terms" not in full
    assert section[0] == "x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10 + x11 + … (2 more terms) >= 100 (long)"
    assert section[1:] == [*(f"{name} in [0, 1]" for name in names), "w integer in [0, 3]"]
    assert render_bounds(start, "b") == "binary"
    assert ">= 99 (long)" in later
    assert "w integer in [0, 5]" in later
    assert "IIS in Full" not in render_state(RepairEnv(Judge(), problem).reset(), Style())


FULL_STATE = """## Current State
Status: INFEASIBLE

## Specification
A baker plans a day. Cost is to be as low as possible.
high: The oven is available for at most 2 hours.
low: A loaf (x) is wanted at least 1 time.

## IIS (Irreducible Infeasible Subsystem)
Conflicting Constraints: ['low', 'high']

## IIS in Full
x >= 5 (low)
x <= 2 (high)

## Model Structure
Constraints: 3
Variables: 2
Constraint Names: ['low', 'high', 'side']"""


def test_full_detail_quotes_what_is_said_of_the_conflict_to_the_byte(tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "a.lp", CONFLICT)
    described = replace(problem, specification=read_specification(CONFLICT_SPECIFICATION))
    with Judge() as judge:
        plain, observation = (RepairEnv(judge, one).reset() for one in (problem, described))
    full, algebra, names = (render_state(observation, Style(detail=detail)) for detail in reversed(Detail))
    assert full == FULL_STATE
    assert [algebra, names] == [render_state(plain, Style(detail=detail)) for detail in (Detail.ALGEBRA, Detail.NAMES)]
    assert names == STATE
    assert strip_specification(full) == algebra == render_state(plain, Style(detail=Detail.FULL))


def test_full_detail_follows_the_conflict(tmp_path: Path) -> None:
    """What is quoted changes with the IIS, and of an element that nobody asked for nothing is."""
    text = "A shop.\n\nsame: A row of this name is not in the model.\nx: Hours, at most 30.\nold: Sold hours, under 2."
    model = "Minimize\n obj: x\nSubject To\n old: x <= 2\n new: x >= 9\nBounds\n x <= 3\nEnd\n"
    problem = replace(write_problem(tmp_path / "a.lp", model), specification=read_specification(text))
    with Judge() as judge:
        env = RepairEnv(judge, problem)
        first = env.reset()
        second = env.step(answer("DROP_CONSTRAINT(old)")).observation
    sections = [render_state(one, Style(detail=Detail.FULL)).split("\n\n")[1].split("\n") for one in (first, second)]
    assert sections == [
        ["## Specification", "A shop.", "old: Sold hours, under 2."],
        ["## Specification", "A shop.", "x: Hours, at most 30."],
    ]


def test_forty_terms_are_written_out_in_full_detail(tmp_path: Path) -> None:
    for size, cut in ((MAX_TERMS_FULL, False), (MAX_TERMS_FULL + 1, True)):
        text = f"Minimize\n obj: x0\nSubject To\n long: {' + '.join(f'x{i}' for i in range(size))} <= -1\nEnd\n"
        with Judge() as judge:
            observation = RepairEnv(judge, write_problem(tmp_path / f"{size}.lp", text)).reset()
        state = render_state(observation, Style(detail=Detail.FULL))
        assert (f"x{MAX_TERMS_FULL - 1} + … (1 more terms) <= -1" in state) == cut
        assert (f"x{MAX_TERMS_FULL - 1} <= -1" in state) == (not cut)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(-math.inf, 40), "<= 40"),
        (Interval(0.5, math.inf), ">= 0.5"),
        (Interval(3, 3), "= 3"),
        (Interval(-2, 1e6), "in [-2, 1000000]"),
        (Interval(-math.inf, math.inf), "in [-inf, inf]"),
    ],
)
def test_sides(interval: Interval, text: str) -> None:
    assert render_sides(interval) == text
