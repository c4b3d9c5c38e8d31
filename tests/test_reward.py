import json
import math
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordebug_plugin.actions import parse_action
from ordebug_plugin.cli import main
from ordebug_plugin.errors import InputError, ProblemError
from ordebug_plugin.exploits import EXPLOITS, check_problem
from ordebug_plugin.grading import Grader, Task
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Detail, Style
from ordebug_plugin.reward import COMPONENTS, PRESETS, Weights
from ordebug_plugin.reward_functions import FAILURES, REWARDS, neutral
from ordebug_plugin.reward_pool import Limits, RewardPool
from ordebug_plugin.solver import Judge
from ordebug_plugin.specification import read_specification
from ordebug_plugin.tasks import dump_task, load_style, load_task
from ordebug_plugin.truth import Truth
from ordebug_plugin.workers import Lost, Workers
from tests.toys import CONFLICT, CONFLICT_SPECIFICATION, FEASIBLE, answer, market_split, write_problem

# The fault raised `low` from 1 to 5.
TRUTH = Truth(rows=("low",), objective=1.0, fix=(parse_action("UPDATE_RHS(low, 1)"),))
HONEST = answer("UPDATE_RHS(low, 1)")


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return write_problem(tmp_path_factory.mktemp("reward") / "conflict.lp", CONFLICT, TRUTH)


@pytest.fixture(scope="module")
def task(problem: Problem) -> str:
    return dump_task(Task(problem))


def rewards(name: str, task: str, *answers: str) -> list[float]:
    return REWARDS[name](list(answers), task=[task] * len(answers))


def test_nothing_is_computed_that_a_replay_does_not_need(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object) -> None:
        raise AssertionError("only somebody who reads the prompts needs this")

    monkeypatch.setattr(Judge, "relaxation", called)
    monkeypatch.setattr(Judge, "iis", called)
    looked = Grader().grade(load_task(task), [answer("CHECK_SLACK(low)"), HONEST]).components
    assert (looked.repair, looked.efficiency) == (1.0, 0.5)


def test_undoing_the_fault_scores_1_under_every_reward(task: str) -> None:
    assert {name: rewards(name, task, HONEST) for name in REWARDS} == {name: [1.0] for name in REWARDS}


def test_without_truth_the_cheapest_repair_scores_1(problem: Problem) -> None:
    unknown = dump_task(Task(replace(problem, truth=Truth())))
    for action in ("RELAX_CONSTRAINT(high, 3)", "RELAX_CONSTRAINT(low, 3)"):
        for name in REWARDS:
            assert rewards(name, unknown, answer(action)) == [pytest.approx(1.0)]


def test_answers_of_different_quality_are_told_apart(task: str) -> None:
    """What groups need: a gradient from nothing, over half a repair, to the true one."""
    ladder = [
        answer("GET_IIS()"),
        answer("RELAX_CONSTRAINT(high, 1)"),
        answer("RELAX_CONSTRAINT(high, 1.5)"),
        answer("DROP_CONSTRAINT(high)"),
        answer("DROP_CONSTRAINT(low)"),
        answer("UPDATE_RHS(low, 1.5)"),
        HONEST,
    ]
    for name in PRESETS:
        values = rewards(name, task, *ladder)
        assert values == sorted(values)
        assert len(set(values)) == len(values)
        assert values[0] == 0.0
        assert values[-1] == 1.0


def test_no_failure_beats_a_recovery(task: str) -> None:
    almost, recovered = rewards(
        "ordebug_repair", task, answer("RELAX_CONSTRAINT(low, 2.99)"), answer("DROP_CONSTRAINT(high)")
    )
    assert almost < 0.25
    assert recovered >= 0.5


def test_poor_format_costs_the_same_action_half(task: str) -> None:
    for text in ("Action: UPDATE_RHS(low, 1)", "<think>\n\n</think>\n\nAction: UPDATE_RHS(low, 1)"):
        assert rewards("ordebug", task, text) == [0.5]


@settings(max_examples=60)
@given(st.lists(st.one_of(st.text(), st.sampled_from([HONEST, "", "<think>", answer("RELAX_CONSTRAINT(low, nan)")]))))
def test_rewards_are_total_and_bounded(task: str, texts: list[str]) -> None:
    for function in REWARDS.values():
        values = function(texts, task=[task] * len(texts))
        assert len(values) == len(texts)
        assert all(0.0 <= value <= 1.0 for value in values)


@pytest.mark.parametrize(
    "completion",
    ["", "x" * 1_000_000, answer("RELAX_CONSTRAINT(low, nan)"), "\ud800", None, 7, [], [{"role": "user"}], {"a": 1}],
    ids=lambda value: repr(value)[:20],
)
def test_odd_completions_score_0_and_raise_nothing(task: str, completion: object) -> None:
    for function in REWARDS.values():
        assert function([completion], task=[task]) == [0.0]


def test_a_megabyte_before_the_action_does_not_hide_it(task: str) -> None:
    text = "<think>\n" + "y" * 1_000_000 + "\n</think>\n\nAction: UPDATE_RHS(low, 1)"
    assert rewards("ordebug_preservation", task, text) == [1.0]


def test_chat_messages_are_one_trajectory(task: str) -> None:
    turns = [answer("RELAX_CONSTRAINT(low, 1)"), HONEST]
    messages = [
        {"role": role, "content": text} for text in turns for role, text in (("user", "state"), ("assistant", text))
    ]
    (value,) = REWARDS["ordebug_efficiency"]([messages], task=[task])
    assert value == 0.5


def test_history_leads_to_the_state_that_the_answer_meets(problem: Problem) -> None:
    later = dump_task(Task(problem, history=(answer("RELAX_CONSTRAINT(low, 1)"),)))
    assert rewards("ordebug_repair", later, HONEST) == [1.0]
    short = answer("RELAX_CONSTRAINT(low, 2.5)")
    assert rewards("ordebug_preservation", later, short) > rewards(
        "ordebug_preservation", dump_task(Task(problem)), short
    )


def test_identical_answers_score_identically_to_the_bit_in_any_thread_and_process(task: str) -> None:
    texts = [answer(f"RELAX_CONSTRAINT(high, {amount})") for amount in (0.1, 2.7, 3.3, 7.7)] * 8
    results: list[list[float]] = []

    def work() -> None:
        with_own = Grader()
        grades = [with_own.grade(load_task(task), [text]) for text in texts]
        results.append([REWARDS["ordebug"].value(grade.components) for grade in grades])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result == results[0] and len(result) == len(texts) for result in results)
    assert rewards("ordebug", task, *texts) == results[0]
    for workers in (0, 1, 3):
        parts = RewardPool(workers=workers).components([load_task(task)] * len(texts), [[text] for text in texts])
        assert [REWARDS["ordebug"].value(part) for part in parts if part is not None] == results[0]


def test_reward_functions_are_picklable_and_named() -> None:
    for name, function in REWARDS.items():
        assert pickle.loads(pickle.dumps(function)) == function
        assert function.__name__ == name


def _own_process(seconds: float) -> int:
    """The process it runs in, some time later: long enough that every worker gets one first."""
    time.sleep(seconds)
    return os.getpid()


def _call(function: Callable[..., object], *arguments: object) -> object:
    return function(*arguments)


class TestInfrastructure:
    def test_a_failure_gets_the_mean_of_its_group(self, task: str, problem: Problem) -> None:
        gone = json.loads(task) | {"path": "/nonexistent/model.lp"}
        tasks = [task, json.dumps(gone), task, json.dumps(gone)]
        texts = [HONEST, HONEST, answer("GET_IIS()"), HONEST]
        before = FAILURES["ordebug"]
        values = REWARDS["ordebug"](texts, task=tasks, prompt_id=["p", "p", "p", "q"])
        assert values == [1.0, 0.5, 0.0, 0.0]
        assert FAILURES["ordebug"] - before == 2

    def test_a_failing_solver_is_neutral(
        self, task: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        licence = tmp_path / "gurobi.lic"
        licence.write_text("TOKENSERVER=127.0.0.1\nPORT=1\n")
        monkeypatch.setenv("GRB_LICENSE_FILE", str(licence))
        assert RewardPool(workers=1).components([load_task(task)] * 2, [[HONEST], [""]]) == [None, None]
        assert "could not be judged" in caplog.text

    def test_a_solver_that_does_not_return_is_neutral(self, tmp_path: Path) -> None:
        text = market_split().replace("End", "") + "End"
        hard = write_problem(tmp_path / "hard.lp", text)
        assert RewardPool(Limits(patience=0.05)).components([Task(hard)], [[HONEST]]) == [None]

    def test_a_hung_solver_costs_its_own_answers_alone(
        self, task: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, enough: int
    ) -> None:
        problem = write_problem(tmp_path / "pipe.lp", f"\\ not seen before\n{CONFLICT}")
        problem.path.unlink()
        os.mkfifo(problem.path)  # Gurobi waits for ever for somebody to write into it
        pool = RewardPool(hang=enough, workers=1)
        tasks = [load_task(task), Task(problem), load_task(task)]
        hung = pool.components(tasks, [[HONEST], [HONEST], [answer("GET_IIS()")]])
        assert [part is None for part in hung] == [False, True, False]
        assert f"did not return within {enough} s" in caplog.text
        assert pool.components([load_task(task)], [[answer("SUBMIT()")]]) != [None]

    def test_what_could_not_be_judged_is_not_tried_again_for_the_next_reward(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        gone = Task(write_problem(tmp_path / "gone.lp", f"\\ gone\n{CONFLICT}"))
        gone.problem.path.unlink()
        pool = RewardPool(workers=1)
        for _ in REWARDS:
            assert pool.components([gone], [[HONEST]]) == [None]
        assert caplog.text.count("could not be judged") == 1

    def test_a_worker_that_dies_is_replaced(self) -> None:
        workers = Workers(2)
        assert workers.map(os._exit, [(7,)], 60.0) == [Lost("the process that judged it died")]
        assert workers.map(math.sqrt, [(4.0,), (9.0,), (16.0,), (25.0,)], 60.0) == [2.0, 3.0, 4.0, 5.0]
        one, other = set(workers.map(_own_process, [(0.2,)] * 2, 60.0))
        os.kill(one, signal.SIGKILL)
        assert other in workers.map(_own_process, [(0.2,)] * 4, 60.0)

    def test_a_lone_worker_that_died_idle_is_replaced(self) -> None:
        workers = Workers(2)
        (process,) = workers.map(_own_process, [(0.0,)], 60.0)
        os.kill(process, signal.SIGKILL)
        time.sleep(0.5)  # until it is gone; what is sent to a process that dies meanwhile is lost
        assert workers.map(math.sqrt, [(4.0,), (9.0,)], 60.0) == [2.0, 3.0]

    def test_a_hung_worker_does_not_hold_up_a_large_call(self, enough: int) -> None:
        slow, large = (_own_process, 600.0), ("x" * 5_000_000)
        began = time.monotonic()
        results = Workers(1).map(_call, [slow, (len, large)], enough)
        assert results == [Lost(f"Gurobi did not return within {enough} s (ORDEBUG_HANG sets the limit)"), 5_000_000]
        assert time.monotonic() - began < 60

    @pytest.mark.parametrize("end", [(_own_process, 600.0), (os._exit, 7)])
    def test_what_waits_behind_a_call_that_is_lost_is_not_lost(self, end: tuple[object, ...], enough: int) -> None:
        first, *others = Workers(1).map(_call, [end, (math.sqrt, 4.0), (math.sqrt, 9.0)], enough)
        assert isinstance(first, Lost)
        assert others == [2.0, 3.0]

    def test_the_last_calls_go_to_whoever_is_free(self) -> None:
        workers = Workers(2)
        workers.map(_own_process, [(0.0,)] * 2, 60.0)  # starts them
        slow, first, other = workers.map(_own_process, [(2.0,), (0.0,), (0.0,)], 60.0)
        assert slow != first == other

    def test_every_call_has_its_own_time(self) -> None:
        assert Workers(1).map(time.sleep, [(0.7,)] * 4, 2.0) == [None] * 4

    def test_results_keep_their_order(self) -> None:
        calls = [(_own_process, 0.01 * (number % 3)) if number % 5 == 0 else (abs, -number) for number in range(60)]
        results = Workers(2).map(_call, calls, 60.0)
        assert [results[number] for number in range(60) if number % 5] == [number for number in range(60) if number % 5]

    def test_after_an_exception_no_result_goes_astray(self) -> None:
        workers = Workers(2)
        with pytest.raises(AttributeError, match="pickle"):
            workers.map(_call, [(_own_process, 0.5), (lambda: 0,)], 60.0)
        assert workers.map(math.sqrt, [(4.0,), (9.0,)], 60.0) == [2.0, 3.0]

    def test_the_rewards_may_be_asked_from_several_threads(self, task: str) -> None:
        texts = [answer(f"RELAX_CONSTRAINT(high, {amount})") for amount in (0.5, 2.5, 3.5, 8.5)]
        expected = [rewards("ordebug", task, text)[0] for text in texts]
        results: dict[int, list[float]] = {}

        def work(number: int) -> None:
            chosen = [texts[(number + k) % 4] for k in range(4)]
            results[number] = [
                rewards("ordebug_preserve", task, *chosen) and rewards("ordebug", task, one)[0] for one in chosen
            ]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == {number: [expected[(number + k) % 4] for k in range(4)] for number in range(8)}

    def test_a_trajectory_that_lost_the_solver_is_neutral(self, task: str) -> None:
        infos = [{"answers": [HONEST]}, {"answers": [answer("SUBMIT()")], "lost": True}]
        before = FAILURES["ordebug"]
        assert REWARDS["ordebug"](["", ""], task=[task] * 2, rollout_infos=infos) == [1.0, 1.0]
        assert FAILURES["ordebug"] - before == 1

    @pytest.mark.parametrize("infos", [[{"answers": 7}], [None], "x", [{"answers": []}], [{"lost": None}]])
    def test_odd_infos_are_left_aside(self, task: str, infos: object) -> None:
        assert REWARDS["ordebug"]([HONEST], task=[task], rollout_infos=infos) == [1.0]

    @pytest.mark.parametrize("workers", ["two", "-1", "1.5", ""])
    def test_a_wrong_number_of_workers_is_said(self, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
        monkeypatch.setenv("ORDEBUG_WORKERS", workers)
        with pytest.raises(InputError, match="ORDEBUG_WORKERS"):
            RewardPool()

    def test_a_dataset_without_the_column_is_neutral_and_said(self, caplog: pytest.LogCaptureFixture) -> None:
        assert REWARDS["ordebug"]([HONEST, HONEST]) == [0.0, 0.0]
        assert "ordebug data grpo" in caplog.text

    def test_neutral_fills_in_means(self) -> None:
        assert neutral([1.0, None, 0.0, None], ["a", "a", "a", "b"]) == [1.0, 0.5, 0.0, 0.0]


class TestTasks:
    @pytest.mark.parametrize("inline", [False, True])
    def test_a_task_survives_the_dataset(self, problem: Problem, inline: bool) -> None:
        task = Task(problem, history=(HONEST,))
        loaded = load_task(dump_task(task, inline=inline))
        assert replace(loaded.problem, path=problem.path) == problem
        assert loaded.history == task.history
        assert loaded.problem.path.read_text() == CONFLICT

    def test_a_specification_travels_with_its_task(self, problem: Problem) -> None:
        described = replace(problem, specification=read_specification(CONFLICT_SPECIFICATION))
        loaded = load_task(dump_task(Task(described))).problem
        assert loaded == described
        assert str(loaded.specification) == CONFLICT_SPECIFICATION
        assert "specification" not in json.loads(dump_task(Task(problem)))
        with pytest.raises(ProblemError, match="line 3 of the specification"):
            load_task(json.dumps(json.loads(dump_task(Task(problem))) | {"specification": "A shop.\n\nnothing"}))

    @pytest.mark.parametrize("detail", Detail)
    def test_a_style_survives_the_dataset(self, detail: Detail) -> None:
        style = Style(history=False, detail=detail, system=None)
        loaded = load_style(json.dumps(asdict(style)))
        assert loaded == style
        assert loaded.detail is detail

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"detail": "all"}', '{"detail": [1]}', '{"algebra": true}'])
    def test_no_style_is_said(self, text: str) -> None:
        with pytest.raises(ProblemError, match=r"holds no style.*ordebug data grpo"):
            load_style(text)

    def test_another_model_at_the_same_path_is_refused(self, tmp_path: Path) -> None:
        text = dump_task(Task(write_problem(tmp_path / "a.lp", CONFLICT)))
        (tmp_path / "a.lp").write_text(FEASIBLE)
        with pytest.raises(ProblemError, match="not the one the dataset was made from"):
            load_task(text)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"truth": 3}', "[" * 100_000])
    def test_no_task_is_said(self, text: str) -> None:
        with pytest.raises(ProblemError, match="ordebug data grpo"):
            load_task(text)

    def test_a_history_that_is_no_text_is_said(self, task: str) -> None:
        with pytest.raises(ProblemError, match="history"):
            load_task(json.dumps(json.loads(task) | {"history": [3]}))

    def test_the_command_writes_what_the_rewards_need(self, problem: Problem, tmp_path: Path) -> None:
        out = tmp_path / "grpo.jsonl"
        assert main(["data", "grpo", str(problem.path), str(out), "--inline"]) == 0
        (row,) = [json.loads(line) for line in out.read_text().splitlines()]
        assert [message["role"] for message in row["messages"]] == ["system", "user"]
        assert rewards("ordebug_repair", row["task"], answer("RELAX_CONSTRAINT(high, 3)")) == [pytest.approx(1.0)]


class TestExploits:
    def test_none_pays_on_the_toy(self, judge: Judge, problem: Problem) -> None:
        findings = list(check_problem(Grader(), judge, problem, PRESETS))
        assert {finding.exploit for finding in findings} >= set(EXPLOITS) - {"free-bounds"}
        assert not [finding for finding in findings if finding.pays]
        assert not [finding for finding in findings if finding.coincides]
        assert {finding.composite for finding in findings} == set(PRESETS)
        assert all(finding.honest == 1.0 for finding in findings)

    def test_the_check_fails_loudly_under_poor_weights(
        self, problem: Problem, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        record = {"problem_id": "a", "model_file": "a.lp", "culprit": {"rows": ["low"]}, "original_objective": 1.0}
        (tmp_path / "a.lp").write_text(CONFLICT)
        (tmp_path / "dataset.json").write_text(json.dumps({"problems": [record | {"fix": ["UPDATE_RHS(low, 1)"]}]}))
        arguments = ["reward", "check", "--bench", str(tmp_path)]
        out = tmp_path / "findings.json"
        assert main([*arguments, "--json", str(out)]) == 0
        assert json.loads(out.read_text())["pay"] == 0
        assert main([*arguments, "--weights", "diagnosis=1", "--json", str(out)]) == 1
        assert "relax-nothing" in json.loads(out.read_text())["pay_by_exploit"]
        assert "pays on a under yours" in capsys.readouterr().out

    @pytest.mark.parametrize("weights", ["repair=2", "repair=.5", "speed=1", "repair", "repair=nan"])
    def test_bad_weights_are_refused(self, problem: Problem, weights: str) -> None:
        assert main(["reward", "check", "--bench", str(problem.path), "--weights", weights]) == 2

    @pytest.mark.public
    def test_none_pays_on_a_public_set(self, public_data: Path) -> None:
        assert main(["reward", "check", "--bench", str(public_data / "or_debug_bench" / "test_v2")]) == 0


def test_shipped_weights_add_up_to_1() -> None:
    for weights in PRESETS.values():
        assert math.isclose(weights.repair + weights.diagnosis + weights.preservation + weights.efficiency, 1.0)
    assert set(COMPONENTS) == {"format", *Weights.__dataclass_fields__}
