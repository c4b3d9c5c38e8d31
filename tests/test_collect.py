"""`ordebug data collect`: the successes of real runs become demonstrations, and no episode is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.cli import main
from ordebug_plugin.data.convert import convert_file
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.generate import Wanted, make_benchmark
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.prompt import EXTENDED_SYSTEM_PROMPT, INSTRUCTION, Style, join_instruction, render_user
from ordebug_plugin.solver import Judge

N = 16


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("collect") / "bench"
    make_benchmark(out, n=N, seed=5, wanted=Wanted(families=("production",), faults=("A", "D", "H", "unit", "I")))
    return out


@pytest.fixture(scope="module")
def runs(bench: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for agent in ("oracle", "drop-first", "random"):
        main(["eval", str(bench), "--agent", agent, "--seed", "3", "--max-steps", "4", "--out", str(folder / agent)])
    return {path.name: path for path in folder.iterdir()}


def collect(tmp_path: Path, runs: list[Path], *options: str) -> tuple[dict[str, Any], list[Any], list[Any], list[Any]]:
    out, chat, failures = (tmp_path / name for name in ("own.json", "own.jsonl", "failures.jsonl"))
    places = [str(out), "--chat", str(chat), "--failures", str(failures), "--json"]
    assert main(["data", "collect", *map(str, runs), *places, *options]) == 0
    lines = [[json.loads(line) for line in path.read_text().splitlines()] for path in (chat, failures)]
    return json.loads(out.read_text()), json.loads(out.read_text())["data"], lines[0], lines[1]


def test_every_episode_is_kept_or_told_why_not(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows, chats, failures = collect(tmp_path, [runs["oracle"], runs["drop-first"], runs["random"]])
    report = json.loads(capsys.readouterr().out)
    assert report["episodes"] == 3 * N
    assert report["rows"] == len(rows) == len(chats)
    assert sum(report["failures"].values()) == len(failures)
    assert report["rows"] + report["duplicates"] + len(failures) == 3 * N
    assert {failure["reason"] for failure in failures} == set(report["failures"])
    assert "preservation too low" in report["failures"]
    assert "out-of-turns" in report["failures"]
    for failure in failures:
        assert failure["scores"]["preservation"] is None or failure["scores"]["preservation"] < 0.999
        assert failure["turns"][0]["prompt"].startswith(f"{INSTRUCTION}\n\n## Current State")
        assert (failure["outcome"] == "recovered") == (failure["reason"] == "preservation too low")


def test_what_is_collected_replays_and_keeps_the_objective(bench: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    _, rows, chats, _ = collect(tmp_path, [runs["oracle"], runs["random"]])
    problems = {problem.content_hash: problem for problem in load_benchmark(bench).problems}
    assert len(rows) >= N - 2
    with Judge() as judge:
        for row, chat in zip(rows, chats, strict=True):
            replay(judge, problems[row["metadata"]["problem_hash"]], row, chat)


def replay(judge: Judge, problem: Problem, row: dict[str, Any], chat: dict[str, Any]) -> None:
    env = RepairEnv(judge, problem)
    observation, outcome = env.reset(), None
    system, *messages = chat["messages"]
    assert system == {"role": "system", "content": EXTENDED_SYSTEM_PROMPT}
    for prompt, answer in zip(messages[::2], messages[1::2], strict=True):
        assert prompt == {"role": "user", "content": render_user(observation, Style())}
        transition = env.step(answer["content"])
        observation, outcome = transition.observation, transition.outcome
    assert outcome is Outcome.RECOVERED
    objective = judge.solve(problem, env.edits).objective
    assert objective == pytest.approx(problem.truth.objective, rel=1e-3)
    assert messages[-1]["content"] == row["output"]
    assert messages[-2]["content"] == join_instruction(row["instruction"], row["input"])
    assert chat["metadata"]["learn"][-1] == row["metadata"]["turn"] == len(messages) // 2


def test_the_same_success_twice_is_one_demonstration(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, once, _, _ = collect(tmp_path / "once", [runs["oracle"]])
    capsys.readouterr()
    _, twice, _, _ = collect(tmp_path / "twice", [runs["oracle"], runs["oracle"]])
    report = json.loads(capsys.readouterr().out)
    assert twice == once
    assert report["duplicates"] == len(once)


def test_the_threshold_decides(runs: dict[str, Path], tmp_path: Path) -> None:
    strict = collect(tmp_path / "strict", [runs["drop-first"], runs["oracle"]], "--min-preservation", "1")[1]
    lax = collect(tmp_path / "lax", [runs["drop-first"], runs["oracle"]], "--min-preservation", "0")[1]
    assert len(strict) < len(lax)
    assert all(row in lax for row in strict)


def test_what_is_taken_back_or_refused_is_not_learnt(bench: Path, tmp_path: Path) -> None:
    """A run is edited into one that went astray first: only what stands in the end is an example."""
    run = tmp_path / "run"
    main(["eval", str(bench), "--agent", "oracle", "--out", str(run)])
    lines = (run / "episodes.jsonl").read_text().splitlines()
    episode = json.loads(lines[0])
    (last,) = episode["turns"][-1:]
    turn = {**last, "status": "INFEASIBLE", "objective": None, "iis": episode["iis"]}
    drop = {"kind": "DROP_CONSTRAINT", "target": "r1", "numbers": []}
    reset = {"kind": "RESET", "target": None, "numbers": []}
    astray = [
        {**turn, "action": drop, "answer": "<think>\na\n</think>\n\nAction: DROP_CONSTRAINT(r1)"},
        {**turn, "action": reset, "answer": "<think>\nb\n</think>\n\nAction: RESET()"},
        {**turn, "action": None, "refused": True, "well_formed": False, "answer": "no"},
    ]
    episode["turns"] = astray + episode["turns"]
    (run / "episodes.jsonl").write_text(json.dumps(episode) + "\n")
    _, rows, chats, _ = collect(tmp_path, [run])
    assert len(rows) == 1
    assert chats[0]["metadata"]["learn"] == [2, *range(4, len(episode["turns"]) + 1)]
    assert [message.get("loss", True) for message in chats[0]["messages"][2::2]][:4] == [False, True, False, True]


def test_what_is_collected_converts(runs: dict[str, Path], tmp_path: Path) -> None:
    _, rows, _, _ = collect(tmp_path, [runs["oracle"]])
    for source in ("own.json", "own.jsonl"):
        report = convert_file(tmp_path / source, tmp_path / "x.json", to="sharegpt", system=None, keep_labels=False)
        assert (report.written, report.rejected) == (len(rows), 0)


def test_no_success_is_an_error_that_counts_what_there_was(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (runs["random"] / "episodes.jsonl").read_text().splitlines()
    (tmp_path / "run").mkdir()
    failed = [line for line in lines if json.loads(line)["outcome"] == "out-of-turns"]
    (tmp_path / "run" / "episodes.jsonl").write_text("\n".join(failed) + "\n")
    (tmp_path / "run" / "config.yaml").write_text((runs["random"] / "config.yaml").read_text())
    out, failures = str(tmp_path / "own.json"), tmp_path / "failures.jsonl"
    assert main(["data", "collect", str(tmp_path / "run"), out, "--failures", str(failures)]) == 2
    assert f"out-of-turns: {len(failed)}" in capsys.readouterr().err
    assert len(failures.read_text().splitlines()) == len(failed)


def test_bad_input_is_named(runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, reason in (
        ([tmp_path / "nothing", tmp_path / "own.json"], "holds no run"),
        ([runs["oracle"], tmp_path / "own.jsonl"], "name the target *.json"),
        ([runs["oracle"], tmp_path / "own.json", "--failures", "failures.json"], "name the failures *.jsonl"),
        ([runs["oracle"], runs["oracle"] / "config.yaml" / "own.json"], "cannot be written"),
    ):
        assert main(["data", "collect", *map(str, arguments)]) == 2
        assert reason in capsys.readouterr().err


def test_the_system_prompt_of_a_run_stands_in_its_rows(runs: dict[str, Path], tmp_path: Path) -> None:
    own = tmp_path / "run"
    shutil.copytree(runs["oracle"], own)
    config = yaml.safe_load((own / "config.yaml").read_text())
    config["agent"] = {**config["agent"], "style": {"system": "Repair it."}}
    (own / "config.yaml").write_text(yaml.safe_dump(config))
    _, rows, chats, _ = collect(tmp_path / "own", [own])
    assert {row["system"] for row in rows} == {chat["messages"][0]["content"] for chat in chats} == {"Repair it."}
    _, rows, _, _ = collect(tmp_path / "default", [runs["oracle"]])
    assert not any("system" in row for row in rows)
