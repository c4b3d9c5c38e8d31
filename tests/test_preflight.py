"""Pre-flight against a real HTTP server on loopback whose answers are known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.evaluate.records import load_episodes
from ordebug_plugin.preflight import read_prompts
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import INSTRUCTION, join_instruction
from tests.test_chat import completion, server
from tests.test_reward import HONEST, TRUTH
from tests.toys import CONFLICT, answer, write_problem

POOR = answer("RELAX_CONSTRAINT(high, 1)")


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Two prompts: the second model differs by a comment, so that a server can tell them apart by nothing else."""
    folder = tmp_path / "bench"
    (folder / "models").mkdir(parents=True)
    records = []
    for name, fault in (("one", "A"), ("two", "B")):
        problem = write_problem(folder / "models" / f"{name}.lp", f"\\ {name}\n{CONFLICT.replace('side', name)}")
        records.append(record(problem, fault))
    (folder / "dataset.json").write_text(json.dumps({"problems": records}))
    out = tmp_path / "prompts.jsonl"
    assert main(["data", "grpo", str(folder), str(out)]) == 0
    return out


def record(problem: Problem, fault: str) -> dict[str, Any]:
    return {
        "problem_id": problem.id,
        "model_file": f"models/{problem.path.name}",
        "error_type": fault,
        "culprit": {"rows": list(TRUTH.rows), "variables": []},
        "added_rows": [],
        "fix": [str(action) for action in TRUTH.fix],
        "original_objective": TRUTH.objective,
    }


def respond(one: Callable[[int], dict[str, Any]], two: Callable[[int], dict[str, Any]]) -> Any:
    def reply(_: int, body: dict[str, Any]) -> tuple[int, Any]:
        chosen = one if "'one'" in body["messages"][-1]["content"] else two
        return 200, chosen(body["seed"])

    return reply


def preflight(prompts: Path, url: str, *options: str) -> int:
    return main(["preflight", str(prompts), "--base-url", url, "--model", "m", "--retries", "0", *options])


def test_what_varies_is_kept(prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subset = tmp_path / "subset.jsonl"
    replies = respond(
        lambda seed: completion(HONEST if seed % 2 else POOR),
        lambda seed: completion(HONEST, finish="length" if seed == 0 else "stop"),
    )
    with server(replies) as (url, requests):
        code = preflight(prompts, url, "--samples", "4", "--out", str(subset), "--json", "--temperature", "0.8")
    report = json.loads(capsys.readouterr().out)
    assert code == 1, "half of the prompts teach nothing"
    assert subset.read_text() == prompts.read_text().splitlines(keepends=True)[0]
    assert {request["body"]["temperature"] for request in requests} == {0.8}
    sent = {json.dumps(request["body"]["messages"]) for request in requests}
    assert sent == {json.dumps(json.loads(line)["messages"]) for line in prompts.read_text().splitlines()}
    assert sorted(request["body"]["seed"] for request in requests) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert report["prompts"] == 2
    assert report["answers"] == 8
    assert report["lost"] == 0
    assert report["worth_training"] == 1
    assert report["zero_variance"]["value"] == 0.5
    assert report["by_type"]["A"]["zero_variance"]["value"] == 0.0
    assert report["by_type"]["B"]["zero_variance"]["value"] == 1.0
    assert report["by_type"]["B"]["rewards"]["mean"]["value"] == 1.0
    assert report["by_type"]["B"]["rewards"]["within"] == 0.0
    poor = report["by_type"]["A"]["rewards"]
    assert poor["mean"]["value"] == pytest.approx(1.0 - poor["within"]), "half 1, half 1 - 2 · spread"
    assert report["components"]["preservation"]["mean"]["value"] == pytest.approx(0.75)
    assert report["format"]["value"] == 1.0
    assert report["truncated"]["value"] == pytest.approx(1 / 8)
    assert report["actions"] == {"UPDATE_RHS": 6, "RELAX_CONSTRAINT": 2}


def test_the_page_for_people(prompts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def replies(seed: int) -> dict[str, Any]:
        return completion((HONEST, POOR, "nothing")[seed % 3])

    with server(respond(replies, replies)) as (url, _):
        assert preflight(prompts, url, "--samples", "3") == 0
    shown = capsys.readouterr().out
    assert "2 of 2 prompts are worth training on" in shown
    assert "well-formed 66.7%" in shown
    assert "none 33.3%" in shown
    assert "type A" in shown


def test_a_server_that_fails_now_and_then_costs_answers(prompts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def replies(number: int, _: dict[str, Any]) -> tuple[int, Any]:
        return (500, {"error": "no"}) if number == 3 else (200, completion(HONEST))

    with server(replies) as (url, _):
        assert preflight(prompts, url, "--samples", "2", "--concurrency", "1", "--json") == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert (report["answers"], report["lost"]) == (3, 1)
    assert report["zero_variance"]["n"] == 1, "a group with a hole says nothing"
    assert "1 answers were lost" in captured.err


def test_a_server_that_is_not_there(prompts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert preflight(prompts, "http://127.0.0.1:9/v1") == 4
    with server(lambda *_: (500, {"error": "no"})) as (url, _):
        assert preflight(prompts, url, "--samples", "2") == 4
    assert "500" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["", "{}", "[]", '{"messages": 3}', '{"messages": [{"role": "user"}], "task": "x"}'])
def test_a_bad_line_is_named(prompts: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    good = prompts.read_text().splitlines()[0]
    prompts.write_text(f"{good}\n{line}\n")
    assert preflight(prompts, "http://127.0.0.1:9/v1") == 2
    assert "line 2" in capsys.readouterr().err


def test_a_missing_model_is_named(prompts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (task,) = {prompt.task for prompt in read_prompts(prompts)[:1]}
    task.problem.path.unlink()
    from ordebug_plugin.tasks import load_task  # noqa: PLC0415

    load_task.cache_clear()
    assert preflight(prompts, "http://127.0.0.1:9/v1") == 2
    assert "line 1" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--samples", "1"], ["--out", "subset.txt"]])
def test_bad_options(prompts: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    assert preflight(prompts, "http://127.0.0.1:9/v1", *options) == 2
    assert capsys.readouterr().err


def test_later_turns_become_prompts_as_they_were_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench, played, out = tmp_path / "bench", tmp_path / "run", tmp_path / "prompts.jsonl"
    assert main(["bench", "make", str(bench), "--families", "plans", "--n", "4", "--seed", "5"]) == 0
    assert main(["eval", str(bench), "--agent", "relax-first", "--max-steps", "3", "--out", str(played)]) == 0
    assert (
        main(
            [
                "data",
                "grpo",
                str(bench),
                str(out),
                "--turns",
                str(played),
                "--limit",
                "2",
                "--detail",
                "names",
                "--json",
            ]
        )
        == 0
    )
    report = json.loads(capsys.readouterr().out.partition('{\n  "path"')[2].join(['{\n  "path"', ""]))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    expected = []
    for episode in list(load_episodes(played / "episodes.jsonl"))[:2]:
        for number, turn in enumerate(episode.turns):
            answers = [earlier.step.answer for earlier in episode.turns[:number]]
            expected.append((join_instruction(INSTRUCTION, turn.reply.prompt), answers))
    assert [(row["messages"][-1]["content"], json.loads(row["task"])["history"]) for row in rows] == expected
    assert (report["rows"], report["later"]) == (len(rows), len(rows) - 2)
    assert report["later"] > 0
    other = tmp_path / "other"
    assert main(["bench", "make", str(other), "--families", "plans", "--n", "1", "--seed", "9"]) == 0
    assert main(["data", "grpo", str(other), str(out), "--turns", str(played)]) == 2
    assert "no second turn" in capsys.readouterr().err
