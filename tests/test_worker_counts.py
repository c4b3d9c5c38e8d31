"""The same bytes with one worker and with eight; wall times may differ, and the number where it is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ordebug_plugin.cli import main
from tests.conftest import REPO
from tests.served import arguments, episodes_of, figures_of, thoughtful
from tests.test_chat import server


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "bench"
    assert main(["bench", "make", str(out), "--n", "8", "--families", "plans", "--seed", "4", "--workers", "1"]) == 0
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_bench_make(bench: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench"
    assert main(["bench", "make", str(out), "--n", "8", "--families", "plans", "--seed", "4", "--workers", "8"]) == 0
    assert files(out) == files(bench)


def configs(one: Path, other: Path) -> list[dict[str, object]]:
    found = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in (one, other)]
    for config in found:
        del config["concurrency"]
    return found


def test_eval_of_a_built_in_agent(bench: Path, tmp_path: Path) -> None:
    for n in ("1", "8"):
        options = ["--agent", "random", "--seed", "3", "--samples", "2", "--workers", n]
        assert main(["eval", str(bench), *options, "--out", str(tmp_path / n)]) == 0
    one, other = tmp_path / "1", tmp_path / "8"
    assert json.dumps(episodes_of(one)) == json.dumps(episodes_of(other))
    assert json.dumps(figures_of(one)) == json.dumps(figures_of(other))
    assert configs(one, other)[0] == configs(one, other)[1]


def test_eval_of_a_served_model(bench: Path, tmp_path: Path) -> None:
    """Eight requests in flight, judged in processes."""
    with server(thoughtful) as (url, _):
        for n in ("1", "8"):
            options = ["--samples", "2", "--temperature", "1", "--concurrency", n]
            assert main(arguments(bench, url, tmp_path / n, *options)) == 0
    one, other = tmp_path / "1", tmp_path / "8"
    assert json.dumps(episodes_of(one)) == json.dumps(episodes_of(other))
    assert json.dumps(figures_of(one)) == json.dumps(figures_of(other))


REWARDS = """
import json, sys
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.reward_functions import REWARDS
from ordebug_plugin.grading import Task
from ordebug_plugin.tasks import dump_task
answers, tasks = [], []
for problem in load_benchmark(__import__("pathlib").Path(sys.argv[1])).problems:
    rows = [*problem.truth.rows, *problem.truth.variables]
    for action in [str(one) for one in problem.truth.fix] + [f"DROP_CONSTRAINT({row})" for row in rows] + ["SUBMIT()"]:
        answers.append(f"<think>\\nbecause\\n</think>\\n\\nAction: {action}")
        tasks.append(dump_task(Task(problem)))
print(json.dumps({name: function(answers, task=tasks) for name, function in sorted(REWARDS.items())}))
"""


def test_rewards(bench: Path) -> None:
    said = []
    for workers in ("1", "8", "0"):
        environment = {**os.environ, "ORDEBUG_WORKERS": workers, "PYTHONPATH": str(REPO)}
        command = [sys.executable, "-c", REWARDS, str(bench)]
        done = subprocess.run(command, check=True, capture_output=True, env=environment, timeout=300)
        said.append(done.stdout)
    assert len(set(said)) == 1
    assert len({round(value, 6) for value in json.loads(said[0])["ordebug"]}) > 2


@pytest.mark.parametrize("command", ["demos", "saturation", "replay"])
def test_other_commands_with_workers(
    command: str, bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    if command == "replay":
        assert main(["eval", str(bench), "--agent", "relax-first", "--out", str(run)]) == 0
    capsys.readouterr()
    said = []
    for n in ("1", "8"):
        target = tmp_path / f"{n}.json"
        lines = {
            "demos": ["data", "demos", str(bench), str(target)],
            "saturation": ["bench", "saturation", str(bench), "--json", str(target)],
            "replay": ["replay", str(run), "--bench", str(bench), "--json"],
        }
        assert main([*lines[command], "--workers", n]) in (0, 1)
        printed = capsys.readouterr().out
        said.append(printed if command == "replay" else target.read_text())
    assert said[0]
    assert said[0] == said[1]
