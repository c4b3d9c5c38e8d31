import math
from dataclasses import replace
from pathlib import Path

import pytest

from ordebug_plugin.actions import parse_action
from ordebug_plugin.agents import make_agent
from ordebug_plugin.env import Observation, Outcome, RepairEnv
from ordebug_plugin.episode import Episode, Reply
from ordebug_plugin.errors import ServerError, SolverError
from ordebug_plugin.evaluate.compare import compare_runs
from ordebug_plugin.evaluate.records import dump_episode, load_episodes
from ordebug_plugin.generate.benchmark import make_benchmark
from ordebug_plugin.metrics import measure, summarize
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.rollout import play
from ordebug_plugin.scoring import f1, minimality_ratio, optimality_preservation, score
from ordebug_plugin.solver import Judge
from ordebug_plugin.truth import Truth
from tests.toys import CONFLICT, PLANS, answer, write_problem

# The fault raised `low` from 1 to 5 and added the row `side`.
TRUTH = Truth(rows=("low",), objective=1.0, added_rows=("side",), fix=(parse_action("UPDATE_RHS(low, 1)"),))


class Scripted:
    """Answers from a list, as a replay would."""

    name = "scripted"

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = answers

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        entry = self._answers[observation.turn]
        if isinstance(entry, Exception):
            raise entry
        return Reply(entry, completion_tokens=10, seconds=0.5, truncated=entry.startswith("cut"))


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return write_problem(tmp_path / "conflict.lp", CONFLICT, TRUTH)


def run(judge: Judge, problem: Problem, *answers: str | Exception, max_turns: int = 20) -> Episode:
    return play(RepairEnv(judge, problem, max_turns), Scripted(*answers))


def test_undoing_the_fault_scores_full(judge: Judge, problem: Problem) -> None:
    scores = score(run(judge, problem, answer("UPDATE_RHS(low, 1)")))
    assert scores.recovered_at == 1
    assert (scores.hit, scores.iis_hit, scores.op, scores.fp, scores.preservation, scores.da_f1) == (1,) * 6
    assert scores.minimality == pytest.approx(3 / 4)  # granted 4 where 3 are enough: reported, not rewarded
    assert (scores.iis_touched, scores.iis_rows) == (1, 2)


def test_dropping_the_innocent_row_scores_less(judge: Judge, problem: Problem) -> None:
    scores = score(run(judge, problem, answer("DROP_CONSTRAINT(high)")))
    assert scores.recovered
    assert (scores.hit, scores.iis_hit, scores.da_f1) == (0.0, 1.0, 0.0)
    assert scores.op == 0.0  # the objective is 5 instead of 1
    assert scores.fp == pytest.approx(1 / 2)  # one of two original rows is lost
    assert scores.preservation == 0.0


def test_dropping_an_added_row_is_free(judge: Judge, problem: Problem) -> None:
    scores = score(run(judge, problem, answer("DROP_CONSTRAINT(side)"), answer("UPDATE_RHS(low, 1)")))
    assert scores.fp == 1.0
    assert scores.recovered_at == 2
    assert (scores.hit, scores.iis_hit) == (0.0, 0.0)  # the first repair counts


def test_relaxing_by_1e12_loses_the_row_and_the_minimality(judge: Judge, problem: Problem) -> None:
    scores = score(run(judge, problem, answer("RELAX_CONSTRAINT(low, 1e12)")))
    assert scores.fp == pytest.approx(1 / 2)
    assert scores.minimality == pytest.approx(3e-12)


def test_not_recovered_is_zero_where_it_counts_and_undefined_elsewhere(judge: Judge, problem: Problem) -> None:
    scores = score(run(judge, problem, "cut off", answer("SUBMIT()")))
    assert (scores.op, scores.preservation, scores.hit, scores.iis_hit) == (0.0,) * 4
    assert math.isnan(scores.fp)
    assert math.isnan(scores.minimality)
    assert (scores.answers, scores.well_formed, scores.refused, scores.truncated) == (2, 1, 1, 1)
    assert (scores.tokens, scores.seconds) == (20.0, pytest.approx(1.0, abs=0.2))


def test_refused_actions_touch_nothing(judge: Judge, problem: Problem) -> None:
    scores = score(run(judge, problem, answer("DROP_CONSTRAINT(nope)"), answer("UPDATE_RHS(low, 1)")))
    assert scores.hit == 1.0
    assert scores.da_f1 == 1.0


def test_without_truth_the_cheapest_repair_scores_full(judge: Judge, problem: Problem) -> None:
    unknown = replace(problem, truth=Truth())
    scores = score(run(judge, unknown, answer("RELAX_CONSTRAINT(low, 3)")))
    assert scores.preservation == scores.minimality == pytest.approx(1.0)
    assert math.isnan(scores.op)
    assert math.isnan(scores.hit)
    assert scores.da_f1 == pytest.approx(2 / 3)  # against the IIS


@pytest.mark.parametrize("error", [ServerError("gone"), SolverError("no licence")])
def test_infrastructure_failures_are_apart(judge: Judge, problem: Problem, error: Exception) -> None:
    lost = run(judge, problem, answer("GET_IIS()"), error)
    assert lost.outcome is None
    assert lost.error is not None
    assert str(error) in lost.error
    good = run(judge, problem, answer("UPDATE_RHS(low, 1)"))
    figures = measure([lost, good], max_turns=20)
    assert (figures["rr@1"].value, figures["rr@1"].n) == (1.0, 1)
    assert figures["format"].n == 1
    assert (figures["infra"].value, figures["infra"].n) == (0.5, 2)
    assert summarize([lost, good], 20).outcomes == {"infra": 1, "recovered": 1}


def test_recovery_rates_count_turns_and_stop_at_the_limit(judge: Judge, problem: Problem) -> None:
    slow = run(judge, problem, answer("GET_IIS()"), answer("GET_IIS()"), answer("UPDATE_RHS(low, 1)"))
    never = run(judge, problem, *[answer("GET_IIS()")] * 5, max_turns=5)
    figures = measure([slow, never], max_turns=5)
    assert figures["rr@1"].value == 0.0
    assert figures["rr@5"].value == 0.5
    assert "rr@10" not in figures
    assert figures["op"].value == 0.5
    assert figures["op_recovered"].value == 1.0
    assert figures["steps"].value == 4.0
    assert figures["steps_recovered"].value == 3.0


def test_an_undecided_episode_is_neither_success_nor_failure(judge: Judge, problem: Problem) -> None:
    good = run(judge, problem, answer("UPDATE_RHS(low, 1)"))
    undecided = replace(run(judge, problem, answer("SUBMIT()")), outcome=Outcome.LIMIT)
    figures = measure([good, undecided], max_turns=20)
    assert (figures["rr@5"].value, figures["rr@5"].n) == (1.0, 1)
    assert figures["limit"].value == 0.5
    assert (figures["op"].value, figures["preservation"].value) == (1.0, 1.0)
    assert math.isnan(score(undecided).preservation)


def test_da_is_recall_over_iis_rows_micro_averaged(judge: Judge, problem: Problem) -> None:
    both = run(judge, problem, answer("RELAX_CONSTRAINT(low, 1)"), answer("RELAX_CONSTRAINT(high, 3)"))
    one = run(judge, problem, answer("DROP_CONSTRAINT(low)"))
    assert measure([both, one], 20)["da"].value == pytest.approx(3 / 4)
    assert score(both).da_f1 == pytest.approx(2 / 3)  # precision suffers: only `low` is the culprit


SEMI = "Minimize\n obj: x\nSubject To\n c: x >= 8\nBounds\n 2 <= x <= 5\nSemi-Continuous\n x\nEnd\n"


def test_a_repair_counts_where_its_minimality_cannot_be_computed(judge: Judge, tmp_path: Path) -> None:
    semi = write_problem(tmp_path / "semi.lp", SEMI)
    episode = run(judge, semi, answer("CHECK_SLACK(c)"), answer("DROP_CONSTRAINT(c)"))
    assert episode.outcome is Outcome.RECOVERED
    assert "slack unknown" in episode.turns[0].step.note
    assert math.isnan(score(episode).minimality)


def test_a_policy_cannot_make_a_problem_unusable(judge: Judge, tmp_path: Path) -> None:
    """A range needs a column more than the licence allows: that loses the episode, and does not hide the problem."""
    terms = " + ".join(f"x{i}" for i in range(2000))
    full = write_problem(tmp_path / "full.lp", f"Minimize\n obj: x0\nSubject To\n e: {terms} = 3\n f: x0 >= 4\nEnd\n")
    episode = run(judge, full, answer("RELAX_CONSTRAINT(e, 1)"))
    assert episode.outcome is None
    assert episode.error is not None
    assert episode.error.startswith("LicenseLimitError")
    assert run(judge, full, answer("DROP_CONSTRAINT(f)")).outcome is Outcome.RECOVERED


def test_undoing_the_fault_keeps_a_row_that_never_binds(judge: Judge, tmp_path: Path) -> None:
    text = "Minimize\n obj: x\nSubject To\n low: x >= 2\n cap: x <= 1\nBounds\n x <= 10\nEnd\n"
    truth = Truth(rows=("cap",), objective=2.0, fix=(parse_action("UPDATE_RHS(cap, 40)"),))
    redundant = write_problem(tmp_path / "r.lp", text, truth)
    assert score(run(judge, redundant, answer("UPDATE_RHS(cap, 40)"))).fp == 1.0
    assert score(run(judge, redundant, answer("UPDATE_RHS(cap, 50)"))).fp == 0.5


def test_no_repair_grants_less_than_the_cheapest(judge: Judge, tmp_path: Path) -> None:
    """The minimality of every repair is at most 1, without the scoring's own cap."""
    make_benchmark(tmp_path / "bench", n=25, seed=11, wanted=PLANS)
    checked = 0
    for generated in load_benchmark(tmp_path / "bench").problems:
        for agent in ("random", "drop-first", "relax-first", "relax-minimal", "oracle"):
            repair = play(RepairEnv(judge, generated, 8), make_agent(agent, amount=50.0)).repair
            if repair is not None:
                assert repair.needed is not None
                assert repair.audit.granted >= repair.needed * (1 - 1e-6) - 1e-6
                checked += 1
    assert checked > 60


def test_formulas() -> None:
    assert optimality_preservation(12.0, 10.0) == pytest.approx(0.8)
    assert optimality_preservation(-30.0, -10.0) == 0.0
    assert optimality_preservation(0.0, 0.0) == 1.0
    assert minimality_ratio(3.0, 12.0) == 0.25
    assert minimality_ratio(3.0, 3.0 - 1e-12) == 1.0
    assert math.isnan(f1({("row", "a")}, set()))


def test_an_episode_survives_the_disk(judge: Judge, problem: Problem, tmp_path: Path) -> None:
    episodes = [
        run(judge, problem, "garbage\u2028", answer("UPDATE_BOUNDS(x, -inf, inf)"), answer("UPDATE_RHS(low, 1)")),
        run(judge, problem, answer("GET_IIS()"), ServerError("gone")),
        run(judge, problem, answer("SUBMIT()")),
    ]
    path = tmp_path / "episodes.jsonl"
    path.write_text("".join(dump_episode(episode) + "\n" for episode in episodes), encoding="utf-8")
    loaded = list(load_episodes(path))
    assert [replace(e, turns=()) for e in loaded] == [replace(e, turns=()) for e in episodes]
    assert [[t.step for t in e.turns] for e in loaded] == [[t.step for t in e.turns] for e in episodes]


def test_two_runs_are_compared_on_the_same_problems(judge: Judge, tmp_path: Path) -> None:
    problems = [write_problem(tmp_path / f"{i}.lp", CONFLICT + f"\\ {i}\n", TRUTH) for i in range(12)]
    good = [run(judge, problem, answer("UPDATE_RHS(low, 1)")) for problem in problems]
    poor = [run(judge, problem, answer("SUBMIT()")) for problem in problems]
    results = {pair.metric: pair for pair in compare_runs(poor, good)}
    assert results["rr@1"].difference.value == 1.0
    assert results["rr@1"].p == pytest.approx(2 / 2**12)
    assert results["rr@1"].verdict == "higher"
    assert results["preservation"].verdict == "higher"
    few = {pair.metric: pair for pair in compare_runs(poor[:3], good[:3])}
    assert few["rr@1"].verdict == "not separable at n=3"
    assert few["preservation"].p == 0.25
    assert few["preservation"].verdict == "not separable at n=3"
    # A run against its own samples: sums of eight are not eight times one to the last digit.
    samples = [replace(episode, sample=number) for episode in good for number in range(8)]
    for other in (good, samples):
        same = compare_runs(good, other)
        assert {pair.verdict for pair in same} == {"not separable at n=12"}
        assert {pair.p for pair in same} == {1.0}


def test_the_paired_difference_of_da_is_that_of_the_ratios(judge: Judge, tmp_path: Path) -> None:
    problems = [write_problem(tmp_path / f"{i}.lp", CONFLICT + f"\\ {i}\n", TRUTH) for i in range(6)]
    first = [run(judge, problem, answer("DROP_CONSTRAINT(low)")) for problem in problems]
    second = [run(judge, problem, answer("SUBMIT()")) for problem in problems[:2]] + first[2:]
    (pair,) = [pair for pair in compare_runs(first, second) if pair.metric == "da"]
    da = [summarize(run, 5).metrics["da"].value for run in (first, second)]
    assert pair.difference.value == pytest.approx(da[1] - da[0])
    assert pair.difference.value < 0
