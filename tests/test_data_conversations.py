"""Conversations are verified as Alpaca rows are: every answer in the state that the answers before it led to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.prompt import Style, render_messages
from ordebug_plugin.solver import Judge
from ordebug_plugin.verify.dataset import DatasetCheck, match_rows, replay_all
from ordebug_plugin.verify.row import Row
from tests.test_data_verify import GOOD, STATE, bench, row
from tests.toys import answer

__all__ = ["bench"]

Data = dict[str, Any]
LOOK = "<think>\nHow far off is low?\n</think>\n\nAction: CHECK_SLACK(low)"
SMALL = "<think>\nI loosen low by 1.\n</think>\n\nAction: RELAX_CONSTRAINT(low, 1.0)"
WRONG = "<think>\nside goes.\n</think>\n\nAction: DROP_CONSTRAINT(side)"
CONVERSATION = Style(conversation=True)


def talk(bench: Path, *answers: str, style: Style = CONVERSATION, **metadata: object) -> Data:
    """A conversation in which these answers were given, as multi-turn training has it."""
    problem = load_benchmark(bench).problems[0]
    with Judge() as judge:
        env = RepairEnv(judge, problem)
        observation = env.reset()
        for text in answers[:-1]:
            observation = env.step(text).observation
        messages = [asdict(message) for message in render_messages(observation, style)]
    messages.append({"role": "assistant", "content": answers[-1]})
    return {"messages": messages, "metadata": {"problem_id": "toy", **metadata}}


def verify(bench: Path, *rows: object) -> DatasetCheck:
    source = bench.parent / "rows.json"
    source.write_text(json.dumps(rows))
    return replay_all(match_rows(source, bench))


def only(bench: Path, data: object) -> Row:
    (found,) = verify(bench, data).rows
    return found


def test_one_turn_is_the_same_as_an_alpaca_row(bench: Path) -> None:
    alpaca, chat = verify(bench, row(), talk(bench, GOOD)).rows
    assert alpaca.replayed == chat.replayed
    assert (chat.proven, chat.hit, chat.objective_kept, chat.true_prompt) == (True,) * 4
    assert verify(bench, row(), talk(bench, GOOD)).duplicates == 1


def test_turns_before_the_last_may_be_imperfect(bench: Path) -> None:
    found = only(bench, talk(bench, LOOK, SMALL, GOOD))
    assert (found.proven, found.recovered, found.hit, found.objective_kept, found.true_prompt) == (True,) * 5
    assert [one.useful for one in found.answers] == [True, True, True]
    assert [one.advances for one in found.answers] == [False, True, True]
    assert [one.played.recovered for one in found.answers if one.played] == [False, False, True]


def test_the_first_repair_decides_about_the_hit(bench: Path) -> None:
    found = only(bench, talk(bench, LOOK, WRONG, GOOD))
    assert (found.recovered, found.hit, found.proven, found.useful) == (True, False, True, False)


def test_a_conversation_that_repairs_nothing(bench: Path) -> None:
    assert (only(bench, talk(bench, LOOK, SMALL)).proven, only(bench, talk(bench, LOOK, SMALL)).recovered) == (
        False,
        False,
    )


@pytest.mark.parametrize(
    ("answers", "useful"),
    [
        ((LOOK, LOOK, GOOD), [True, False, True]),
        ((LOOK, SMALL, LOOK, GOOD), [True, True, True, True]),
        ((answer("GET_IIS()"), GOOD), [False, True]),
        ((answer("RESET()"), GOOD), [False, True]),
        ((WRONG, answer("RESET()"), GOOD), [False, True, True]),
        ((answer("DROP_CONSTRAINT(nope)"), GOOD), [False, True]),
        (("nothing", GOOD), [False, True]),
    ],
)
def test_which_steps_help(bench: Path, answers: Sequence[str], useful: list[bool]) -> None:
    assert [one.useful for one in only(bench, talk(bench, *answers)).answers] == useful


def test_only_what_is_learned_must_be_well_formed_and_useful(bench: Path) -> None:
    assert not only(bench, talk(bench, "nothing", GOOD)).proven
    assert only(bench, talk(bench, "nothing", GOOD, learn=[2])).proven
    assert not only(bench, talk(bench, WRONG, GOOD, learn=[1, 2])).proven
    assert only(bench, talk(bench, WRONG, GOOD, learn=[2])).proven
    marked = talk(bench, WRONG, GOOD)
    marked["messages"][2]["loss"] = False
    assert only(bench, marked).proven
    marked["messages"][2]["loss"] = True
    assert not only(bench, marked).proven


def test_a_later_prompt_must_be_what_the_answers_before_it_led_to(bench: Path) -> None:
    for before, instead in (
        ("Status: INFEASIBLE", "Status: UNBOUNDED"),
        ("RELAX_CONSTRAINT(low, 1.0): still infeasible", "RELAX_CONSTRAINT(low, 1.0): all is well"),
        ("1. RELAX_CONSTRAINT(low, 1.0)", "1. DROP_CONSTRAINT(low)"),
    ):
        data = talk(bench, SMALL, GOOD)
        assert before in data["messages"][3]["content"]
        data["messages"][3]["content"] = data["messages"][3]["content"].replace(before, instead)
        found = only(bench, data)
        assert (found.true_prompt, found.follows, found.recovered, found.proven) == (False, False, True, False)


def test_later_prompts_without_history_or_without_a_state(bench: Path) -> None:
    bare = only(bench, talk(bench, SMALL, GOOD, style=Style(conversation=True, history=False)))
    assert (bare.true_prompt, bare.proven) == (True, True)
    data = talk(bench, SMALL, GOOD)
    data["messages"][3]["content"] = "still infeasible"
    found = only(bench, data)
    assert (found.true_prompt, found.follows, found.readable, found.proven) == (True, None, False, True)


def test_a_conversation_that_starts_in_the_middle(bench: Path) -> None:
    whole = talk(bench, "nothing", SMALL, GOOD)
    found = only(bench, {**whole, "messages": whole["messages"][3:]})
    assert (found.true_prompt, found.proven, len(found.answers)) == (True, True, 2)


def test_answers_after_the_end_belong_to_no_episode(bench: Path) -> None:
    data = talk(bench, GOOD)
    data["messages"] += [{"role": "user", "content": "Done?"}, {"role": "assistant", "content": answer("SUBMIT()")}]
    found = only(bench, data)
    assert (found.judged, found.reason) == (False, "its turn 1 of 2 already ends the episode (recovered)")


def test_sharegpt_rows_and_jsonl(bench: Path) -> None:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    messages = talk(bench, SMALL, GOOD)["messages"]
    chat = [{"from": names[message["role"]], "value": message["content"]} for message in messages]
    rows = [{"conversations": chat[1:], "system": chat[0]["value"], "problem_id": "toy"}, talk(bench, SMALL, GOOD)]
    source = bench.parent / "rows.jsonl"
    source.write_text("".join(json.dumps(one) + "\n" for one in rows))
    one, other = replay_all(match_rows(source, bench)).rows
    assert (one.proven, one.replayed) == (True, other.replayed)


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
def test_what_is_no_conversation(bench: Path, change: Data, reason: str) -> None:
    good = talk(bench, SMALL, GOOD)
    _, bad = verify(bench, good, {**good, **change}).rows
    assert bad.reason is not None
    assert reason in bad.reason


def test_marks_that_contradict_each_other(bench: Path) -> None:
    data = talk(bench, SMALL, GOOD, learn=[2])
    data["messages"][2]["loss"] = True
    _, bad = verify(bench, row(), data).rows
    assert bad.reason == "no demonstration: metadata.learn and the 'loss' of its messages contradict each other"
    data["messages"][2]["loss"] = "yes"
    _, bad = verify(bench, row(), data).rows
    assert bad.reason == "no demonstration: 'loss' of message 3 must be true or false, not 'yes'"


def test_a_contradiction_is_one_after_the_same_turns(bench: Path) -> None:
    other = talk(bench, SMALL, answer("RELAX_CONSTRAINT(low, 2.0)"))
    counted = verify(bench, talk(bench, SMALL, GOOD), other).contradictions
    assert (counted.prompts, counted.answers, counted.rows) == (2, 1, 2)
    # The same prompt after other turns is another one.
    assert verify(bench, talk(bench, LOOK, GOOD), row(answer("DROP_CONSTRAINT(low)"))).contradictions.answers == 1
    assert verify(bench, talk(bench, LOOK, GOOD), row(LOOK)).contradictions.answers == 0


def test_the_report_has_every_turn(bench: Path, tmp_path: Path) -> None:
    source, report, kept = (tmp_path / name for name in ("in.json", "report.json", "kept.json"))
    rows = [talk(bench, LOOK, GOOD, learn=[2]), row(state=f"## Problem\nID: toy\n\n{STATE}"), talk(bench, LOOK)]
    source.write_text(json.dumps({"metadata": {"agent": "test"}, "data": rows}))
    options = ["--bench", str(bench), "--workers", "0", "--json", str(report), "--keep", str(kept)]
    assert main(["data", "verify", str(source), *options]) == 1
    record = json.loads(report.read_text())
    assert [(turn["learned"], turn["useful"]) for turn in record["rows"][0]["turns"]] == [(False, True), (True, True)]
    assert record["answers"]["n"] == 3
    assert record["quality"]["coverage"]["charts"]["turns"] == {"1": 2, "2": 1}
    assert record["quality"]["coverage"]["charts"]["turn"] == {"1": 2, "2": 1}
    assert json.loads(kept.read_text()) == {"metadata": {"agent": "test"}, "data": rows[:2]}
    assert main(["data", "verify", str(kept), "--bench", str(bench), "--workers", "0"]) == 0
