"""The store of answers: what is said with it is what is said without, whatever happened to its file."""

from __future__ import annotations

import json
import logging
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ordebug_plugin.answers import STORED, dump_answer, load_answer
from ordebug_plugin.cli import main
from ordebug_plugin.edits import NO_EDITS, Edits
from ordebug_plugin.errors import InputError, SolverError
from ordebug_plugin.interval import FREE
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.store import FILE
from ordebug_plugin.verdict import Status
from tests import drawn
from tests.served import episodes_of, write_bench
from tests.test_differential import after
from tests.toys import CONFLICT, market_split, write_problem

SEQUENCES = int(os.environ.get("ORDEBUG_STORED", "40"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORDEBUG_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def conflict(tmp_path: Path) -> Problem:
    return write_problem(tmp_path / "conflict.lp", CONFLICT)


def rows_of(store: Path) -> int:
    with sqlite3.connect(store / FILE) as base:
        return int(base.execute("SELECT COUNT(*) FROM answers").fetchone()[0])


def ask(judge: Judge, problem: Problem, edits: Edits, question: str) -> object:
    """An answer, or that there is none: an audit of a model without a point fails."""
    try:
        return getattr(judge, question)(problem, edits)
    except SolverError as error:
        return str(error)


QUESTIONS = ("solve", "iis", "is_irreducible", "is_hairline", "relaxation", "infeasibility", "audit")


def test_random_sequences_of_questions(store: Path, tmp_path: Path) -> None:
    """Three judges: without a store, with an empty one, and with what that one kept; in another order of questions."""
    for seed in range(SEQUENCES):
        rng = random.Random(f"store/{seed}")
        model = drawn.draw(rng)
        problem = write_problem(tmp_path / "drawn.mps", drawn.mps(model))
        with Judge(stored=False) as plain, Judge() as first, Judge(ledger=True) as second:
            edits, state, fixed = NO_EDITS, model, set[str]()
            for _ in range(4):
                asked = rng.sample(QUESTIONS, len(QUESTIONS))
                expected = {question: ask(plain, problem, edits, question) for question in QUESTIONS}
                for judge in (first, second):
                    found = {question: ask(judge, problem, edits, question) for question in asked}
                    for question in QUESTIONS:
                        assert repr(found[question]) == repr(expected[question]), (seed, edits, question)
                    asked.reverse()
                text, state = drawn.draw_action(rng, model, state, fixed)
                edits = after(plain, problem, edits, text)
            assert not second.calls  # Gurobi was not asked once
    assert rows_of(store) > SEQUENCES


def test_a_run_is_the_same_byte_for_byte(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = write_bench(tmp_path / "bench", 6)
    runs = [tmp_path / "without", tmp_path / "first", tmp_path / "second"]
    for run in runs:
        if run.name == "without":
            monkeypatch.delenv("ORDEBUG_STORE")
        else:
            monkeypatch.setenv("ORDEBUG_STORE", str(store))
        assert main(["eval", str(bench), "--agent", "relax-minimal", "--out", str(run), "--workers", "2"]) == 0
    written = [sorted(map(json.dumps, episodes_of(run))) for run in runs]
    assert written[0] == written[1] == written[2]
    kept = rows_of(store)
    assert main(["replay", str(runs[2]), "--workers", "1"]) == 0
    assert rows_of(store) == kept  # a replay asks Gurobi, and keeps to itself


class TestDamage:
    """Whatever stands in the file, the answer is Gurobi's."""

    @pytest.mark.parametrize(
        "change",
        [
            "answer = replace(answer, 'INFEASIBLE', 'OPTIMAL')",
            "answer = '[\"OPTIMAL\",1.0]'",
            "answer = 'no JSON'",
            "answer = x'00ff'",
            "answer = NULL",
            "digest = 'short'",
        ],
    )
    def test_an_answer_that_was_changed(
        self, store: Path, conflict: Problem, caplog: pytest.LogCaptureFixture, change: str
    ) -> None:
        with Judge() as judge:
            expected = judge.solve(conflict)
        base = sqlite3.connect(store / FILE, isolation_level=None)
        if "NULL" in change:
            base.execute("PRAGMA writable_schema = 1")
            base.execute("UPDATE sqlite_master SET sql = replace(sql, 'TEXT NOT NULL', 'TEXT')")
            base.close()
            base = sqlite3.connect(store / FILE, isolation_level=None)
        base.execute(f"UPDATE answers SET {change}")
        base.close()
        with Judge() as judge, caplog.at_level(logging.WARNING):
            assert judge.solve(conflict) == expected
        assert "is damaged and is asked again" in caplog.text
        caplog.clear()
        with Judge(ledger=True) as judge:
            assert judge.solve(conflict) == expected
            assert not judge.calls  # it was written anew
        assert not caplog.text

    @pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be taken for one" * 99])
    def test_a_file_that_is_none(
        self, store: Path, conflict: Problem, caplog: pytest.LogCaptureFixture, content: bytes
    ) -> None:
        store.mkdir()
        (store / FILE).write_bytes(content)
        with Judge() as judge:
            assert judge.solve(conflict).status is Status.INFEASIBLE
        assert ("is not used" in caplog.text) == bool(content)

    def test_a_file_cut_in_half(self, store: Path, tmp_path: Path) -> None:
        problems = [write_problem(tmp_path / f"{n}.lp", CONFLICT + f"\\ {n}\n") for n in range(200)]
        with Judge() as judge:
            expected = [judge.relaxation(problem) for problem in problems]
        path = store / FILE
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with Judge() as judge:
            assert [judge.relaxation(problem) for problem in problems] == expected


def test_the_folder_is_bounded(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ORDEBUG_STORE_MB", "1")
    problem = write_problem(
        tmp_path / "m.lp",
        "Minimize\n x\nSubject To\n"
        + "".join(f" a{'y' * 200}{n}: x >= {n}\n" for n in range(100))
        + " cap: x <= -1\nEnd\n",
    )
    with Judge() as judge:
        names = list(judge.shape(problem).rows)
        for n in range(100):
            dropped = Edits(rows=tuple(sorted((name, FREE) for name in names[:n])))
            judge.relaxation(problem, dropped)
            judge.infeasibility(problem, dropped)
    assert (store / FILE).stat().st_size <= 1 << 20
    assert 0 < rows_of(store) < 200
    assert not caplog.text


def test_what_decides_answers_is_in_the_key(store: Path, tmp_path: Path) -> None:
    """A limit that was met with less work is no answer to whoever allows more; a failure is no answer at all."""
    problem = write_problem(tmp_path / "split.lp", market_split(16))
    with Judge(patience=0.001, work_limit=20.0) as judge, pytest.raises(SolverError):
        judge.solve(problem)
    assert rows_of(store) == 0
    with Judge(work_limit=0.001) as judge:
        judge.solve(problem)
    with Judge(work_limit=0.002, ledger=True) as judge:
        judge.solve(problem)
        assert len(judge.calls) == 1


def test_several_processes_at_once(store: Path, tmp_path: Path) -> None:
    for n in range(40):
        write_problem(tmp_path / f"{n}.lp", CONFLICT + f"\\ {n}\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from ordebug_plugin.problem import load_problem; from ordebug_plugin.solver import Judge\n"
        "with Judge() as judge:\n"
        "    for n in range(40):\n"
        "        problem = load_problem(Path(sys.argv[1]) / f'{n}.lp')\n"
        "        assert judge.solve(problem).status == 'INFEASIBLE' and len(judge.iis(problem).rows) == 2\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert not any("not used" in one or "damaged" in one for one in said), said
    assert rows_of(store) == 80


@pytest.mark.parametrize("size", ["0", "-1", "much"])
def test_a_size_that_is_none(store: Path, monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setenv("ORDEBUG_STORE_MB", size)
    with pytest.raises(InputError, match="ORDEBUG_STORE_MB"):
        Judge()


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ORDEBUG_STORE", str(tmp_path / "file" / "store"))
    with pytest.raises(InputError, match="ORDEBUG_STORE"):
        Judge()


@pytest.mark.parametrize("question", sorted(STORED))
@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", '"x"', "[[[[]]]]", "[null,null]", '["NO_STATUS",1]', "1e999"])
def test_what_is_no_answer_is_refused(question: str, text: str) -> None:
    if (question, text) == ("infeasibility", "1e999"):
        assert load_answer(question, text) == float("inf")
        return
    with pytest.raises(ValueError):  # noqa: PT011  # a message for each would say nothing
        load_answer(question, text)


def test_every_digit_is_kept() -> None:
    for value in (0.1 + 0.2, 1e-300, float("inf"), -0.0):
        assert repr(load_answer("infeasibility", dump_answer(value))) == repr(value)
