"""The engine of `ordebug eval` against a real HTTP server: outcomes, samples, think text, resuming after a kill."""

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
from ordebug_plugin.evaluate.records import load_episodes
from tests.test_chat import GOOD, completion, evaluate, server
from tests.toys import CONFLICT, FEASIBLE, answer


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Eight problems."""
    return write_bench(tmp_path / "bench", 8)


def write_bench(folder: Path, n: int) -> Path:
    folder.mkdir()
    records = []
    for number in range(n):
        (folder / f"{number}.lp").write_text(CONFLICT + f"\\ {number}\n")
        records.append({"problem_id": f"p{number}", "model_file": f"{number}.lp", "error_type": "AB"[number % 2]})
    (folder / "dataset.json").write_text(json.dumps({"problems": records}))
    return folder


def arguments(bench: Path, url: str, out: Path, *options: str) -> list[str]:
    return ["eval", str(bench), "--base-url", url, "--model", "m", "--out", str(out), "--max-steps", "4", *options]


def thoughtful(number: int, body: dict[str, Any]) -> tuple[int, Any]:
    """An answer that depends on the request alone, as a deterministic server's: some episodes take several turns."""
    rng = random.Random(json.dumps(body["messages"]) + str(body["seed"]))
    actions = ["GET_IIS()", "DROP_CONSTRAINT(nope)", "RELAX_CONSTRAINT(low, 1.0)", "DROP_CONSTRAINT(high)"]
    return 200, completion(answer(rng.choice(actions)))


def episodes_of(out: Path) -> list[dict[str, Any]]:
    """What a run wrote, less the seconds."""
    episodes = [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]
    for episode in episodes:
        for turn in episode["turns"]:
            del turn["agent_seconds"], turn["solver_seconds"]
    return episodes


def figures_of(out: Path) -> dict[str, Any]:
    """summary.json, less the seconds."""
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    for metrics in (summary["metrics"], *summary["by_type"].values()):
        del metrics["seconds"], metrics["seconds_recovered"]
    return summary


CUT = completion("<think>\nand so on and", finish="length")
REASONING_ONLY = completion(None, reasoning_content="I would drop high.\nAction: DROP_CONSTRAINT(high)")
SUBMIT = completion(answer("SUBMIT()"))
IDLE = completion(answer("GET_IIS()"))


@pytest.mark.parametrize(
    ("replies", "outcome", "code"),
    [
        ([(429, "{}"), (200, completion(GOOD))], "recovered", 0),
        ([(500, "{}"), (200, completion(GOOD))], "recovered", 0),
        ([(500, "{}")], "infra", 4),
        ([(429, "{}")], "infra", 4),
        ([(200, "<html>")], "infra", 4),
        ([(200, completion(None))], "refused", 0),
        ([(200, REASONING_ONLY)], "refused", 0),
        ([(200, completion("no idea"))], "refused", 0),
        ([(200, IDLE)], "out-of-turns", 0),
        ([(200, IDLE), (200, CUT)], "truncated", 0),
        ([(200, CUT), (200, IDLE)], "out-of-turns", 0),
        ([(200, CUT), (200, completion(GOOD))], "recovered", 0),
        ([(200, SUBMIT)], "submitted-infeasible", 0),
    ],
)
def test_every_outcome_has_its_name(tmp_path: Path, replies: list[tuple[int, Any]], outcome: str, code: int) -> None:
    with server(lambda n, body: replies[min(n, len(replies)) - 1]) as (url, _):
        assert evaluate(tmp_path, url, "--retries", "1")[0] == code
    out = tmp_path / "run"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["outcomes"] == {outcome: 1}
    (episode,) = load_episodes(out / "episodes.jsonl")
    assert ("infra" if episode.outcome is None else str(episode.outcome)) == outcome
    rate = summary["metrics"]["rr@1"]
    assert rate["n"] == (0 if outcome == "infra" else 1)


@pytest.mark.parametrize("options", [("--timeout", "0.3"), ("--timeout", "60", "--episode-timeout", "0.3")])
def test_a_server_that_hangs_is_infrastructure(tmp_path: Path, options: tuple[str, ...]) -> None:
    release = threading.Event()

    def hang(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        release.wait(60)
        return 200, completion(GOOD)

    with server(hang) as (url, requests):
        code, (episode,), summary = evaluate(tmp_path, url, "--retries", "1", *options)
        release.set()
    assert code == 4
    assert episode["outcome"] is None
    assert summary["outcomes"] == {"infra": 1}
    assert len(requests) == (1 if "--episode-timeout" in options else 2)  # a request that timed out is retried


def test_samples_differ_in_their_seed_and_stay_together(bench: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with server(thoughtful) as (url, requests):
        code = main(
            arguments(bench, url, out, "--samples", "3", "--temperature", "1", "--seed", "5", "--concurrency", "6")
        )
    assert code == 0
    episodes = episodes_of(out)
    assert [(one["problem_id"], one["sample"]) for one in episodes] == [
        (f"p{n}", s) for n in range(8) for s in range(3)
    ]
    assert {request["body"]["seed"] for request in requests} == {5, 6, 7}
    assert {request["body"]["temperature"] for request in requests} == {1.0}
    assert len(requests) == sum(len(one["turns"]) for one in episodes)
    assert len({json.dumps([turn["answer"] for turn in one["turns"]]) for one in episodes[:3]}) > 1
    metrics = json.loads((out / "summary.json").read_text())["metrics"]
    assert metrics["rr@1"]["n"] == 24


def test_samples_of_a_built_in_agent(bench: Path, tmp_path: Path) -> None:
    for concurrency in ("1", "4"):
        out = tmp_path / concurrency
        assert (
            main(
                [
                    "eval",
                    str(bench),
                    "--agent",
                    "random",
                    "--samples",
                    "4",
                    "--concurrency",
                    concurrency,
                    "--out",
                    str(out),
                ]
            )
            == 0
        )
    assert episodes_of(tmp_path / "1") == episodes_of(tmp_path / "4")
    first = episodes_of(tmp_path / "1")[:4]
    assert len({one["turns"][0]["answer"] for one in first}) > 1


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        (completion(GOOD), "content"),
        (completion("Action: DROP_CONSTRAINT(high)", reasoning_content="because"), "reasoning_content"),
        (completion("Action: DROP_CONSTRAINT(high)", reasoning="because"), "reasoning"),
        (completion(GOOD.removeprefix("<think>\n")), "prompt"),
        (completion("Action: DROP_CONSTRAINT(high)"), "none"),
        (completion("and so on", finish="length"), "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_the_server_puts_think_text_is_recorded(tmp_path: Path, reply: dict[str, Any], place: str) -> None:
    with server(lambda n, body: (200, reply)) as (url, _):
        _, (episode,), _ = evaluate(tmp_path, url)
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["agent"]["think"] == place
    if place not in ("none", "unknown"):
        assert episode["turns"][0]["answer"] == GOOD


def test_reasoning_that_was_opened_in_the_prompt_and_never_closed_does_not_act(tmp_path: Path) -> None:
    """Once it is known that prompts end in an opener, an answer without any tag is reasoning from end to end."""
    replies = [completion("hm\n</think>\n\nAction: GET_IIS()"), completion("so\nAction: DROP_CONSTRAINT(high)")]
    with server(lambda n, body: (200, replies[n - 1])) as (url, _):
        _, (episode,), _ = evaluate(tmp_path, url)
    assert "not closed" in episode["turns"][1]["note"]
    assert episode["outcome"] == "out-of-turns"


def test_the_first_request_goes_alone_and_the_rest_together(bench: Path, tmp_path: Path) -> None:
    together = threading.Barrier(7, timeout=60)
    inside = []

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        inside.append(number)
        if number == 1:
            time.sleep(0.3)
            assert inside == [1]
        else:
            together.wait()  # breaks unless seven requests are in flight at once
        return 200, completion(GOOD)

    with server(respond) as (url, _):
        assert main(arguments(bench, url, tmp_path / "run", "--concurrency", "8")) == 0
    assert len(inside) == 8


def test_what_concurrency_is_does_not_show(bench: Path, tmp_path: Path) -> None:
    (bench / "3.lp").write_text(FEASIBLE)
    with server(thoughtful) as (url, _):
        for concurrency in ("1", "5"):
            assert main(arguments(bench, url, tmp_path / concurrency, "--concurrency", concurrency)) == 1
    assert episodes_of(tmp_path / "1") == episodes_of(tmp_path / "5")
    assert (tmp_path / "1" / "unusable.jsonl").read_text() == (tmp_path / "5" / "unusable.jsonl").read_text()


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
    assert main([*command, "--concurrency", "3"]) == 0
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


def test_a_run_is_resumed_with_a_server_at_another_address(bench: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    with server(lambda number, body: (400, "{}") if number > 5 else thoughtful(number, body)) as (url, _):
        assert main(arguments(bench, url, out)) == 1
    with server(thoughtful) as (url, _):
        assert main(arguments(bench, url, out, "--resume")) == 0
        assert main(arguments(bench, url, whole)) == 0
    assert episodes_of(out) == episodes_of(whole)


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


def test_two_commands_do_not_write_the_same_run(cut_run: tuple[list[str], Path]) -> None:
    command, out = cut_run
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert main(command) == 2
    finally:
        os.close(handle)
    assert main(command) == 0
