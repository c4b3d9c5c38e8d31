"""API keys and what addresses hold of them: in no file, on no page, in no message, whatever a server sends back."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.commands.server import endpoint_of
from ordebug_plugin.errors import InputError
from ordebug_plugin.redaction import HIDDEN, Secrets, keyless, public_url
from ordebug_plugin.workers import Workers
from tests.test_chat import completion, server
from tests.toys import CONFLICT, answer

KEY = "sk-test-3b9fK2mQ7"
PASSWORD = "hunter2-hunter2"
BASIC = base64.b64encode(f"me:{PASSWORD}".encode()).decode()


def everything(folder: Path, said: str) -> str:
    """What a command wrote and said."""
    files = [path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()]
    return "\n".join([said, *files])


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
def test_a_server_that_sends_back_what_it_was_sent(
    status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The header, the key alone, and the password, in an answer, its reasoning, or the body of an error."""
    (tmp_path / "toy.lp").write_text(CONFLICT)
    seen: list[str] = []
    echo = f"Authorization: Bearer {KEY} {PASSWORD} {BASIC}"
    good = completion(f"{echo} {answer('DROP_CONSTRAINT(high)')}", reasoning_content=echo)

    def respond(n: int, body: dict[str, object]) -> tuple[int, object]:
        seen.append(json.dumps(body))
        return status, good if status == 200 else {"error": {"message": echo, "type": echo, "code": echo}}

    with server(respond) as (url, requests):
        address = url.replace("//", f"//me:{PASSWORD}@")
        options = ["--base-url", address, "--model", "m", "--retries", "0", "--max-steps", "1"]
        out = tmp_path / "out"
        main(["eval", str(tmp_path / "toy.lp"), *options, "--out", str(out)])
        main(["score", str(out), "--write"])
        main(["compare", str(out), str(out), "--page", str(out / "page.html")])
        main(["repair", str(tmp_path / "toy.lp"), *options[:6], "--out", str(out / "repaired.lp")])
    sent = {request["auth"] for request in requests}
    assert sent <= {f"Bearer {KEY}", f"Basic {BASIC}"}  # so there was something to hide
    assert sent
    captured = capsys.readouterr()
    told = everything(out, captured.out + captured.err)
    assert HIDDEN in told
    for secret in (KEY, PASSWORD, BASIC):
        assert secret not in told


def test_addresses_are_recorded_without_their_secrets() -> None:
    assert public_url("http://me:pw@host:80/v1?key=abc&x=y#z") == "http://***@host:80/v1?key=***&x=***#z"
    assert public_url("me:pw@host:80/v1") == "***@host:80/v1"
    assert public_url("http://host/v1") == "http://host/v1"
    secrets = Secrets.of("http://me:p%40ssword%21@h/v1?key=abcdefgh%2B", "")
    assert secrets.hide("p%40ssword%21 p@ssword! abcdefgh+ abcdefgh%2B") == "*** *** *** ***"
    assert Secrets.of("http://[broken", "EMPTY").hide("EMPTY") == "EMPTY"  # no key, and a word


def test_a_dead_server_and_a_wrong_scheme_name_the_address_without_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy.lp").write_text(CONFLICT)
    for address in (f"http://me:{PASSWORD}@127.0.0.1:9/v1?token={PASSWORD}", f"me:{PASSWORD}@127.0.0.1:9/v1"):
        options = ["--base-url", address, "--model", "m", "--retries", "0", "--out", str(tmp_path / "out")]
        assert main(["eval", str(tmp_path / "toy.lp"), *options]) in (2, 4)
    said = capsys.readouterr()
    assert "127.0.0.1:9/v1" in said.err
    assert PASSWORD not in said.out + said.err


@pytest.mark.parametrize("wrong", ["\n", "\r", "é", "\x1b"])
def test_a_key_that_no_header_takes_is_not_quoted(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import argparse  # noqa: PLC0415

    monkeypatch.setenv("OPENAI_API_KEY", KEY + wrong)
    with pytest.raises(InputError) as caught:
        endpoint_of(argparse.Namespace(timeout=1.0, retries=0), "http://127.0.0.1:9/v1", "m")
    assert KEY not in str(caught.value)


def test_processes_that_ask_no_server_do_not_have_it() -> None:
    assert os.environ["OPENAI_API_KEY"] == KEY
    workers = Workers(1)
    try:
        assert workers.map(os.getenv, [("OPENAI_API_KEY",), ("PATH",)], 60) == [None, os.environ["PATH"]]
    finally:
        workers.close()
    assert keyless({"OPENAI_API_KEY": KEY, "A": "b"}) == {"A": "b"}
