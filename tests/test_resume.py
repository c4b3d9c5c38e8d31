"""`ordebug eval --resume` against a real HTTP server: after kills, at any byte, with other options."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.cli import main
from tests.served import arguments, episodes_of, figures_of, thoughtful, write_bench
from tests.test_chat import server


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Eight problems."""
    return write_bench(tmp_path / "bench", 8)


def test_sigkill_at_ten_random_moments_and_resume(bench: Path, tmp_path: Path) -> None:
    """One run, killed ten times and gone on with, holds what an uninterrupted one holds."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    rng = random.Random(5)
    patience = 0.0
    seen = threading.Semaphore(0)

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        seen.release()
        time.sleep(patience)
        return thoughtful(number, body)

    with server(respond) as (url, _):
        options = ["--samples", "4", "--concurrency", "3"]
        assert main(arguments(bench, url, whole, *options)) == 0
        patience = 0.02
        command = [sys.executable, "-m", "ordebug_plugin.cli", *arguments(bench, url, killed, *options, "--resume")]
        lengths = []
        for _ in range(10):
            while seen.acquire(blocking=False):
                pass
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                for _ in range(rng.randrange(9)):  # requests, then a moment: also before the first
                    assert seen.acquire(timeout=60)
                time.sleep(rng.random() * 0.05)
            finally:
                process.send_signal(signal.SIGKILL)
            assert process.wait(60) == -signal.SIGKILL
            path = killed / "episodes.jsonl"
            lengths.append(path.read_bytes().count(b"\n") if path.exists() else 0)
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "episodes stand" in finished.stderr
    assert lengths == sorted(lengths)  # nothing that was finished is lost again
    assert 0 < lengths[-1] < 32
    assert episodes_of(killed) == episodes_of(whole)
    assert figures_of(killed) == figures_of(whole)
    configs = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in (whole, killed)]
    assert configs[0] == configs[1]
    assert sorted(path.name for path in killed.iterdir()) == sorted(path.name for path in whole.iterdir())


@pytest.fixture
def cut_run(bench: Path, tmp_path: Path) -> tuple[list[str], Path]:
    """A finished run, and the command that resumes it."""
    out = tmp_path / "run"
    command = ["eval", str(bench), "--agent", "random", "--out", str(out)]
    assert main(command) == 0
    return [*command, "--resume"], out


def test_a_kill_at_any_byte_can_be_resumed(cut_run: tuple[list[str], Path]) -> None:
    command, out = cut_run
    path = out / "episodes.jsonl"
    data, whole, figures = path.read_bytes(), episodes_of(out), figures_of(out)
    line = len(data.splitlines(keepends=True)[0])
    rng = random.Random(3)
    for size in (0, 1, line - 1, line, line + 1, *(rng.randrange(len(data)) for _ in range(8)), len(data) - 1):
        (out / "summary.json").unlink()
        path.write_bytes(data[:size])
        assert main(command) == 0
        assert episodes_of(out) == whole
        assert figures_of(out) == figures
        kept = data[:size].rpartition(b"\n")[0]
        assert path.read_bytes().startswith(kept)  # to the byte, seconds included


def test_nothing_to_do_is_done(cut_run: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    command, out = cut_run
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*command, "--workers", "3"]) == 0
    assert "8 of 8 episodes stand" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_resuming_where_nothing_is_starts(bench: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    assert main(["eval", str(bench), "--agent", "oracle", "--out", str(out), "--resume"]) == 0
    assert len(episodes_of(out)) == 8


def test_a_changed_configuration_is_refused_by_its_keys(
    cut_run: tuple[list[str], Path], bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, out = cut_run
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for options, keys in (
        (["--seed", "7", "--max-steps", "3"], ["max_steps: 20 there, 3 now", "seed: 0 there, 7 now", "agent.seed"]),
        (["--samples", "2"], ["samples: 1 there, 2 now"]),
        (["--limit", "4"], ["limit: None there, 4 now", "problems: 8 there, 4 now", "benchmark_hash"]),
        (["--work-limit", "7"], ["work_limit: 60.0 there, 7.0 now"]),
    ):
        assert main([*command, *options]) == 2
        message = capsys.readouterr().err
        assert all(key in message for key in keys), message
        assert "concurrency" not in message
    index = json.loads((bench / "dataset.json").read_text())
    index["problems"][0]["culprit"] = {"rows": ["low"], "variables": []}
    (bench / "dataset.json").write_text(json.dumps(index))
    assert main(command) == 2
    message = capsys.readouterr().err
    assert "records_hash" in message
    assert "benchmark_hash" not in message
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_changed_sampling_is_refused(bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with server(thoughtful) as (url, _):
        assert main(arguments(bench, url, tmp_path / "run")) == 0
        capsys.readouterr()
        assert main(arguments(bench, url, tmp_path / "run", "--resume", "--temperature", "1", "--no-history")) == 2
    message = capsys.readouterr().err
    assert "agent.sampling.temperature: 0.0 there, 1.0 now" in message
    assert "agent.style.history: True there, False now" in message


def test_limits_of_time_are_recorded_and_may_change(bench: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with server(thoughtful) as (url, _):
        assert main(arguments(bench, url, out, "--timeout", "7", "--retries", "3", "--episode-timeout", "99")) == 0
        config = yaml.safe_load((out / "config.yaml").read_text())
        limits = {"timeout": 7.0, "retries": 3, "episode_timeout": 99.0}
        assert {key: config["agent"][key] for key in limits} == limits
        assert main(arguments(bench, url, out, "--resume", "--timeout", "8", "--retries", "2")) == 0
        for key in limits:  # as older runs have it
            del config["agent"][key]
        (out / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        assert main(arguments(bench, url, out, "--resume", "--timeout", "8")) == 0


def test_lines_that_are_no_episode_of_the_run_are_named(
    cut_run: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command, out = cut_run
    path = out / "episodes.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    for text, reason in (
        ("".join([*lines[:2], "{}\n", *lines[2:]]), "line 3 is not an episode"),
        ("".join([*lines, lines[0]]), "line 9 is an episode of another run, or there twice"),
    ):
        path.write_text(text)
        assert main(command) == 2
        assert reason in capsys.readouterr().err
        assert path.read_text() == text


def test_episodes_lost_to_the_server_are_run_again(bench: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    broken = True

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        return (400, "{}") if broken and number > 5 else thoughtful(number, body)

    with server(respond) as (url, requests):
        assert main(arguments(bench, url, out)) == 1
        lost = [one["problem_id"] for one in episodes_of(out) if one["outcome"] is None]
        assert lost
        broken, before = False, len(requests)
        assert main(arguments(bench, url, out, "--resume", "--concurrency", "4")) == 0
        again = len(requests) - before
        assert main(arguments(bench, url, whole)) == 0
    assert episodes_of(out) == episodes_of(whole)
    assert again == sum(len(one["turns"]) for one in episodes_of(whole) if one["problem_id"] in lost)
    assert "infra" not in figures_of(out)["outcomes"]


def test_ctrl_c_can_be_resumed(bench: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    enough, release = threading.Event(), threading.Event()

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        if number > 12 and not release.is_set():
            enough.set()
            release.wait(60)
        return thoughtful(number, body)

    with server(respond) as (url, _):
        command = [sys.executable, "-m", "ordebug_plugin.cli", *arguments(bench, url, out, "--concurrency", "3")]
        process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            # Where the tests run in the background of a script, the shell has children ignore SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # nothing but that
        )
        try:
            assert enough.wait(60)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
            release.set()
        assert process.returncode == 130
        assert "--resume" in errors
        assert "Traceback" not in errors
        kept = (out / "episodes.jsonl").read_bytes()
        assert 0 < len(kept.splitlines()) < 8
        assert main(arguments(bench, url, out, "--resume")) == 0
        assert main(arguments(bench, url, whole)) == 0
    assert episodes_of(out) == episodes_of(whole)


def test_ctrl_c_before_anything_has_ended_promises_nothing(bench: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    asked, release = threading.Event(), threading.Event()

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        asked.set()
        release.wait(60)
        return thoughtful(number, body)

    with server(respond) as (url, _):
        process = subprocess.Popen(
            [sys.executable, "-m", "ordebug_plugin.cli", *arguments(bench, url, out)],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # as above
        )
        try:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
            release.set()
        assert process.returncode == 130
        assert "no episode had ended" in errors
        assert "on disk" not in errors
        assert "--resume" not in errors
        assert not (out / "episodes.jsonl").exists()
        assert main(arguments(bench, url, out)) == 0  # the same command


def test_two_commands_do_not_write_the_same_run(cut_run: tuple[list[str], Path]) -> None:
    command, out = cut_run
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert main(command) == 2
    finally:
        os.close(handle)
    assert main(command) == 0
