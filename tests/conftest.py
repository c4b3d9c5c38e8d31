"""Shared fixtures: rows in the public shape, the public data, a tiny model, and the commands of this environment."""

from __future__ import annotations

import fcntl
import importlib
import json
import math
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import SYSTEM_PROMPT
from ordebug_plugin.solver import Judge
from ordebug_plugin.workers import Workers
from tests.toys import CONFLICT, RANGES, write_problem

# No test is timed, and every run draws the same examples: a failure is a fault, not a busy machine.
settings.register_profile("ordebug", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ordebug")

REPO = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """A finished command."""

    returncode: int
    output: str


def demonstration(number: int, action: str = "DROP_CONSTRAINT(flow[a,b])") -> dict[str, object]:
    """One row in the public shape, labels and all."""
    state = (
        f"## Problem\nID: mip_typeA_{number:03}\nType: A\n\n## Current State\nStatus: INFEASIBLE\n\n"
        "## IIS (Irreducible Infeasible Subsystem)\nConflicting Constraints: ['flow[a,b]', 'c_key_upper']\n\n"
        f"## Model Structure\nConstraints: {number + 2}\nVariables: 3"
    )
    return {
        "instruction": "Debug the infeasible optimization model and provide the action to fix it.",
        "input": state,
        "output": f"<think>\n{number}: 约束 'flow[a,b]' ≤ 40 is  tight.\n\n\tDrop it…\n</think>\n\nAction: {action}",
        "metadata": {"problem_id": f"mip_typeA_{number:03}", "error_type": "A", "steps": number},
    }


@pytest.fixture(scope="session")
def rows() -> list[dict[str, object]]:
    """24 good rows."""
    return [demonstration(number) for number in range(24)]


def conversation(number: int) -> dict[str, object]:
    """A conversation of three turns, of which the first went astray and is not to be learnt."""
    row = demonstration(number)
    answers = ["<think>\nAstray.\n</think>\n\nAction: DROP_CONSTRAINT(c_key_upper)", row["output"], row["output"]]
    messages: list[dict[str, object]] = [{"role": "system", "content": SYSTEM_PROMPT}]
    for turn, answer in enumerate(answers):
        said: dict[str, object] = {"role": "assistant", "content": answer}
        messages += [
            {"role": "user", "content": f"{row['instruction']}\n\n{row['input']}\n\nTurn {turn}"},
            said if turn else {**said, "loss": False},
        ]
    return {"messages": messages, "metadata": {"problem_id": f"c{number}", "learn": [2, 3]}}


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder with the public data."""
    folder = os.environ.get("ORDEBUG_DATA")
    if not folder:
        pytest.skip("ORDEBUG_DATA is not set: it names the folder with the public data")
    return Path(folder)


@pytest.fixture
def toy_bench(tmp_path: Path) -> Path:
    """A benchmark of one toy, with its culprit."""
    folder = tmp_path / "bench"
    folder.mkdir()
    (folder / "toy.lp").write_text(CONFLICT)
    record = {
        "problem_id": "toy",
        "model_file": "toy.lp",
        "error_type": "A",
        "difficulty": "easy",
        "culprit": {"rows": ["low"], "variables": []},
        "fix": ["UPDATE_RHS(low, 1)"],
        "original_objective": 1.0,
    }
    (folder / "dataset.json").write_text(json.dumps({"problems": [record]}))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]) -> Path:
    """A random Qwen3 so small that loading it costs nothing beside importing torch; its tokenizer has seen the rows.

    Made once for all processes of `pytest -n`, whose folders lie side by side; nobody may write into it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "model").exists():
            folder.mkdir(exist_ok=True)
            (folder / "rows.json").write_text(json.dumps(rows))
            size = ("--hidden", "16", "--layers", "1", "--heads", "2", "--kv-heads", "1", "--vocab", "400")
            script = str(REPO / "scripts" / "make_tiny_model.py")
            made = run("python", script, str(folder / "part"), "--texts", str(folder / "rows.json"), *size, cwd=folder)
            assert made.returncode == 0, made.output
            (folder / "part").rename(folder / "model")
    return folder / "model"


@pytest.fixture
def own_environment() -> Iterator[None]:
    """What a parser of ms-swift writes into the environment of this process (the rank, a folder) ends with the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def workplace(tmp_path: Path, tiny_model: Path, rows: list[dict[str, object]]) -> Path:
    """A clone's folder as the CPU recipes expect it: the tiny model and the rows in the raw public shape."""
    demo = tmp_path / "runs" / "demo"
    demo.mkdir(parents=True)
    (demo / "base").symlink_to(tiny_model)
    (demo / "sft_train.json").write_text(json.dumps({"metadata": {"agent": "test"}, "data": rows}, indent=2))
    (tmp_path / "recipes").symlink_to(REPO / "recipes")
    (tmp_path / "dataset_info.json").symlink_to(REPO / "dataset_info.json")
    return tmp_path


def documented(word: str) -> list[list[str]]:
    """The commands of docs/scale.md that hold a word, each as its words."""
    lines = (REPO / "docs" / "scale.md").read_text(encoding="utf-8").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("    ")]
    return [words for words in commands if word in words]


def free_port() -> int:
    """A port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def run(*command: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 150) -> Run:
    """Runs a command of this Python's environment, offline, one thread a process, caches below `cwd`."""
    binaries = Path(sys.executable).parent
    caches = {"HF_HOME": str(cwd / "hf"), "MODELSCOPE_CACHE": str(cwd / "ms")}
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    # torch.distributed would else take port 29500, which another process may have.
    settings = {
        "MASTER_PORT": str(free_port()),
        "PATH": path,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        **caches,
        **(env or {}),
    }
    process = subprocess.run(
        [str(binaries / command[0]), *command[1:]],
        cwd=cwd,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Run(process.returncode, process.stdout)


def import_module(name: str) -> None:
    importlib.import_module(name)


@pytest.fixture(scope="module")
def enough(request: pytest.FixtureRequest) -> int:
    """Seconds in which a process that judges starts and answers here, also where the machine has other things to do.

    What takes longest is to import the module of the tests, for one of its functions.
    """
    began = time.monotonic()
    with closing(Workers(1)) as workers:
        assert workers.map(import_module, [(request.module.__name__,)], 600.0) == [None]
    return max(3, math.ceil(3.0 * (time.monotonic() - began)))


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge() as judge:
        yield judge


@pytest.fixture(scope="module")
def ranges(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return write_problem(tmp_path_factory.mktemp("ranges") / "ranges.mps", RANGES)
