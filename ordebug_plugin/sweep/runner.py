"""Carries out a sweep: stages in order, servers for as long as they are needed, several processes side by side.

A point belongs to the process that holds its folder. Whoever starts the same command again, now or after a kill, takes
the points that nobody holds, and does what is not marked as done.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.files import held, make_folder
from ordebug_plugin.redaction import keyless
from ordebug_plugin.serving import Deployment, end_group, free_port, served, variables
from ordebug_plugin.sweep.stage import LOGS, URL, Stage

# In the environment of everything that a sweep starts, with the folder of the point.
MARK = "ORDEBUG_SWEEP_FOLDER"
_TAIL = 20  # lines of a log that an error shows


class StageError(OrdebugError):
    """A stage failed; what it said is in its log."""


@dataclass(frozen=True)
class Told:
    """What a runner tells while it works.

    Attributes:
        begins: Called with a stage that begins.
        stands: Called with a stage that was done before.
    """

    begins: Callable[[Stage], None]
    stands: Callable[[Stage], None]


def run_stages(
    folder: Path, stages: Sequence[Stage], told: Told, environment: Mapping[str, str], *, wait: bool
) -> bool:
    """Carries out what is not done of the stages of one folder.

    Args:
        folder: Of the point, or of what is shared.
        stages: Of it, in order.
        told: What to tell.
        environment: Variables of everything that is started, servers included.
        wait: Wait for another process that holds the folder, instead of leaving it to it.

    Returns:
        Whether the folder was ours; False where another process holds it.

    Raises:
        StageError: A stage failed.
        ServerError: A server did not come up.
    """
    make_folder(folder)
    with held(folder, wait=wait) as ours:
        if not ours:
            return False
        end_orphans(folder)
        with variables({**environment, MARK: str(folder.resolve())}), ExitStack() as stack:
            server = _Server(stack, folder)
            for stage in stages:
                if stage.is_done():
                    told.stands(stage)
                    continue
                told.begins(stage)
                stage.begin()
                began = time.monotonic()
                _carry_out(stage, server)
                stage.end(time.monotonic() - began)
        return True


class _Server:
    """The server of a point: of one checkpoint at a time."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._deployment: Deployment | None = None
        self._url = ""

    def url(self, deployment: Deployment | None) -> str:
        """The address at which it is served, where something is to be; nothing is served after that otherwise."""
        if deployment != self._deployment:
            self._stack.close()
            self._deployment = None
            if deployment is not None:
                log = self._folder / LOGS / f"serve-{deployment.checkpoint.name}.log"
                self._url = self._stack.enter_context(served(deployment, log))
                self._deployment = deployment
        return self._url


def _carry_out(stage: Stage, server: _Server) -> None:
    url = server.url(stage.serves)
    if stage.work is not None:
        stage.work()
        return
    make_folder(stage.log.parent)
    command = [text.replace(URL, url) for text in stage.command]
    code = _run(command, stage)
    if not stage.accepted(code):
        raise StageError(f"{stage.name} ended with {code}; the end of {stage.log}:\n{_end(stage.log)}")
    missing = [path for path in stage.outputs if not path.exists()]
    if missing:
        raise StageError(
            f"{stage.name} ended well but did not make {missing[0]}; the end of {stage.log}:\n{_end(stage.log)}"
        )


def _run(command: Sequence[str], stage: Stage) -> int:
    """Runs a command in a session of its own, which ends with us."""
    # torch.distributed would else take port 29500, which the point beside this one may have.
    inherited = os.environ if "ordebug_plugin.cli" in command else keyless(os.environ)
    environment = {**inherited, "MASTER_PORT": str(free_port()), **stage.environment}
    with ExitStack() as stack:
        log = stack.enter_context(stage.log.open("wb"))
        output = log if stage.stdout is None else stack.enter_context(stage.stdout.open("wb"))
        try:
            process = subprocess.Popen(
                command, stdout=output, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )
        except OSError as error:
            raise StageError(f"{stage.name}: {command[0]} cannot be started: {error}") from error
        try:
            return process.wait()
        finally:
            end_group(process)  # frameworks leave workers behind


def end_orphans(folder: Path) -> None:
    """Ends what a killed runner of this folder has left: its trainings and servers would go on, for nobody.

    They are known by the mark in their environment; the folder must be held, so nobody else's have it.
    """
    wanted = f"{MARK}={folder.resolve()}".encode()
    groups = set()
    for entry in Path("/proc").glob("[0-9]*"):  # there is no such folder but on Linux, and then nothing is found
        with contextlib.suppress(OSError):
            pid = int(entry.name)
            if pid != os.getpid() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                groups.add(os.getpgid(pid))
    for group in groups - {os.getpgid(0)}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ends on SIGTERM as on Ctrl-C: trainings and servers are ended, too."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:])
