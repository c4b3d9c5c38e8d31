"""Model files as Gurobi reads them: never by a name that a shell would see."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ordebug_plugin.errors import SolverError
from ordebug_plugin.problem import model_bytes

_PACKED = ".gz"


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """A model file under a name that Gurobi can be given.

    Gurobi has a shell unpack a compressed file by its name, and what that says is carried out: a benchmark with a file
    ``$(…).lp.gz`` would run commands. So such a file is unpacked here, under a name of ours, for as long as it is read.

    Raises:
        ProblemError: It cannot be unpacked, or is too large.
        SolverError: There is no room to unpack it.
    """
    if not path.name.endswith(_PACKED):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ordebug-unpacked-") as folder:
        plain = Path(folder) / f"model{Path(path.name.removesuffix(_PACKED)).suffix}"
        try:
            with plain.open("wb") as file:
                file.writelines(model_bytes(path))
        except OSError as error:
            raise SolverError(f"{path} cannot be unpacked: {error.strerror}") from error
        yield plain
