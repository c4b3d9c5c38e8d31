"""`ordebug judge` and `ordebug repair` on what is no repair: said first and plainly, and nothing of it is scored."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.edits import Shape
from ordebug_plugin.problem import load_problem
from ordebug_plugin.repairs.appraisal import MEASURES, appraise
from ordebug_plugin.repairs.difference import kept_rows
from ordebug_plugin.solver import Judge
from tests.toys import CONFLICT, UNBOUNDED_WITHOUT_HIGH, write_problem

# Names that every second model has.
ANOTHER = "Minimize\n obj: x\nSubject To\n low: x + 3 u >= 1\n high: u - 2 v <= 7\n side: x - y >= 1\nEnd\n"


@pytest.mark.parametrize(
    "text",
    [
        "Minimize\n obj: u\nSubject To\n one: u >= 1\nEnd\n",
        ANOTHER,
        "",
        "Minimize\n obj: x + y\nSubject To\nEnd\n",
        ANOTHER.replace("Minimize", "Maximize").replace("u - 2 v <= 7", "u - 2 v >= 7"),  # unbounded
    ],
    ids=["no common name", "common names alone", "empty", "no rows", "unbounded"],
)
def test_another_model_is_no_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "b.lp").write_text(CONFLICT)
    (tmp_path / "r.lp").write_text(text)
    arguments = ["judge", str(tmp_path / "b.lp"), str(tmp_path / "r.lp")]
    assert main(arguments) == 1
    first = capsys.readouterr().out.split("\n")[0]
    assert first == "It is no repair of this model: of the 3 rows of the broken model, none is in it."
    assert main([*arguments, "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert (record["repaired"], record["related"], record["rows"], record["kept_rows"]) == (False, False, 3, 0)
    for measure in (*MEASURES, "da_f1"):
        assert record[measure] is None
        assert record["missing"][measure] == "it is no repair of this model"


def test_a_tenth_of_the_rows_must_be_there(tmp_path: Path, judge: Judge) -> None:
    """Twenty rows, of which one is in conflict; the others say so much of the model that it is known again by two."""
    lines = [f" r{number}: x{number} + y{number} <= {number}" for number in range(1, 20)]
    head, tail = "Minimize\n obj: x1\nSubject To\n", "\nEnd\n"
    broken = write_problem(tmp_path / "b.lp", head + "\n".join([*lines, " bad: x1 + y1 >= 50"]) + tail)
    for kept, related in ((1, False), (2, True), (19, True)):
        path = tmp_path / f"{kept}.lp"
        path.write_text(head + "\n".join(lines[:kept]) + tail)
        appraisal = appraise(judge, broken, load_problem(path))
        assert (appraisal.kept_rows, appraisal.related, appraisal.repaired) == (kept, related, related)
        assert math.isnan(appraisal.da_f1) is not related


def test_rows_without_bounds_are_known_by_their_variables(tmp_path: Path, judge: Judge) -> None:
    """A model whose bounds contradict each other needs no row to be infeasible."""
    text = "Minimize\n obj: x\nSubject To\nBounds\n 5 <= x <= 2\n y <= 3\nEnd\n"
    broken = write_problem(tmp_path / "b.lp", text)
    assert appraise(judge, broken, write_problem(tmp_path / "r.lp", text.replace("5 <= x", "1 <= x"))).repaired
    other = write_problem(tmp_path / "o.lp", "Minimize\n obj: u\nSubject To\nEnd\n")
    assert not appraise(judge, broken, other).related


def test_an_original_that_is_another_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("b", CONFLICT), ("r", CONFLICT.replace("x >= 5", "x >= 2")), ("o", ANOTHER)):
        (tmp_path / f"{name}.lp").write_text(text)
    paths = [str(tmp_path / f"{name}.lp") for name in "br"]
    assert main(["judge", *paths, "--original", str(tmp_path / "o.lp")]) == 2
    assert "o.lp has next to none of the rows of" in capsys.readouterr().err


def test_what_makes_a_row_the_same() -> None:
    def shape(**rows: dict[str, float]) -> Shape:
        return Shape({}, {}, terms={name: tuple(terms.items()) for name, terms in rows.items()})

    old = shape(a={"x": 3, "y": 2, "z": 1}, b={"x": 1}, c={})
    assert kept_rows(old, old) == 3
    assert kept_rows(old, shape(a={"x": -6, "y": -4, "z": -2})) == 1  # turned and multiplied
    assert kept_rows(old, shape(a={"x": 3, "y": 2, "z": 9})) == 1  # one coefficient is another
    assert kept_rows(old, shape(a={"x": 3, "y": 5, "z": 9})) == 0
    assert kept_rows(old, shape(a={"x": 3, "y": 2, "u": 1, "v": 1})) == 0  # two of four
    assert kept_rows(old, shape(b={"u": 1}, c={"x": 1})) == 0


def test_a_model_that_is_feasible_and_unbounded_is_not_called_infeasible(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.lp").write_text(UNBOUNDED_WITHOUT_HIGH)
    arguments = ["repair", str(tmp_path / "m.lp"), "--out", str(tmp_path / "r.lp"), "--agent", "drop-random"]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert "Not repaired (feasible now, but unbounded: nothing limits the objective) in 2 turns:" in out
    assert "infeasible)" not in out
    assert main([*arguments, "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert (record["repaired"], record["status"]) == (False, "UNBOUNDED")
    (tmp_path / "dropped.lp").write_text(UNBOUNDED_WITHOUT_HIGH.replace(" high: x <= 2\n", ""))
    assert main(["judge", str(tmp_path / "m.lp"), str(tmp_path / "dropped.lp")]) == 1
    assert "UNBOUNDED (feasible, but nothing limits the objective)" in capsys.readouterr().out
