"""Damaged files before `ordebug postmortem` and whatever reads runs: named, with the key; half a run is told apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.cli import main
from tests.test_chat import GOOD, completion, server
from tests.test_postmortem import grpo, sft
from tests.toys import CONFLICT


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("trainer_state.json", {"log_history": "oops"}, "log_history must be a list of records, it is 'oops'"),
        ("trainer_state.json", {"log_history": [5]}, "log_history must be a list of records"),
        ("trainer_state.json", {"log_history": [{"step": 1}], "max_steps": "ten"}, "max_steps must be a whole number"),
        ("trainer_state.json", {"log_history": [], "best_model_checkpoint": 5}, "best_model_checkpoint must be"),
        ("trainer_state.json", [], "is no JSON object"),
        ("logging.jsonl", "five", "line 1 is no record of a step: 'five'"),
        ("trainer_log.jsonl", {"current_steps": 5, "total_steps": "many"}, None),
        ("args.json", ["beta"], "is no JSON object"),
        ("args.json", {"dataset": 5, "val_dataset": [None], "beta": float("nan")}, None),
        ("recipe.yaml", {"dataset": {"a": 1}, "output_dir": 7, "learning_rate": "2026-99-99"}, None),
        ("trainer_state.json", {"log_history": [{"step": 10, "loss": 10**400}], "max_steps": 10}, None),
    ],
)
def test_a_damaged_log_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: object, message: str | None
) -> None:
    folder = sft(tmp_path / "sft", [2.0, 1.0])
    (folder / name).write_text(json.dumps(content) + "\n")
    code = main(["postmortem", str(folder), "--json", str(tmp_path / "p.json"), "--page", str(tmp_path / "p.html")])
    captured = capsys.readouterr()
    if message is None:
        assert code in (0, 1)
        assert json.loads((tmp_path / "p.json").read_text())
    else:
        assert code == 2
        assert f"{folder / name}" in captured.err
        assert message in " ".join(captured.err.split())


def test_event_files_need_a_package(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)  # as where it is not installed
    (tmp_path / "run" / "runs" / "today").mkdir(parents=True)
    (tmp_path / "run" / "runs" / "today" / "events.out.tfevents.1.host").write_bytes(b"")
    assert main(["postmortem", str(tmp_path)]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "pip install tensorboard" in message
    assert "runs/today/events.out.tfevents.1.host" in message
    sft(tmp_path / "other", [2.0, 1.0])
    shutil.copytree(tmp_path / "run" / "runs", tmp_path / "other" / "runs")
    assert main(["postmortem", str(tmp_path / "other")]) == 0  # there is another log


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of a served model on two problems, before and after."""
    folder = tmp_path_factory.mktemp("played")
    bench = folder / "bench"
    bench.mkdir()
    records = []
    for number in (1, 2):
        (bench / f"m{number}.lp").write_text(CONFLICT.replace("100", str(90 + number)))
        records.append({"problem_id": f"m{number}", "model_file": f"m{number}.lp", "error_type": "A"})
    (bench / "dataset.json").write_text(json.dumps({"problems": records}))
    for name, reply in (("1-before", completion("no")), ("2-after", completion(GOOD))):
        with server(lambda n, body, reply=reply: (200, reply)) as (url, _):
            arguments = ["eval", str(bench), "--base-url", url, "--model", "m", "--max-steps", "1"]
            assert main([*arguments, "--out", str(folder / "runs" / name)]) == 0
    return folder


@pytest.fixture
def runs(played: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(played / "runs", tmp_path / "runs"))


def cut(path: Path, lines: int) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))


def test_an_incomplete_evaluation_is_bad_and_not_compared(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["postmortem", str(runs)]) == 0
    assert "2-after against 1-before" in capsys.readouterr().out
    after = runs / "2-after"
    cut(after / "episodes.jsonl", 1)
    page, record = runs.parent / "p.html", runs.parent / "p.json"
    assert main(["postmortem", str(runs), "--page", str(page), "--json", str(record)]) == 1
    printed = capsys.readouterr().out
    assert "bad: 2-after is incomplete, 1 of 2 episodes are missing" in printed
    assert "--resume" in printed
    assert "against 1-before" not in printed
    assert "2-after, n=1<br>(incomplete)" in page.read_text()
    assert json.loads(record.read_text())["missing_episodes"] == {"2-after": 1}
    cut(after / "episodes.jsonl", 0)
    assert main(["postmortem", str(runs)]) == 1
    assert "2 of 2 episodes are missing" in capsys.readouterr().out
    (after / "episodes.jsonl").unlink()
    assert main(["postmortem", str(runs)]) == 1
    assert "2 of 2 episodes are missing" in capsys.readouterr().out


def test_more_episodes_than_there_are_problems_are_no_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = runs / "2-after" / "episodes.jsonl"
    path.write_text(path.read_text() * 2)
    assert main(["postmortem", str(runs)]) == 1
    assert "2-after has 4 episodes, and its configuration speaks of 2" in capsys.readouterr().out
    assert main(["score", str(runs / "2-after")]) == 1
    assert "2 episodes more than" in " ".join(capsys.readouterr().err.split())


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize("command", ["score", "replay", "compare", "postmortem"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.clear(), "the key benchmark is missing"),
        (lambda config: config.update(agent=None), "agent must be a section with keys of its own, it is empty"),
        (lambda config: config.pop("max_steps"), "the key max_steps is missing"),
        (lambda config: config.update(max_steps="abc"), "max_steps must be a whole number of at least 1, it is 'abc'"),
        (lambda config: config.update(work_limit=float("nan")), "work_limit must be a number of at least 0, it is nan"),
        (lambda config: config.update(problems="all"), "problems must be a whole number"),
        (lambda config: config.update(samples=0), "samples must be a whole number"),
        (lambda config: config.update(versions={}), "the key versions.gurobi is missing"),
        (
            lambda config: config["agent"].update(style={"detail": "loud"}),
            "agent.style is not how prompts are rendered",
        ),
        (lambda config: config["agent"].update(sampling="greedy"), "agent.sampling must be a section"),
    ],
)
def test_a_damaged_configuration_names_its_key(
    runs: Path, capsys: pytest.CaptureFixture[str], command: str, change: Change, message: str
) -> None:
    path = runs / "2-after" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))
    folders = [str(runs / "1-before")] if command == "compare" else []
    assert main([command, *folders, str(runs / "2-after")]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert str(path) in told
    assert message in told


@pytest.mark.parametrize("text", ["", "just words", "- a list", "[torn", "when: 2026-99-99"])
def test_what_is_no_configuration_is_said_to_be_none(runs: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (runs / "2-after" / "config.yaml").write_text(text)
    assert main(["score", str(runs / "2-after")]) == 2
    assert str(runs / "2-after") in capsys.readouterr().err


@pytest.mark.parametrize("command", ["score", "replay", "compare"])
def test_a_run_without_an_episode_has_no_figures(runs: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    cut(runs / "2-after" / "episodes.jsonl", 0)
    folders = [str(runs / "1-before")] if command == "compare" else []
    assert main([command, *folders, str(runs / "2-after")]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "episodes.jsonl holds no episode" in told
    assert "otherwise" not in told
    (runs / "2-after" / "episodes.jsonl").write_bytes(b"\xff\xfe{}\n")
    assert main([command, *folders, str(runs / "2-after")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_training_is_found_from_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = grpo(tmp_path / "grpo", *[{"reward": str(0.1 * number)} for number in range(5)])
    monkeypatch.chdir(folder)
    assert main(["postmortem", "."]) == 0
