"""Answers of the judge kept between runs, in a folder named by ORDEBUG_STORE.

An answer is found by what decides it: content of the model, canonical edits, question, work limit, version of Gurobi,
kind of processor, and the code of the judge. Failures and limits of time are never kept. SQLite lets several processes
read and write at once. Everything about it is a convenience: what cannot be read is asked again, with a warning.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import sqlite3
from functools import lru_cache
from pathlib import Path

from ordebug_plugin.answers import dump_answer, edits_key, load_answer
from ordebug_plugin.edits import Edits
from ordebug_plugin.errors import InputError

logger = logging.getLogger(__name__)

STORE_VARIABLE, SIZE_VARIABLE = "ORDEBUG_STORE", "ORDEBUG_STORE_MB"
FILE = "answers.sqlite"
MISSING = object()
_DEFAULT_MB = 1024
_MB = 1 << 20
_PATIENCE = 30.0  # seconds for another process that writes
# The code that decides answers.
_CODE = ("solver", "edits.py", "interval.py", "linear.py", "points.py", "verdict.py", "answers.py")


class Store:
    """A folder of answers, for one judge.

    Args:
        folder: Made where it is not there.
        version: What decides answers beside model, edits, question and work limit.
        megabytes: Its size at most; past it the older half of the answers goes.

    Raises:
        InputError: The folder cannot be used.
    """

    def __init__(self, folder: Path, version: str, megabytes: int = _DEFAULT_MB) -> None:
        self._path, self._version, self._megabytes = folder / FILE, version, megabytes
        self._warned = False
        self._base: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} ({STORE_VARIABLE}) cannot be made: {error.strerror}") from error
        try:
            self._base = self._open()
        except sqlite3.Error as error:
            self._give_up(error)

    def get(self, model: str, edits: Edits, work_limit: float, question: str) -> object:
        """An answer; `MISSING` where there is none, or none that can be trusted."""
        if self._base is None:
            return MISSING
        key = self._key(model, edits, work_limit, question)
        try:
            row = self._base.execute("SELECT answer, digest FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return MISSING
        if row is None:
            return MISSING
        try:
            if row[1] != _digest(key, row[0]):
                raise ValueError("its checksum is another")
            return load_answer(question, row[0])
        except (ValueError, TypeError, AttributeError) as error:
            self._warn(f"an answer in {self._path} is damaged and is asked again ({error})")
            return MISSING

    def put(self, model: str, edits: Edits, work_limit: float, question: str, answer: object) -> None:
        """Keeps an answer; in place of one that could not be trusted."""
        if self._base is None:
            return
        key, text = self._key(model, edits, work_limit, question), dump_answer(answer)
        try:
            try:
                self._insert(key, text)
            except sqlite3.OperationalError as error:
                if "full" not in str(error):
                    raise
                self._halve()
                self._insert(key, text)
        except sqlite3.Error as error:
            self._give_up(error)

    def close(self) -> None:
        """Closes the file."""
        if self._base is not None:
            self._base.close()
            self._base = None

    def _open(self) -> sqlite3.Connection:
        # A judge is used by one thread at a time, not always by the one that made it.
        base = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")  # a crash of the machine may lose the last answers, and no others
        (page,) = base.execute("PRAGMA page_size").fetchone()
        base.execute(f"PRAGMA max_page_count = {max(16, self._megabytes * _MB // page)}")
        base.execute(
            "CREATE TABLE IF NOT EXISTS answers "
            "(id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, answer TEXT NOT NULL, digest BLOB NOT NULL)"
        )
        return base

    def _insert(self, key: bytes, text: str) -> None:
        if self._base is not None:
            command = "INSERT OR REPLACE INTO answers (key, answer, digest) VALUES (?, ?, ?)"
            self._base.execute(command, (key, text, _digest(key, text)))

    def _halve(self) -> None:
        if self._base is not None:
            self._base.execute("DELETE FROM answers WHERE id <= (SELECT (MIN(id) + MAX(id)) / 2 FROM answers)")

    def _key(self, model: str, edits: Edits, work_limit: float, question: str) -> bytes:
        parts = [self._version, model, edits_key(edits), work_limit, question]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")).digest()

    def _give_up(self, error: sqlite3.Error) -> None:
        self._warn(f"{self._path} is not used: {error}; delete it where it is damaged")
        self.close()

    def _warn(self, text: str) -> None:
        if not self._warned:
            logger.warning("%s", text)
        self._warned = True


def open_store(gurobi: str) -> Store | None:
    """The store named by ORDEBUG_STORE; None where it is not set.

    Args:
        gurobi: Version of Gurobi.

    Raises:
        InputError: The folder cannot be used, or ORDEBUG_STORE_MB is no whole number above 0.
    """
    folder = os.environ.get(STORE_VARIABLE)
    if not folder:
        return None
    text = os.environ.get(SIZE_VARIABLE, str(_DEFAULT_MB))
    if not text.isdecimal() or not int(text):
        raise InputError(f"the environment variable {SIZE_VARIABLE} must be a whole number above 0, not {text!r}")
    return Store(_home(folder), f"{gurobi} {platform.machine()} {_code_version()}", int(text))


def _home(folder: str) -> Path:
    """A folder of which ~ is the home: in quotes, and in settings of services, no shell has seen to it."""
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:  # no such user, no home
        raise InputError(f"{folder} ({STORE_VARIABLE}): {error}") from error


@lru_cache(maxsize=1)
def _code_version() -> str:
    """A hash of the code that decides answers: another version of it asks again."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for name in _CODE:
        path = package / name
        for part in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(part.read_bytes())
    return digest.hexdigest()


def _digest(key: bytes, text: str) -> bytes:
    return hashlib.sha256(key + text.encode("utf-8", "surrogatepass")).digest()[:16]
