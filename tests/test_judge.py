"""`ordebug judge`: anybody's repair is scored as the evaluation scores it, or it is said why a measure is missing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.agents import BUILT_IN, make_agent
from ordebug_plugin.cli import main
from ordebug_plugin.edits import NO_EDITS, Edits, edits_between
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.generate import Wanted
from ordebug_plugin.generate.benchmark import make_benchmark
from ordebug_plugin.interval import FREE, Interval
from ordebug_plugin.problem import load_benchmark, load_problem
from ordebug_plugin.repairs.appraisal import MEASURES, appraise
from ordebug_plugin.repairs.difference import compare, content
from ordebug_plugin.rollout import play
from ordebug_plugin.scoring import score
from ordebug_plugin.solver import FORMATS, Judge
from tests.test_repair import CURVED, MIXED
from tests.toys import CONFLICT, FEASIBLE, RANGES, UNBOUNDED_WITHOUT_HIGH, write_problem

ORIGINAL = CONFLICT.replace("x >= 5", "x >= 1")
REPAIRED = CONFLICT.replace("x >= 5", "x >= 2")


def judged(
    capsys: pytest.CaptureFixture[str], folder: Path, broken: str, repaired: str, original: str | None = None
) -> tuple[int, dict[str, Any]]:
    arguments = []
    for name, text in (("broken.lp", broken), ("repaired.lp", repaired), ("original.lp", original)):
        if text is not None:
            (folder / name).write_text(text)
            arguments += ["--original", str(folder / name)] if name == "original.lp" else [str(folder / name)]
    code = main(["judge", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "bench"
    make_benchmark(folder, n=12, seed=5, wanted=Wanted(families=("production",), faults=("A", "C", "H", "unit")))
    return folder


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_repair_is_scored_as_the_episode_that_made_it(made: Path, suffix: str, tmp_path: Path, judge: Judge) -> None:
    """Also where rows are rewritten, which the oracle does on these problems."""
    rewritten = 0
    for problem in load_benchmark(made).problems:
        for agent in BUILT_IN:
            env = RepairEnv(judge, problem)
            episode = play(env, make_agent(agent))
            if episode.outcome is not Outcome.RECOVERED:
                continue
            rewritten += bool(env.edits.rewrites)
            path = tmp_path / f"{problem.id}-{agent}{suffix}"
            path.write_bytes(judge.written(problem, env.edits, suffix))
            appraisal = appraise(judge, problem, load_problem(path))
            assert appraisal.repaired
            assert not appraisal.difference.drifted
            theirs = score(episode)
            for measure in MEASURES:
                expected, found = getattr(theirs, measure), getattr(appraisal.scores, measure)
                assert found == pytest.approx(expected, rel=1e-6, nan_ok=True), (problem.id, agent, measure)
            assert set(appraisal.missing) == {name for name in MEASURES if math.isnan(getattr(theirs, name))}
    assert rewritten


def test_with_the_original_the_fault_is_read_off_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, record = judged(capsys, tmp_path, CONFLICT, REPAIRED, ORIGINAL)
    assert code == 0
    assert record["changes"] == [{"what": "row", "name": "low", "before": "x >= 5", "after": "x >= 2"}]
    assert record["drifted"] == []
    assert (record["objective"], record["op"], record["fp"]) == (2.0, 0.0, 1.0)  # 2 instead of 1
    assert (record["preservation"], record["minimality"], record["da_f1"]) == (0.0, 1.0, 1.0)
    assert (record["granted"], record["needed"]) == (3.0, pytest.approx(3.0))
    assert record["truth"]["rows"] == ["low"]
    assert record["truth"]["objective"] == 1.0
    assert record["beside_original"] == [{"what": "row", "name": "low", "before": "x >= 1", "after": "x >= 2"}]
    files = [str(tmp_path / f"{name}.lp") for name in ("broken", "repaired", "original")]
    assert main(["judge", *files[:2], "--original", files[2]]) == 0
    said = capsys.readouterr().out
    assert "still differs from the original (1; - original, + repaired):\n  - low: x >= 1\n  + low: x >= 2\n" in said
    code, record = judged(capsys, tmp_path, CONFLICT, ORIGINAL, ORIGINAL)
    assert (record["op"], record["preservation"], record["beside_original"]) == (1.0, 1.0, [])
    assert record["minimality"] == pytest.approx(0.75)  # four given, three needed


def test_a_row_that_the_fault_added_is_missed_by_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without = CONFLICT.replace(" low: x >= 5\n", "")
    code, record = judged(capsys, tmp_path, CONFLICT, without, without)
    assert (code, record["fp"], record["op"], record["truth"]["added_rows"]) == (0, 1.0, 1.0, ["low"])
    files = [str(tmp_path / f"{name}.lp") for name in ("broken", "repaired", "original")]
    assert main(["judge", *files[:2], "--original", files[2]]) == 0
    assert "lost rows     low (added by the fault: to lose it costs nothing)\n" in capsys.readouterr().out
    code, record = judged(capsys, tmp_path, CONFLICT, CONFLICT.replace(" high: x <= 2\n", ""), without)
    assert (code, record["fp"], record["lost_rows"], record["da_f1"]) == (0, 0.5, ["high"], 0.0)


def test_the_labels_of_a_benchmark_are_found_by_content(
    toy_bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other name.lp").write_text(CONFLICT)
    (tmp_path / "r.lp").write_text(ORIGINAL)
    arguments = ["judge", str(tmp_path / "other name.lp"), str(tmp_path / "r.lp"), "--json", "--truth"]
    assert main([*arguments, str(toy_bench)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["op"], record["fp"], record["preservation"], record["da_f1"]) == (1.0, 1.0, 1.0, 1.0)
    (tmp_path / "other name.lp").write_text(CONFLICT + "\\ another file\n")
    assert main([*arguments, str(toy_bench)]) == 2
    assert "no problem with the content of" in capsys.readouterr().err


def test_what_is_not_known_is_said_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, record = judged(capsys, tmp_path, CONFLICT, REPAIRED)
    assert (code, record["op"], record["minimality"], record["preservation"]) == (0, None, 1.0, 1.0)
    assert list(record["missing"]) == ["op"]
    assert "give --original or --truth" in record["missing"]["op"]


def test_a_model_that_drifted_keeps_the_measures_that_still_mean_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, record = judged(capsys, tmp_path, CONFLICT, REPAIRED.replace("obj: x + y", "obj: 2 x + y"), ORIGINAL)
    assert code == 0
    assert record["drifted"] == [{"what": "objective", "name": "x", "before": "1", "after": "2"}]
    assert (record["op"], record["fp"], record["preservation"], record["minimality"]) == (None, 1.0, None, None)
    assert "objective x" in record["missing"]["op"]
    assert "objective x" in record["missing"]["minimality"]

    turned = REPAIRED.replace("Minimize", "Maximize")
    _, record = judged(capsys, tmp_path, CONFLICT, turned, ORIGINAL)
    assert record["drifted"] == [{"what": "objective", "name": "direction", "before": "minimize", "after": "maximize"}]
    assert record["op"] is None

    # A slack variable and a row: `low` is another row now, which counts as lost; the objective is the same function.
    soft = CONFLICT.replace("x >= 5", "x + s >= 5").replace(" side:", " extra: x + y <= 90\n side:")
    _, record = judged(capsys, tmp_path, CONFLICT, soft, ORIGINAL)
    assert [(change["what"], change["name"]) for change in record["drifted"]] == [("row", "extra"), ("variable", "s")]
    assert record["changes"] == [{"what": "row", "name": "low", "before": "x >= 5", "after": "x + s >= 5"}]
    assert (record["op"], record["lost_rows"], record["minimality"]) == (0.0, ["low"], None)
    assert record["fp"] == pytest.approx(2 / 3)

    whole = REPAIRED.replace("End", "Generals\n x\nEnd")
    _, record = judged(capsys, tmp_path, CONFLICT, whole, ORIGINAL)
    assert record["drifted"] == [{"what": "type", "name": "x", "before": "x >= 0", "after": "x integer >= 0"}]
    assert (record["op"], record["fp"], record["minimality"]) == (0.0, 1.0, None)

    gone = "Minimize\n obj: x\nSubject To\n low: x >= 2\n high: x <= 2\n side: x <= 100\nEnd\n"
    _, record = judged(capsys, tmp_path, CONFLICT, gone)
    assert ("variable", "y") in [(change["what"], change["name"]) for change in record["drifted"]]
    assert record["lost_rows"] == ["side"]


def test_what_is_not_linear_is_compared_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repaired = CURVED.replace("x <= 2\n", "x <= 6\n")
    code, record = judged(capsys, tmp_path, CURVED, repaired)
    assert (code, record["drifted"], record["minimality"]) == (0, [], None)
    assert "could not be computed" in record["missing"]["minimality"]  # there is no feasRelax of semi-continuous ones
    without, mended = (text.replace("Semi-Continuous\n s\n", "") for text in (CURVED, repaired))
    code, record = judged(capsys, tmp_path, without, mended)
    assert (code, record["drifted"], record["minimality"]) == (0, [], pytest.approx(3 / 4, rel=1e-4))
    _, record = judged(capsys, tmp_path, CURVED, repaired.replace("<= 40", "<= 90"))
    (change,) = record["drifted"]
    assert (change["what"], change["name"]) == ("other", "quadratic constraint round")
    assert change["after"].endswith("<= 90")
    _, record = judged(capsys, tmp_path, CURVED, repaired.replace("2 x ^2 +", "4 x ^2 +"))
    assert [change["what"] for change in record["drifted"]] == ["objective"]


def test_a_whole_model_written_anew_is_the_same_where_it_means_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows in another order, turned and multiplied, a binary as a whole number up to 1, and in the other format."""
    with Judge() as judge:
        one = write_problem(tmp_path / "one.lp", MIXED)
        text = MIXED.replace(" link: 6th - 20 open <= 0\n", "")
        text = text.replace("Subject To\n", "Subject To\n link: 40 open - 2 6th >= 0\n")
        text = text.replace("Binaries\n open\n", "").replace("Generals\n", "Generals\n open\n")
        text = text.replace(" make(rye,1) <= 12.7", " make(rye,1) <= 12.7\n open <= 1")
        two = write_problem(tmp_path / "two.lp", text)
        difference = compare(content(judge, one), content(judge, two))
        assert difference.changes == ()
        assert difference.edits == NO_EDITS
        (tmp_path / "three.mps").write_bytes(judge.written(one, NO_EDITS, ".mps"))
        assert compare(content(judge, one), content(judge, load_problem(tmp_path / "three.mps"))).changes == ()


def test_what_does_not_repair_says_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, record = judged(capsys, tmp_path, CONFLICT, CONFLICT.replace("x >= 5", "x >= 4"), ORIGINAL)
    assert (code, record["repaired"], record["left"]) == (1, False, {"rows": ["low", "high"], "bounds": []})
    assert (record["op"], record["preservation"], record["fp"], record["minimality"]) == (0.0, 0.0, None, None)
    assert record["missing"]["minimality"] == "the model is not repaired"
    unbounded = UNBOUNDED_WITHOUT_HIGH.replace(" high: x <= 2\n", "")
    code, record = judged(capsys, tmp_path, UNBOUNDED_WITHOUT_HIGH, unbounded)
    assert (code, record["status"], record["preservation"]) == (1, "UNBOUNDED", 0.0)


def test_bad_input_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.lp").write_text(CONFLICT)
    (tmp_path / "fine.lp").write_text(FEASIBLE)
    (tmp_path / "torn.lp").write_text("???")

    def refused(*arguments: str, texts: tuple[str, ...]) -> None:
        paths = [one if one.startswith("--") else str(tmp_path / one) for one in arguments]
        assert main(["judge", *paths]) == 2
        message = capsys.readouterr().err
        assert all(text in message for text in texts), message

    refused("fine.lp", "b.lp", texts=("fine.lp", "nothing to repair"))
    refused("b.lp", "torn.lp", texts=("torn.lp: Gurobi cannot read",))
    refused("b.lp", "gone.lp", texts=("gone.lp not found",))
    refused("b.lp", "r.txt", texts=("r.txt", "not a model file"))
    refused("b.lp", "fine.lp", "--original", "b.lp", texts=("b.lp: the original must be feasible", "INFEASIBLE"))


def test_edits_between_models_are_canonical(tmp_path: Path, judge: Judge) -> None:
    shape = judge.shape(write_problem(tmp_path / "m.mps", RANGES))
    rows = {name: (shape.terms[name], interval) for name, interval in shape.rows.items()}
    assert edits_between(shape, rows, shape.variables) == NO_EDITS
    scaled = {name: (tuple((v, -3 * c) for v, c in terms), side) for name, (terms, side) in rows.items()}
    turned = {name: (terms, Interval(-3 * side.upper, -3 * side.lower)) for name, (terms, side) in scaled.items()}
    assert edits_between(shape, turned, shape.variables) == NO_EDITS
    rows["le"] = ((("x", 1.0),), Interval(2.0 + 1e-13, 4.0))  # the last digits of a range are lost in a file
    assert edits_between(shape, rows, {}) == NO_EDITS
    del rows["need"]
    rows["ge"] = ((("x", 1.0), ("y", 1.0)), Interval(3.0, 5.0))
    edits = edits_between(shape, rows, {"y": Interval(0.0, 1.0)})
    assert edits == Edits((("need", FREE),), (("y", Interval(0.0, 1.0)),), (("ge", (("x", 1.0), ("y", 1.0))),))
