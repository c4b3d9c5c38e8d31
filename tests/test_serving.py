"""A real model server of ms-swift, and the evaluator against it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from tests.conftest import free_port
from tests.toys import CONFLICT

if importlib.util.find_spec("swift") is None:
    pytest.skip("ms-swift is not installed here: run .venvs/swift/bin/python -m pytest", allow_module_level=True)

pytestmark = pytest.mark.swift


@pytest.fixture(scope="module")
def served(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `swift deploy` with an untrained model, as scripts/demo.sh starts it."""
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    command = [str(Path(sys.executable).parent / "swift"), "deploy", "--model", str(tiny_model)]
    command += ["--model_type", "qwen3", "--template", "qwen3", "--enable_thinking", "true", "--infer_backend"]
    command += ["transformers", "--max_batch_size", "4", "--torch_dtype", "float32", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--served_model_name", "tiny", "--verbose", "false"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "MODELSCOPE_CACHE": str(folder)}
    url = f"http://127.0.0.1:{port}/v1"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            for _ in range(240):
                if process.poll() is not None:
                    break
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{url}/models", timeout=2).close()
                    yield url
                    return
                time.sleep(0.5)
            pytest.fail(f"the server did not come up:\n{(folder / 'log').read_text()[-3000:]}")
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # the group: `swift` only wraps the server
            process.wait(timeout=30)


def test_a_served_model_is_evaluated(served: str, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.lp").write_text(CONFLICT + f"\\ {name}\n")
    records = [{"problem_id": name, "model_file": f"{name}.lp"} for name in "abc"]
    (tmp_path / "dataset.json").write_text(json.dumps({"problems": records}))
    out = tmp_path / "run"
    arguments = ["eval", str(tmp_path), "--base-url", served, "--model", "tiny", "--out", str(out)]
    assert main([*arguments, "--concurrency", "3", "--max-steps", "2", "--max-tokens", "12"]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["outcomes"] == {"truncated": 3}
    # An untrained model talks until it is cut, and every server must say so.
    assert summary["metrics"]["truncated"]["value"] == 1.0
    assert summary["metrics"]["tokens"]["value"] == 24.0
    turns = [turn for line in (out / "episodes.jsonl").open() for turn in json.loads(line)["turns"]]
    assert all(turn["prompt_tokens"] > 100 and turn["agent_seconds"] > 0 for turn in turns)
