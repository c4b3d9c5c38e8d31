"""The command line: `ordebug …`. The one place where errors become messages and exit codes."""

from __future__ import annotations

import argparse
import atexit
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from ordebug_plugin import __version__
from ordebug_plugin.commands import (
    bench,
    compare,
    data,
    doctor,
    evaluate,
    graduate,
    judge,
    passk,
    plan,
    postmortem,
    predict,
    preflight,
    repair,
    replay,
    reward,
    score,
    sweep,
)
from ordebug_plugin.commands.common import LOG, Subparsers
from ordebug_plugin.commands.parser import Parser
from ordebug_plugin.errors import OrdebugError

_EXIT_CODES = """exit codes:
  0  done
  1  done, with findings: rows refused, episodes lost, checks failed
  2  bad input: an option, a file, a row of data
  3  the solver cannot work: licence, size limit, internal error
  4  a server cannot be reached
  130  interrupted"""

# Exit code after Ctrl-C or SIGTERM; what was finished is kept.
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code, as in ``ordebug --help``.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except OrdebugError as error:
        LOG.print(f"ordebug: {error}", style="red")
        return error.exit_code
    except KeyboardInterrupt:
        LOG.print("ordebug: interrupted", style="red")
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output (head, less) has seen enough
        sys.stderr.close()
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ordebug",
        description="Language models that repair infeasible optimization models, judged by Gurobi.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = Subparsers(parser)
    for command in (
        evaluate,
        compare,
        score,
        replay,
        repair,
        judge,
        postmortem,
        passk,
        predict,
        sweep,
        plan,
        bench,
        data,
        reward,
        preflight,
        graduate,
        doctor,
    ):
        command.add_parser(commands)
    return parser


def entry() -> NoReturn:
    """The program `ordebug`. It ends on SIGTERM as on Ctrl-C: what is finished is kept, and workers are ended, too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):  # a sign that it cannot show must not end a command that did its work
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = main()
    if code == _INTERRUPTED:
        # Threads may wait for a server for minutes; what they would bring is given up, and all that counts is on disk.
        atexit._run_exitfuncs()  # folders of our own that are gone at the end; it does not wait for threads
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    entry()
