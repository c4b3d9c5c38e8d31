"""`ordebug repair`: the model on somebody's desk is explained, repaired, and written as exactly the repaired model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.edits import Edits
from ordebug_plugin.errors import InputError
from ordebug_plugin.interval import FREE, Interval
from ordebug_plugin.problem import load_problem
from ordebug_plugin.solver import FORMATS, Judge
from ordebug_plugin.verdict import Status
from tests.conftest import free_port
from tests.test_chat import completion, server
from tests.toys import CONFLICT, CONFLICT_SPECIFICATION, FEASIBLE, RANGES, UNBOUNDED_WITHOUT_HIGH, answer, write_problem

# Two conflicts: `a` against `b`, `c` against `d`.
TWO = """
Minimize
 obj: x + y
Subject To
 a: x >= 5
 b: x <= 2
 c: y >= 8
 d: y <= 7
End
"""
# A maximum with an equality, a range by its bounds, names that are more than words, an integer and a binary.
MIXED = """
Maximize
 profit: 3 make(rye,1) + 2 6th - flow[a,b] - 0.1 open + 7 Constant
Subject To
 cap.1: 2 make(rye,1) + 6th <= 40
 dough: make(rye,1) + 6th - flow[a,b] = 0
 need{1}: make(rye,1) + 0.3333333333333333 6th >= 31
 link: 6th - 20 open <= 0
Bounds
 -3.5 <= flow[a,b] <= 35
 make(rye,1) <= 12.7
 Constant = 1
Generals
 6th
Binaries
 open
End
"""
# `low` and `high` contradict each other; what is not linear stands beside them and must be written untouched.
CURVED = """
Minimize
 obj: x + y + z + [ 2 x ^2 + 2 x * y ] / 2
Subject To
 low: x >= 5
 high: x <= 2
 round: z + [ x ^2 + y ^2 ] <= 40
 if: b = 1 -> x + y <= 30
Bounds
 y <= 50
 2 <= s <= 9
Binaries
 b
Semi-Continuous
 s
SOS
 pair: S1:: y:1 z:2
General Constraints
 top: r = MAX ( x , y , 3 )
End
"""
# Rows that share a name, as LP files may have them.
TWINS = "Minimize\n obj: x\nSubject To\n r: x >= 5\n r: x <= 2\n s: x <= 90\nEnd\n"


def repair(capsys: pytest.CaptureFixture[str], model: Path, out: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code = main(["repair", str(model), "--out", str(out), "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def to_mps(text: str) -> str:
    """The same model with a colon in its names; Gurobi's own writer would give all of them up."""
    return text.replace(" le ", " l:e ").replace(" le\n", " l:e\n").replace(" x ", " x:1 ")


@pytest.mark.skipif("ORDEBUG_DATA" not in os.environ, reason="ORDEBUG_DATA is not set: it names the public data")
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", ["galenet", "itest2", "itest6", "woodinfe"])
def test_the_infeasible_classics_are_repaired_at_the_least_cost(
    name: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = Path(os.environ["ORDEBUG_DATA"]) / "netlib_infeas" / f"{name}.mps", tmp_path / f"out{suffix}"
    assert main(["repair", str(model), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    code, record = repair(capsys, model, tmp_path / f"again{suffix}")
    assert code == 0
    assert record["minimality"] >= 0.95
    assert out.read_bytes() == (tmp_path / f"again{suffix}").read_bytes()
    with Judge() as judge:
        verdict = judge.solve(load_problem(out))
        assert verdict.status is Status.OPTIMAL
        assert verdict.objective == pytest.approx(record["objective"])
    text = captured.out
    for row, written in record["conflict"]["rows"].items():
        assert f"  {row}" in text
        assert written in text
    for change in record["changes"]:
        assert change["before"] in text
        assert change["after"] in text
    asked = text.partition("What to check next:")[2]
    assert all(f"- {change['name']}: w" in asked for change in record["changes"])
    assert record["alternatives"][0]["minimality"] >= 0.95
    assert len(record["alternatives"]) > 1
    assert "agent: relax-minimal" in captured.err
    assert "replace such numbers" in asked


@pytest.mark.parametrize(("name", "turns"), [("plans", 11), ("whole", 2), ("edge", 3)])
def test_the_amounts_of_the_cheapest_repair_suffice(
    name: str, turns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gurobi's own point of the relaxation is whole to 1e-5 and feasible to 1e-6, and amounts read off it fall short.

    plans and whole have integer variables; edge has none, and is 1e-6 away from feasible after the cheapest repair.
    They are p00016 of `bench make --n 80 --seed 7`, and p00250 and p00287 of `--n 300 --seed 0`.
    """
    model = Path(__file__).parent / "data" / "repair" / f"{name}.mps"
    code, record = repair(capsys, model, tmp_path / "out.mps", "--alternatives", "0")
    assert (code, len(record["turns"])) == (0, turns)
    assert record["minimality"] >= 0.999999
    with Judge() as judge:
        assert judge.solve(load_problem(tmp_path / "out.mps")).status is Status.OPTIMAL


def test_the_text_says_what_is_wrong_what_was_changed_and_what_else_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.lp").write_text(CONFLICT)
    assert main(["repair", str(tmp_path / "m.lp"), "--out", str(tmp_path / "r.lp"), "--agent", "drop-first"]) == 0
    captured = capsys.readouterr()
    assert "relax-minimal" not in captured.err
    lines = captured.out.splitlines()
    assert "  low   x >= 5" in lines
    assert "  high  x <= 2" in lines
    assert "rows low and high" in captured.out
    assert "  - low: x >= 5   (dropped)" in lines
    assert "Objective now: 0" in lines
    assert "  drop low: 5 | 0.600 | 0   <- this repair" in lines
    assert "  drop high: 3 | 1.000 | 5" in lines
    assert any(line.startswith("  the cheapest relaxation: 3 | 1.000 |") for line in lines)
    assert "low: nothing asks for x >= 5 any more" in captured.out
    assert "to let go of high alone" in captured.out
    assert "replace such numbers" not in captured.out
    assert "low" not in (tmp_path / "r.lp").read_text()


def test_the_specification_beside_the_model_is_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lp").write_text(CONFLICT)
    (tmp_path / "m.spec.txt").write_text(CONFLICT_SPECIFICATION)
    _, record = repair(capsys, tmp_path / "m.lp", tmp_path / "r.mps", "--agent", "drop-first")
    assert "The specification says: A loaf (x) is wanted at least 1 time." in record["check_next"][0]
    (tmp_path / "m.spec.txt").write_text("A baker.\n\nhigh: The oven.\n")
    _, record = repair(capsys, tmp_path / "m.lp", tmp_path / "s.mps", "--agent", "drop-first")
    assert "The specification says nothing of it" in record["check_next"][0]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_maximum_of_a_mip_with_odd_names_is_repaired_and_written(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.lp").write_text(MIXED)
    out = tmp_path / f"r{suffix}"
    code, record = repair(capsys, tmp_path / "m.lp", out)
    assert code == 0
    assert record["minimality"] >= 0.95
    with Judge() as judge:
        old, new = load_problem(tmp_path / "m.lp"), load_problem(out)
        assert judge.outline(new) == judge.outline(old)
        assert judge.outline(new).maximize
        assert judge.solve(new).objective == pytest.approx(record["objective"])
        before, after = judge.shape(old), judge.shape(new)
        assert set(after.rows) == {"cap.1", "dough", "need{1}", "link"}
        assert after.integers == {"6th"}
        assert after.binaries == {"open"}
        changed = {change["name"] for change in record["changes"]}
        assert changed
        assert all(after.rows[row] == before.rows[row] for row in before.rows if row not in changed)
        assert all(after.variables[name] == before.variables[name] for name in before.variables if name not in changed)
        assert all(dict(after.terms[row]) == dict(before.terms[row]) for row in before.rows)


@pytest.mark.parametrize("suffix", FORMATS)
def test_ranges_stay_ranges_whether_they_came_with_the_file_or_with_the_repair(suffix: str, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "m.mps", RANGES)
    edits = Edits(
        rows=(("eq", Interval(2.0, 6.0)), ("ge", Interval(3.0, 3.0)), ("need", Interval(1.0, 9.0))),
        variables=(("y", Interval(-1.0, 4.0)),),
    )
    with Judge() as judge:
        (tmp_path / f"r{suffix}").write_bytes(judge.written(problem, edits, suffix))
        shape = judge.shape(load_problem(tmp_path / f"r{suffix}"))
        assert shape.rows == {
            "le": Interval(2.0, 4.0),
            "ge": Interval(3.0, 3.0),
            "eq": Interval(2.0, 6.0),
            "need": Interval(1.0, 9.0),
        }
        assert shape.variables == {"x": judge.shape(problem).variables["x"], "y": Interval(-1.0, 4.0)}
        # A range that is dropped takes the column along with which it was written.
        gone = judge.written(problem, Edits(rows=(("le", FREE), ("ge", Interval(3.0, 1e30)))), suffix)
        (tmp_path / f"s{suffix}").write_bytes(gone)
        shape = judge.shape(load_problem(tmp_path / f"s{suffix}"))
        assert set(shape.variables) == {"x", "y"}
        assert shape.rows["ge"] == Interval(3.0, float("inf"))
        assert "le" not in shape.rows


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_not_linear_is_written_untouched(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.lp").write_text(CURVED)
    out = tmp_path / f"r{suffix}"
    code, _ = repair(capsys, tmp_path / "m.lp", out, "--agent", "drop-first")
    assert code == 0
    with Judge() as judge:
        before, after = judge.others(load_problem(tmp_path / "m.lp")), judge.others(load_problem(out))
        assert after == before
        assert set(before) == {
            "quadratic objective",
            "quadratic constraint round",
            "general constraint if",
            "general constraint top",
            "SOS constraint 0",
            "type of s",
        }
        assert before["quadratic constraint round"] == "1 z; 1 x * x + 1 y * y; <= 40"
        assert set(judge.shape(load_problem(out)).rows) == {"high"}


def test_a_colon_in_a_name_needs_mps_and_the_other_format_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.mps").write_text(to_mps(RANGES))
    assert main(["repair", str(tmp_path / "m.mps"), "--out", str(tmp_path / "r.lp")]) == 2
    message = capsys.readouterr().err
    assert "row 'l:e' is not in it" in message
    assert "choose a name ending in .mps" in message
    assert not (tmp_path / "r.lp").exists()
    assert repair(capsys, tmp_path / "m.mps", tmp_path / "r.mps")[0] == 0
    with Judge() as judge:
        assert set(judge.shape(load_problem(tmp_path / "r.mps")).rows) == {"l:e", "ge", "eq", "need"}
        assert set(judge.shape(load_problem(tmp_path / "r.mps")).variables) == {"x:1", "y"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_rows_that_share_a_name_get_one_each(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lp").write_text(TWINS)
    out = tmp_path / f"r{suffix}"
    assert main(["repair", str(tmp_path / "m.lp"), "--out", str(out), "--agent", "drop-first"]) == 0
    assert "share a name were given another: r#2" in capsys.readouterr().err
    with Judge() as judge:
        assert list(judge.shape(load_problem(out)).rows) == ["r#2", "s"]


def test_numbers_are_written_to_the_last_digit(tmp_path: Path) -> None:
    text = CONFLICT.replace("x + y <= 100", "0.30000000000000004 x + 0.1234567890123456 y <= 12345678.901234567")
    problem = write_problem(tmp_path / "m.lp", text)
    edits = Edits(rows=(("low", Interval(1.3333328666666664, float("inf"))),))
    with Judge() as judge:
        before = judge.shape(problem)
        (tmp_path / "r.mps").write_bytes(judge.written(problem, edits, ".mps"))
        after = judge.shape(load_problem(tmp_path / "r.mps"))
        assert after.terms["side"] == before.terms["side"]
        assert after.rows == {**before.rows, **dict(edits.rows)}


def test_a_file_that_reads_back_as_another_model_is_never_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bounds` is a name in an MPS file, and the head of a section in an LP file."""
    text = "NAME T\nROWS\n N obj\n G low\n L high\nCOLUMNS\n free low 1\n free high 1\n free obj 1\n"
    text = text.replace("free", "bounds") + "RHS\n RHS low 5\n RHS high 2\nENDATA\n"
    (tmp_path / "m.mps").write_text(text)
    assert main(["repair", str(tmp_path / "m.mps"), "--out", str(tmp_path / "r.lp")]) == 2
    assert ".lp cannot hold this model" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "m.mps"]
    with Judge() as judge, pytest.raises(InputError, match="cannot hold"):
        judge.written(load_problem(tmp_path / "m.mps"), Edits(), ".lp")


def test_a_model_that_the_agent_does_not_repair_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.lp").write_text(TWO)
    out = tmp_path / "r.lp"
    assert main(["repair", str(tmp_path / "m.lp"), "--out", str(out), "--max-steps", "1"]) == 1
    captured = capsys.readouterr()
    assert "Not repaired (out-of-turns) in 1 turn" in captured.out
    assert "one of 2 conflicts that share no row" in captured.out
    assert "was not written" in captured.err
    assert not out.exists()
    code, record = repair(capsys, tmp_path / "m.lp", out, "--max-steps", "1")
    assert (code, record["repaired"], record["out"], record["minimality"]) == (1, False, None, None)
    assert "raise --max-steps" in record["check_next"][0]
    # No single row is enough here, so the alternatives say what is left to do after each.
    assert [one["alone"] for one in record["alternatives"]] == [None] * 3
    assert [one["granted"] for one in record["alternatives"]] == pytest.approx([4, 4, 6], rel=1e-5)
    assert [one["what"].split(",")[0] for one in record["alternatives"][1:]] == ["drop b", "drop a"]


def test_a_variable_that_would_be_negative_is_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.lp").write_text(
        "Maximize\n profit: 3 bread + 2 cake\nSubject To\n oven: 2 bread + 4 cake <= 340\n order: bread >= 300\nEnd\n"
    )
    (tmp_path / "plan.spec.txt").write_text("A bakery.\n\norder: At least 30 loaves.\ncake: Cakes, at least 0.\n")
    code, record = repair(capsys, tmp_path / "plan.lp", tmp_path / "r.lp")
    assert code == 0
    assert [change["name"] for change in record["changes"]] == ["cake"]
    assert record["check_next"][0].startswith("cake may be negative now")
    assert "order: the model asks for bread >= 300. The specification says: At least 30 loaves." in record["check_next"]
    assert "Also in the conflict, and not in the specification: oven." in record["check_next"]


def test_a_repair_that_leaves_the_objective_without_limit_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.lp").write_text(UNBOUNDED_WITHOUT_HIGH)
    code, record = repair(capsys, tmp_path / "m.lp", tmp_path / "r.lp", "--agent", "drop-random", "--seed", "0")
    assert code == 1
    assert [turn["action"] for turn in record["turns"]] == ["DROP_CONSTRAINT(high)", "SUBMIT()"]
    assert "nothing limits the objective" in record["check_next"][0]
    assert repair(capsys, tmp_path / "m.lp", tmp_path / "r.lp")[0] == 0


def test_alternatives_can_be_limited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lp").write_text(CONFLICT)
    found = []
    for most in (0, 1, 2):
        _, record = repair(capsys, tmp_path / "m.lp", tmp_path / f"{most}.lp", "--alternatives", str(most))
        found.append([one["what"] for one in record["alternatives"]])
    cheapest = "the cheapest relaxation"
    assert found == [[], [cheapest, "drop low"], [cheapest, "drop high", "drop low"]]
    assert main(["repair", str(tmp_path / "m.lp"), "--out", str(tmp_path / "r.lp"), "--alternatives", "0"]) == 0
    text = capsys.readouterr().out
    assert "Alternatives: not looked for" in text
    assert "none was found" not in text


def test_what_just_failed_is_not_recommended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No relaxation is known beside a semi-continuous variable: relax-minimal gives up, drop-first does not."""
    model, out = tmp_path / "m.lp", tmp_path / "r.lp"
    model.write_text(
        "Minimize\n obj: x\nSubject To\n c: x >= 8\n d: x <= 9\nBounds\n 2 <= x <= 5\nSemi-Continuous\n x\nEnd\n"
    )
    code, record = repair(capsys, model, out)
    assert (code, [turn["action"] for turn in record["turns"]]) == (1, ["SUBMIT()"])
    first, second = record["check_next"][:2]
    assert "gave up by itself" in first
    assert "--max-steps" not in first
    assert "--agent relax-minimal" not in first
    assert "--agent drop-first" in first
    assert second.startswith("To let go of x or c alone would be enough")
    assert repair(capsys, model, out, "--agent", "drop-first")[0] == 0
    code, record = repair(capsys, model, tmp_path / "s.lp", "--agent", "relax-first", "--max-steps", "1")
    assert code == 1
    assert "raise --max-steps, or let another agent try (--agent relax-minimal)" in record["check_next"][0]


@pytest.mark.parametrize(
    ("finish", "text", "said"),
    [
        ("length", "<think>\nand so on and", "3 of 3 answers were cut by the token limit: raise --max-tokens."),
        ("stop", "I cannot tell.", "No answer had an action that could be executed"),
    ],
)
def test_a_served_model_that_failed_gets_advice_on_what_failed(
    finish: str, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.lp").write_text(CONFLICT)
    with server(lambda n, body: (200, completion(text, finish=finish))) as (url, _):
        options = ("--base-url", url, "--model", "m", "--max-steps", "3")
        code, record = repair(capsys, tmp_path / "m.lp", tmp_path / "r.lp", *options)
    assert (code, record["repaired"]) == (1, False)
    assert record["check_next"][0].startswith(said)
    assert "--max-steps" not in record["check_next"][0]
    assert "--detail" in record["check_next"][0]


def test_the_oracle_needs_a_recorded_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lp").write_text(CONFLICT)
    arguments = ["repair", str(tmp_path / "m.lp"), "--out", str(tmp_path / "r.lp"), "--agent", "oracle"]
    assert main(arguments) == 2
    assert "nothing is recorded of" in capsys.readouterr().err
    assert not (tmp_path / "r.lp").exists()


def test_a_model_beyond_the_licence_is_no_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "\n".join(f" r{i}: x{i} >= {i}" for i in range(2100))
    (tmp_path / "big.lp").write_text(f"Minimize\n obj: x0\nSubject To\n{rows}\n cap: x5 <= 1\nEnd\n")
    assert main(["repair", str(tmp_path / "big.lp"), "--out", str(tmp_path / "r.lp")]) == 3
    assert "GRB_LICENSE_FILE" in capsys.readouterr().err


def test_bad_input_is_named_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lp").write_text(CONFLICT)
    (tmp_path / "fine.lp").write_text(FEASIBLE)
    (tmp_path / "torn.mps").write_text("ROWS\n???")
    (tmp_path / "there.lp").write_text("precious")
    (tmp_path / "link.lp").symlink_to(tmp_path / "nowhere.lp")

    def refused(model: str, out: str, *texts: str, options: tuple[str, ...] = ()) -> None:
        assert main(["repair", str(tmp_path / model), "--out", str(tmp_path / out), *options]) == 2
        message = capsys.readouterr().err
        assert all(text in message for text in texts), message

    for out in ("r.txt", "r", "r.lp.gz", "r.LP", "r.json"):
        refused("m.lp", out, f"{out}: its name must end in .lp or .mps")
    refused("m.lp", "there.lp", "there.lp is there already")
    refused("m.lp", "m.lp", "m.lp is there already")
    refused("m.lp", "link.lp", "link.lp is there already")
    refused("m.lp", "m.lp/r.lp", "cannot be written")
    refused("fine.lp", "r.lp", "fine.lp", "nothing to repair")
    refused("torn.mps", "r.lp", "torn.mps: Gurobi cannot read this model file")
    refused("gone.lp", "r.lp", "gone.lp not found")
    refused("m.lp", "r.lp", "--model goes with --base-url", options=("--model", "m"))
    refused("m.lp", "r.lp", "--base-url needs --model", options=("--base-url", "http://127.0.0.1:1/v1"))
    assert (tmp_path / "there.lp").read_text() == "precious"
    assert (tmp_path / "m.lp").read_text() == CONFLICT
    assert not (tmp_path / "r.lp").exists()


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lp").write_text(CONFLICT)
    out = tmp_path / "r.lp"

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        out.write_text("precious")
        return 200, completion(answer("DROP_CONSTRAINT(low)"))

    with server(respond) as (url, _):
        assert main(["repair", str(tmp_path / "m.lp"), "--out", str(out), "--base-url", url, "--model", "m"]) == 2
    captured = capsys.readouterr()
    assert "is there already" in captured.err
    assert "  - low: x >= 5   (dropped)" in captured.out  # what was found out is told all the same
    assert out.read_text() == "precious"


def test_a_served_model_repairs_and_is_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lp").write_text(CONFLICT)
    (tmp_path / "m.spec.txt").write_text(CONFLICT_SPECIFICATION)
    reply = answer("REWRITE_CONSTRAINT(low, 2 x + y >= 1)").replace(
        "because", "The loaf is wanted once, says the text."
    )
    with server(lambda number, body: (200, completion(reply))) as (url, requests):
        arguments = ["repair", str(tmp_path / "m.lp"), "--base-url", url, "--model", "m", "--extended"]
        assert main([*arguments, "--out", str(tmp_path / "r.lp")]) == 0
    captured = capsys.readouterr()
    assert "The loaf is wanted once, says the text." in captured.out
    assert "  - low: x >= 5" in captured.out
    assert "  + low: 2 x + y >= 1" in captured.out
    prompt = requests[0]["body"]["messages"][1]["content"]
    assert "A loaf (x) is wanted at least 1 time." in prompt
    with Judge() as judge:
        assert dict(judge.shape(load_problem(tmp_path / "r.lp")).terms["low"]) == {"x": 2.0, "y": 1.0}


def test_a_dead_server_is_no_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lp").write_text(CONFLICT)
    out = tmp_path / "r.lp"
    arguments = ["repair", str(tmp_path / "m.lp"), "--out", str(out), "--model", "m", "--retries", "0"]
    assert main([*arguments, "--base-url", f"http://127.0.0.1:{free_port()}/v1"]) == 4
    assert "no OpenAI-compatible server" in capsys.readouterr().err
    with server(lambda number, body: (500, {"error": {"message": "out of memory"}})) as (url, _):
        assert main([*arguments, "--base-url", url]) == 4
    assert "given up after 0 turns: ServerError" in capsys.readouterr().err
    assert not out.exists()


def test_the_same_model_is_explained_in_the_same_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lp").write_text(TWO)
    texts = []
    for name in ("a.lp", "b.lp"):
        main(["repair", str(tmp_path / "m.lp"), "--out", str(tmp_path / name)])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert (tmp_path / "a.lp").read_bytes() == (tmp_path / "b.lp").read_bytes()
