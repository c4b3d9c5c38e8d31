"""The engine of `ordebug eval` against a real HTTP server: outcomes, samples, think text, judges that die."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.cli import main
from ordebug_plugin.evaluate.records import load_episodes
from ordebug_plugin.evaluate.story import tell
from ordebug_plugin.scoring import score
from tests.served import arguments, episodes_of, figures_of, thoughtful, write_bench
from tests.test_chat import GOOD, completion, evaluate, server
from tests.toys import FEASIBLE, answer


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Eight problems."""
    return write_bench(tmp_path / "bench", 8)


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
    told = tell(episode, score(episode)).headline
    why = {"truncated": "the last answer cut by the token limit", "refused": "no answer with an action"}
    assert why.get(outcome, "") in told
    assert ("no repair within 2 turns" in told) == (outcome in ("truncated", "refused", "out-of-turns"))
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


def test_fields_of_requests_can_be_set_and_left_out(bench: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    body = {"max_tokens": None, "max_completion_tokens": 77, "seed": None, "temperature": None, "top_p": 0.9}
    with server(lambda number, body: (200, completion(GOOD))) as (url, requests):
        command = arguments(bench, url, out, "--body", json.dumps(body))
        assert main(command) == 0
        assert main([*command[:-1], json.dumps({**body, "top_p": 0.8}), "--resume"]) == 2
    sent = [set(request["body"]) for request in requests]
    assert sent == [{"messages", "model", "max_completion_tokens", "top_p"}] * len(requests)
    assert {request["body"]["max_completion_tokens"] for request in requests} == {77}
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["agent"]["sampling"]["body"] == body


@pytest.mark.parametrize("body", ["{", "[1]", '{"messages": []}', '{"model": "other"}', '{"n": 2}'])
def test_a_body_that_cannot_be_used_is_refused(
    bench: Path, tmp_path: Path, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(bench, "http://127.0.0.1:9/v1", tmp_path / "run", "--body", body)) == 2
    assert "--body" in capsys.readouterr().err


def test_samples_of_a_built_in_agent(bench: Path, tmp_path: Path) -> None:
    for workers in ("0", "4"):
        out = tmp_path / workers
        options = ["--samples", "4", "--workers", workers, "--out", str(out)]
        assert main(["eval", str(bench), "--agent", "random", *options]) == 0
    assert episodes_of(tmp_path / "0") == episodes_of(tmp_path / "4")
    first = episodes_of(tmp_path / "0")[:4]
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


TAGLESS = completion("so\nAction: DROP_CONSTRAINT(high)")
CLOSED = completion("hm\n</think>\n\nAction: GET_IIS()")
CUT_SHORT = completion("hm, let me", finish="length")


@pytest.mark.parametrize("first", [CUT_SHORT, completion("Action: GET_IIS()")], ids=["unknown", "none"])
def test_a_later_answer_shows_that_prompts_end_in_an_opener(tmp_path: Path, first: dict[str, Any]) -> None:
    replies = [first, CLOSED, TAGLESS]
    with server(lambda n, body: (200, replies[n - 1])) as (url, _):
        _, (episode,), _ = evaluate(tmp_path, url, "--max-steps", "3")
    assert "not closed" in episode["turns"][2]["note"]
    assert episode["outcome"] == "out-of-turns"
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["agent"]["think"] == "prompt"


@pytest.mark.parametrize(
    ("replies", "place"),
    [
        ([CUT_SHORT, completion("no idea")], "none"),
        ([completion("no idea"), CUT_SHORT], "none"),
        ([CUT_SHORT, IDLE], "content"),
        ([completion("no idea"), completion("no idea", reasoning="hm")], "reasoning"),
        ([IDLE, CLOSED], "content"),  # a place, once shown, stands
        ([CLOSED, IDLE], "prompt"),
    ],
)
def test_what_is_known_of_think_text_grows(tmp_path: Path, replies: list[dict[str, Any]], place: str) -> None:
    with server(lambda n, body: (200, replies[n - 1])) as (url, _):
        evaluate(tmp_path, url)
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["agent"]["think"] == place


def test_a_resumed_run_goes_on_finding_out(tmp_path: Path) -> None:
    bench, out = write_bench(tmp_path / "bench", 2), tmp_path / "run"
    replies = [(200, CUT_SHORT)] * 4 + [(400, "{}")] + [(200, CLOSED), (200, TAGLESS), (200, TAGLESS), (200, IDLE)]
    with server(lambda n, body: replies[n - 1]) as (url, requests):
        assert main(arguments(bench, url, out)) == 1
        assert yaml.safe_load((out / "config.yaml").read_text())["agent"]["think"] == "unknown"
        assert main(arguments(bench, url, out, "--resume")) == 0
    assert yaml.safe_load((out / "config.yaml").read_text())["agent"]["think"] == "prompt"
    assert [one["outcome"] for one in episodes_of(out)] == ["truncated", "out-of-turns"]
    assert len(requests) == len(replies)


def test_while_answers_are_cut_requests_go_one_by_one(bench: Path, tmp_path: Path) -> None:
    """So that not time decides which of them are read without the place that the second one shows."""
    together = threading.Barrier(8, timeout=60)
    inside: list[int] = []
    alone = []

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        inside.append(number)
        if number <= 2:
            time.sleep(0.3)
            alone.append(list(inside))
        elif number <= 10:
            together.wait()  # breaks unless eight requests are in flight at once
        return 200, CUT_SHORT if number == 1 else CLOSED if number == 2 else TAGLESS

    with server(respond) as (url, _):
        assert main(arguments(bench, url, tmp_path / "run", "--concurrency", "8")) == 0
    assert alone == [[1], [1, 2]]
    assert not any(one["outcome"] == "recovered" for one in episodes_of(tmp_path / "run"))


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


def test_no_more_requests_are_in_flight_than_were_asked_for(bench: Path, tmp_path: Path) -> None:
    """More episodes than that are under way, so that the server need not wait for the judges."""
    lock, inside, most = threading.Lock(), 0, 0

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.05)
        with lock:
            inside -= 1
        return thoughtful(number, body)

    with server(respond) as (url, _):
        options = ["--samples", "4", "--temperature", "1", "--concurrency", "3"]
        assert main(arguments(bench, url, tmp_path / "run", *options)) == 0
    assert most == 3


def test_what_concurrency_is_does_not_show(bench: Path, tmp_path: Path) -> None:
    (bench / "3.lp").write_text(FEASIBLE)
    with server(thoughtful) as (url, _):
        for concurrency in ("1", "5"):
            assert main(arguments(bench, url, tmp_path / concurrency, "--concurrency", concurrency)) == 1
    assert episodes_of(tmp_path / "1") == episodes_of(tmp_path / "5")
    assert (tmp_path / "1" / "unusable.jsonl").read_text() == (tmp_path / "5" / "unusable.jsonl").read_text()


def test_a_judge_that_dies_loses_its_episodes_and_nothing_else(bench: Path, tmp_path: Path) -> None:
    """The processes of the judges are killed while eight episodes are under way."""
    whole, hit = tmp_path / "whole", tmp_path / "hit"
    killed: list[int] = []

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        if number == 12:
            judges = subprocess.run(
                ["pgrep", "-P", str(os.getpid()), "-f", "seats import serve"], check=False, stdout=subprocess.PIPE
            )
            killed.extend(int(pid) for pid in judges.stdout.split())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        return thoughtful(number, body)

    options = ["--samples", "4", "--concurrency", "8", "--temperature", "1"]
    with server(thoughtful) as (url, _):
        assert main(arguments(bench, url, whole, *options)) == 0
    with server(respond) as (url, _):
        assert main(arguments(bench, url, hit, *options)) == 1
        assert killed
        errors = [one["error"] for one in episodes_of(hit) if one["outcome"] is None]
        assert 0 < len(errors) <= 24  # the 12 under way, and those begun before the loop hears of it
        assert all("the process that judged the episode died" in error for error in errors)
        assert len(episodes_of(hit)) == 32
    with server(thoughtful) as (url, _):  # started again, at another address
        assert main(arguments(bench, url, hit, *options, "--resume")) == 0
    assert episodes_of(hit) == episodes_of(whole)
    assert figures_of(hit) == figures_of(whole)
