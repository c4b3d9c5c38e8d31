"""`ordebug replay` and `ordebug score`: a run is what its episodes say, and its episodes what the solver says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.generate import Size, Wanted, make_benchmark
from tests.served import arguments, thoughtful
from tests.test_chat import server

N = 12


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("replay") / "bench"
    make_benchmark(out, n=N, seed=7, wanted=Wanted(sizes=(Size.SMALL,)))
    return out


@pytest.fixture(scope="module")
def played(bench: Path) -> Path:
    """A run of many kinds of actions, some refused, some episodes without a repair."""
    out = bench.parent / "run"
    assert main(["eval", str(bench), "--agent", "random", "--max-steps", "6", "--out", str(out)]) == 0
    return out


@pytest.fixture
def run(played: Path, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(played, tmp_path / "run"))


def change(run: Path, number: int, **entries: Any) -> None:
    lines = (run / "episodes.jsonl").read_text(encoding="utf-8").splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **entries})
    (run / "episodes.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def episodes(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "episodes.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("agent", ["random", "relax-minimal", "oracle"])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_episode_is_confirmed(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], agent: str, workers: str
) -> None:
    out = tmp_path / "run"
    assert main(["eval", str(bench), "--agent", agent, "--max-steps", "6", "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["replay", str(out), "--workers", workers, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["episodes"], report["confirmed"], report["not_confirmed"]) == (N, N, [])
    assert report["turns"] == sum(len(episode["turns"]) for episode in episodes(out))


def test_what_is_not_as_recorded_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = episodes(run)
    one, other = [number for number, episode in enumerate(made) if len(episode["turns"]) > 2][:2]
    first, second = made[one], made[other]
    turns = first["turns"]
    turns[0] = {**turns[0], "status": "OPTIMAL", "objective": 17.0}
    change(run, one, turns=turns)
    change(run, other, iis={**second["iis"], "rows": second["iis"]["rows"][1:]}, outcome="limit")
    assert main(["replay", str(run), "--workers", "0", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["confirmed"] == N - 2
    found = {
        one["problem_id"]: {(each["turn"], each["what"]) for each in one["differences"]}
        for one in report["not_confirmed"]
    }
    assert found == {
        first["problem_id"]: {(1, "status"), (1, "objective")},
        second["problem_id"]: {(0, "iis"), (0, "outcome")},
    }
    assert main(["replay", str(run), "--workers", "0"]) == 1
    assert "turn 1: status was OPTIMAL, is INFEASIBLE" in " ".join(capsys.readouterr().out.split())


def test_labels_by_which_figures_are_grouped_are_held_against_the_benchmark(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = episodes(run)[:2]
    change(run, 0, error_type="another")
    change(run, 1, difficulty="trivial")
    assert main(["replay", str(run), "--workers", "0", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    told = [
        (one["what"], one["recorded"], one["found"]) for each in report["not_confirmed"] for one in each["differences"]
    ]
    assert told == [
        ("error_type", "another", first["error_type"]),
        ("difficulty", "trivial", second["difficulty"]),
    ]


def test_an_episode_that_was_lost_is_confirmed_as_far_as_it_went(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = next(number for number, episode in enumerate(episodes(run)) if len(episode["turns"]) > 2)
    change(
        run,
        long,
        turns=episodes(run)[long]["turns"][:2],
        outcome=None,
        repair=None,
        error="ServerError: it went away",
    )
    assert main(["replay", str(run), "--workers", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["confirmed"] == N


@pytest.mark.parametrize(
    "options", [(), ("--detail", "algebra"), ("--conversation",), ("--no-history", "--system", "Hi")]
)
def test_the_prompts_of_a_served_model_are_rendered_again(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    out = tmp_path / "served"
    with server(thoughtful) as (url, _):
        assert main(arguments(bench, url, out, "--concurrency", "4", *options)) == 0
    assert main(["replay", str(out), "--bench", str(bench), "--workers", "0"]) == 0
    made = episodes(out)
    number = next(number for number, episode in enumerate(made) if len(episode["turns"]) > 1)
    turns = made[number]["turns"]
    turns[1] = {**turns[1], "prompt": turns[1]["prompt"].replace("Status: INFEASIBLE", "Status: OPTIMAL")}
    change(out, number, turns=turns)
    capsys.readouterr()
    assert main(["replay", str(out), "--bench", str(bench), "--workers", "0", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["not_confirmed"]
    (one,) = found["differences"]
    assert (one["turn"], one["what"]) == (2, "prompt")
    assert (one["recorded"], one["found"]) == ("Status: OPTIMAL", "Status: INFEASIBLE")


def test_workers_load_nothing_from_the_folder_at_hand(run: Path, bench: Path, tmp_path: Path) -> None:
    here = tmp_path / "somebody's"
    here.mkdir()
    for name in ("random.py", "ordebug_plugin.py"):
        (here / name).write_text("raise SystemExit('code of the folder at hand')\n")
    script = Path(sys.executable).with_name("ordebug")
    command = [str(script), "replay", str(run), "--bench", str(bench), "--workers", "2"]
    done = subprocess.run(command, check=False, cwd=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{N} of {N} episodes confirmed" in done.stdout


def test_the_ledger_has_every_question(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = tmp_path / "ledger.jsonl"
    (episode,) = [one for one in episodes(run) if one["problem_id"] == "p00003"]
    options = ["replay", str(run), "--episode", "p00003", "--ledger", str(ledger)]
    assert main(options) == 0
    head, *calls = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert head["first_tried_with"]["Presolve"] == 0
    assert head["work_limit"] > head["first_tried_with"]["WorkLimit"] > 0
    assert head["gurobi"].count(".") == 2
    assert {call["model"] for call in calls} == {episode["problem_hash"]}
    assert (calls[0]["question"], calls[0]["edits"]) == ("solve", {"rows": {}, "variables": {}, "rewrites": {}})
    assert calls[0]["answer"] == {"status": "INFEASIBLE", "objective": None}
    assert next(call for call in calls if call["question"] == "iis")["answer"]["rows"] == episode["iis"]["rows"]
    assert {"solve", "iis"} <= {call["question"] for call in calls}
    dropped = [
        turn["action"]["target"] for turn in episode["turns"] if (turn["action"] or {}).get("kind") == "DROP_CONSTRAINT"
    ]
    for row in dropped:
        assert any(call["edits"]["rows"].get(row) == ["-inf", "inf"] for call in calls)
    capsys.readouterr()
    assert main(options) == 2
    assert "is there already" in capsys.readouterr().err


def test_what_cannot_be_replayed(run: Path, bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(run), "--episode", "p99999"]) == 2
    assert "no episode of a problem 'p99999'" in capsys.readouterr().err
    other = tmp_path / "other"
    make_benchmark(other, n=2, seed=8, wanted=Wanted(sizes=(Size.SMALL,)))
    assert main(["replay", str(run), "--bench", str(other)]) == 2
    assert "name the benchmark of the run with --bench" in capsys.readouterr().err
    moved = Path(shutil.copytree(bench, tmp_path / "moved"))
    assert main(["replay", str(run), "--bench", str(moved), "--workers", "0"]) == 0


class TestScore:
    def test_the_summary_is_reproduced_to_the_bit(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = (run / "summary.json").read_bytes()
        assert main(["score", str(run), "--json"]) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out) == json.loads(before)
        assert "says the same" in captured.err
        (run / "summary.json").unlink()
        assert main(["score", str(run)]) == 1
        assert "--write makes it" in capsys.readouterr().err
        assert main(["score", str(run), "--write"]) == 0
        assert (run / "summary.json").read_bytes() == before

    def test_another_summary_is_found_and_kept_until_asked(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = (run / "summary.json").read_text()
        record = json.loads(before)
        record["metrics"]["rr@5"]["value"] = 0.99
        (run / "summary.json").write_text(json.dumps(record))
        assert main(["score", str(run)]) == 1
        assert "says otherwise of metrics: --write replaces it" in " ".join(capsys.readouterr().err.split())
        assert json.loads((run / "summary.json").read_text()) == record
        assert main(["score", str(run), "--write"]) == 0
        assert (run / "summary.json").read_text() == before

    def test_an_incomplete_run_is_said_to_be_one(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lines = (run / "episodes.jsonl").read_text().splitlines()
        (run / "episodes.jsonl").write_text("\n".join(lines[:-2]) + "\n")
        assert main(["score", str(run), "--write"]) == 1
        assert "2 episodes are missing" in capsys.readouterr().err
