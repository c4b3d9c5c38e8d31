"""Gurobi that does not return: killed within its limit wherever a judge works, and a failure of infrastructure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.edits import NO_EDITS, Edits
from ordebug_plugin.errors import InputError, ProblemError, SolverError
from ordebug_plugin.guarded import GuardedJudge, hang_limit, make_judge, no_start, start_limit
from ordebug_plugin.interval import Interval
from ordebug_plugin.parallel import judge_of
from ordebug_plugin.problem import Problem
from ordebug_plugin.restoration import Restoration
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status
from tests.served import arguments, episodes_of, thoughtful, write_bench
from tests.test_chat import server
from tests.toys import CONFLICT, market_split, write_problem


def hard(path: Path) -> Problem:
    """A model that Gurobi needs minutes for, and more."""
    return write_problem(path, market_split())


# Processes that tests before this one have left to wait for more work.
_OLD: set[int] = set()


def children(what: str) -> list[int]:
    """Processes that this test has started, by what they run."""
    command = ["pgrep", "-P", str(os.getpid()), "-f", what]
    found = subprocess.run(command, check=False, stdout=subprocess.PIPE).stdout.split()
    return [pid for pid in map(int, found) if pid not in _OLD]


@pytest.fixture(autouse=True)
def _judges_of_its_own() -> Iterator[None]:
    """No test here gets a judge, or a process, of another, nor leaves its own with its short limits."""
    judge_of.cache_clear()
    _OLD.clear()
    _OLD.update(children(""))
    yield
    judge_of.cache_clear()


@contextmanager
def stopping(what: str) -> Iterator[list[int]]:
    """Stops the first process of this one that runs something, as soon as it is there: it never answers again."""
    over, stopped = threading.Event(), list[int]()

    def look() -> None:
        while not over.is_set() and not stopped:
            for pid in children(what):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
            time.sleep(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield stopped
    finally:
        over.set()
        thread.join()


@pytest.fixture
def conflict(tmp_path: Path) -> Problem:
    return write_problem(tmp_path / "conflict.lp", CONFLICT)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, enough: int) -> int:
    """A question may take few seconds: so many."""
    monkeypatch.setenv("ORDEBUG_HANG", str(enough))
    return enough


def test_it_says_what_the_plain_judge_says(conflict: Problem, tmp_path: Path) -> None:
    relaxed = Edits(rows=(("low", Interval(1.0, float("inf"))),))
    with Judge(ledger=True) as plain, GuardedJudge(ledger=True) as guarded:
        for judge in (plain, guarded):
            assert judge.shape(conflict) == plain.shape(conflict)
        assert dict(guarded.shape(conflict).terms) == dict(plain.shape(conflict).terms)
        questions = [
            lambda judge: judge.solve(conflict),
            lambda judge: judge.iis(conflict),
            lambda judge: judge.is_irreducible(conflict),
            lambda judge: judge.relaxation(conflict),
            lambda judge: judge.infeasibility(conflict, NO_EDITS),
            lambda judge: judge.solve(conflict, relaxed),
            lambda judge: judge.audit(conflict, relaxed),
            lambda judge: judge.terms(conflict, ["low"]),
            lambda judge: judge.outline(conflict),
            lambda judge: judge.others(conflict),
            lambda judge: judge.written(conflict, relaxed, ".mps"),
            lambda judge: judge.restored(conflict, Restoration()),
            lambda judge: judge.can_hold(conflict, Restoration(), 1.0),
            lambda judge: judge.parameters,
            lambda judge: [(call.question, call.edits, call.answer) for call in judge.calls],
        ]
        for ask in questions:
            assert ask(guarded) == ask(plain)
        (tmp_path / "no.lp").write_text("no model")
        with pytest.raises(ProblemError, match="cannot read"):
            guarded.solve(Problem("no", tmp_path / "no.lp", "0" * 64))


def test_a_model_that_does_not_return_in_time(tmp_path: Path, conflict: Problem, enough: int) -> None:
    """A real solve beyond its limit; the judge goes on with another process."""
    problem = hard(tmp_path / "hard.lp")
    with GuardedJudge(work_limit=1000.0, hang=enough) as judge:
        began = time.monotonic()
        with pytest.raises(SolverError, match=rf"hard\.lp: Gurobi did not return within {enough} s \(ORDEBUG_HANG"):
            judge.solve(problem)
        assert time.monotonic() - began < 60  # and not the quarter of an hour that the work limit allows
        assert judge.solve(conflict).status is Status.INFEASIBLE
    assert not children("workers import serve")


def test_where_a_process_is_killed_it_needs_no_other(conflict: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_judge() as judge:
        assert isinstance(judge, GuardedJudge)
    monkeypatch.setenv("ORDEBUG_KILLABLE", "1")
    with make_judge() as judge:
        assert not isinstance(judge, GuardedJudge)
        assert judge.solve(conflict).status is Status.INFEASIBLE


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_a_limit_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ORDEBUG_HANG", text)
    with pytest.raises(InputError, match="ORDEBUG_HANG must be a number of seconds above 0"):
        hang_limit(60.0)


def test_a_limit_too_short_for_a_start_is_named_as_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDEBUG_HANG", "0.01")
    with pytest.raises(
        SolverError, match=r"start within 0\.01 s, with the licence .*\. ORDEBUG_HANG=0\.01 allows no more"
    ):
        GuardedJudge()
    monkeypatch.setenv("ORDEBUG_HANG", "600")
    assert "ORDEBUG_HANG" not in str(no_start(start_limit(hang_limit(60.0))))  # the limit is not the user's


def test_the_limit_grows_with_the_work_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDEBUG_HANG", raising=False)
    assert (hang_limit(1.0), hang_limit(60.0), hang_limit(600.0)) == (1800.0, 1800.0, 18_000.0)


@pytest.mark.usefixtures("short")
class TestCommands:
    def test_repair(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], short: int) -> None:
        problem = hard(tmp_path / "hard.lp")
        assert main(["repair", str(problem.path), "--out", str(tmp_path / "out.lp"), "--work-limit", "1000"]) == 3
        assert f"Gurobi did not return within {short} s" in capsys.readouterr().err
        assert not (tmp_path / "out.lp").exists()

    def test_judge(self, tmp_path: Path, conflict: Problem, capsys: pytest.CaptureFixture[str], short: int) -> None:
        repaired = hard(tmp_path / "repaired.lp")
        assert main(["judge", str(conflict.path), str(repaired.path), "--work-limit", "1000"]) == 3
        assert f"Gurobi did not return within {short} s" in capsys.readouterr().err

    @pytest.mark.parametrize("command", ["repair", "judge"])
    def test_a_process_that_stops(
        self, tmp_path: Path, conflict: Problem, capsys: pytest.CaptureFixture[str], command: str, short: int
    ) -> None:
        more = ["--out", str(tmp_path / "out.lp")] if command == "repair" else [str(conflict.path)]
        with stopping("workers import serve") as stopped:
            assert main([command, str(conflict.path), *more]) == 3
        assert f"Gurobi did not start within {short} s" in capsys.readouterr().err
        with pytest.raises(ProcessLookupError):
            os.kill(stopped[0], 0)

    def test_bench_make(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], short: int) -> None:
        """Also without workers."""
        with stopping("workers import serve"):
            assert main(["bench", "make", str(tmp_path / "bench"), "--n", "1", "--workers", "0"]) == 3
        assert f"Gurobi did not start within {short} s" in capsys.readouterr().err

    @pytest.mark.parametrize("workers", ["0", "1"])
    def test_replay(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        workers: str,
        short: int,
    ) -> None:
        bench, run = write_bench(tmp_path / "bench", 2), tmp_path / "run"
        with monkeypatch.context() as patient:  # on a busy machine a start alone may take two seconds
            patient.delenv("ORDEBUG_HANG")
            assert main(["eval", str(bench), "--agent", "drop-first", "--out", str(run)]) == 0
        with stopping("workers import serve"):
            assert main(["replay", str(run), "--workers", workers]) == 3
        assert f"Gurobi did not start within {short} s" in capsys.readouterr().err

    def test_one_episode_at_a_time_of_a_served_model(self, tmp_path: Path, short: int) -> None:
        """Concurrency 1 is the default, and was judged in a thread that nobody could kill."""
        bench, out = write_bench(tmp_path / "bench", 3), tmp_path / "run"
        stopped: list[int] = []

        def respond(number: int, body: dict[str, object]) -> tuple[int, object]:
            if number == 2:
                stopped.extend(children("seats import serve"))
                os.kill(stopped[0], signal.SIGSTOP)
            return thoughtful(number, body)

        with server(respond) as (url, _):
            assert main(arguments(bench, url, out)) == 1
            lost = [one["error"] for one in episodes_of(out) if one["outcome"] is None]
            assert len(lost) == 1
            assert f"did not answer within {short} s (ORDEBUG_HANG)" in lost[0]
            assert main(arguments(bench, url, out, "--resume")) == 0
        assert all(one["outcome"] == "recovered" for one in episodes_of(out))

    def test_a_problem_that_hangs_a_worker(self, tmp_path: Path, short: int) -> None:
        """The limit is that of two questions there; the other problem is checked."""
        bench = write_bench(tmp_path / "bench", 2)
        index = json.loads((bench / "dataset.json").read_text())
        hard(bench / index["problems"][1]["model_file"])
        report = tmp_path / "report.json"
        command = ["bench", "check", str(bench), "--workers", "2", "--work-limit", "1000", "--json", str(report)]
        assert main(command) == 1
        assert (
            report.read_text().count(f"Gurobi did not return within {2 * short} s (ORDEBUG_HANG sets the limit)") == 1
        )

    def test_a_problem_that_hangs_a_built_in_agent(self, tmp_path: Path) -> None:
        """The others are judged, and the rest of the benchmark with them."""
        bench, out = write_bench(tmp_path / "bench", 3), tmp_path / "run"
        index = json.loads((bench / "dataset.json").read_text())
        hard(bench / index["problems"][1]["model_file"])
        command = ["eval", str(bench), "--agent", "drop-first", "--work-limit", "1000", "--out", str(out)]
        command += ["--max-steps", "2"]  # each has the limit of a question
        assert main(command) == 1
        outcomes = [one["outcome"] for one in episodes_of(out)]
        assert sorted(map(str, outcomes)) == ["None", "recovered", "recovered"]
