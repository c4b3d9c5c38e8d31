"""Conversations are verified as Alpaca rows are: every answer in the state that the answers before it led to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.prompt import Detail, Style
from ordebug_plugin.verify.dataset import DatasetCheck, replay_all
from ordebug_plugin.verify.matching import ANONYMOUS, SHARED, UNSEEN, match_prompts, match_rows
from ordebug_plugin.verify.row import Row
from tests.demonstrations import GOOD, LOOK, SMALL, STATE, WRONG, row, talk
from tests.toys import CONFLICT, CONFLICT_SPECIFICATION, answer

Data = dict[str, Any]


def verify(toy_bench: Path, *rows: object) -> DatasetCheck:
    source = toy_bench.parent / "rows.json"
    source.write_text(json.dumps(rows))
    return replay_all(match_rows(source, toy_bench))


def only(toy_bench: Path, data: object) -> Row:
    (found,) = verify(toy_bench, data).rows
    return found


def test_one_turn_is_the_same_as_an_alpaca_row(toy_bench: Path) -> None:
    alpaca, chat = verify(toy_bench, row(), talk(toy_bench, GOOD)).rows
    assert alpaca.replayed == chat.replayed
    assert (chat.proven, chat.hit, chat.objective_kept, chat.true_prompt) == (True,) * 4
    assert verify(toy_bench, row(), talk(toy_bench, GOOD)).duplicates == 1


def test_turns_before_the_last_may_be_imperfect(toy_bench: Path) -> None:
    found = only(toy_bench, talk(toy_bench, LOOK, SMALL, GOOD))
    assert (found.proven, found.recovered, found.hit, found.objective_kept, found.true_prompt) == (True,) * 5
    assert [one.useful for one in found.answers] == [True, True, True]
    assert [one.advances for one in found.answers] == [False, True, True]
    assert [one.played.recovered for one in found.answers if one.played] == [False, False, True]


def test_the_first_repair_decides_about_the_hit(toy_bench: Path) -> None:
    found = only(toy_bench, talk(toy_bench, LOOK, WRONG, GOOD))
    assert (found.recovered, found.hit, found.proven, found.useful) == (True, False, True, False)


def test_a_conversation_that_repairs_nothing(toy_bench: Path) -> None:
    found = only(toy_bench, talk(toy_bench, LOOK, SMALL))
    assert (found.proven, found.recovered, found.op) == (False, False, 0.0)


@pytest.mark.parametrize(
    ("answers", "useful"),
    [
        ((LOOK, LOOK, GOOD), [True, False, True]),
        ((LOOK, SMALL, LOOK, GOOD), [True, True, True, True]),
        ((answer("GET_IIS()"), GOOD), [False, True]),
        ((answer("RESET()"), GOOD), [False, True]),
        ((WRONG, answer("RESET()"), GOOD), [False, True, True]),
        ((SMALL, answer("UPDATE_RHS(low, 5.0)"), GOOD), [True, True, True]),  # as it was in the file
        ((SMALL, answer("UPDATE_RHS(low, 6.0)"), GOOD), [True, False, True]),
        ((answer("DROP_CONSTRAINT(nope)"), GOOD), [False, True]),
        (("nothing", GOOD), [False, True]),
    ],
)
def test_which_steps_help(toy_bench: Path, answers: Sequence[str], useful: list[bool]) -> None:
    assert [one.useful for one in only(toy_bench, talk(toy_bench, *answers)).answers] == useful


def test_a_wrong_first_step_that_nobody_learns_is_no_miss_nor_is_taking_it_back(toy_bench: Path) -> None:
    learned = only(toy_bench, talk(toy_bench, WRONG, answer("RESET()"), GOOD, learn=[2, 3]))
    assert (learned.hit, learned.proven) == (True, True)
    assert only(toy_bench, talk(toy_bench, WRONG, answer("RESET()"), GOOD)).hit is False


def test_a_row_that_takes_back_a_step_of_an_episode_that_goes_on(toy_bench: Path) -> None:
    state = f"{STATE}\n\n## Previous Actions\n1. RELAX_CONSTRAINT(low, 1.0): still infeasible"
    back = only(toy_bench, row(answer("UPDATE_RHS(low, 5.0)"), state))
    assert (back.arrives, back.useful, back.hit, back.recovered, back.proven) == (True, True, None, False, True)
    worse = only(toy_bench, row(answer("UPDATE_RHS(low, 6.0)"), state))
    assert (worse.arrives, worse.useful, worse.proven) == (False, False, False)


def test_a_look_is_a_useful_step_and_no_miss(toy_bench: Path) -> None:
    looking = only(toy_bench, row(LOOK))
    assert (looking.proven, looking.recovered, looking.hit) == (True, False, None)
    assert only(toy_bench, row("nothing")).hit is None
    assert only(toy_bench, row(answer("DROP_CONSTRAINT(nope)"))).hit is False
    assert not only(toy_bench, row(answer("GET_IIS()"))).proven


def test_a_conversation_cut_after_an_answer_to_learn_is_one_step(toy_bench: Path) -> None:
    assert only(toy_bench, talk(toy_bench, LOOK, SMALL, learn=[2])).proven
    assert not only(toy_bench, talk(toy_bench, LOOK, SMALL)).proven
    assert not only(toy_bench, talk(toy_bench, LOOK, SMALL, learn=[1])).proven
    assert not only(toy_bench, talk(toy_bench, LOOK, WRONG, learn=[2])).proven


def test_only_what_is_learned_must_be_well_formed_and_useful(toy_bench: Path) -> None:
    assert not only(toy_bench, talk(toy_bench, "nothing", GOOD)).proven
    assert only(toy_bench, talk(toy_bench, "nothing", GOOD, learn=[2])).proven
    assert not only(toy_bench, talk(toy_bench, WRONG, GOOD, learn=[1, 2])).proven
    assert only(toy_bench, talk(toy_bench, WRONG, GOOD, learn=[2])).proven
    marked = talk(toy_bench, WRONG, GOOD)
    marked["messages"][2]["loss"] = False
    assert only(toy_bench, marked).proven
    marked["messages"][2]["loss"] = True
    assert not only(toy_bench, marked).proven


def test_a_later_prompt_must_be_what_the_answers_before_it_led_to(toy_bench: Path) -> None:
    for before, instead in (
        ("Status: INFEASIBLE", "Status: UNBOUNDED"),
        ("RELAX_CONSTRAINT(low, 1.0): still infeasible", "RELAX_CONSTRAINT(low, 1.0): all is well"),
        ("1. RELAX_CONSTRAINT(low, 1.0)", "1. DROP_CONSTRAINT(low)"),
    ):
        data = talk(toy_bench, SMALL, GOOD)
        assert before in data["messages"][3]["content"]
        data["messages"][3]["content"] = data["messages"][3]["content"].replace(before, instead)
        found = only(toy_bench, data)
        assert (found.true_prompt, found.follows, found.recovered, found.proven) == (False, False, True, False)


def test_later_prompts_without_history_or_without_a_state(toy_bench: Path) -> None:
    bare = only(toy_bench, talk(toy_bench, SMALL, GOOD, style=Style(conversation=True, history=False)))
    assert (bare.true_prompt, bare.proven) == (True, True)
    data = talk(toy_bench, SMALL, GOOD)
    data["messages"][3]["content"] = "still infeasible"
    found = only(toy_bench, data)
    assert (found.true_prompt, found.follows, found.readable, found.proven) == (True, None, False, True)


@pytest.mark.parametrize("detail", list(Detail))
def test_prompts_in_any_detail(toy_bench: Path, detail: Detail) -> None:
    index = json.loads((toy_bench / "dataset.json").read_text())
    (toy_bench / "toy.txt").write_text(CONFLICT_SPECIFICATION)
    index["problems"][0]["specification_file"] = "toy.txt"
    (toy_bench / "dataset.json").write_text(json.dumps(index))
    data = talk(toy_bench, SMALL, GOOD, style=Style(conversation=True, detail=detail))
    assert only(toy_bench, data).true_prompt is True
    data["messages"][3]["content"] = data["messages"][3]["content"].replace("['low', 'high']", "['high', 'low']", 1)
    assert only(toy_bench, data).true_prompt is False


def test_rows_that_are_written_anew(toy_bench: Path) -> None:
    rewrite = "<think>\nlow should ask for 1 x at least.\n</think>\n\nAction: REWRITE_CONSTRAINT(low, 1 x >= 1)"
    public = only(toy_bench, row(rewrite))
    assert (public.executed, public.recovered) == (False, False)
    index = json.loads((toy_bench / "dataset.json").read_text())
    index["problems"][0]["action_set"] = "extended"
    (toy_bench / "dataset.json").write_text(json.dumps(index))
    extended = only(toy_bench, row(rewrite))
    assert (extended.proven, extended.hit, extended.objective_kept, extended.numbers_known) == (True,) * 4


def test_a_conversation_that_starts_in_the_middle(toy_bench: Path) -> None:
    whole = talk(toy_bench, "nothing", SMALL, GOOD)
    found = only(toy_bench, {**whole, "messages": whole["messages"][3:]})
    assert (found.true_prompt, found.proven, len(found.answers)) == (True, True, 2)


def test_answers_after_the_end_belong_to_no_episode(toy_bench: Path) -> None:
    data = talk(toy_bench, GOOD)
    data["messages"] += [{"role": "user", "content": "Done?"}, {"role": "assistant", "content": answer("SUBMIT()")}]
    found = only(toy_bench, data)
    assert (found.judged, found.reason) == (False, "its turn 1 of 2 already ends the episode (recovered)")


def test_sharegpt_rows_and_jsonl(toy_bench: Path) -> None:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    messages = talk(toy_bench, SMALL, GOOD)["messages"]
    chat = [{"from": names[message["role"]], "value": message["content"]} for message in messages]
    rows = [{"conversations": chat[1:], "system": chat[0]["value"], "problem_id": "toy"}, talk(toy_bench, SMALL, GOOD)]
    source = toy_bench.parent / "rows.jsonl"
    source.write_text("".join(json.dumps(one) + "\n" for one in rows))
    one, other = replay_all(match_rows(source, toy_bench)).rows
    assert (one.proven, one.replayed) == (True, other.replayed)


def test_a_row_that_names_no_problem_is_found_by_its_prompt(toy_bench: Path) -> None:
    nameless = {**talk(toy_bench, SMALL, GOOD), "metadata": {}}
    leaking = {"messages": [dict(message) for message in nameless["messages"]]}
    leaking["messages"][1]["content"] = leaking["messages"][1]["content"].replace(
        "## Current", "## Problem\nID: toy\nType: C\n\n## Current"
    )
    other = row(state=STATE.replace("Variables: 2", "Variables: 3"), agent="somebody")
    source = toy_bench.parent / "rows.json"
    source.write_text(json.dumps([nameless, leaking, other]))
    matched = match_rows(source, toy_bench)
    assert [one.reason for one in matched.rows] == [ANONYMOUS, None, ANONYMOUS]
    check = replay_all(match_prompts(matched))
    assert [(one.proven, one.reason) for one in check.rows] == [(True, None), (True, None), (False, UNSEEN)]
    assert [one.leaks for one in check.rows] == [False, True, False]

    index = json.loads((toy_bench / "dataset.json").read_text())
    (toy_bench / "other.lp").write_text(CONFLICT.replace("x <= 2", "x <= 3"))
    twin = {**index["problems"][0], "problem_id": "other", "model_file": "other.lp"}
    (toy_bench / "dataset.json").write_text(json.dumps({"problems": [*index["problems"], twin]}))
    assert match_prompts(match_rows(source, toy_bench)).rows[0].reason == SHARED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": "text"}, "'messages' is no list"),
        ({"messages": [{"role": "user", "content": "?"}]}, "must be questions and answers in turn, not user"),
        ({"messages": [7]}, "message 1 must be an object, not int"),
        ({"messages": [{"role": "user", "content": None}]}, "message 1 needs the strings 'role' and 'content'"),
        ({"metadata": {"learn": [3]}}, "metadata.learn must list turns from 1 to 2, not [3]"),
        ({"metadata": {"learn": 1}}, "metadata.learn must list turns"),
        ({"metadata": {"learn": []}}, "not one of its answers is to be learned"),
    ],
)
def test_what_is_no_conversation(toy_bench: Path, change: Data, reason: str) -> None:
    good = talk(toy_bench, SMALL, GOOD)
    _, bad = verify(toy_bench, good, {**good, **change}).rows
    assert bad.reason is not None
    assert reason in bad.reason


def test_marks_that_contradict_each_other(toy_bench: Path) -> None:
    data = talk(toy_bench, SMALL, GOOD, learn=[2])
    data["messages"][2]["loss"] = True
    _, bad = verify(toy_bench, row(), data).rows
    assert bad.reason == "no demonstration: metadata.learn and the 'loss' of its messages contradict each other"
    data["messages"][2]["loss"] = "yes"
    _, bad = verify(toy_bench, row(), data).rows
    assert bad.reason == "no demonstration: 'loss' of message 3 must be true or false, not 'yes'"


def test_a_contradiction_is_one_after_the_same_turns(toy_bench: Path) -> None:
    other = talk(toy_bench, SMALL, answer("RELAX_CONSTRAINT(low, 2.0)"))
    counted = verify(toy_bench, talk(toy_bench, SMALL, GOOD), other).contradictions
    assert (counted.prompts, counted.answers, counted.rows) == (2, 1, 2)
    # The same prompt after other turns is another one.
    looking = talk(toy_bench, LOOK, GOOD)
    assert verify(toy_bench, looking, row(answer("DROP_CONSTRAINT(low)"))).contradictions.answers == 1
    assert verify(toy_bench, looking, row(LOOK)).contradictions.answers == 0


def test_the_report_has_every_turn(toy_bench: Path, tmp_path: Path) -> None:
    source, report, kept = (tmp_path / name for name in ("in.json", "report.json", "kept.json"))
    rows = [
        talk(toy_bench, LOOK, GOOD, learn=[2]),
        row(state=f"## Problem\nID: toy\n\n{STATE}"),
        talk(toy_bench, WRONG),
    ]
    source.write_text(json.dumps({"metadata": {"agent": "test"}, "data": rows}))
    options = ["--bench", str(toy_bench), "--workers", "0", "--json", str(report), "--keep", str(kept)]
    assert main(["data", "verify", str(source), *options]) == 1
    record = json.loads(report.read_text())
    assert [(turn["learned"], turn["useful"]) for turn in record["rows"][0]["turns"]] == [(False, True), (True, True)]
    assert record["answers"]["n"] == 3
    assert record["quality"]["coverage"]["charts"]["turns"] == {"1": 2, "2": 1}
    assert record["quality"]["coverage"]["charts"]["turn"] == {"1": 2, "2": 1}
    assert json.loads(kept.read_text()) == {"metadata": {"agent": "test"}, "data": rows[:2]}
    assert main(["data", "verify", str(kept), "--bench", str(toy_bench), "--workers", "0"]) == 0
