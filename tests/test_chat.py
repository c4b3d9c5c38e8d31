"""The chat agent against a real HTTP server on loopback that misbehaves in the ways servers do."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.cli import main
from tests.toys import CONFLICT, answer

Respond = Callable[[int, dict[str, Any]], tuple[int, Any]]


MODELS = {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": ""}]}


_NOWHERE = 404, {"detail": "Not Found"}  # as vLLM, SGLang and swift answer a path that they do not have


@contextlib.contextmanager
def server(
    respond: Respond, models: Any = MODELS, models_status: int = 200, headers: Mapping[str, str] | None = None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers the n-th completion request with `respond(n, body)`: a status, and JSON or raw text.

    Bytes are sent as they come from an iterator, after the headers; with a status of 3xx, a text is where to go.
    """
    requests: list[dict[str, Any]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*(models_status, models) if self.path.startswith("/v1/") else _NOWHERE)

        def do_POST(self) -> None:
            if not self.path.startswith("/v1/"):
                self.rfile.read(int(self.headers["Content-Length"]))
                self._send(*_NOWHERE)
                return
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                requests.append({"body": body, "auth": self.headers["Authorization"]})
                number = len(requests)
            self._send(*respond(number, body))

        def _send(self, status: int, payload: Any) -> None:
            if isinstance(payload, Iterator):
                self.send_response(status)
                for name, text in (headers or {}).items():
                    self.send_header(name, text)
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # nobody listens any more
                    for piece in payload:
                        self.wfile.write(piece)
                return
            data = payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Retry-After", "0.01")
            if 300 <= status < 400:
                self.send_header("Location", payload)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # likewise
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}/v1", requests
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def completion(content: Any, *, finish: str = "stop", usage: bool = True, **extra: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **extra}
    reply: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if usage:
        reply["usage"] = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    return reply


def evaluate(tmp_path: Path, url: str, *options: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    model = tmp_path / "conflict.lp"
    model.write_text(CONFLICT)
    out = tmp_path / "run"
    code = main(
        ["eval", str(model), "--base-url", url, "--model", "m", "--out", str(out), "--max-steps", "2", *options]
    )
    episodes = [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]
    summary = out / "summary.json"
    return code, episodes, json.loads(summary.read_text()) if summary.exists() else {}


GOOD = answer("DROP_CONSTRAINT(high)")


def test_a_good_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with server(lambda n, body: (200, completion(GOOD))) as (url, requests):
        code, (episode,), summary = evaluate(tmp_path, url, "--max-tokens", "99", "--temperature", "0.5", "--seed", "3")
    assert code == 0
    assert episode["outcome"] == "recovered"
    (turn,) = episode["turns"]
    assert (turn["prompt_tokens"], turn["completion_tokens"], turn["truncated"]) == (7, 5, False)
    assert summary["metrics"]["rr@1"]["value"] == 1.0
    (request,) = requests
    assert request["auth"] == "Bearer sk-very-secret"
    assert [message["role"] for message in request["body"]["messages"]] == ["system", "user"]
    assert request["body"]["messages"][1]["content"] == turn["prompt"]
    assert (request["body"]["max_tokens"], request["body"]["temperature"], request["body"]["seed"]) == (99, 0.5, 3)
    assert all("sk-very-secret" not in path.read_text() for path in (tmp_path / "run").iterdir())


@pytest.mark.parametrize("where", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own(tmp_path: Path, where: str) -> None:
    reply = completion("\n\nAction: DROP_CONSTRAINT(high)", **{where: "because"})
    with server(lambda n, body: (200, reply)) as (url, _):
        code, (episode,), summary = evaluate(tmp_path, url)
    assert code == 0
    assert episode["turns"][0]["answer"] == GOOD
    assert episode["turns"][0]["raw"] == {"content": "\n\nAction: DROP_CONSTRAINT(high)", "reasoning": "because"}
    assert summary["metrics"]["format"]["value"] == 1.0


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_failures_are_retried(tmp_path: Path, status: int) -> None:
    with server(lambda n, body: (status, "{}") if n < 3 else (200, completion(GOOD))) as (url, requests):
        code, (episode,), _ = evaluate(tmp_path, url)
    assert code == 0
    assert episode["outcome"] == "recovered"
    assert len(requests) == 3


def test_a_refusing_server_is_infrastructure_not_a_wrong_answer(tmp_path: Path) -> None:
    with server(lambda n, body: (400, {"error": {"message": "context too long"}})) as (url, requests):
        code, (episode,), summary = evaluate(tmp_path, url)
    assert code == 4
    assert episode["outcome"] is None
    assert "context too long" in episode["error"]
    assert summary["outcomes"] == {"infra": 1}
    assert summary["metrics"]["rr@1"] == {"value": None, "low": None, "high": None, "n": 0}
    assert len(requests) == 1


GARBAGE = [
    {"choices": []},
    "[]",
    "{}",
    "<html>",
    {"choices": [{}]},
    {"choices": [{"index": 0, "message": None}]},
    {"choices": "abc"},
    completion(7),
    "[" * 200_000,
]


@pytest.mark.parametrize("payload", GARBAGE, ids=lambda payload: json.dumps(payload)[:40])
def test_a_reply_that_is_no_chat_completion_is_infrastructure(tmp_path: Path, payload: Any) -> None:
    with server(lambda n, body: (200, payload)) as (url, _):
        code, (episode,), _ = evaluate(tmp_path, url)
    assert code == 4
    assert episode["outcome"] is None
    assert url in episode["error"]


@pytest.mark.parametrize("count", [10**400, True, -1, 2**53, 1.5, "7", None], ids=lambda count: repr(count)[:8])
def test_a_count_of_tokens_that_is_none_is_unknown(tmp_path: Path, count: Any) -> None:
    reply = completion(GOOD) | {"usage": {"prompt_tokens": 2**53 - 1, "completion_tokens": count}}
    with server(lambda n, body: (200, reply)) as (url, _):
        code, (episode,), summary = evaluate(tmp_path, url)
    assert (code, episode["outcome"]) == (0, "recovered")
    assert (episode["turns"][0]["prompt_tokens"], episode["turns"][0]["completion_tokens"]) == (2**53 - 1, None)
    assert summary["metrics"]["tokens"]["value"] is None
    assert main(["score", str(tmp_path / "run")]) == 0


def test_content_in_parts_is_joined(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": GOOD[:20]}, {"type": "text", "text": GOOD[20:]}]
    with server(lambda n, body: (200, completion(parts))) as (url, _):
        code, (episode,), _ = evaluate(tmp_path, url)
    assert (code, episode["outcome"]) == (0, "recovered")


def test_half_a_surrogate_pair_is_only_a_poor_answer(tmp_path: Path) -> None:
    answers = [answer("DROP_CONSTRAINT(\ud800)"), GOOD]
    with server(lambda n, body: (200, completion(answers[n - 1]))) as (url, requests):
        code, (episode,), _ = evaluate(tmp_path, url)
    assert (code, episode["outcome"]) == (0, "recovered")
    assert "DROP_CONSTRAINT(\\ud800): refused" in requests[1]["body"]["messages"][1]["content"]
    assert episode["turns"][0]["raw"] == {"content": answers[0], "reasoning": None}


def test_an_answer_cut_while_reasoning_never_acts(tmp_path: Path) -> None:
    reply = completion("I think\nAction: DROP_CONSTRAINT(high)\nbut then", finish="length")
    with server(lambda n, body: (200, reply)) as (url, _):
        _, (episode,), _ = evaluate(tmp_path, url)
    assert episode["outcome"] == "truncated"
    assert "not closed" in episode["turns"][0]["note"]


def test_null_content_is_an_ordinary_poor_answer(tmp_path: Path) -> None:
    with server(lambda n, body: (200, completion(None, usage=False))) as (url, _):
        code, (episode,), summary = evaluate(tmp_path, url)
    assert code == 0
    assert episode["outcome"] == "refused"
    assert summary["metrics"]["tokens"]["value"] is None


def test_a_cut_answer_is_counted_as_truncated(tmp_path: Path) -> None:
    with server(lambda n, body: (200, completion("<think>\nand so on and", finish="length"))) as (url, _):
        _, (episode,), summary = evaluate(tmp_path, url)
    assert summary["metrics"]["truncated"]["value"] == 1.0
    assert "not closed" in episode["turns"][0]["note"]


def test_later_turns_show_what_was_done(tmp_path: Path) -> None:
    answers = [answer("DROP_CONSTRAINT(nope)"), GOOD]
    with server(lambda n, body: (200, completion(answers[n - 1]))) as (url, requests):
        _, (episode,), _ = evaluate(tmp_path, url)
    assert episode["outcome"] == "recovered"
    first, second = (request["body"]["messages"][1]["content"] for request in requests)
    assert "Previous Actions" not in first
    assert "1. DROP_CONSTRAINT(nope): refused: no constraint named 'nope'" in second


def test_a_conversation_is_sent_as_one(tmp_path: Path) -> None:
    answers = [answer("DROP_CONSTRAINT(nope)"), GOOD]
    with server(lambda n, body: (200, completion(answers[n - 1]))) as (url, requests):
        _, (episode,), _ = evaluate(tmp_path, url, "--conversation")
    second = requests[1]["body"]["messages"]
    assert [message["role"] for message in second] == ["system", "user", "assistant", "user"]
    assert second[:2] == requests[0]["body"]["messages"]
    assert second[2]["content"] == answers[0]
    assert second[3]["content"] == episode["turns"][1]["prompt"]


def test_no_system_prompt_labels_and_no_history(tmp_path: Path) -> None:
    answers = [answer("DROP_CONSTRAINT(nope)"), GOOD]
    with server(lambda n, body: (200, completion(answers[n - 1]))) as (url, requests):
        evaluate(tmp_path, url, "--system", "none", "--labels", "--no-history")
    bodies = [request["body"]["messages"] for request in requests]
    assert bodies[0] == bodies[1]
    ((message,), _) = bodies
    assert "\nID: conflict\nType: unknown\n" in message["content"]
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["agent"]["style"] == {
        "labels": True,
        "history": False,
        "detail": "names",
        "conversation": False,
        "system": None,
    }


def test_a_dead_server_is_found_before_the_first_episode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with server(lambda n, body: (200, "")) as (url, _):
        pass
    model = tmp_path / "a.lp"
    model.write_text(CONFLICT)
    code = main(["eval", str(model), "--base-url", url, "--model", "m", "--out", str(tmp_path / "run")])
    assert code == 4
    assert f"no OpenAI-compatible server at {url}" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_unknown_model_names_those_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "a.lp"
    model.write_text(CONFLICT)
    with server(lambda n, body: (200, "")) as (url, _):
        code = main(["eval", str(model), "--base-url", url, "--model", "x", "--out", str(tmp_path / "run")])
    assert code == 4
    assert "serves m, not 'x'" in capsys.readouterr().err


def test_a_server_dying_midway_loses_only_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = []
    for name in "abcd":
        (tmp_path / f"{name}.lp").write_text(CONFLICT + f"\\ {name}\n")
        records.append({"problem_id": name, "model_file": f"{name}.lp"})
    (tmp_path / "dataset.json").write_text(json.dumps({"problems": records}))
    out = tmp_path / "run"
    with server(lambda n, body: (200, completion(GOOD)) if n <= 2 else (400, "{}")) as (url, _):
        code = main(["eval", str(tmp_path), "--base-url", url, "--model", "m", "--out", str(out)])
    assert code == 1
    assert "2 of 4 episodes were lost" in capsys.readouterr().err
    summary = json.loads((out / "summary.json").read_text())
    assert summary["outcomes"] == {"infra": 2, "recovered": 2}
    assert summary["metrics"]["rr@1"]["value"] == 1.0


def test_ctrl_c_ends_the_run_and_keeps_what_was_finished(tmp_path: Path) -> None:
    records = []
    for name in "abcd":
        (tmp_path / f"{name}.lp").write_text(CONFLICT + f"\\ {name}\n")
        records.append({"problem_id": name, "model_file": f"{name}.lp"})
    (tmp_path / "dataset.json").write_text(json.dumps({"problems": records}))
    out = tmp_path / "run"
    enough, release = threading.Event(), threading.Event()

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        if number > 2:  # the third episode and the fourth hang
            enough.set()
            release.wait(60)
        return 200, completion(GOOD)

    with server(respond) as (url, _):
        command = [sys.executable, "-m", "ordebug_plugin.cli", "eval", str(tmp_path), "--base-url", url, "--model", "m"]
        process = subprocess.Popen(
            [*command, "--out", str(out)],
            stderr=subprocess.PIPE,
            text=True,
            # Where the tests run in the background of a script, the shell has children ignore SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # nothing but that
        )
        try:
            assert enough.wait(60)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)  # long before the server answers
        finally:
            process.kill()
            release.set()
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    lines = (out / "episodes.jsonl").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["recovered", "recovered"]
