"""What Gurobi says while it reads a model file: why it cannot, and what it found odd in one that it can."""

from __future__ import annotations

import codecs
import tempfile
from contextlib import suppress
from pathlib import Path

import gurobipy as gp

from ordebug_plugin.solver.environment import start_environment
from ordebug_plugin.solver.reading import readable

# That it did read, how long it took and how large the model is: `obj: 2 rows, 4 columns, 2 nonzeros`.
_NO_NEWS = ("Read ", "Reading time =")
_SIZE = " nonzeros"
# A new message begins with one of these; other lines go on with the one before.
_BEGINNINGS = ("Warning", "Error")
# What editors on Windows write.
_MARKED = "The file begins with a byte order mark (EF BB BF), which Gurobi cannot read: save it as UTF-8 without"
_QUESTIONED = bytes(byte if byte < 0x80 else ord("?") for byte in range(256))


def reading_messages(path: Path) -> tuple[str, ...]:
    """Reads a model file once more, in an environment of its own that keeps a log, and gives the messages in it.

    The judge's environment is silent, for a log would take longer than to read a small model.

    Args:
        path: The model file.

    Returns:
        Each warning or error in one line, in the order of the file.

    Raises:
        SolverError: No Gurobi environment can be started (licence).
    """
    with tempfile.TemporaryDirectory() as folder, readable(path) as plain:
        log = Path(folder) / "gurobi.log"
        with start_environment(OutputFlag=1, LogToConsole=0, LogFile=str(log)) as env:
            began = log.stat().st_size  # after the head of the log
            decodable = _decodable(plain, Path(folder))
            with suppress(gp.GurobiError, UnicodeDecodeError):
                gp.read(str(decodable), env).dispose()
        text = log.read_bytes()[began:].decode("utf-8", errors="replace")
        messages = [_MARKED] if _is_marked(plain) else []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith(_NO_NEWS) or line.endswith(_SIZE):
            continue
        if messages and not line.startswith(_BEGINNINGS):
            messages[-1] += f" {line}" if messages[-1].startswith("Warning") else f"; {line}"
        else:
            messages.append(line.replace(f" file {decodable}", ""))  # who asks knows which
    return tuple(messages)


def _decodable(path: Path, folder: Path) -> Path:
    """The file, or a copy with ``?`` for what is not ASCII in lines that are not UTF-8.

    gurobipy prints two tracebacks on stderr for every line of the log that it cannot decode.
    """
    try:
        with path.open("rb") as file:
            if all(map(_is_text, file)):
                return path
            file.seek(0)
            copy = folder / f"decodable{path.suffix}"
            with copy.open("wb") as other:
                other.writelines(line if _is_text(line) else line.translate(_QUESTIONED) for line in file)
    except OSError:
        return path  # Gurobi says that it cannot be opened
    return copy


def _is_marked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    except OSError:
        return False


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
