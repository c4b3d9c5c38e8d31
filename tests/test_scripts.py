"""What the scripts refuse, before they delete or train anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO


def script(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("demo.sh", ("{folder}",), "is not empty and holds no demo"),
        ("demo.sh", ("{folder}/new", "abc"), "the seed must be a whole number, not abc"),
        ("demo.sh", ("--help",), "--help is no folder"),
        ("multiturn.sh", ("{folder}",), "sft/config.json is missing: run `bash scripts/demo.sh"),
        ("multiturn.sh", ("{folder}", "-1"), "the seed must be a whole number, not -1"),
    ],
)
def test_wrong_arguments_delete_nothing(tmp_path: Path, name: str, arguments: tuple[str, ...], reason: str) -> None:
    kept = tmp_path / "eval/sft-multiturn/thesis.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("not to be lost")
    done = script("bash", f"scripts/{name}", *(argument.format(folder=tmp_path) for argument in arguments))
    assert done.returncode == 2
    assert reason in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]


@pytest.mark.parametrize("name", ["summarize_seeds.py", "grpo_curve.py"])
def test_what_is_no_run_is_named(tmp_path: Path, name: str) -> None:
    done = script(sys.executable, f"scripts/{name}", str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert str(tmp_path / "nothing") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("--bench", "nothing"), ("--bench", "nothing", "--repeats", "0")])
def test_benchmark_of_nothing_is_refused(arguments: tuple[str, ...]) -> None:
    done = script(sys.executable, "scripts/bench_reward.py", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
