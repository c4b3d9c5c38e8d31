"""Folders for temporary files, gone with their process; of a killed one, with the next process that makes one."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
import zlib
from contextlib import suppress
from pathlib import Path

# With the machine: on a file system that several share, the locks of one may not be seen by the others.
_PREFIX = f"ordebug-tmp-{zlib.crc32(os.fsencode(os.uname().nodename)):08x}-"
# A folder, itself and no link to one.
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Scratch:
    """A folder of this process alone, until `remove` or the end of the process; forks leave it alone.

    While it is in use it is locked (flock, which ends with a process however that ends), so one that nobody has locked
    was left by a process that was killed. Where a file system has no such locks nothing of the kind is removed.

    Attributes:
        path: The folder.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        handle = None
        while handle is None:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            handle = _lock(self.path)
        self._remove = weakref.finalize(self, _remove, self.path, handle, os.getpid())

    def remove(self) -> None:
        """Removes the folder, with all that is in it."""
        self._remove()


def scratch_folder() -> Path:
    """The folder of this process, gone with it. A fork has its own: that of its parent goes with its parent."""
    pid = os.getpid()
    if pid not in _OWN:
        _OWN.setdefault(pid, Scratch())  # of two threads that come here at once, both get the first
    return _OWN[pid].path


_OWN: dict[int, Scratch] = {}  # by process


def _lock(path: Path) -> int | None:
    """The handle that holds the lock of a folder just made; None where another process took it for left before that."""
    with suppress(FileNotFoundError):
        handle = os.open(path, _FOLDER)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = not path.exists()
        except BlockingIOError:  # it is removing it, and may be stopped there: nobody waits for it
            taken = True
        except OSError:  # no such locks here
            taken = False
        if not taken:
            return handle
        os.close(handle)
    return None


def _remove(path: Path, handle: int, pid: int) -> None:
    try:
        if os.getpid() == pid:
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(handle)  # also where an interrupt came between: what is left is for the next to remove


def _sweep(folder: Path) -> None:
    """Removes what killed processes of this user have left."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # in use, or somebody else's, or gone
            handle = os.open(path, _FOLDER)
            try:
                if os.fstat(handle).st_uid == os.getuid():
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)
