"""Commands that work in several processes: interrupted, and with a worker that dies."""

from __future__ import annotations

import functools
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import types
import weakref
from collections import Counter
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ordebug_plugin.parallel import call_each, run_each
from ordebug_plugin.workers import Lost, Workers
from tests.conftest import REPO


def square(number: int) -> int:
    time.sleep(0.02 * (number % 3))
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def test_results_come_in_order_and_a_lost_worker_is_a_named_loss() -> None:
    told: list[object] = []
    calls = [(number,) for number in range(12)]
    results = call_each(square, calls, workers=3, on_done=told.append)
    lost = Lost("the process that judged it died")
    assert results == told == [lost if number == 5 else number * number for number in range(12)]
    ends: dict[int, object] = {}
    run_each(square, calls, workers=3, on_end=ends.__setitem__)
    assert [ends[number] for number in range(12)] == results


def nap_or_die(number: int) -> int:
    if number == 400:
        time.sleep(3600.0)
    if number in (700, 701):
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_of_many_short_calls_only_those_that_hang_or_die_are_lost(enough: int) -> None:
    """Short calls wait behind each other by the dozen."""
    results: list[object] = [None] * 1000
    run_each(nap_or_die, [(number,) for number in range(1000)], workers=2, on_end=results.__setitem__, hang=enough)
    lost = {number: result for number, result in enumerate(results) if result != number}
    assert list(lost) == [400, 700, 701]
    assert f"did not return within {enough} s" in str(lost[400])
    assert lost[700] == lost[701] == Lost("the process that judged it died")


def echo(number: int, seconds: float = 0.0, _large: bytes = b"") -> int:
    time.sleep(seconds)
    return number


def worker_of(number: int) -> int:
    time.sleep(0.1 if 600 <= number < 632 else 0.0)
    return os.getpid()


def test_calls_behind_one_that_hangs_never_fill_its_pipe(enough: int) -> None:
    """Short ones of 16 kB each: while this process waited for room in the pipe, nobody would look at the time."""
    results: list[object] = [None] * 600
    calls = [(number, 3600.0 if number == 300 else 0.0, bytes(16_000)) for number in range(600)]
    options = {"workers": 1, "on_end": results.__setitem__, "hang": enough}
    thread = threading.Thread(target=run_each, args=(echo, calls), kwargs=options, daemon=True)
    thread.start()
    thread.join(20.0 * enough)
    assert [number for number, result in enumerate(results) if result != number] == [300]
    assert isinstance(results[300], Lost)


def half_an_answer() -> bytes:
    def send(pipe: Connection, data: bytes) -> None:
        os.write(pipe.fileno(), data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGSTOP)

    Connection._send = send
    return bytes(9)


def test_one_that_stands_still_in_the_midst_of_a_message_is_not_waited_for(enough: int) -> None:
    """Its time is looked at between messages; a call may be larger than a pipe, and an answer in parts."""
    results: list[object] = []

    def ask() -> None:
        with closing(Workers(1)) as workers:
            os.kill(workers.map(worker_of, [(0,)], 600.0)[0], signal.SIGSTOP)
            results.extend(workers.map(echo, [(7, 0.0, bytes(4_000_000))], enough))  # another does it
            results.extend(workers.map(half_an_answer, [()], enough))
            results.extend(workers.map(echo, [(8,)], enough))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(20.0 * enough)
    hung = Lost(f"Gurobi did not return within {enough} s (ORDEBUG_HANG sets the limit)")
    assert results == [7, hung, 8]


HOLD = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
print(libc.ptrace(0x4206, int(sys.argv[1]), None, 0x40), flush=True)  # PTRACE_SEIZE, PTRACE_O_TRACEEXIT
sys.stdin.read()
"""


def test_one_that_the_kernel_holds_when_it_is_killed_is_not_waited_for() -> None:
    """As on a network drive that is gone; here somebody who traces it keeps it from ending."""
    workers = Workers(1)
    (pid,) = workers.map(worker_of, [(0,)], 600.0)
    command = [sys.executable, "-c", HOLD, str(pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holds:
        assert holds.stdout is not None
        if int(holds.stdout.readline()) != 0:
            pytest.skip("nobody may trace a process here")
        closing_it = threading.Thread(target=workers.close, daemon=True)
        closing_it.start()
        closing_it.join(60.0)
        assert not closing_it.is_alive()
        assert Path(f"/proc/{pid}").exists()
    with closing(workers):
        assert workers.map(echo, [(5,)], 600.0) == [5]
    until = time.monotonic() + 60.0
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        subprocess.run([sys.executable, "-V"], stdout=subprocess.DEVNULL, check=True)  # which buries what has ended
    assert not Path(f"/proc/{pid}").exists()


def test_long_calls_that_wait_behind_each_other_are_handed_out_again() -> None:
    """Short ones before them had them wait by the dozen, while others were idle."""
    with closing(Workers(4)) as workers:
        slow = workers.map(worker_of, [(number,) for number in range(2000)], 60.0)[600:632]
    assert max(Counter(slow).values()) <= 12


def test_an_interrupt_while_another_is_dealt_with_leaves_no_answer_behind() -> None:
    """What a worker was asked before would be taken for what the next call asks."""
    left = 0

    def interrupt(_sign: int, frame: types.FrameType | None) -> None:
        nonlocal left
        while frame is not None and frame.f_code is not Workers.map.__code__:
            frame = frame.f_back
        if frame is not None and left:
            left -= 1
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with closing(Workers(2)) as workers:
            for number in range(10):
                workers.map(echo, [(0,), (1,)], 60.0)
                left = 1 + number % 4
                signal.setitimer(signal.ITIMER_REAL, 0.002 + 0.003 * (number % 3), 0.0002)
                with pytest.raises(KeyboardInterrupt):
                    workers.map(echo, [(1000 + place, 0.001) for place in range(1000)], 60.0)
                signal.setitimer(signal.ITIMER_REAL, 0.0)
                assert workers.map(echo, [(place,) for place in range(50)], 60.0) == [*range(50)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


class Again(BaseException):
    """A second interrupt."""


def test_an_interrupt_at_any_moment_while_another_is_dealt_with_leaves_nothing_locked() -> None:
    """Python looks for interrupts when a function has been entered or one of C has returned: here, at each of these."""
    moments = 0
    with closing(Workers(2)) as workers:

        def interrupt(_number: int, _result: object) -> None:
            left = moments

            def watch(_frame: types.FrameType, event: str, _what: object) -> None:
                nonlocal left
                left -= event in ("call", "c_return")
                if left < 0:
                    sys.setprofile(None)
                    raise Again

            sys.setprofile(watch)
            raise KeyboardInterrupt

        while True:
            try:
                workers.map(time.sleep, [(0,), (5,)], 60.0, interrupt)
            except Again:
                pass
            except KeyboardInterrupt:  # there was no such moment any more
                sys.setprofile(None)
                break
            results: list[int] = []
            ask = functools.partial(workers.map, abs, [(-2,), (-3,)], 60.0)
            thread = threading.Thread(target=lambda to=results, ask=ask: to.extend(ask()), daemon=True)
            thread.start()
            thread.join(60.0)
            assert results == [2, 3], moments
            moments += 1
    assert moments > 30


def test_what_was_asked_when_the_workers_are_closed_is_lost_by_name() -> None:
    told: dict[int, object] = {}
    results: list[object] = []
    with closing(Workers(2)) as workers:
        calls = [(number, 60.0 if number >= 2 else 0.0) for number in range(9)]
        thread = threading.Thread(target=lambda: results.extend(workers.map(echo, calls, 90.0, told.__setitem__)))
        thread.start()
        while len(told) < 2:
            time.sleep(0.01)
        workers.close()
        thread.join(60.0)
        assert results[:2] == [0, 1]
        assert len(results) == 9
        assert all(isinstance(result, Lost) for result in results[2:])
        assert [told[number] for number in range(9)] == results
        assert workers.map(echo, [(5,)], 60.0) == [5]


def test_what_is_closed_leaves_no_handle_and_is_forgotten() -> None:
    gc.collect()  # of tests before this one, which may end meanwhile
    before = len(os.listdir("/proc/self/fd"))
    gone = []
    for _ in range(3):
        workers = Workers(1)
        assert workers.map(echo, [(5,)], 60.0) == [5]
        workers.close()
        gone.append(weakref.ref(workers))
        del workers
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    assert [one() for one in gone] == [None] * 3


FORK = """
import os, sys, threading, time
from ordebug_plugin.workers import Workers
from tests.test_workers import echo

workers, results = Workers(2), []
workers.map(echo, [(number,) for number in range(9)], 60.0)
thread = threading.Thread(target=lambda: results.extend(workers.map(echo, [(0, 1.0), (1, 1.0)], 20.0)))
thread.start()
time.sleep(0.3)
if not (child := os.fork()):
    assert workers.map(echo, [(7,)], 60.0) == [7]
    sys.exit(0)  # with all that is done at an exit
code = os.waitpid(child, 0)[1]
thread.join()
print(code, results, workers.map(echo, [(number, 0.0, bytes(9)) for number in range(3)], 60.0), os.listdir(sys.argv[1]))
"""


def test_a_fork_leaves_the_workers_to_its_parent(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path)],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.stdout.startswith("0 [0, 1] [0, 1, 2] ['ordebug-tmp-"), run
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whom", ["command", "group"])
def test_an_interrupted_command_leaves_no_process_and_no_folder(
    tmp_path: Path, sign: signal.Signals, whom: str
) -> None:
    scratch, models = tmp_path / "scratch", tmp_path / "bench" / "models"
    scratch.mkdir()
    options = ["--n", "5000", "--families", "plans", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ordebug_plugin.cli", "bench", "make", str(tmp_path / "bench"), *options],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests run in the background of a script, the shell has children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # nothing but that
    )
    while process.poll() is None and not (models.is_dir() and len(list(models.iterdir())) >= 10):
        time.sleep(0.05)
    assert any(scratch.iterdir())
    (os.killpg if whom == "group" else os.kill)(process.pid, sign)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "ordebug: interrupted" in said
    assert "Traceback" not in said
    assert not members(process.pid)
    assert not any(scratch.iterdir())


def test_what_a_killed_command_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    """Ray kills the processes of its tasks, each of which has one of ours."""
    script = "import time; from ordebug_plugin.workers import Workers; Workers(2).map(time.sleep, [(2,)] * 99, 90)"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, start_new_session=True)
    until = time.monotonic() + 60
    while len(members(process.pid)) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    workers = set(members(process.pid)) - {str(process.pid)}
    assert len(workers) == 2
    (left,) = tmp_path.iterdir()
    list_folder = (
        "import os, sys; from ordebug_plugin.scratch import Scratch; Scratch(); print(os.listdir(sys.argv[1]))"
    )
    look = [sys.executable, "-c", list_folder, str(tmp_path)]
    seen = subprocess.run(look, env=environment, capture_output=True, text=True, check=True).stdout
    assert left.name in seen  # in use
    process.kill()
    process.wait()
    while members(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not members(process.pid)
    assert left.exists()
    seen = subprocess.run(look, env=environment, capture_output=True, text=True, check=True).stdout
    assert left.name not in seen
    assert not any(tmp_path.iterdir())


def test_ctrl_c_ends_a_command_that_waits_for_gurobi(tmp_path: Path) -> None:
    """Alone with one problem there is no worker, and Gurobi would answer Ctrl-C by ending its solve."""
    rng, rows, columns = random.Random(0), 5, 40
    text = "Minimize\n obj: x0\nSubject To\n"  # market split: no point, and nothing but search to see it
    for row in range(rows):
        weights = [rng.randrange(100) for _ in range(columns)]
        terms = " + ".join(f"{weight} x{column}" for column, weight in enumerate(weights))
        text += f" r{row}: {terms} = {sum(weights) // 2}\n"
    (tmp_path / "split.lp").write_text(text + "Binaries\n " + " ".join(f"x{c}" for c in range(columns)) + "\nEnd\n")
    out = tmp_path / "run"
    arguments = ["eval", str(tmp_path / "split.lp"), "--agent", "drop-first", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "ordebug_plugin.cli", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # as above
    )
    while process.poll() is None and not (out / "config.yaml").exists():
        time.sleep(0.05)
    time.sleep(1.0)  # most likely enough to be inside Gurobi; before that it must end likewise
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command starts again" in said


def members(group: int) -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit() and _group(name) == group]


def _group(pid: str) -> int | None:
    try:
        return os.getpgid(int(pid))
    except ProcessLookupError:
        return None
