"""Writing files so that a reader, or a crash, sees the old one or the new one, whole."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ordebug_plugin.errors import InputError


def write_text(path: Path, text: str) -> None:
    """Replaces a file, making its folder where there is none.

    A lone surrogate, which UTF-8 cannot hold, is written as the JSON escape it was read from.

    Raises:
        InputError: The file cannot be written; names it.
    """
    partial = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def write_new(path: Path, data: bytes) -> None:
    """Writes a file that is not there yet.

    Raises:
        InputError: It is there, or cannot be written; names it.
    """
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise InputError(f"{path} is there already, and is not overwritten: name another file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def check_new_file(path: Path) -> None:
    """Finds out before long work whether `write_new` will be able to; makes the folder where there is none.

    Raises:
        InputError: It will not; names the file.
    """
    if path.exists() or path.is_symlink():
        raise InputError(f"{path} is there already, and is not overwritten: name another file")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Finds out before long work whether `write_text` will be able to; makes the folder where there is none.

    Raises:
        InputError: It will not; names the file.
    """
    if path.is_dir():
        raise InputError(f"{path}: cannot be written: it is a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: cannot be written: its folder is read-only")


def check_new_folder(path: Path) -> None:
    """Finds out whether nothing is in the way of a folder that is to be written.

    Raises:
        InputError: There is a file of this name, or a folder that holds more than empty folders, which a command may
            leave that could not begin.
    """
    if path.exists() and (not path.is_dir() or any(not entry.is_dir() for entry in path.rglob("*"))):
        raise InputError(f"{path} is not empty: name a new folder, or delete it first")


def make_folder(path: Path) -> None:
    """Makes a folder where there is none.

    Raises:
        InputError: It cannot be made; names it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be made a folder: {error.strerror}") from error


@contextmanager
def held(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Holds a folder for this process, as long as it lives; gives whether it could.

    Args:
        folder: Which is there.
        wait: Wait until nobody else holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
