"""Ending a process that we have started, whatever interrupts that."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

_FAREWELL = 5.0  # seconds; a killed process ends within milliseconds


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Kills a process, if it has not been waited for."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and waits for its end, but not for ever: a call of the kernel may hold it for so long.

    One that is given up here is waited for by the `Popen` that comes after its end.

    Without `Popen.kill` and `Popen.wait`: an interrupt in the one may leave a lock taken, and the other would then wait
    for it.
    """
    stop_process(process)
    until = time.monotonic() + _FAREWELL
    while process.returncode is None and time.monotonic() < until:
        try:
            ended = os.waitpid(process.pid, os.WNOHANG)[0]
        except ChildProcessError:  # an interrupt came between, the last time
            ended = process.pid
        if ended:
            process.returncode = -signal.SIGKILL
        else:
            time.sleep(_FAREWELL / 5_000)
