"""What goes wrong around a run: a full disk, a licence that is refused, a clock that jumps. Nothing is lost by it.

Killed and hanging judges are in test_engine, test_limits and test_reward, killed runs in test_resume and test_sweep.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPO, free_port
from tests.served import arguments, episodes_of, figures_of, thoughtful, write_bench
from tests.test_chat import server

OPTIONS = ("--samples", "3", "--concurrency", "4", "--temperature", "1")


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


@dataclass(frozen=True)
class Whole:
    """A run that nothing went wrong around.

    Attributes:
        out: Its folder; nobody writes into it.
        bench: Its eight problems.
        url: Where its model is still served: the address is part of a run's configuration.
    """

    out: Path
    bench: Path
    url: str

    def again(self, out: Path, *options: str) -> list[str]:
        """The command for the same run in another folder."""
        return arguments(self.bench, self.url, out, *OPTIONS, *options)

    def check(self, out: Path) -> None:
        """The same run: in every episode, and in every figure."""
        assert episodes_of(out) == episodes_of(self.out)
        assert figures_of(out) == figures_of(self.out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("chaos")
    with server(thoughtful) as (url, _):
        made = Whole(folder / "whole", write_bench(folder / "bench", 8), url)
        assert run(made.again(made.out))[0] == 0
        yield made


def limit_files(size: int) -> Callable[[], None]:
    """A disk that is full after so many bytes of one file, for an unprivileged user: the kernel refuses the rest."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [1, 3_000, 20_000])
def test_a_full_disk(whole: Whole, tmp_path: Path, size: int) -> None:
    full = tmp_path / "full"
    code, said = run(whole.again(full), limit_files(size))
    assert code == 2
    assert "cannot be written: File too large" in said
    assert "Traceback" not in said
    code, said = run(whole.again(full, "--resume"))
    assert code == 0, said
    whole.check(full)
    assert sorted(path.name for path in full.iterdir() if path.suffix != ".part") == sorted(
        path.name for path in whole.out.iterdir()
    )


def test_a_full_disk_leaves_no_half_benchmark(tmp_path: Path) -> None:
    code, said = run(["bench", "make", str(tmp_path / "b"), "--n", "4", "--families", "plans"], limit_files(2_000))
    assert code == 2, said
    assert "cannot be written" in said
    assert not (tmp_path / "b" / "dataset.json").exists()


def test_a_licence_server_that_is_not_there(whole: Whole, tmp_path: Path) -> None:
    """A run that began under a good licence stays as it was, and goes on under one."""
    licence = tmp_path / "gurobi.lic"
    licence.write_text(f"TOKENSERVER=127.0.0.1\nPORT={free_port()}\n")
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    lines = (out / "episodes.jsonl").read_bytes().splitlines(keepends=True)
    kept = b"".join(lines[:10])
    (out / "episodes.jsonl").write_bytes(kept)
    code, said = run(whole.again(out, "--resume"), GRB_LICENSE_FILE=str(licence))
    assert code == 3, said
    assert "Gurobi cannot start" in said
    assert (out / "episodes.jsonl").read_bytes() == kept
    assert run(whole.again(out, "--resume"))[0] == 0
    whole.check(out)


JUMPS = """
import itertools, time
_real, _number = time.time, itertools.count()
time.time = lambda: _real() + (86400.0 * 365 if next(_number) % 2 else -86400.0 * 365)
"""


def test_a_clock_that_jumps_by_two_years_at_every_look(whole: Whole, tmp_path: Path) -> None:
    """In the command and in the processes of its judges."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text(JUMPS)
    jumped = tmp_path / "jumped"
    code, said = run(whole.again(jumped, "--timeout", "60", "--episode-timeout", "120"), PYTHONPATH=str(place))
    assert code == 0, said
    whole.check(jumped)
