"""The judge beside HiGHS: the same on drawn models, and explained or named where they cannot be the same.

`ORDEBUG_CROSSCHECKS=1000 pytest tests/test_crosscheck.py -s` asks about as many models as one likes.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ordebug_plugin import highs
from ordebug_plugin.cli import main
from ordebug_plugin.crosscheck import Agreement, cross_check
from ordebug_plugin.edits import NO_EDITS
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status
from tests import drawn
from tests.served import write_bench
from tests.test_differential import after
from tests.test_solver_limits import apart
from tests.toys import CONFLICT, RANGES, UNBOUNDED_WITHOUT_HIGH, market_split, write_problem

MODELS = int(os.environ.get("ORDEBUG_CROSSCHECKS", "60"))
BIG = "Minimize\n obj: x0\nSubject To\n{rows}\n cap: x5 <= {cap}\nEnd\n"
ROWS = "\n".join(f" r{i}: x{i} >= {i}" for i in range(2100))


def test_drawn_models_under_drawn_actions(judge: Judge, tmp_path: Path) -> None:
    """LPs and MIPs, ranges, equalities, free and fixed variables, empty rows; curved ones are not checked."""
    found: Counter[str] = Counter()
    for seed in range(MODELS):
        rng = random.Random(f"cross/{seed}")
        model = drawn.draw(rng)
        problem = write_problem(tmp_path / "drawn.mps", drawn.mps(model))
        edits, state, fixed = NO_EDITS, model, set[str]()
        for turn in range(4):
            check = cross_check(judge, problem, edits, state=f"{seed}/{turn}")
            found[check.agreement] += 1
            assert check.agreement is not Agreement.CONTRADICTION, check
            assert (check.agreement is Agreement.NOT_CHECKED) == model.is_curved, check
            if check.gurobi is not None and check.agreement is Agreement.SAME:
                found[check.gurobi.status] += 1
            text, state = drawn.draw_action(rng, model, state, fixed)
            edits = after(judge, problem, edits, text)
    print(dict(found))
    assert min(found[Agreement.SAME], found[Status.OPTIMAL], found[Status.INFEASIBLE], found[Status.UNBOUNDED]) > 0
    assert found[Agreement.SAME] > 0.95 * (4 * MODELS - found[Agreement.NOT_CHECKED])


def test_ranges_as_the_file_has_them(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "ranges.mps", RANGES)
    assert cross_check(judge, problem, state="").agreement is Agreement.SAME
    dropped = after(judge, problem, NO_EDITS, "DROP_CONSTRAINT(need)")
    assert cross_check(judge, problem, dropped, state="").agreement is Agreement.SAME


def test_unbounded_is_told_from_infeasible(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "m.lp", UNBOUNDED_WITHOUT_HIGH)
    check = cross_check(judge, problem, after(judge, problem, NO_EDITS, "DROP_CONSTRAINT(high)"), state="")
    assert check.highs is not None
    assert (check.highs.status, check.agreement) == (Status.UNBOUNDED, Agreement.SAME)


def test_a_hair_between_the_tolerances_is_explained(judge: Judge, tmp_path: Path) -> None:
    """Gurobi's rows may be violated by 1e-6, those of HiGHS by 1e-7."""
    seen = {gap: cross_check(judge, apart(tmp_path / "m.lp", gap), state="") for gap in (1e-3, 9e-7, 1e-9)}
    assert [check.agreement for check in seen.values()] == [Agreement.SAME, Agreement.TOLERANCE, Agreement.SAME]
    assert "its tolerance of 1e-6 alone" in seen[9e-7].reason


def test_a_limit_is_no_contradiction(tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "split.lp", market_split())
    with Judge(work_limit=0.01) as judge:
        check = cross_check(judge, problem, state="", seconds=0.5)
    assert check.agreement is Agreement.UNDECIDED
    assert check.reason == "Gurobi and HiGHS met a limit"


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("Minimize\n x\nSubject To\n q: [ x ^2 + y ^2 ] <= -1\nBounds\n x <= 9\nEnd\n", "1 quadratic constraints"),
        ("Minimize\n x\nSubject To\n r: x + y >= 3\nSOS\n s: S1:: x:1 y:2\nEnd\n", "1 SOS constraints"),
        ("Minimize\n x\nSubject To\n r: y >= 3\nGeneral Constraints\n g: y = MAX ( x , 2 )\nEnd\n", "1 general"),
    ],
)
def test_what_is_not_linear_is_not_checked(judge: Judge, tmp_path: Path, text: str, missing: str) -> None:
    check = cross_check(judge, write_problem(tmp_path / "m.lp", text), state="")
    assert (check.agreement, check.highs) == (Agreement.NOT_CHECKED, None)
    assert missing in check.reason


def test_semi_continuous_variables_are(judge: Judge, tmp_path: Path) -> None:
    text = "Minimize\n x + y\nSubject To\n r: x + y >= 1\nBounds\n 2 <= x <= 4\n y <= 0.5\nSemi-continuous\n x\nEnd\n"
    check = cross_check(judge, write_problem(tmp_path / "m.lp", text), state="")
    assert check.agreement is Agreement.SAME
    assert check.highs is not None
    assert check.highs.objective == pytest.approx(2.0)


@pytest.mark.parametrize(("cap", "status"), [(1, Status.INFEASIBLE), (7, Status.OPTIMAL)])
def test_beyond_the_licence_there_is_a_verdict(judge: Judge, tmp_path: Path, cap: int, status: Status) -> None:
    problem = write_problem(tmp_path / "big.lp", BIG.format(rows=ROWS, cap=cap))
    check = cross_check(judge, problem, state="")
    assert check.highs is not None
    assert (check.gurobi, check.highs.status, check.agreement) == (None, status, Agreement.HIGHS_ALONE)


def test_violations_are_measured(judge: Judge, tmp_path: Path) -> None:
    arrays = judge.arrays(write_problem(tmp_path / "m.lp", CONFLICT))
    assert arrays.violation(np.array([5.0, 0.0])) == 3.0  # `high` wants x <= 2
    assert arrays.violation(np.array([2.0, 51.0])) == 3.0  # `low` wants x >= 5; the bound is passed by 1
    assert highs.solve(arrays).verdict.status is Status.INFEASIBLE


class TestCommands:
    def test_bench_check_of_a_model_beyond_the_licence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        big = write_problem(tmp_path / "big.lp", BIG.format(rows=ROWS, cap=1))
        out = tmp_path / "check.json"
        command = ["bench", "check", str(big.path), "--cross-check", "highs", "--workers", "1", "--json", str(out)]
        assert main(command) == 1  # Gurobi could not prove it
        assert "big as loaded: HiGHS alone; HiGHS: INFEASIBLE (the model is larger" in capsys.readouterr().out
        record = json.loads(out.read_text())["cross_check"]
        assert record["counts"]["HiGHS alone"] == 1
        assert record["solver"].startswith("HiGHS of scipy")

    def test_bench_check_asks_about_the_fix_too(self, toy_bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bench", "check", str(toy_bench), "--cross-check", "highs", "--workers", "0"]) == 0
        assert "of 2 verdicts 2 same" in capsys.readouterr().out

    def test_replay(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        bench, run = write_bench(tmp_path / "bench", 2), tmp_path / "run"
        assert main(["eval", str(bench), "--agent", "drop-first", "--out", str(run)]) == 0
        capsys.readouterr()
        assert main(["replay", str(run), "--cross-check", "highs", "--workers", "1"]) == 0
        assert "of 4 verdicts 4 same" in capsys.readouterr().out  # two models, as loaded and with a row dropped
        assert main(["replay", str(run), "--cross-check", "highs", "--workers", "1", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["cross_check"]["counts"]["same"] == 4
