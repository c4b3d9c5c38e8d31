"""Answers on disk as they come, so that an interrupted measurement goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import make_folder, write_text
from ordebug_plugin.prompt import Message


class Store:
    """A JSONL file of answers by key.

    A key is made of everything that decides the answer, so a changed prompt or another model is simply not there. A
    line that a kill cut short is asked for again.

    Args:
        path: The file; made with the first answer.

    Raises:
        InputError: It holds a whole line that is no answer; names it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.answers: dict[str, str] = {}
        *whole, torn = path.read_text(encoding="utf-8").split("\n") if path.exists() else [""]
        for number, line in enumerate(whole, 1):
            try:
                record = parse_json(line)
                self.answers[str(record["key"])] = str(record["answer"])
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}, line {number} is no answer ({error!r}): delete it to go on") from error
        if torn:  # it must not be the beginning of the next line
            write_text(path, "".join(f"{line}\n" for line in whole))

    def add(self, key: str, answer: str, messages: Sequence[Message]) -> None:
        """Keeps an answer, and what it answers for whoever reads the file."""
        self.answers[key] = answer
        record = {"key": key, "messages": [asdict(message) for message in messages], "answer": answer}
        make_folder(self._path.parent)
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as lines:
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")


def key_of(parts: Sequence[object]) -> str:
    """The key of an answer, from what decides it."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:32]
