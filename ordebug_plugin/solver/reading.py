"""Model files as Gurobi can be given them: never by a name that a shell would see, nor with lines that crash it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ordebug_plugin.errors import ProblemError, SolverError
from ordebug_plugin.problem import LONGEST_LINE, file_stamp, model_bytes

_PACKED, _MPS = ".gz", ".mps"


@contextmanager
def readable(path: Path, said: Path | None = None, short_lines: tuple[int, int] | None = None) -> Iterator[Path]:
    """A model file under a name that Gurobi can be given.

    Gurobi has a shell unpack a compressed file by its name, and what that says is carried out: a benchmark with a file
    ``$(…).lp.gz`` would run commands. So such a file is unpacked here, under a name of ours, for as long as it is read.

    Gurobi's reader of MPS files (13.0.3) writes its message about a line into 512 bytes, however long the line is: one
    of 507 ended the process. So longer ones are refused.

    Args:
        path: The file.
        said: What errors call it; by default its path.
        short_lines: See `Problem`; the lines are looked at where it is not known, or the file is another by now.

    Raises:
        ProblemError: It cannot be unpacked, or is too large, or has such a line.
        SolverError: There is no room to unpack it.
    """
    said = said or path
    if not path.name.endswith(_PACKED):
        if short_lines is None or file_stamp(path) != short_lines:
            _check_lines(said, path)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ordebug-unpacked-") as folder:
        plain = Path(folder) / f"model{Path(path.name.removesuffix(_PACKED)).suffix}"
        try:
            with plain.open("wb") as file:
                file.writelines(model_bytes(path))
        except OSError as error:
            raise SolverError(f"{said} cannot be unpacked: {error.strerror}") from error
        _check_lines(said, plain)
        yield plain


def _check_lines(said: Path, plain: Path) -> None:
    if plain.suffix != _MPS:
        return
    try:
        with plain.open("rb") as file:
            if max(map(len, file), default=0) <= LONGEST_LINE:
                return
            file.seek(0)
            number = next(number for number, line in enumerate(file, 1) if len(line) > LONGEST_LINE)
    except OSError as error:
        raise ProblemError(f"model file {said} cannot be read: {error.strerror}") from error
    raise ProblemError(
        f"{said}, line {number}: longer than {LONGEST_LINE} bytes, which Gurobi may not survive: shorten the names or "
        "the comment, or save the model as .lp"
    )
