"""Every kind of wrong label is caught by name, a right one never is, and what cannot be checked is not called wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.errors import SolverError
from ordebug_plugin.generate import make_benchmark
from ordebug_plugin.parallel import judge_of
from ordebug_plugin.restoration import Kind, KindChange, Restoration, SenseChange, read_restoration
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status, Verdict
from ordebug_plugin.verify.benchmark import BenchmarkCheck, check_benchmark
from ordebug_plugin.verify.facts import find_facts
from ordebug_plugin.verify.finding import Check, Ruling
from tests.toys import CONFLICT, FEASIBLE, PLANS, write_problem

N = 40
Record = dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("check") / "bench"
    make_benchmark(out, n=N, seed=11, wanted=PLANS)
    return out


def relabelled(made: Path, out: Path, change: Callable[[list[Record]], None]) -> Path:
    """A copy of the benchmark with other labels."""
    shutil.copytree(made, out)
    index = json.loads((out / "dataset.json").read_text())
    change(index["problems"])
    (out / "dataset.json").write_text(json.dumps(index))
    return out


def toy(out: Path, text: str = CONFLICT, **record: object) -> Path:
    """A benchmark of one toy under the given labels."""
    out.mkdir()
    (out / "toy.lp").write_text(text)
    problem = {"problem_id": "toy", "model_file": "toy.lp", **record}
    (out / "dataset.json").write_text(json.dumps({"problems": [problem]}))
    return out


def ruling(check: BenchmarkCheck, name: Check) -> tuple[Ruling, str]:
    (found,) = (finding for finding in check.proofs[0].findings if finding.check is name)
    return found.ruling, found.reason


class TestOwnBenchmarks:
    def test_every_instance_is_proven_again(self, made: Path) -> None:
        check = check_benchmark(made)
        assert check.count(Ruling.PROVEN) == N
        assert not check.wrong
        assert all(finding.ruling is Ruling.PROVEN for proof in check.proofs for finding in proof.findings)

    def test_the_number_of_workers_changes_nothing(self, made: Path) -> None:
        assert check_benchmark(made, workers=2) == check_benchmark(made, workers=1) == check_benchmark(made)

    def test_limit_takes_the_first(self, made: Path) -> None:
        assert check_benchmark(made, limit=3).proofs == check_benchmark(made).proofs[:3]

    @pytest.mark.parametrize(
        ("label", "value", "check", "reason"),
        [
            ("culprit", {"rows": ["nope"], "variables": []}, Check.CULPRIT, "not in the model: row nope"),
            ("culprit", {"rows": [], "variables": ["v"]}, Check.CULPRIT, "not in the model: variable v"),
            ("added_rows", ["gone"], Check.CULPRIT, "not in the model: row gone"),
            ("fix", ["DROP_CONSTRAINT(nope)"], Check.FIX, "DROP_CONSTRAINT(nope) cannot be executed"),
            ("original_objective", 1e9, Check.OBJECTIVE, "recorded is 1e+09"),
            ("iis_constraints", [], Check.IIS, "do not contradict each other"),
            ("iis_constraints", ["nope"], Check.IIS, "not in the model: row nope"),
            ("iis_bounds", ["nope"], Check.IIS, "not in the model: variable nope"),
            ("n_constraints", 1, Check.SIZE, "the record says 1 ×"),
            ("n_variables", 99, Check.SIZE, "× 99"),
            ("initial_status", "OPTIMAL", Check.INFEASIBLE, "the record says OPTIMAL"),
            ("problem_type", "qp", Check.PROBLEM_TYPE, "the record says qp"),
            ("target_type", "objective", Check.TARGET_TYPE, "the record says objective"),
        ],
    )
    def test_each_wrong_label_is_caught_by_name(
        self, made: Path, tmp_path: Path, label: str, value: object, check: Check, reason: str
    ) -> None:
        def spoil(records: list[Record]) -> None:
            # One with rows in its conflict, which an empty IIS then denies.
            index = next(
                i for i, record in enumerate(records) if record["iis_constraints"] and not record["iis_bounds"]
            )
            records[0] = {**records[index], label: value}

        found = check_benchmark(relabelled(made, tmp_path / "bench", spoil), limit=1)
        assert [finding.check for _, finding in found.wrong] == [check]
        assert reason in found.wrong[0][1].reason

    def test_a_fix_that_does_not_recover_or_is_elsewhere(self, made: Path, tmp_path: Path) -> None:
        def spoil(records: list[Record]) -> None:
            for record in records:
                row = next(name for name in record["iis_constraints"] or ["none"])
                record["fix"] = [f"RELAX_CONSTRAINT({row}, 0.0)"]
                record["culprit"] = {"rows": [row], "variables": []}

        path = relabelled(made, tmp_path / "bench", spoil)
        wrong = {finding.check for _, finding in check_benchmark(path).wrong}
        assert Check.FIX in wrong
        first = check_benchmark(path, limit=1)
        assert ruling(first, Check.FIX) == (Ruling.WRONG, "after the recorded fix the model is INFEASIBLE")

    def test_ids_and_models_that_are_there_twice(self, made: Path, tmp_path: Path) -> None:
        def repeat(records: list[Record]) -> None:
            records[1]["problem_id"] = records[0]["problem_id"]
            records[3] = {**records[2], "problem_id": "other"}

        check = check_benchmark(relabelled(made, tmp_path / "bench", repeat))
        wrong = [(finding.check, finding.reason) for _, finding in check.wrong]
        assert wrong[:2] == [(Check.ID, "2 problems have this id")] * 2
        assert wrong[2:] == [
            (Check.DUPLICATE, "the same model as other"),
            (Check.DUPLICATE, "the same model as p00002"),
        ]
        assert check.count(Ruling.PROVEN) == N  # each is still what its labels say

    def test_a_file_that_is_no_model(self, made: Path, tmp_path: Path) -> None:
        path = relabelled(made, tmp_path / "bench", lambda records: None)
        (path / "models" / "p00000.mps").write_text("no model")
        check = check_benchmark(path, limit=2)
        assert [(finding.check, proof.problem_id) for proof, finding in check.wrong] == [(Check.READABLE, "p00000")]
        assert check.proofs[0].state is Ruling.WRONG

    def test_what_the_solver_cannot_decide_is_not_wrong(self, made: Path) -> None:
        check = check_benchmark(made, limit=5, work_limit=0.0)
        assert not check.wrong
        assert check.count(Ruling.UNCHECKED) == 5
        assert "raise --work-limit" in next(f.reason for f in check.proofs[0].findings if f.check is Check.INFEASIBLE)

    def test_a_solver_that_fails_proves_nothing(
        self, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(*arguments: object) -> None:
            raise SolverError("out of memory")

        monkeypatch.setattr(Judge, "can_hold", fail)
        monkeypatch.setenv("ORDEBUG_KILLABLE", "1")  # judged in this process
        judge_of.cache_clear()
        assert main(["bench", "check", str(made), "--limit", "2", "--workers", "0"]) == 1
        captured = capsys.readouterr()
        assert "of 2 problems: 0 proven, 0 wrong, 2 unchecked" in captured.out
        assert "p00000 was not judged: out of memory" in captured.err


class TestToys:
    def test_a_feasible_model(self, tmp_path: Path) -> None:
        check = check_benchmark(toy(tmp_path / "b", FEASIBLE))
        assert ruling(check, Check.INFEASIBLE) == (Ruling.WRONG, "the model is OPTIMAL")
        assert check.proofs[0].facts is None

    def test_a_culprit_that_cannot_be_at_fault(self, tmp_path: Path) -> None:
        check = check_benchmark(toy(tmp_path / "b", culprit={"rows": ["side"], "variables": []}))
        assert ruling(check, Check.CULPRIT)[0] is Ruling.WRONG
        assert "stays infeasible without the culprit" in ruling(check, Check.CULPRIT)[1]

    def test_a_culprit_that_the_fix_never_touches(self, tmp_path: Path) -> None:
        culprit = {"rows": ["high"], "variables": []}
        check = check_benchmark(toy(tmp_path / "b", culprit=culprit, fix=["UPDATE_RHS(low, 1)"], original_objective=1))
        assert ruling(check, Check.CULPRIT) == (Ruling.WRONG, "the fix touches low, never the culprit")

    def test_nothing_recorded_is_nothing_wrong(self, tmp_path: Path) -> None:
        check = check_benchmark(toy(tmp_path / "b"))
        assert not check.wrong
        assert check.count(Ruling.UNCHECKED) == 1
        assert ruling(check, Check.FIX) == (Ruling.UNCHECKED, "no fix recorded")

    @pytest.mark.parametrize(
        ("sentence", "objective", "fix", "restored"),
        [
            ("Change low from >= back to <=", 0.0, Ruling.PROVEN, Ruling.PROVEN),
            ("Change low from >= back to <=", 0.5, Ruling.PROVEN, Ruling.WRONG),
            ("Change low from <= back to >=", 0.0, Ruling.WRONG, Ruling.UNCHECKED),
            ("Change low from = back to <=", 0.0, Ruling.WRONG, Ruling.UNCHECKED),
            ("Change nope from >= back to <=", 0.0, Ruling.WRONG, Ruling.UNCHECKED),
            ("Change coefficient of x in low from 1.0 back to 5.0", 1.0, Ruling.PROVEN, Ruling.PROVEN),
            ("Change coefficient of x in low from 1.0 back to 2.0", 1.0, Ruling.WRONG, Ruling.UNCHECKED),
            ("Change coefficient of x in low from 0.1 back to 5.0", 1.0, Ruling.WRONG, Ruling.UNCHECKED),
            ("Remove contradicting constraint low", 0.0, Ruling.PROVEN, Ruling.PROVEN),
            ("Remove contradicting constraint side", 0.0, Ruling.WRONG, Ruling.UNCHECKED),
            ("Remove chain constraints: low, high", 0.0, Ruling.PROVEN, Ruling.PROVEN),
            ("Ask the planner", 0.0, Ruling.UNCHECKED, Ruling.UNCHECKED),
        ],
    )
    def test_a_public_fix_is_carried_out_as_it_is_worded(
        self, tmp_path: Path, sentence: str, objective: float, fix: Ruling, restored: Ruling
    ) -> None:
        labels = {
            "error_type": "A",
            "target_name": "low",
            "ground_truth_fix": sentence,
            "original_objective": objective,
        }
        check = check_benchmark(toy(tmp_path / "b", **labels))
        assert (ruling(check, Check.FIX)[0], ruling(check, Check.OBJECTIVE)[0]) == (fix, restored)

    @pytest.mark.parametrize(
        ("objective", "expected"), [(3.0, Ruling.PROVEN), (2.5, Ruling.WRONG), (1.0, Ruling.WRONG)]
    )
    def test_a_type_label_that_was_another_type(self, tmp_path: Path, objective: float, expected: Ruling) -> None:
        text = "Minimize\n obj: x\nSubject To\n need: 2 x >= 5\n _force_x: x >= 2\nBinaries\n x\nEnd\n"
        check = check_benchmark(
            toy(
                tmp_path / "b",
                text,
                error_type="B",
                target_name="x",
                ground_truth_fix="Change x back to INTEGER with UB=10.0, remove _force_x",
                original_objective=objective,
            )
        )
        found, reason = ruling(check, Check.OBJECTIVE)
        assert found is expected
        assert ("x continuous, not INTEGER" in reason) is (objective == 2.5)

    @pytest.mark.parametrize(
        ("bounds", "expected"), [(["x"], Ruling.PROVEN), (["y"], Ruling.WRONG), ([], Ruling.WRONG)]
    )
    def test_an_iis_needs_its_bounds(self, tmp_path: Path, bounds: list[str], expected: Ruling) -> None:
        text = CONFLICT.replace(" high: x <= 2\n", "").replace("Bounds", "Bounds\n x <= 2")
        check = check_benchmark(toy(tmp_path / "b", text, iis_constraints=["low"], iis_bounds=bounds))
        assert ruling(check, Check.IIS)[0] is expected

    def test_facts(self, tmp_path: Path, judge: Judge) -> None:
        one = find_facts(judge, write_problem(tmp_path / "one.lp", CONFLICT))
        assert (one.single_drops, one.disjoint, one.cheapest) == (("low", "high"), 1, pytest.approx(3.0))
        shared = CONFLICT.replace(" side:", " low2: x >= 6\n side:")  # two conflicts, but both need `high`
        shared_facts = find_facts(judge, write_problem(tmp_path / "shared.lp", shared))
        assert (shared_facts.single_drops, shared_facts.disjoint) == (("high",), 1)
        second = CONFLICT.replace(" side:", " low2: y >= 5\n high2: y <= 4\n side:")
        two = find_facts(judge, write_problem(tmp_path / "two.lp", second))
        assert (two.single_drops, two.disjoint, two.cheapest) == ((), 2, pytest.approx(4.0))


class TestRestorations:
    def test_the_model_itself_is_left_as_it_is(self, tmp_path: Path, judge: Judge) -> None:
        problem = write_problem(tmp_path / "toy.lp", CONFLICT)
        flipped = Restoration(senses=(SenseChange("low", ">=", "<="),))
        assert judge.restored(problem, flipped) == Verdict(Status.OPTIMAL, 0.0)
        assert judge.solve(problem).status is Status.INFEASIBLE
        freed = Restoration(removed=("low",), kinds=(KindChange("x", Kind.INTEGER, lower=1.5),))
        assert judge.restored(problem, freed) == Verdict(Status.OPTIMAL, 2.0)

    def test_words_are_understood_as_a_whole_or_not_at_all(self) -> None:
        kinds = (KindChange("x0", Kind.INTEGER, upper=10.0),)
        sentence = "Change x0 back to INTEGER with UB=10.0, remove _force_x0"
        assert read_restoration(sentence, ("_force_x0",)) == Restoration(removed=("_force_x0",), kinds=kinds)
        assert read_restoration("Change c1 from <= back to >= or so", ()) is None
        assert read_restoration("", ()) is None


class TestCommand:
    def test_proven_folder(self, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bench", "check", str(made), "--workers", "0", "--json", str(tmp_path / "c.json")]) == 0
        assert f"of {N} problems: {N} proven, 0 wrong, 0 unchecked; 0 labels" in capsys.readouterr().out
        record = json.loads((tmp_path / "c.json").read_text())
        assert (record["n"], record["proven"], record["wrong_labels"]) == (N, N, 0)
        assert record["problems"][0]["labels"]["fix"] == {"ruling": "proven", "reason": ""}
        assert record["problems"][0]["facts"]["disjoint"] >= 1

    def test_wrong_folder(self, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = relabelled(made, tmp_path / "bench", lambda records: records[0].update(original_objective=-1.0))
        assert main(["bench", "check", str(path), "--workers", "0"]) == 1
        out = capsys.readouterr().out
        assert "p00000: the fix gives" in out
        assert f"{N - 1} proven, 1 wrong" in out

    def test_a_model_of_ones_own(self, tmp_path: Path) -> None:
        model = write_problem(tmp_path / "own.lp", CONFLICT).path
        assert main(["bench", "check", str(model), "--workers", "0"]) == 0

    @pytest.mark.parametrize("command", ["bench check {0}", "data verify {0}/rows.json --bench {0}"])
    def test_a_licence_that_does_not_work(
        self, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        folder = relabelled(made, tmp_path / "bench", lambda records: None)
        row = {"instruction": "", "input": "", "output": "", "metadata": {"problem_id": "p00000"}}
        (folder / "rows.json").write_text(json.dumps([row]))
        licence = tmp_path / "gurobi.lic"
        licence.write_text("no licence")
        monkeypatch.setenv("GRB_LICENSE_FILE", str(licence))
        assert main(command.format(folder).split()) == 3

    def test_bad_input(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bench", "check", str(tmp_path / "nowhere")]) == 2
        assert "nowhere not found" in capsys.readouterr().err
