"""What the scripts refuse before they delete or train anything, and what the small ones do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ordebug_plugin.actions import parse_answer
from ordebug_plugin.cli import main
from ordebug_plugin.generate import make_benchmark
from ordebug_plugin.shown import read_state
from tests.conftest import REPO
from tests.toys import PLANS


def script(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("demo.sh", ("{folder}",), "is not empty and holds no demo"),
        ("demo.sh", ("{folder}/new", "abc"), "the seed must be a whole number, not abc"),
        ("demo.sh", ("--help",), "--help is no folder"),
        ("multiturn.sh", ("{folder}",), "sft/config.json is missing: run `bash scripts/demo.sh"),
        ("published_table.sh", ("{folder}",), "base/config.json is missing: run `bash scripts/demo.sh"),
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


@pytest.mark.parametrize("name", ["bench_reward.py", "bench_eval.py"])
@pytest.mark.parametrize("arguments", [("--bench", "nothing"), ("--bench", "nothing", "--repeats", "0")])
def test_benchmark_of_nothing_is_refused(name: str, arguments: tuple[str, ...]) -> None:
    done = script(sys.executable, f"scripts/{name}", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_bench_of_the_harness_sends_the_same_requests_both_ways(tmp_path: Path) -> None:
    make_benchmark(tmp_path / "bench", n=3, seed=1, wanted=PLANS)
    figures = tmp_path / "figures.json"
    options = ["--samples", "2", "--repeats", "1", "--concurrency", "2", "--json", str(figures)]
    done = script(sys.executable, "scripts/bench_eval.py", "--bench", str(tmp_path / "bench"), *options)
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(figures.read_text())
    assert record["requests"] >= 6  # one or more of each episode
    assert record["ratio"] == pytest.approx(record["harness_ms"][0] / record["bare_ms"][0])
    assert f"{record['requests']} requests" in done.stdout


def test_answers_that_know_nothing_are_well_formed_and_not_of_the_conflict_alone(tmp_path: Path) -> None:
    bench = tmp_path / "bench"
    make_benchmark(bench, n=12, seed=2, wanted=PLANS)
    rows, out = tmp_path / "rows.json", tmp_path / "writing.json"
    assert main(["data", "demos", str(bench), str(rows), "--policy", "mixed", "--detail", "algebra"]) == 0
    assert script(sys.executable, "scripts/writing_rows.py", str(rows), str(out), "--seed", "3").returncode == 0
    before, after = (json.loads(path.read_text())["data"] for path in (rows, out))
    assert [row["input"] for row in after] == [row["input"] for row in before]
    read = [parse_answer(row["output"]) for row in after]
    assert all(one.well_formed for one in read)
    shown = [read_state(row["input"]).iis_rows or () for row in after]
    inside = [one.action is not None and one.action.target in rows for one, rows in zip(read, shown, strict=True)]
    assert 0 < sum(inside) < len(inside)


def test_the_bench_of_memory_keeps_what_it_is_told(tmp_path: Path) -> None:
    make_benchmark(tmp_path / "bench", n=2, seed=1, wanted=PLANS)
    done = script(sys.executable, "scripts/bench_memory.py", str(tmp_path / "bench"), "--problems", "6", "--kept", "3")
    assert done.returncode == 0, done.stderr
    assert "after 3 models, 3 of them kept" in done.stdout
    assert "after 6 models, 3 of them kept" in done.stdout
    assert script(sys.executable, "scripts/bench_memory.py", "nothing").returncode == 2


def test_the_bench_of_the_judge_agrees_with_the_naive_loop(tmp_path: Path) -> None:
    """Two problems; the growth over sizes takes too long for a test."""
    make_benchmark(tmp_path / "bench", n=2, seed=1, wanted=PLANS)
    figures = tmp_path / "figures.json"
    parts = ["episodes", "turns", "repeats", "rewards", "workers", "store", "memory", "gurobi"]
    options = ["--quick", "--repeats", "1", "--json", str(figures), "--only", *parts]
    done = script(sys.executable, "scripts/bench_judge.py", "--bench", str(tmp_path / "bench"), *options)
    assert done.returncode == 0, done.stderr  # 1 where a state differs in status or objective
    assert {*parts} <= json.loads(figures.read_text()).keys()
