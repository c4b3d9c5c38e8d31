"""A checkpoint served for as long as it is needed: refusals anywhere, the real `swift deploy` where ms-swift is."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.agents.chat import ChatAgent, Endpoint, Sampling
from ordebug_plugin.cli import main
from ordebug_plugin.errors import InputError, ServerError
from ordebug_plugin.prompt import Message, Style
from ordebug_plugin.serving import Deployment, find_swift, fingerprint, free_port, served, variables
from tests.toys import CONFLICT

needs_swift = pytest.mark.skipif(importlib.util.find_spec("swift") is None, reason="ms-swift is not installed here")


def checkpoint(folder: Path) -> Path:
    """What looks like a model."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def deployment(folder: Path, swift: Path) -> Deployment:
    return Deployment(checkpoint=folder, swift=swift, name="tiny", batch=4)


def gone(pid: int) -> bool:
    """Whether a process is no more, or a zombie that its new parent has not buried yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pid: int) -> bool:
    for _ in range(300):
        if gone(pid):
            return True
        time.sleep(0.1)
    return False


def test_a_server_that_ends_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    bad = program(tmp_path / "swift", "echo 'unknown model type' >&2; exit 3")
    with (
        pytest.raises(ServerError, match=r"ended with 3 before it answered(?s:.*)unknown model type"),
        served(deployment(checkpoint(tmp_path / "model"), bad), tmp_path / "serve.log"),
    ):
        pass


def test_graduate_says_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = program(tmp_path / "swift", "echo no such template; exit 1")
    (tmp_path / "toy.lp").write_text(CONFLICT)
    options = ["--bench", str(tmp_path / "toy.lp"), "--out", str(tmp_path / "out"), "--detail", "names"]
    assert main(["graduate", str(checkpoint(tmp_path / "model")), *options, "--swift", str(bad)]) == 4
    assert "no such template" in capsys.readouterr().err
    assert main(["graduate", str(tmp_path / "model"), *options, "--swift", str(tmp_path / "nowhere")]) == 2
    assert "nowhere is no executable" in capsys.readouterr().err


def test_no_swift_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no `swift` beside this Python or on the PATH"):
        find_swift(None)
    assert find_swift(program(tmp_path / "own", "true")) == tmp_path / "own"
    program(tmp_path / "swift", "true")
    assert find_swift(None) == tmp_path / "swift"


def test_options_replace_ours(tmp_path: Path) -> None:
    ours = deployment(tmp_path, tmp_path / "swift").command(1)
    own = Deployment(tmp_path, tmp_path / "swift", "tiny", 4, options=("--infer_backend", "vllm")).command(1)
    assert "transformers" in ours
    assert "transformers" not in own
    assert own.count("--infer_backend") == 1
    assert ("--enable_thinking", "true") in itertools.pairwise(own)


def test_another_checkpoint_has_another_fingerprint(tmp_path: Path) -> None:
    one, other = checkpoint(tmp_path / "a"), checkpoint(tmp_path / "b")
    assert fingerprint(one) == fingerprint(other), "the place says nothing"
    (other / "model.safetensors").write_bytes(b"weighty")
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    ("spared", "direct"),
    [(None, {"127.0.0.1"}), ("example.org", {"127.0.0.1", "example.org"}), ("*", {"127.0.0.1", "example.org", "x.y"})],
)
def test_who_is_asked_without_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spared: str | None, direct: set[str]
) -> None:
    """By urllib in the program that is started, which here is a Python and no server."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    if spared is not None:
        monkeypatch.setenv("NO_PROXY", spared)
    asks = "import urllib.request as u; print(*(h for h in ('127.0.0.1', 'example.org', 'x.y') if u.proxy_bypass(h)))"
    asking = program(tmp_path / "swift", f'{sys.executable} -c "{asks}"')
    with (
        pytest.raises(ServerError, match="ended with 0 before it answered") as error,
        served(deployment(checkpoint(tmp_path / "model"), asking), tmp_path / "serve.log"),
    ):
        pass
    assert set(str(error.value).splitlines()[-1].split()) == direct


def interruptible_graduate(folder: Path, swift: Path) -> subprocess.Popen[str]:
    """`ordebug graduate` of what looks like a model, with a toy, in a folder that holds neither yet."""
    (folder / "toy.lp").write_text(CONFLICT)
    command = [sys.executable, "-m", "ordebug_plugin.cli", "graduate", str(checkpoint(folder / "model"))]
    command += ["--bench", str(folder / "toy.lp"), "--out", str(folder / "out"), "--swift", str(swift)]
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background of a script, the shell has children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # nothing but that
    )


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_leaves_no_server(tmp_path: Path, sign: signal.Signals) -> None:
    """The server here is a shell and its child, of which neither answers: what is tested is how they end."""
    told = tmp_path / "pids"
    slow = program(tmp_path / "swift", f'sleep 600 & echo "$$ $!" >{told}.part; mv {told}.part {told}; wait')
    process = interruptible_graduate(tmp_path, slow)
    while not told.exists():
        assert process.poll() is None
        time.sleep(0.1)
    pids = [int(pid) for pid in told.read_text().split()]
    process.send_signal(sign)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert all(wait_until_gone(pid) for pid in pids)


def test_a_command_that_is_interrupted_again_leaves_no_server_either(tmp_path: Path) -> None:
    """One that does not end when it is asked to is given time; Ctrl-C in it would not reach the server's session."""
    told, asked = tmp_path / "pid", tmp_path / "asked"
    loop = f"trap 'echo >{asked}' TERM; echo $$ >{told}.part; mv {told}.part {told}; while :; do sleep 0.1; done"
    stubborn = program(tmp_path / "swift", loop)
    process = interruptible_graduate(tmp_path, stubborn)
    for sign in (told, asked):
        while not sign.exists():
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert wait_until_gone(int(told.read_text()))


@pytest.mark.swift
@needs_swift
def test_the_real_server(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, goes on with an answer that was begun, and is gone with all its processes afterwards."""
    for name, value in (("OMP_NUM_THREADS", "1"), ("HF_HUB_OFFLINE", "1"), ("MODELSCOPE_CACHE", str(tmp_path))):
        monkeypatch.setenv(name, value)
    # A proxy that is not there: whoever asks it for our own server gets no answer. urllib keeps the proxies of its
    # first request, which must not be those of this test for the tests after it.
    monkeypatch.setattr(urllib.request, "_opener", None)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with served(deployment(tiny_model, find_swift(None)), tmp_path / "serve.log") as url:
        chat = ChatAgent(Endpoint(url, "tiny"), Style(), Sampling(max_tokens=8))
        chat.probe()
        asked = Message("user", "Drop what?")
        assert chat.ask([asked]).truncated
        assert isinstance(chat.go_on([asked, Message("assistant", "<think>\nx\n</think>\n\nAction:")]), str)
        # What was begun is part of the prompt, and no turn of its own was opened after it.
        plain = prompt_tokens(url, [{"role": "user", "content": "Drop what?"}])
        words = "<think>\n" + "flow " * 30
        longer = prompt_tokens(
            url, [{"role": "user", "content": "Drop what?"}, {"role": "assistant", "content": words}]
        )
        assert longer > plain + 30
        group = [
            int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and of(path, str(tiny_model))
        ]
        assert group
    assert all(wait_until_gone(pid) for pid in group)
    assert "no_proxy" not in os.environ
    with pytest.raises(urllib.error.URLError), variables({"no_proxy": "127.0.0.1"}):
        urllib.request.urlopen(f"{url}/models", timeout=5)


def prompt_tokens(url: str, messages: list[dict[str, str]]) -> int:
    body = json.dumps({"model": "tiny", "messages": messages, "max_tokens": 2, "temperature": 0}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        usage: dict[str, Any] = json.load(reply)["usage"]
    return int(usage["prompt_tokens"])


def of(process: Path, model: str) -> bool:
    """Whether a process serves this model."""
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return "--model" in words and model in words and int(process.name) != os.getpid()


@pytest.mark.swift
@needs_swift
def test_graduate_serves_and_judges_a_checkpoint(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("OMP_NUM_THREADS", "1"), ("HF_HUB_OFFLINE", "1"), ("MODELSCOPE_CACHE", str(tmp_path))):
        monkeypatch.setenv(name, value)
    (tmp_path / "toy.lp").write_text(CONFLICT)
    out = tmp_path / "out"
    options = ["--bench", str(tmp_path / "toy.lp"), "--out", str(out), "--detail", "names", "--max-tokens", "8"]
    assert main(["graduate", str(tiny_model), *options]) == 1
    found = json.loads((out / "graduate.json").read_text())
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert found["verdict"] == "not ready"
    assert (states["format"], states["action"], states["rr@5"]) == ("failed", "failed", "not measured")
    (out / "serve.log").unlink()
    assert main(["graduate", str(tiny_model), *options]) == 1
    assert not (out / "serve.log").exists(), "all was answered: no server is started again"
