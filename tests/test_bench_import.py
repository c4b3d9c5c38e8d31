"""`ordebug bench import`: model files of one's own become problems that are proven, or are refused by name."""

from __future__ import annotations

import json
import math
import os
import random
from pathlib import Path

import pytest

from ordebug_plugin.agents import RelaxMinimal
from ordebug_plugin.cli import main
from ordebug_plugin.edits import Interval
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.generate.families import FAMILIES
from ordebug_plugin.generate.family import Size
from ordebug_plugin.generate.foreign import read_linear_model
from ordebug_plugin.generate.importing import import_models
from ordebug_plugin.generate.model import Column, LinearModel, Row, Sense
from ordebug_plugin.generate.themes import THEMES
from ordebug_plugin.problem import load_benchmark, load_problem
from ordebug_plugin.rollout import play
from ordebug_plugin.solver import Judge
from ordebug_plugin.verify.benchmark import check_benchmark
from ordebug_plugin.verify.finding import Ruling
from tests.toys import CONFLICT

# An equality, names that are more than words, a maximum, an integer and a free variable.
MIXED = """
Maximize
 profit: 3 make(rye,1) + 2 make(tart,2) - buy(flour) - 0.5 swing
Subject To
 hours.1: 2 make(rye,1) + make(tart,2) <= 40
 hours.2: make(rye,1) + 3 make(tart,2) <= 60
 span: make(rye,1) - make(tart,2) + swing >= -10
 dough: make(rye,1) + make(tart,2) - buy(flour) = 0
 least: make(rye,1) + make(tart,2) >= 12
Bounds
 swing free
 buy(flour) <= 35
Generals
 make(tart,2)
End
"""
QUADRATIC = "Minimize\n obj: x\nSubject To\n c: x >= 1\n q: [ x ^2 ] <= 4\nEnd\n"


def write_models(folder: Path) -> None:
    folder.mkdir()
    draft = FAMILIES["production"].draw(random.Random(1), Size.SMALL, THEMES["bakery"])
    (folder / "plan.mps").write_text(draft.model.to_mps())
    (folder / "mixed.lp").write_text(MIXED)
    (folder / "conflict.lp").write_text(CONFLICT)
    (folder / "notes.txt").write_text("no model")


def test_feasible_models_are_broken_and_infeasible_ones_taken_as_they_are(tmp_path: Path) -> None:
    write_models(tmp_path / "own")
    seen: list[Path] = []
    report = import_models([tmp_path / "own"], tmp_path / "bench", per_model=3, on_progress=seen.append)
    assert (report.infeasible, report.broken, report.refused) == (1, 6, ())
    assert [path.name for path in seen] == ["conflict.lp", "mixed.lp", "plan.mps"]
    assert (tmp_path / "bench/models/m0000.lp").read_text() == CONFLICT
    check = check_benchmark(tmp_path / "bench")
    assert not check.wrong
    assert [proof.state for proof in check.proofs] == [Ruling.UNCHECKED] + 6 * [Ruling.PROVEN]  # one has no labels
    names = {"hours.1", "hours.2", "span", "dough", "least"}
    with Judge() as judge:
        for problem in load_benchmark(tmp_path / "bench").problems[1:4]:
            assert names <= set(judge.shape(problem).rows)


def test_a_model_read_and_written_has_the_same_optimum(tmp_path: Path) -> None:
    path, copy = tmp_path / "mixed.lp", tmp_path / "copy.mps"
    path.write_text(MIXED)
    with Judge() as judge:
        problem = load_problem(path)
        copy.write_text(read_linear_model(judge, problem).to_mps())
        again = load_problem(copy)
        found, written = judge.solve(problem).objective, judge.solve(again).objective
        assert found is not None
        assert written == pytest.approx(-found)
        assert judge.shape(again) == judge.shape(problem)
        assert dict(judge.shape(again).terms) == dict(judge.shape(problem).terms)


def test_a_range_and_a_constant_are_kept_and_no_fault_is_put_into_the_range(tmp_path: Path) -> None:
    model = LinearModel(
        (
            Row("range", Sense.AT_MOST, (("x", 1.0), ("y", 2.0)), 10.0, span=4.0),
            Row("least", Sense.AT_LEAST, (("x", 1.0),), 3.0),
        ),
        (Column("x", 1.0, upper=8.0), Column("y", 2.0, lower=-math.inf)),
        constant=7.0,
    )
    path = tmp_path / "ranged.mps"
    path.write_text(model.to_mps())
    with Judge() as judge:
        assert judge.shape(load_problem(path)).rows["range"] == Interval(6.0, 10.0)
        read = read_linear_model(judge, load_problem(path))
        assert judge.solve(load_problem(path)).objective == pytest.approx(13.0)  # x + 2 y at its least, and 7
    assert read.to_mps() == model.to_mps()
    import_models([path], tmp_path / "bench", per_model=4)
    culprits = {row for problem in load_benchmark(tmp_path / "bench").problems for row in problem.truth.rows}
    assert "range" not in culprits


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_faults(tmp_path: Path) -> None:
    write_models(tmp_path / "own")
    texts = []
    for name, seed in (("a/bench", 1), ("b/bench", 1), ("c/bench", 2)):
        import_models([tmp_path / "own"], tmp_path / name, per_model=2, seed=seed)
        texts.append((tmp_path / name / "dataset.json").read_text().replace(f'"seed": {seed}', ""))
    assert texts[0] == texts[1] != texts[2]


def test_what_cannot_be_used_is_refused_by_name_and_the_rest_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_models(tmp_path / "own")
    (tmp_path / "own" / "curved.lp").write_text(QUADRATIC)
    (tmp_path / "own" / "endless.lp").write_text("Maximize\n obj: x\nSubject To\n c: x >= 1\nEnd\n")
    (tmp_path / "own" / "torn.mps").write_text("ROWS\n???")
    assert main(["bench", "import", str(tmp_path / "own"), str(tmp_path / "bench"), "--json"]) == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    refused = {Path(one["path"]).name: one["reason"] for one in report["refused"]}
    assert (report["infeasible"], report["broken"]) == (1, 2)
    assert "1 quadratic constraint" in refused["curved.lp"]
    assert "UNBOUNDED" in refused["endless.lp"]
    assert "cannot read" in refused["torn.mps"]
    assert "curved.lp" in captured.err


def test_bad_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_models(tmp_path / "own")
    for sources, out, message in (
        ([tmp_path / "none"], tmp_path / "bench", "not found"),
        ([tmp_path / "own"], tmp_path / "own", "is not empty"),
        ([tmp_path], tmp_path / "bench", "no model file"),
    ):
        assert main(["bench", "import", *map(str, sources), str(out)]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "bench").exists()


@pytest.mark.skipif("ORDEBUG_DATA" not in os.environ, reason="ORDEBUG_DATA is not set: it names the public data")
def test_the_infeasible_classics_are_imported_and_repaired(tmp_path: Path) -> None:
    report = import_models([Path(os.environ["ORDEBUG_DATA"]) / "netlib_infeas"], tmp_path / "bench")
    assert (report.infeasible, report.broken, report.refused) == (4, 0, ())
    with Judge() as judge:
        for problem in load_benchmark(tmp_path / "bench").problems:
            assert play(RepairEnv(judge, problem), RelaxMinimal()).outcome is Outcome.RECOVERED
