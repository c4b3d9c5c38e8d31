"""Reading Alpaca files: a JSON list, the public ``{"metadata": …, "data": […]}``, or JSONL.

Only the file's shape is judged here; whether a row can be used is `convert.convert_row`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError

ROWS_KEY = "data"


@dataclass(frozen=True)
class AlpacaFile:
    """An Alpaca file as it was read.

    Attributes:
        rows: The rows in file order, unjudged: a row may be anything JSON can hold.
        metadata: What the file says about itself; empty for lists and JSONL.
    """

    rows: tuple[object, ...]
    metadata: Mapping[str, object] = field(default_factory=dict)


def read_alpaca(path: Path) -> AlpacaFile:
    """Reads a whole Alpaca file.

    Args:
        path: ``*.jsonl`` holds one row a line (blank lines are skipped); anything else is one JSON document.

    Raises:
        InputError: The file is missing, is not UTF-8 or JSON (naming the line), or holds no rows.
    """
    if path.suffix == ".jsonl":
        lines = enumerate(_read_text(path).split("\n"), 1)
        file = AlpacaFile(tuple(_parse(line, path, number) for number, line in lines if line.strip()))
    else:
        file = _from_document(_parse(_read_text(path), path), path)
    if not file.rows:
        raise InputError(f"{path}: no rows in this file")
    return file


def is_document(path: Path) -> bool:
    """Whether the file is one JSON object with its rows under ``data``, as the public files are.

    Such a file is small; a JSONL file may not be, so only its first line is parsed.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
        if not first.lstrip().startswith("{"):
            return False
        try:
            value = parse_json(first, finite=False)
        except ValueError:  # an object over many lines, or no JSON at all
            value = _parse(_read_text(path), path)
    except (OSError, UnicodeDecodeError, InputError):
        return False
    return isinstance(value, dict) and isinstance(value.get(ROWS_KEY), list)


def _from_document(document: object, path: Path) -> AlpacaFile:
    if isinstance(document, list):
        return AlpacaFile(tuple(document))
    if isinstance(document, dict) and isinstance(document.get(ROWS_KEY), list):
        metadata = document.get("metadata")
        return AlpacaFile(tuple(document[ROWS_KEY]), metadata if isinstance(metadata, dict) else {})
    raise InputError(f'{path}: expected a list of rows or {{"{ROWS_KEY}": [rows]}}, found {_shape(document)}')


def _shape(document: object) -> str:
    if isinstance(document, dict):
        return f"an object with the keys {', '.join(map(repr, list(document)[:8])) or '(none)'}"
    return f"a single {type(document).__name__}"


def _read_text(path: Path) -> str:
    """Reads UTF-8 with or without a byte-order mark."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: not UTF-8 ({error.reason}): save the file as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _parse(text: str, path: Path, line: int = 1) -> object:
    """Parses JSON that starts at `line` of the file."""
    try:
        parsed: object = parse_json(text, finite=False)
    except json.JSONDecodeError as error:
        hint = ": name the file *.jsonl if it holds one row a line" if error.msg == "Extra data" else ""
        place = f"{path}:{line + error.lineno - 1}"
        raise InputError(f"{place}: not JSON ({error.msg}, column {error.colno}){hint}") from error
    except ValueError as error:
        raise InputError(f"{path}:{line}: not a data file: {error}") from error
    return parsed
