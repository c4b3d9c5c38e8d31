"""Folders for temporary files: who may remove them, and when."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ordebug_plugin.scratch import Scratch, scratch_folder
from tests.conftest import REPO


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def left(temporary: Path) -> Path:
    """A folder that a killed process has left."""
    scratch = Scratch()
    folder = scratch.path.with_name(scratch.path.name + "left")
    scratch.remove()
    folder.mkdir()
    (folder / "file").write_text("x")
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


def test_only_what_nobody_uses_is_removed(temporary: Path, left: Path) -> None:
    elsewhere, link, file, pipe = kept = [temporary / "elsewhere", *(Path(f"{left}-{n}") for n in range(3))]
    elsewhere.mkdir()
    (elsewhere / "file").write_text("x")
    link.symlink_to(elsewhere)
    file.write_text("x")
    os.mkfifo(pipe)  # opened like a file it would wait for ever
    used = Scratch()
    assert not left.exists()
    assert set(temporary.iterdir()) == {used.path, *kept}
    assert (elsewhere / "file").exists()


def test_what_another_machine_has_left_is_left_to_it(temporary: Path, left: Path) -> None:
    """Where several share a folder, one may not see the locks of the others."""
    others = left.with_name(left.name.replace(left.name.split("-")[2], "0123abcd"))
    others.mkdir()
    Scratch().remove()
    assert [*temporary.iterdir()] == [others]


def test_nobody_waits_for_one_that_stands_still_in_the_midst_of_removing(temporary: Path) -> None:
    """It has taken for left what was made but not yet locked."""
    taken: list[tuple[Path, int]] = []
    made: list[Scratch] = []

    def take(_frame: types.FrameType, event: str, what: object) -> None:
        if event == "c_return" and what is os.mkdir and not taken:
            (folder,) = temporary.iterdir()
            taken.append((folder, os.open(folder, os.O_RDONLY)))
            fcntl.flock(taken[0][1], fcntl.LOCK_EX | fcntl.LOCK_NB)

    def make() -> None:
        sys.setprofile(take)
        made.append(Scratch())

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    thread.join(60.0)
    ((folder, handle),) = taken
    assert [one.path != folder for one in made] == [True]
    os.close(handle)


def test_what_an_interrupt_leaves_is_removed_by_the_next(temporary: Path) -> None:
    scratch, handles = Scratch(), len(os.listdir("/proc/self/fd"))
    for name in "abc":
        (scratch.path / name).write_text("x")

    def interrupt(_frame: types.FrameType, event: str, what: object) -> None:
        if event == "c_return" and what is os.unlink:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    with pytest.raises(KeyboardInterrupt):
        scratch.remove()
    assert len([*scratch.path.iterdir()]) == 2
    assert len(os.listdir("/proc/self/fd")) == handles - 1
    Scratch().remove()
    assert not any(temporary.iterdir())


FORK = """
import os, sys
from ordebug_plugin.scratch import Scratch, scratch_folder

scratch = Scratch()
own = scratch_folder()
if not (child := os.fork()):
    mine = Scratch()
    assert scratch.path.exists() and mine.path != scratch.path
    assert own.exists() and scratch_folder() not in (own, scratch.path, mine.path) and scratch_folder().exists()
    sys.exit(0)  # with all that is done at an exit
assert os.waitpid(child, 0)[1] == 0
print(sorted(os.listdir(sys.argv[1])) == sorted([scratch.path.name, own.name]))
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


def test_threads_of_a_process_share_one_folder(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that another thread has just been given is not removed."""
    own: dict[int, Scratch] = {}
    monkeypatch.setattr("ordebug_plugin.scratch._OWN", own)
    for _ in range(50):
        own.clear()
        barrier = threading.Barrier(8)

        def ask(_: int, barrier: threading.Barrier = barrier) -> Path:
            barrier.wait()
            return scratch_folder()

        with ThreadPoolExecutor(8) as threads:
            (folder,) = set(threads.map(ask, range(8)))
        assert [*temporary.iterdir()] == [folder]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_somebody_elses_is_left_to_them(left: Path) -> None:
    os.chown(left, 12345, 12345)
    Scratch().remove()
    assert left.exists()
