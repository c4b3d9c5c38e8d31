"""`ordebug bench import`: model files of one's own become problems that are proven, or are refused by name."""

from __future__ import annotations

import json
import math
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from ordebug_plugin.agents import RelaxMinimal
from ordebug_plugin.cli import main
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.errors import InputError
from ordebug_plugin.generate.families import FAMILIES
from ordebug_plugin.generate.family import Size
from ordebug_plugin.generate.foreign import place_added, read_linear_model
from ordebug_plugin.generate.importing import import_models
from ordebug_plugin.generate.model import Column, LinearModel, Row, Sense
from ordebug_plugin.generate.themes import THEMES
from ordebug_plugin.generate.undo import undo
from ordebug_plugin.interval import Interval
from ordebug_plugin.problem import load_benchmark, load_problem, load_records
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


def numbered(*names: str) -> LinearModel:
    rows = tuple(Row(name, Sense.AT_LEAST, (("x", 1.0), ("y", 1.0)), 3.0, "c/n") for name in names)
    return LinearModel(rows, (Column("x", 1.0), Column("y", 1.0)))


@pytest.mark.parametrize("seed", range(20))
def test_a_row_that_was_added_stands_in_the_run_of_its_siblings(seed: int) -> None:
    model = numbered("c[1]", "c[2]", "c[3]", "c[7]")
    extra = Row("c/n1", Sense.AT_MOST, (("x", 1.0),), 2.0, "c/n")
    placed = place_added(random.Random(seed), model, replace(model, rows=(*model.rows, extra)))
    assert placed is not None
    original, broken = placed
    names = [row.name for row in broken.rows]
    assert names in (["c[1]", "c[2]", "c[3]", "c[4]", "c[7]"], ["c[1]", "c[2]", "c[3]", "c[7]", "c[8]"])
    (added,) = undo(original, broken).added_rows
    assert next(row for row in broken.rows if row.name == added).terms == extra.terms
    assert [row for row in broken.rows if row.name != added] == list(original.rows)
    assert [replace(row, name="") for row in original.rows] == [replace(row, name="") for row in model.rows]


def test_no_row_is_added_where_its_name_would_tell() -> None:
    model = numbered("supply_Lyon", "supply_Pau")
    extra = Row("supply/w1", Sense.AT_MOST, (("x", 1.0),), 2.0, "c/n")
    assert place_added(random.Random(0), model, replace(model, rows=(*model.rows, extra))) is None


def test_rows_that_faults_added_look_like_their_siblings(tmp_path: Path) -> None:
    terms = "\n".join(f" c{number}: x{number} + x{number + 1} >= {3 + number}" for number in range(1, 8))
    bounds = "\n".join(f" x{number} <= {5 + number}" for number in range(1, 9))
    (tmp_path / "m.lp").write_text(
        f"Minimize\n obj: {' + '.join(f'{n} x{n}' for n in range(1, 9))}\nSubject To\n{terms}\nBounds\n{bounds}\nEnd\n"
    )
    import_models([tmp_path / "m.lp"], tmp_path / "bench", faults=["D"], per_model=6)
    problems = load_benchmark(tmp_path / "bench").problems
    records = load_records(tmp_path / "bench")
    for record in records:  # the rows after the added one count on
        (added,) = record["added_rows"]
        names = [f"c{number}" for number in range(int(added[1:]) + 1, 9)]
        assert record["renamed_rows"] == {name: f"c{int(name[1:]) - 1}" for name in names}
    hashes = [record["structure_hash"] for record in records]
    assert len(set(hashes)) == len(problems) > 3
    places = set()
    with Judge() as judge:
        for problem in problems:
            assert list(judge.shape(problem).rows) == [f"c{number}" for number in range(1, 9)]
            assert set(problem.truth.rows) == set(problem.truth.added_rows)
            places.add(problem.truth.rows)
    assert len(places) > 1
    assert not check_benchmark(tmp_path / "bench").wrong


def test_a_big_m_is_found_and_shrunk(tmp_path: Path) -> None:
    (tmp_path / "m.lp").write_text(
        "Minimize\n obj: x + 2 y + 30 u + 20 v\nSubject To\n need: x + y >= 40\n only_x: x - 60 u <= 0\n"
        " only_y: y - 30 v <= 0\n one: u + v <= 1\n mix: 2 x + 3 y <= 150\nBinaries\n u v\nEnd\n"
    )
    import_models([tmp_path / "m.lp"], tmp_path / "bench", faults=["bigm"], per_model=2)
    with Judge() as judge:
        for problem in load_benchmark(tmp_path / "bench").problems:
            assert problem.truth.rows == ("only_x",)
            assert -60 < dict(judge.shape(problem).terms["only_x"])["u"] < 0


def test_kinds_that_promise_more_are_never_easier(tmp_path: Path) -> None:
    """Two rows in conflict are too short for ours, but true; no repair of three rows can be found in them."""
    (tmp_path / "m.lp").write_text("Minimize\n obj: x\nSubject To\n c1: x >= 4\n c2: x <= 9\nEnd\n")
    import_models([tmp_path / "m.lp"], tmp_path / "bench", faults=["unit"], per_model=1)
    (record,) = load_records(tmp_path / "bench")
    assert (record["strict"], record["iis_constraints"]) == (False, ["c1", "c2"])
    with pytest.raises(InputError, match="0 of 1 faults"):
        import_models([tmp_path / "m.lp"], tmp_path / "other", faults=["F", "I"])
