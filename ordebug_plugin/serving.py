"""A checkpoint served for as long as it is needed, by the stock ``swift deploy``."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ordebug_plugin.errors import InputError, ServerError
from ordebug_plugin.files import make_folder
from ordebug_plugin.redaction import keyless

_HOST = "127.0.0.1"
# Seconds: how long a server may take to load its model, and to end when it is asked to.
_PATIENCE, _GRACE = 1800.0, 20.0
_NAP = 0.5
_TAIL = 20  # lines of the log that an error shows
_SAMPLE = 1 << 20  # bytes at each end of a file of weights that are hashed
_WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class Deployment:
    """How a checkpoint is served.

    Attributes:
        checkpoint: The folder of the model.
        swift: The executable of ms-swift.
        name: The name under which it is served.
        batch: Requests that are answered together.
        kind: ``--model_type`` and ``--template`` of ms-swift; a local folder needs both.
        options: Further options, which replace ours.
    """

    checkpoint: Path
    swift: Path
    name: str
    batch: int
    kind: str = "qwen3"
    options: Sequence[str] = ()

    def command(self, port: int) -> list[str]:
        """The command line. Without ``--enable_thinking true`` every prompt would end in an empty think block."""
        ours = {
            "--model_type": self.kind,
            "--template": self.kind,
            "--enable_thinking": "true",
            "--infer_backend": "transformers",
            "--max_batch_size": str(self.batch),
            "--verbose": "false",
        }
        if not Path("/dev/nvidiactl").exists():
            ours["--torch_dtype"] = "float32"  # half precision is slow on a CPU
        kept = [part for key, value in ours.items() if key not in self.options for part in (key, value)]
        own = ["--model", str(self.checkpoint), "--served_model_name", self.name, "--host", _HOST, "--port", str(port)]
        return [str(self.swift), "deploy", *own, *kept, *self.options]


def find_swift(given: Path | None) -> Path:
    """The executable of ms-swift, see `find_program`.

    Raises:
        InputError: There is none.
    """
    try:
        return find_program("swift", "swift", given)
    except InputError as error:
        raise InputError(f"{error}, or serve the model yourself and give the URL") from None


def find_program(name: str, environment: str, given: Path | None) -> Path:
    """A framework's executable.

    The one given, else beside this Python, in an environment of its own beside this one, or on the PATH.

    Args:
        name: Of the executable.
        environment: Folder name of the framework's environment.
        given: What the user named.

    Raises:
        InputError: There is none.
    """
    here = Path(sys.executable).parent
    on_path = shutil.which(name)
    beside = [here / name, Path(sys.prefix).parent / environment / "bin" / name]
    candidates = [given] if given is not None else [*beside, *([Path(on_path)] if on_path else [])]
    for path in candidates:
        if path.is_file() and os.access(path, os.X_OK):
            return path
    where = f"{given} is no executable" if given is not None else f"no `{name}` beside this Python or on the PATH"
    raise InputError(f"{where}: name it by --{environment}")


def check_checkpoint(folder: Path) -> None:
    """Finds out whether a folder holds a model that can be served.

    Raises:
        InputError: It does not; says what is missing.
    """
    if (folder / "adapter_config.json").exists():
        raise InputError(f"{folder} holds an adapter: merge it first (`llamafactory-cli export recipes/merge.yaml`)")
    if not (folder / "config.json").exists() or not _weights(folder):
        raise InputError(f"{folder} holds no model (config.json and weights): name a checkpoint's folder, or a URL")


def fingerprint(folder: Path) -> str:
    """What tells one checkpoint from another: names, sizes and both ends of its files of weights, hashed."""
    found = hashlib.sha256()
    for path in _weights(folder):
        size = path.stat().st_size
        found.update(f"{path.name} {size}".encode())
        with path.open("rb") as content:
            found.update(content.read(_SAMPLE))
            content.seek(max(0, size - _SAMPLE))
            found.update(content.read(_SAMPLE))
    return found.hexdigest()


def _weights(folder: Path) -> list[Path]:
    return sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern) if path.name != "training_args.bin")


@contextlib.contextmanager
def served(deployment: Deployment, log: Path) -> Iterator[str]:
    """Serves a checkpoint on a free port of loopback, and ends the server with everything that it started.

    Args:
        deployment: How.
        log: Where the server's output goes.

    Yields:
        The root of its API, up to ``/v1``.

    Raises:
        ServerError: It did not come up; with the end of its log.
    """
    make_folder(log.parent)
    port = free_port()
    url = f"http://{_HOST}:{port}/v1"
    with log.open("w", encoding="utf-8") as output, _interrupted_by_sigterm(), variables(_direct()):
        environment = {"TOKENIZERS_PARALLELISM": "false", **keyless(os.environ)}
        try:
            # A session of its own: `swift` only wraps the server, and Ctrl-C is ours to hear.
            process = subprocess.Popen(
                deployment.command(port),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ServerError(f"{deployment.swift} cannot be started: {error}") from error
        try:
            _wait(process, url, log)
            yield url
        finally:
            end_group(process)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        code = process.poll()
        if code is not None:
            raise ServerError(f"the server ended with {code} before it answered; the end of {log}:\n{_tail(log)}")
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{url}/models", timeout=5).close()
            return
        time.sleep(_NAP)
    raise ServerError(f"the server did not answer within {_PATIENCE:g} s; the end of {log}:\n{_tail(log)}")


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that leads a session of its own, with everything that it has started.

    Whoever does not want to wait for its end, and interrupts again, leaves nothing behind either: what runs in another
    session hears no Ctrl-C.
    """
    try:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            deadline = time.monotonic() + _GRACE
            while time.monotonic() < deadline:
                process.poll()  # or the leader stays as a zombie, and the group is never gone
                try:
                    os.killpg(process.pid, 0)
                except ProcessLookupError:
                    return
                time.sleep(0.1)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Ends on SIGTERM as on Ctrl-C, so that no server is left behind."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: whoever is has to see to it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _direct() -> dict[str, str]:
    """Variables that make clients ask loopback directly, ours and those of programs that we start.

    Where HTTP_PROXY is set and NO_PROXY is not, they would ask the proxy for a server that only we can reach.
    """
    spared = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")  # the order in which urllib and httpx look
    if spared == "*":  # all of them; urllib takes that as it stands or not at all
        return dict.fromkeys(("no_proxy", "NO_PROXY"), spared)
    return dict.fromkeys(("no_proxy", "NO_PROXY"), f"{spared},{_HOST}" if spared else _HOST)


@contextlib.contextmanager
def variables(given: Mapping[str, str]) -> Iterator[None]:
    """This process, and whatever it starts meanwhile, has these environment variables."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def free_port() -> int:
    """A port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:])
