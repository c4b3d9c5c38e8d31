"""Folders for temporary files: who may remove them, and when."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ordebug_plugin.scratch import Scratch
from tests.conftest import REPO

LEFT = "ordebug-tmp-left"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_it_is_gone_with_whoever_holds_it(temporary: Path) -> None:
    scratch, handles = Scratch(), len(os.listdir("/proc/self/fd"))
    (scratch.path / "a").mkdir()
    (scratch.path / "a" / "file").write_text("x")
    other = Scratch()
    assert sorted(temporary.iterdir()) == sorted([scratch.path, other.path])
    scratch.remove()
    scratch.remove()
    del other
    assert not any(temporary.iterdir())
    assert len(os.listdir("/proc/self/fd")) == handles - 1


def test_only_what_nobody_uses_is_removed(temporary: Path) -> None:
    (temporary / LEFT).mkdir()
    (temporary / LEFT / "file").write_text("x")
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("x")
    (temporary / f"{LEFT}-link").symlink_to(elsewhere)
    (temporary / f"{LEFT}-file").write_text("x")
    os.mkfifo(temporary / f"{LEFT}-pipe")  # opened like a file it would wait for ever
    used = Scratch()
    assert not (temporary / LEFT).exists()
    kept = {elsewhere, temporary / f"{LEFT}-link", temporary / f"{LEFT}-file", temporary / f"{LEFT}-pipe"}
    assert set(temporary.iterdir()) == {used.path, *kept}
    assert (elsewhere / "file").exists()


FORK = """
import os, sys
from ordebug_plugin.scratch import Scratch

scratch = Scratch()
if not (child := os.fork()):
    mine = Scratch()
    assert scratch.path.exists() and mine.path != scratch.path
    sys.exit(0)  # with all that is done at an exit
assert os.waitpid(child, 0)[1] == 0
print(os.listdir(sys.argv[1]) == [scratch.path.name])
"""


def test_a_fork_leaves_its_parents_alone_and_removes_its_own(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-c", FORK, str(tmp_path)]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "True\n"
    assert not any(tmp_path.iterdir())


def test_none_is_removed_while_others_are_made(temporary: Path) -> None:
    """Between a folder's making and its locking another process may find it and take it for left."""

    def make(_: int) -> bool:
        scratch = Scratch()
        there = scratch.path.is_dir()
        scratch.remove()
        return there

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(make, range(800)))
    assert not any(temporary.iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_somebody_elses_is_left_to_them(temporary: Path) -> None:
    (temporary / LEFT).mkdir()
    os.chown(temporary / LEFT, 12345, 12345)
    Scratch().remove()
    assert (temporary / LEFT).exists()
