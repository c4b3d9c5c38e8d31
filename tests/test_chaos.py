"""What goes wrong around a run: a full disk, a licence that is refused, a clock that jumps. Nothing is lost by it.

Killed and hanging judges are in test_engine, test_limits and test_reward, killed runs in test_resume and test_sweep.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REPO, free_port
from tests.served import arguments, episodes_of, figures_of, thoughtful, write_bench
from tests.test_chat import server

OPTIONS = ("--samples", "3", "--concurrency", "4", "--temperature", "1")


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Eight problems."""
    return write_bench(tmp_path / "bench", 8)


def run(command: list[str], before: Callable[[], None] | None = None, **variables: str) -> tuple[int, str]:
    """Runs `ordebug` in a process of its own; its exit code, and what it said."""
    path = os.pathsep.join([*filter(None, [variables.pop("PYTHONPATH", "")]), str(REPO)])
    done = subprocess.run(
        [sys.executable, "-m", "ordebug_plugin.cli", *command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        env={**os.environ, **variables, "PYTHONPATH": path},
        preexec_fn=before,
    )
    return done.returncode, done.stdout


def limit_files(size: int) -> Callable[[], None]:
    """A disk that is full after so many bytes of one file, for an unprivileged user: the kernel refuses the rest."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [1, 3_000, 20_000])
def test_a_full_disk(bench: Path, tmp_path: Path, size: int) -> None:
    whole, full = tmp_path / "whole", tmp_path / "full"
    with server(thoughtful) as (url, _):
        assert run(arguments(bench, url, whole, *OPTIONS))[0] == 0
        code, said = run(arguments(bench, url, full, *OPTIONS), limit_files(size))
        assert code == 2
        assert "cannot be written: File too large" in said
        assert "Traceback" not in said
        code, said = run(arguments(bench, url, full, *OPTIONS, "--resume"))
        assert code == 0, said
    assert episodes_of(full) == episodes_of(whole)
    assert figures_of(full) == figures_of(whole)
    assert sorted(path.name for path in full.iterdir() if path.suffix != ".part") == sorted(
        path.name for path in whole.iterdir()
    )


def test_a_full_disk_leaves_no_half_benchmark(tmp_path: Path) -> None:
    code, said = run(["bench", "make", str(tmp_path / "b"), "--n", "4", "--families", "plans"], limit_files(2_000))
    assert code == 2, said
    assert "cannot be written" in said
    assert not (tmp_path / "b" / "dataset.json").exists()


def test_a_licence_server_that_is_not_there(bench: Path, tmp_path: Path) -> None:
    """A run that began under a good licence stays as it was, and goes on under one."""
    licence = tmp_path / "gurobi.lic"
    licence.write_text(f"TOKENSERVER=127.0.0.1\nPORT={free_port()}\n")
    whole, out = tmp_path / "whole", tmp_path / "out"
    with server(thoughtful) as (url, _):
        assert run(arguments(bench, url, whole, *OPTIONS))[0] == 0
        assert run(arguments(bench, url, out, *OPTIONS))[0] == 0
        lines = (out / "episodes.jsonl").read_bytes().splitlines(keepends=True)
        kept = b"".join(lines[:10])
        (out / "episodes.jsonl").write_bytes(kept)
        code, said = run(arguments(bench, url, out, *OPTIONS, "--resume"), GRB_LICENSE_FILE=str(licence))
        assert code == 3, said
        assert "Gurobi cannot start" in said
        assert (out / "episodes.jsonl").read_bytes() == kept
        assert run(arguments(bench, url, out, *OPTIONS, "--resume"))[0] == 0
    assert episodes_of(out) == episodes_of(whole)
    assert figures_of(out) == figures_of(whole)


JUMPS = """
import itertools, time
_real, _number = time.time, itertools.count()
time.time = lambda: _real() + (86400.0 * 365 if next(_number) % 2 else -86400.0 * 365)
"""


def test_a_clock_that_jumps_by_two_years_at_every_look(bench: Path, tmp_path: Path) -> None:
    """In the command and in the processes of its judges."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text(JUMPS)
    whole, jumped = tmp_path / "whole", tmp_path / "jumped"
    with server(thoughtful) as (url, _):
        assert run(arguments(bench, url, whole, *OPTIONS))[0] == 0
        limits = ["--timeout", "60", "--episode-timeout", "120"]
        code, said = run(arguments(bench, url, jumped, *OPTIONS, *limits), PYTHONPATH=str(place))
    assert code == 0, said
    assert episodes_of(jumped) == episodes_of(whole)
    assert figures_of(jumped) == figures_of(whole)
