"""The limits of time of `ordebug eval`, against a real HTTP server and real processes of judges."""

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.evaluate import seats
from ordebug_plugin.evaluate.host import JudgeLostError
from tests.served import arguments, episodes_of, figures_of, thoughtful, write_bench
from tests.test_chat import GOOD, completion, evaluate, server


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Eight problems."""
    return write_bench(tmp_path / "bench", 8)


def judges() -> list[int]:
    """The processes in which judges of this process work."""
    command = ["pgrep", "-P", str(os.getpid()), "-f", "seats import serve"]
    return [int(pid) for pid in subprocess.run(command, check=False, stdout=subprocess.PIPE).stdout.split()]


def drip(reply: dict[str, Any]) -> Iterator[bytes]:
    """A good answer, but a byte at a time: never silent for long, and done after 3 s at the soonest."""
    for _ in range(30):
        time.sleep(0.1)
        yield b" "
    yield json.dumps(reply).encode()


def test_a_server_that_drips_is_given_up(tmp_path: Path) -> None:
    with server(lambda n, body: (200, drip(completion(GOOD)))) as (url, requests):
        code, (episode,), summary = evaluate(tmp_path, url, "--timeout", "0.5", "--retries", "1")
    assert code == 4
    assert episode["outcome"] is None
    assert "timed out" in episode["error"]
    assert summary["outcomes"] == {"infra": 1}
    assert len(requests) == 2  # retried as any other timeout


def test_a_server_that_drips_has_time_without_a_limit(tmp_path: Path) -> None:
    with server(lambda n, body: (200, drip(completion(GOOD)))) as (url, _):
        code, (episode,), _ = evaluate(tmp_path, url)
    assert (code, episode["outcome"]) == (0, "recovered")


def test_a_cold_server_loses_the_first_episode_alone(bench: Path, tmp_path: Path) -> None:
    """Those that wait for the first answer do not spend their own time."""
    release = threading.Event()

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        if number == 1:
            release.wait(60)
        return 200, completion(GOOD)

    with server(respond) as (url, requests):
        code = main(arguments(bench, url, tmp_path / "run", "--concurrency", "6", "--episode-timeout", "4"))
        release.set()
    assert code == 1
    assert figures_of(tmp_path / "run")["outcomes"] == {"infra": 1, "recovered": 7}
    (lost,) = (one for one in episodes_of(tmp_path / "run") if one["outcome"] is None)
    assert "more than 4 s (--episode-timeout)" in lost["error"]
    assert len(requests) == 8


def test_time_spent_on_earlier_turns_counts(tmp_path: Path) -> None:
    """The limit is the episode's, not one for every turn."""

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(0.5)
        return 200, completion("<think>\nhm\n</think>\n\nAction: GET_IIS()")

    with server(respond) as (url, requests):
        code, (episode,), _ = evaluate(tmp_path, url, "--max-steps", "20", "--episode-timeout", "2")
    assert (code, episode["outcome"]) == (4, None)
    assert len(episode["turns"]) < 4
    assert len(requests) <= 4


@pytest.mark.parametrize(
    ("options", "error"),
    [((), "did not answer within 6 s"), (("--episode-timeout", "2"), "more than 2 s (--episode-timeout)")],
)
def test_a_judge_that_hangs_loses_its_episodes_and_not_the_run(
    bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], error: str
) -> None:
    """One process of a judge is stopped while eight episodes are under way."""
    monkeypatch.setenv("ORDEBUG_HANG", "6")
    stopped: list[int] = []

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        if number == 12:
            stopped.extend(judges()[:1])
            os.kill(stopped[0], signal.SIGSTOP)
        return thoughtful(number, body)

    out = tmp_path / "run"
    common = ["--samples", "4", "--temperature", "1", "--concurrency", "8"]
    with server(respond) as (url, _):
        assert main(arguments(bench, url, out, *common, *options)) == 1
        episodes = episodes_of(out)
        assert len(episodes) == 32
        lost = [one["error"] for one in episodes if one["outcome"] is None]
        assert any(error in one for one in lost)
        assert len(lost) < 32 or len(os.sched_getaffinity(0)) == 1  # the other judges worked on
        with pytest.raises(ProcessLookupError):
            os.kill(stopped[0], 0)
        assert main(arguments(bench, url, out, *common, "--resume")) == 0
    assert "infra" not in figures_of(out)["outcomes"]


def test_a_seat_outlives_its_process_and_those_who_stop_waiting(enough: int) -> None:
    """Also in the middle of a message that is larger than the socket takes at once."""
    large = bytes(8_000_000)

    async def use() -> None:
        seat = seats.ProcessSeat(60.0, 1, hang=enough)
        try:
            await seat.ready()
            (pid,) = judges()
            os.kill(pid, signal.SIGSTOP)
            asked = [asyncio.create_task(seat.call("give_up", 1, large)) for _ in range(3)]
            await asyncio.sleep(0.1)
            asked[1].cancel()
            results = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(result) for result in results] == [JudgeLostError, asyncio.CancelledError, JudgeLostError]
            assert f"did not answer within {enough} s" in str(results[0])
            await seat.ready()  # in another process
            assert pid not in judges()
            given_up = asyncio.create_task(seat.call("give_up", 1, large))
            await asyncio.sleep(0)  # the message is begun
            given_up.cancel()
            with pytest.raises(JudgeLostError, match="died"):  # of an episode that nobody began: the host has read it
                await seat.call("give_up", 1, large)
        finally:
            seat.close()
        assert not judges()

    asyncio.run(use())
