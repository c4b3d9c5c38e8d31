"""Limits of the judge, each a named result: memory, an IIS cut short, conflicts below the tolerances, a stray file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.edits import Edits
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.errors import InputError, MemoryLimitError, ProblemError, SolverError
from ordebug_plugin.interval import FREE
from ordebug_plugin.problem import Problem
from ordebug_plugin.rollout import Rollout
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status
from tests.toys import CONFLICT, market_split, write_problem


def crowded(path: Path) -> Problem:
    """Easily refuted, but to shrink its conflict means to solve a hard model for each of its rows."""
    draw = random.Random(3)
    names = [f"x{i}" for i in range(28)]
    lines = ["Minimize", f" obj: {' + '.join(names)}", "Subject To"]
    for row in range(4):
        weights = [draw.randrange(100) for _ in names]
        terms = " + ".join(f"{weight} {name}" for weight, name in zip(weights, names, strict=True))
        lines.append(f" split{row}: {terms} = {sum(weights) // 2}")
    lines += [f" cover{row}: {' + '.join(draw.sample(names, 3))} <= 2" for row in range(150)]
    return write_problem(path, "\n".join([*lines, "Binary", " " + " ".join(names), "End", ""]))


def apart(path: Path, gap: float, *, whole: bool = False) -> Problem:
    """Two rows that contradict each other by a gap."""
    kind = "General\n x\n" if whole else ""
    text = (
        f"Minimize\n x + y\nSubject To\n high: x + y <= 4\n low: x + y >= {4 + gap:.15g}\nBounds\n x <= 10\n{kind}End\n"
    )
    return write_problem(path, text)


class TestIIS:
    def test_one_that_is_cut_short_is_flagged(self, tmp_path: Path) -> None:
        """And it is a conflict all the same: the rows in it admit no point."""
        problem = crowded(tmp_path / "crowded.lp")
        with Judge(work_limit=1.0) as judge:
            assert judge.solve(problem).status is Status.INFEASIBLE
            iis = judge.iis(problem)
            assert iis is not None
            assert not iis.minimal
            assert not judge.is_irreducible(problem)
            others = judge.shape(problem).rows.keys() - set(iis.rows)
            alone = Edits(rows=tuple(sorted((name, FREE) for name in others)))
            assert judge.solve(problem, alone).status is Status.INFEASIBLE

    def test_none_within_the_limit_is_none(self, tmp_path: Path) -> None:
        problem = write_problem(tmp_path / "split.lp", market_split())
        with Judge(work_limit=0.05) as judge:
            assert judge.solve(problem).status is Status.LIMIT
            assert judge.iis(problem) is None
            assert not judge.is_irreducible(problem)

    def test_one_that_our_patience_ends_is_no_answer(self, tmp_path: Path) -> None:
        """Another machine would have got further, so that it must not be shown, and not remembered."""
        problem = crowded(tmp_path / "crowded.lp")
        with Judge(patience=0.05) as judge, pytest.raises(SolverError, match="did not return in time"):
            judge.iis(problem)


class TestMemory:
    @pytest.mark.parametrize("limit", ["MemLimit", "SoftMemLimit"])
    def test_it_is_named_and_no_verdict(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        problem = write_problem(tmp_path / "split.lp", market_split())
        (tmp_path / "limits.prm").write_text(f"# gigabytes\n{limit} 0.001\n")
        monkeypatch.setenv("ORDEBUG_GUROBI", str(tmp_path / "limits.prm"))
        with Judge(work_limit=1.0) as judge:
            with pytest.raises(MemoryLimitError, match=r"split\.lp.*memory limit"):
                judge.solve(problem)
            with pytest.raises(MemoryLimitError, match="memory limit"):
                judge.iis(problem)
            with pytest.raises(MemoryLimitError, match="memory limit"):
                judge.infeasibility(problem)
            lost = Rollout(RepairEnv(judge, problem)).start()
        assert "MemoryLimitError" in (lost.error or "")  # type: ignore[union-attr]  # an episode lost to infrastructure
        assert main(["repair", str(problem.path), "--out", str(tmp_path / "out.lp")]) == 3
        assert "memory limit" in capsys.readouterr().err

    def test_the_judge_goes_on_with_models_that_fit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GRB_SOFTMEMLIMIT", "0.001")
        with Judge(work_limit=1.0) as judge:
            with pytest.raises(MemoryLimitError):
                judge.solve(write_problem(tmp_path / "split.lp", market_split()))
            assert judge.solve(write_problem(tmp_path / "toy.lp", CONFLICT)).status is Status.INFEASIBLE


class TestHairlines:
    @pytest.mark.parametrize("whole", [False, True])
    @pytest.mark.parametrize("gap", [1.0, 1e-3, 1e-5, 2e-6])
    def test_above_the_tolerances_it_is_a_conflict(
        self, judge: Judge, tmp_path: Path, gap: float, *, whole: bool
    ) -> None:
        problem = apart(tmp_path / "m.lp", gap, whole=whole)
        assert judge.solve(problem).status is Status.INFEASIBLE
        iis = judge.iis(problem)
        assert iis is not None
        assert (iis.rows, iis.minimal) == (("high", "low"), True)
        assert judge.infeasibility(problem) == pytest.approx(gap, rel=1e-3)

    @pytest.mark.parametrize("whole", [False, True])
    @pytest.mark.parametrize("gap", [9e-7, 1e-7, 1e-8])
    def test_within_them_it_is_named(self, judge: Judge, tmp_path: Path, gap: float, *, whole: bool) -> None:
        problem = apart(tmp_path / "m.lp", gap, whole=whole)
        assert judge.solve(problem).status is Status.OPTIMAL
        assert judge.is_hairline(problem)
        with pytest.raises(ProblemError, match=r"feasible within Gurobi's tolerances .* infeasible with 1e-9"):
            RepairEnv(judge, problem).reset()

    @pytest.mark.parametrize("gap", [1e-9, 1e-10, 1e-12, 0.0])
    def test_below_what_gurobi_can_tell_it_is_feasible(self, judge: Judge, tmp_path: Path, gap: float) -> None:
        problem = apart(tmp_path / "m.lp", gap)
        assert judge.solve(problem).status is Status.OPTIMAL
        assert not judge.is_hairline(problem)
        with pytest.raises(ProblemError, match="there is nothing to repair"):
            RepairEnv(judge, problem).reset()

    def test_asking_changes_nothing(self, judge: Judge, tmp_path: Path) -> None:
        problem = apart(tmp_path / "m.lp", 1.0)
        before = judge.solve(problem), judge.iis(problem)
        assert not judge.is_hairline(problem, Edits(rows=(("low", FREE),)))
        with Judge() as fresh:
            assert (fresh.solve(problem), fresh.iis(problem)) == before


def test_a_stray_gurobi_env_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gurobi would take any parameter from it, and write where it says."""
    problem = write_problem(tmp_path / "toy.lp", CONFLICT)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gurobi.env").write_text("FeasibilityTol 1e-2\nLogFile evil.log\n")
    with pytest.raises(InputError, match=r"gurobi\.env"):
        Judge()
    assert main(["repair", str(problem.path), "--out", "out.lp"]) == 2
    assert "gurobi.env" in capsys.readouterr().err
    assert not (tmp_path / "evil.log").exists()
