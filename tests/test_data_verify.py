"""What a file of demonstrations proves: every kind of bad row is counted under its name, and none is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ordebug_plugin.actions import Action, ActionKind, parse_action
from ordebug_plugin.cli import main
from ordebug_plugin.data.alpaca import read_alpaca
from ordebug_plugin.demonstrations import Policy, Recipe, make_demonstrations
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.generate import Size, Wanted, make_benchmark
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.prompt import Detail, Style, render_state
from ordebug_plugin.shown import read_state
from ordebug_plugin.solver import Judge
from ordebug_plugin.verify.dataset import DatasetCheck, replay_all
from ordebug_plugin.verify.matching import AMBIGUOUS, ANONYMOUS, NO_PROBLEM, match_rows
from ordebug_plugin.verify.reasoning import names_decision
from ordebug_plugin.verify.row import Row
from tests.demonstrations import GOOD, STATE, row
from tests.toys import CONFLICT, PLANS, answer


def verify(toy_bench: Path, rows: Sequence[object], workers: int = 0) -> DatasetCheck:
    source = toy_bench.parent / "rows.json"
    source.write_text(json.dumps(rows))
    return replay_all(match_rows(source, toy_bench), workers=workers)


def only(toy_bench: Path, data: object) -> Row:
    """What came of one row; a good one stands beside it."""
    first, second = verify(toy_bench, [row(), data]).rows
    assert first.proven
    return second


class TestRows:
    def test_a_good_row(self, toy_bench: Path) -> None:
        (good,) = verify(toy_bench, [row()]).rows
        assert good.proven
        assert (good.true_prompt, good.coherent, good.hit, good.objective_kept, good.first_row) == (True,) * 5
        assert (good.leaks, good.op, good.error_type, good.difficulty) == (False, 1.0, "A", "easy")

    @pytest.mark.parametrize(
        ("output", "question", "expected"),
        [
            ("Drop low.", "parsable", False),
            ("<think>\nlow\n</think>\n\nAction: DROP_CONSTRAINT(low)\nAction: SUBMIT()", "parsable", False),
            ("Action: UPDATE_RHS(low, 1.0)", "well_formed", False),
            (answer("DROP_CONSTRAINT(nope)"), "executed", False),
            (answer("RELAX_CONSTRAINT(low, 1.0)"), "recovered", False),
            (answer("DROP_CONSTRAINT(side)"), "advances", False),
            (answer("RELAX_CONSTRAINT(low, 1.0)"), "advances", True),
            (answer("RELAX_CONSTRAINT(low, 0.0)"), "advances", False),
            (answer("DROP_CONSTRAINT(high)"), "hit", False),
            (answer("DROP_CONSTRAINT(high)"), "objective_kept", False),
            (answer("DROP_CONSTRAINT(high)"), "first_row", False),
            (answer("UPDATE_RHS(low, 1.0)"), "coherent", False),
            (answer("GET_IIS()"), "coherent", True),
            (answer("GET_IIS()"), "recovered", False),
        ],
    )
    def test_each_question_has_a_row_that_answers_it(
        self, toy_bench: Path, output: str, question: str, expected: bool
    ) -> None:
        assert getattr(only(toy_bench, row(output)), question) is expected

    def test_what_does_not_arise_is_not_counted(self, toy_bench: Path) -> None:
        silent = only(toy_bench, row("I do not know."))
        assert (silent.coherent, silent.first_row, silent.kind) == (None, None, None)
        assert (silent.parsable, silent.executed, silent.recovered, silent.proven) == (False, False, False, False)
        assert only(toy_bench, row(answer("DROP_CONSTRAINT(side)"))).objective_kept is None

    def test_a_repair_without_reasoning_is_not_proven(self, toy_bench: Path) -> None:
        bare = only(toy_bench, row("Action: UPDATE_RHS(low, 1.0)"))
        assert (bare.recovered, bare.well_formed, bare.proven) == (True, False, False)

    def test_a_prompt_that_shows_another_state(self, toy_bench: Path) -> None:
        assert only(toy_bench, row(state=STATE.replace("Variables: 2", "Variables: 3"))).true_prompt is False

    def test_labels_in_the_prompt_leak_and_do_not_make_it_another(self, toy_bench: Path) -> None:
        leaking = only(toy_bench, row(state=f"## Problem\nID: toy\nType: A\n\n{STATE}"))
        assert (leaking.leaks, leaking.true_prompt, leaking.proven) == (True, True, True)

    def test_the_extra_number_of_a_drop_is_no_part_of_its_target(self, toy_bench: Path) -> None:
        dropped = only(toy_bench, row("<think>\nlow is odd.\n</think>\n\nAction: DROP_CONSTRAINT(low, 0.0)"))
        assert (dropped.coherent, dropped.first_row, dropped.hit) == (True, True, True)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (row(problem_id="elsewhere"), NO_PROBLEM),
            (row(problem_id="toy", problem_hash="0" * 64), NO_PROBLEM),
            (row(agent="somebody"), ANONYMOUS),
            ({**row(), "metadata": None}, ANONYMOUS),
            ({"messages": []}, "no demonstration: 'messages' is no list of messages"),
            ({"instruction": "", "input": ""}, "no demonstration: 'output' is missing"),
            (7, "no demonstration: a row must be an object, not int"),
            (row(state=f"{STATE}\n\n## Previous Actions\nsomething else"), "previous actions in its prompt cannot be"),
            (row(state=f"{STATE}\n\n## Previous Actions\n1. SUBMIT(): still infeasible"), "already end the episode"),
        ],
    )
    def test_a_row_that_cannot_be_judged_is_counted_with_its_reason(
        self, toy_bench: Path, data: object, reason: str
    ) -> None:
        lost = only(toy_bench, data)
        assert not lost.judged
        assert not lost.proven
        assert lost.reason is not None
        assert reason in lost.reason

    def test_a_prompt_of_another_kind_is_unreadable_and_not_wrong(self, toy_bench: Path) -> None:
        story = only(toy_bench, row(state=""))
        assert (story.readable, story.true_prompt, story.recovered) == (False, None, True)
        cut = only(toy_bench, row(state=STATE.replace("['low', 'high']\n\n##", "['low', \n\n##")))
        assert (cut.readable, cut.true_prompt) == (False, False)

    def test_the_hash_decides_where_ids_collide(self, toy_bench: Path) -> None:
        index = json.loads((toy_bench / "dataset.json").read_text())
        other = {**index["problems"][0], "model_file": "other.lp"}
        (toy_bench / "other.lp").write_text(CONFLICT.replace("x <= 2", "x <= 3"))
        (toy_bench / "dataset.json").write_text(json.dumps({"problems": [*index["problems"], other]}))
        content = load_benchmark(toy_bench).problems[1].content_hash
        by_id, by_hash = verify(toy_bench, [row(), row(problem_id="toy", problem_hash=content)]).rows
        assert by_id.reason == AMBIGUOUS
        assert by_hash.problem is not None
        assert (by_hash.proven, by_hash.problem.content_hash) == (True, content)

    def test_a_problem_that_is_not_infeasible(self, toy_bench: Path) -> None:
        (toy_bench / "toy.lp").write_text(CONFLICT.replace("x <= 2", "x <= 200"))
        (lost,) = verify(toy_bench, [row()]).rows
        assert lost.reason is not None
        assert "nothing to repair" in lost.reason

    def test_a_later_turn_is_replayed_after_the_actions_that_its_prompt_lists(self, toy_bench: Path) -> None:
        with Judge() as judge:
            env = RepairEnv(judge, load_benchmark(toy_bench).problems[0])
            env.reset()
            env.step("no action at all")
            env.step(answer("RELAX_CONSTRAINT(low, 2.0)"))
            observation = env.step(answer("DROP_CONSTRAINT(nope)")).observation
            state = render_state(observation, Style(detail=Detail.ALGEBRA))
        later = only(toy_bench, row(answer("RELAX_CONSTRAINT(high, 1.5)"), state))
        assert (later.recovered, later.true_prompt, later.hit) == (True, True, False)
        # From the model as loaded the same answer would not be enough.
        assert not only(toy_bench, row(answer("RELAX_CONSTRAINT(high, 1.5)"))).recovered


class TestFiles:
    def test_duplicates_and_contradictions(self, toy_bench: Path) -> None:
        labelled = f"## Problem\nID: toy\nType: A\n\n{STATE}"
        other_words = GOOD.replace("low asks", "Here low asks")
        other_action = answer("DROP_CONSTRAINT(low)")
        check = verify(toy_bench, [row(), row(), row(state=labelled)])
        assert (check.duplicates, check.duplicates_unlabelled, check.contradictions.answers) == (1, 2, 0)
        words = verify(toy_bench, [row(), row(other_words, labelled)]).contradictions
        assert (words.prompts, words.answers, words.actions, words.rows) == (1, 1, 0, 2)
        actions = verify(toy_bench, [row(), row(other_action)]).contradictions
        assert (actions.answers, actions.actions) == (1, 1)

    def test_our_own_demonstrations_and_any_number_of_workers(self, tmp_path: Path) -> None:
        folder = tmp_path / "made"
        make_benchmark(folder, n=25, seed=2, wanted=PLANS)
        out = tmp_path / "demos.json"
        make_demonstrations(load_benchmark(folder), out, Recipe(Policy.MIXED), seed=0, per_problem=3)
        matched = match_rows(out, folder)
        check = replay_all(matched)
        assert check == replay_all(matched, workers=2)
        assert len(check.judged) == len(check.rows) == len(read_alpaca(out).rows)
        assert all(row.true_prompt and row.executed for row in check.rows)
        assert any("Previous Actions" in row.turns[0].prompt for row in check.demonstrations)

    def test_our_own_first_repairs_of_several_and_looks_are_kept(self, tmp_path: Path) -> None:
        """Some of these rows do not recover by themselves, as their episodes go on: they are steps of those that do."""
        folder, out, kept, report = (tmp_path / name for name in ("made", "demos.json", "kept.json", "report.json"))
        make_benchmark(folder, n=6, seed=5, wanted=Wanted(faults=("E", "G", "H"), sizes=(Size.SMALL,)))
        recipe = Recipe(Policy.EXPERT, style=Style(detail=Detail.FULL))
        make_demonstrations(load_benchmark(folder), out, recipe, seed=1, per_problem=4)
        rows = list(read_alpaca(out).rows)
        options = ["--bench", str(folder), "--workers", "0", "--keep", str(kept), "--json", str(report)]
        assert main(["data", "verify", str(out), *options]) == 0
        assert list(read_alpaca(kept).rows) == rows
        record = json.loads(report.read_text())
        assert record["by_kind"]["CHECK_SLACK"]["n"] > 0
        assert record["shares"]["recovered"]["count"] < record["n"]
        assert record["findings"]["hit"] == record["findings"]["agrees"] == 0
        assert record["shares"]["agrees"]["count"] > 0

    def test_the_report_and_the_rows_that_are_kept(self, toy_bench: Path, tmp_path: Path) -> None:
        rows = [row(), row("nothing"), row(answer("DROP_CONSTRAINT(high)")), row(problem_id="elsewhere")]
        source, report, kept = (tmp_path / name for name in ("in.json", "report.json", "kept.json"))
        source.write_text(json.dumps({"metadata": {"agent": "test"}, "data": rows}))
        options = ["--bench", str(toy_bench), "--workers", "0", "--json", str(report), "--keep", str(kept)]
        assert main(["data", "verify", str(source), *options]) == 1
        record = json.loads(report.read_text())
        assert record["n"] == 4
        assert record["shares"]["recovered"] == {"count": 2, "of": 3, "share": 2 / 3}
        assert record["shares"]["proven"]["count"] == 2
        assert record["unjudged"] == {NO_PROBLEM: 1}
        assert [entry["proven"] for entry in record["rows"]] == [True, False, True, False]
        assert record["by_kind"]["none"]["n"] == 1
        assert json.loads(kept.read_text()) == {"metadata": {"agent": "test"}, "data": [rows[0], rows[2]]}
        assert main(["data", "verify", str(kept), "--bench", str(toy_bench), "--workers", "0"]) == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["rows.json", "--keep", "rows.json"], "would be overwritten"),
            (["rows.json", "--keep", "kept.jsonl"], "name the rows to keep *.json"),
            (["rows.json", "--keep", "kept.json"], "not one row"),
            (["nowhere.json"], "nowhere.json"),
            (["numbers.json"], "not one of 2 rows can be read; row 1: no demonstration"),
        ],
    )
    def test_bad_input(
        self,
        toy_bench: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        message: str,
    ) -> None:
        monkeypatch.chdir(toy_bench.parent)
        Path("rows.json").write_text(json.dumps([row("nothing")]))
        Path("numbers.json").write_text("[1, 2]")
        assert main(["data", "verify", *arguments, "--bench", str(toy_bench), "--workers", "0"]) == 2
        assert message in " ".join(capsys.readouterr().err.split())


class TestReasoning:
    @pytest.mark.parametrize(
        ("think", "action", "expected"),
        [
            ("c1 is too tight", "DROP_CONSTRAINT(c1)", True),
            ("c11 is too tight", "DROP_CONSTRAINT(c1)", False),
            ("'flow[a,b]' is too tight", "DROP_CONSTRAINT(flow[a,b])", True),
            ("Relaxing c1 by 1.", "RELAX_CONSTRAINT(c1, 1.0)", True),
            ("Relaxing c1.", "RELAX_CONSTRAINT(c1, 1.0)", False),
            ("Relaxing c1, not r5.", "RELAX_CONSTRAINT(c1, 5.0)", False),
            ("Relaxing c1 by 1e2.", "RELAX_CONSTRAINT(c1, 100.0)", True),
            ("The side of c1 was minus 40.", "UPDATE_RHS(c1, -40.0)", True),
            ("x goes free above 0", "UPDATE_BOUNDS(x, 0.0, inf)", True),
            ("x may be anything above 0", "UPDATE_BOUNDS(x, 0.0, inf)", False),
            ("I look.", "GET_IIS()", True),
            ("", "GET_IIS()", False),
        ],
    )
    def test_names_and_numbers_are_found_as_such(self, think: str, action: str, expected: bool) -> None:
        assert names_decision(think, parse_action(action)) is expected

    def test_a_bound_that_stays_needs_no_reason(self) -> None:
        action = parse_action("UPDATE_BOUNDS(x, 3, 8)")
        assert names_decision("x goes to 8", action, kept=(3.0,))
        assert not names_decision("x goes to 8", action)


class TestShown:
    def test_history_is_read_back_whatever_the_names(self) -> None:
        name = "req [Mon: 1] late: all"
        past = [f"1. DROP_CONSTRAINT({name}): still infeasible", "2. no action: refused: no action found: end it"]
        shown = read_state("\n".join([f"{STATE}\n\n## Previous Actions", *past]))
        assert shown.history == (Action(ActionKind.DROP_CONSTRAINT, name), None)
        assert (shown.state, shown.iis_rows) == (STATE, ("low", "high"))

    @pytest.mark.parametrize("listed", ["[1, 2]", "[open", "['a' 'b'"])
    def test_a_list_that_is_none(self, listed: str) -> None:
        assert read_state(STATE.replace("['low', 'high']\n\n##", f"{listed}\n\n##")).iis_rows is None
