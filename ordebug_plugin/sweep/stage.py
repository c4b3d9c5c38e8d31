"""One stage of a sweep: a command, what it needs, what it makes, and the mark that says it is done."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ordebug_plugin import __version__
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import write_text
from ordebug_plugin.serving import Deployment, fingerprint

MARKS, LOGS = "stages", "logs"
# Stands in a command for the address of the server, which is another one each time.
URL = "{url}"


@dataclass(frozen=True)
class Stage:
    """A stage.

    Attributes:
        name: Of the stage; its log and its mark have it.
        folder: Of the point, or of what is shared.
        command: Its command line, with `URL` for the address of the server; empty where `work` does it.
        work: What this process does itself.
        says: What else decides the result, ready for JSON.
        environment: Variables of the command.
        outputs: Files and folders that it makes; deleted before it starts afresh.
        inputs: Files and model folders that it reads, made by no stage; their content is part of its hash.
        needs: Stages before it whose results it reads.
        serves: What must be served while it runs.
        stdout: File for what the command prints; None where that goes to the log.
        resumes: Whether it goes on by itself where a killed run of the same hash left off.
        accepted: Whether its result stands for all that its exit code is not 0.
    """

    name: str
    folder: Path
    command: Sequence[str] = ()
    work: Callable[[], None] | None = None
    says: Any = None
    environment: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[Path, ...] = ()
    inputs: tuple[Path, ...] = ()
    needs: tuple[Stage, ...] = ()
    serves: Deployment | None = None
    stdout: Path | None = None
    resumes: bool = False
    accepted: Callable[[int], bool] = lambda code: code == 0

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / LOGS / f"{self.name}.log"

    @property
    def mark(self) -> Path:
        """The file that says it is done."""
        return self.folder / MARKS / f"{self.name}.json"

    def hash(self) -> str:
        """Everything that decides its result: command, files, and the hashes of the stages that it needs.

        Paths inside the sweep's folder count by their place in it, so a sweep may be moved.
        """
        root = str(self.folder.parent.parent if self.folder.parent.name == "points" else self.folder.parent)
        program, *arguments = self.command or ("",)
        served = None if self.serves is None else [self.serves.kind, *self.serves.options]
        record = {
            "name": self.name,
            "version": __version__,
            "command": [Path(program).name, *(text.replace(root, "{out}") for text in arguments)],
            "says": json.loads(json.dumps(self.says).replace(root, "{out}")),
            "serves": served,
            "inputs": [_content(path) for path in self.inputs],
            "needs": [stage.hash() for stage in self.needs],
        }
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    def is_done(self) -> bool:
        """Whether it ended well, with these inputs, and everything it made is still there."""
        mark = self._marked()
        return (
            bool(mark.get("done")) and mark.get("hash") == self.hash() and all(path.exists() for path in self.outputs)
        )

    def begin(self) -> None:
        """Removes what an earlier try left, unless the stage goes on with it, and marks it as begun."""
        if not (self.resumes and self._marked().get("hash") == self.hash()):
            for path in self.outputs:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        write_text(self.mark, json.dumps({"hash": self.hash(), "done": False}) + "\n")

    def end(self, seconds: float) -> None:
        """Marks it as done."""
        record = {"hash": self.hash(), "done": True, "seconds": round(seconds, 1), "command": list(self.command)}
        write_text(self.mark, json.dumps(record, ensure_ascii=False) + "\n")

    @property
    def seconds(self) -> float | None:
        """How long it took; None where it is not done."""
        mark = self._marked()
        return float(mark["seconds"]) if mark.get("done") else None

    def _marked(self) -> dict[str, Any]:
        try:
            mark = json.loads(self.mark.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise InputError(f"{self.mark} cannot be read: {error}; delete it to run the stage again") from error
        return mark if isinstance(mark, dict) else {}


def _content(path: Path) -> str:
    """The hash of a file, or what tells a model folder from others; a name on a hub stands for itself."""
    if path.is_dir():
        return fingerprint(path)
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return str(path)
