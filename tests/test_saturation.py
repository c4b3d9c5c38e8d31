"""`ordebug bench saturation`: what is had without reading, by the scores of `ordebug eval`; and whether names tell."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ordebug_plugin.agents import make_agent
from ordebug_plugin.cli import main
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.generate import Names, Size, Wanted, make_benchmark
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.solver import Judge
from ordebug_plugin.verify.guessing import LEAST, Choice, find_leak
from ordebug_plugin.verify.names import name_features
from ordebug_plugin.verify.saturation import POLICIES, Saturation, measure_saturation
from ordebug_plugin.verify.saturation_report import verdict
from tests.toys import CONFLICT, FEASIBLE, PLANS

N = 40
# The culprit is the first row of the IIS: whoever drops it, having read nothing, restores the objective.
FIRST = {"error_type": "A", "culprit": {"rows": ["low"], "variables": []}, "fix": ["DROP_CONSTRAINT(low)"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("saturation") / "bench"
    make_benchmark(out, n=N, seed=5, wanted=PLANS)
    return out


@pytest.fixture(scope="module", params=Names)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saturation:
    """What `ordebug bench make` draws unless asked otherwise, measured."""
    out = tmp_path_factory.mktemp("ours") / request.param
    make_benchmark(out, n=120, seed=11, wanted=Wanted(sizes=(Size.SMALL,), names=request.param), workers=2)
    return measure_saturation(out, workers=2)


def toys(out: Path, *texts: str, **record: object) -> Path:
    """A benchmark of toys that share their labels."""
    out.mkdir()
    problems = []
    for number, text in enumerate(texts):
        (out / f"{number}.lp").write_text(text)
        problems.append({"problem_id": f"toy{number}", "model_file": f"{number}.lp", **record})
    (out / "dataset.json").write_text(json.dumps({"problems": problems}))
    return out


def renamed(made: Path, out: Path) -> Path:
    """A copy in which the rows at fault are called ``_force_…``."""
    shutil.copytree(made, out)
    text = (out / "dataset.json").read_text()
    index = json.loads(text)
    for record in index["problems"]:
        model = out / record["model_file"]
        for number, row in enumerate(record["culprit"]["rows"]):
            leaky = f"_force_{number}"
            model.write_text(model.read_text().replace(f" {row} ", f" {leaky} ").replace(f" {row}\n", f" {leaky}\n"))
            record["culprit"]["rows"][number] = leaky
            record["fix"] = [
                fix.replace(f"({row},", f"({leaky},").replace(f"({row})", f"({leaky})") for fix in record["fix"]
            ]
    (out / "dataset.json").write_text(json.dumps(index))
    return out


class TestPolicies:
    def test_a_benchmark_that_its_first_rows_give_away(self, tmp_path: Path) -> None:
        bench = toys(tmp_path / "easy", CONFLICT, CONFLICT.replace("100", "90"), original_objective=0.0, **FIRST)
        found = measure_saturation(bench)
        first = found.policies["drop-first"]
        assert (first.hit.value, first.at_once.value, first.kept.value, first.op.n) == (1.0, 1.0, 1.0, 2)
        assert first.preservation.value == pytest.approx(2 / 3)  # one of three rows is gone
        # The rows contradict each other by 3: relaxing by 1 three times recovers, but leaves x at 2.
        assert (found.policies["relax-first"].at_once.value, found.policies["relax-first"].kept.value) == (0.0, 0.0)
        assert verdict(found).startswith("easy: saturated: drop-first (hit 1.00, OP >= .999 1.00)")

    def test_a_benchmark_that_has_to_be_read(self, tmp_path: Path) -> None:
        last = {**FIRST, "culprit": {"rows": ["high"], "variables": []}, "fix": ["DROP_CONSTRAINT(high)"]}
        found = measure_saturation(toys(tmp_path / "hard", CONFLICT, original_objective=5.0, **last))
        assert found.policies["drop-first"].kept.value == 0.0
        assert found.policies["oracle"].kept.value == found.policies["oracle"].hit.value == 1.0
        assert "drop-first" not in found.saturated_by
        assert "oracle" not in found.saturated_by

    @pytest.mark.parametrize("policy", POLICIES)
    def test_figures_are_those_of_an_evaluation(self, made: Path, tmp_path: Path, policy: str) -> None:
        out = tmp_path / "run"
        assert main(["eval", str(made), "--agent", policy, "--max-steps", "5", "--out", str(out)]) == 0
        metrics = json.loads((out / "summary.json").read_text())["metrics"]
        figures = measured(made).policies[policy]
        pairs = {"hit": "hit", "at_once": "rr@1", "op": "op", "preservation": "preservation"}
        for ours, theirs in pairs.items():
            estimate = getattr(figures, ours)
            assert metrics[theirs] == pytest.approx(vars(estimate))

    def test_the_number_of_workers_changes_nothing(self, made: Path) -> None:
        assert replace(measure_saturation(made, workers=2), path=made) == measured(made)

    def test_unknown_culprits_and_objectives_are_left_out(self, tmp_path: Path) -> None:
        found = measure_saturation(toys(tmp_path / "bare", CONFLICT))
        assert (found.policies["drop-first"].hit.n, found.policies["drop-first"].kept.n) == (0, 0)
        assert found.policies["drop-first"].at_once.value == 1.0
        assert found.rows.n == 0
        assert verdict(found) == "bare: not saturated"

    def test_drop_random_drops_a_row_of_the_iis_by_its_seed(self, made: Path, judge: Judge) -> None:
        problems = load_benchmark(made).problems[:10]

        def drops(seed: int) -> list[str]:
            answers = []
            for problem in problems:
                env = RepairEnv(judge, problem)
                observation = env.reset()
                step = env.step(make_agent("drop-random", seed=seed).act(env, observation).text).step
                assert observation.iis is not None
                assert step.action is not None
                assert step.action.target in observation.iis.rows
                answers.append(str(step.action))
            return answers

        assert drops(0) == drops(0)
        assert len({tuple(drops(seed)) for seed in range(4)}) > 1


class TestOurs:
    def test_policies_that_read_nothing_do_not_solve_it(self, found: Saturation) -> None:
        assert found.saturated_by == {}
        oracle = found.policies["oracle"]
        assert min(oracle.hit.value, oracle.kept.value) >= 0.99
        assert min(oracle.hit.n, oracle.kept.n) == 120

    def test_names_do_not_tell(self, found: Saturation) -> None:
        assert min(found.rows.n, found.variables.n) >= LEAST
        if found.name == Names.NEUTRAL:
            assert (found.rows.above_chance, found.variables.above_chance) == (False, False)
        else:  # the words say what kind of row it is, and kinds are not equally often at fault: docs/data.md
            assert found.rows.accuracy.high < 0.6

    def test_half_of_it_needs_more_than_one_look(self, found: Saturation) -> None:
        assert found.shapes.n == 120
        assert found.shapes.accuracy.low < 0.5
        assert found.words.accuracy.low < 0.5


class TestNames:
    def test_a_planted_leak_is_found(self, made: Path, tmp_path: Path) -> None:
        leak = measure_saturation(renamed(made, tmp_path / "leaky")).rows
        assert leak.above_chance is True
        assert leak.accuracy.value > 0.95

    @pytest.mark.parametrize("seed", range(3))
    def test_random_names_do_not_tell_and_one_word_does(self, seed: int) -> None:
        rng = random.Random(seed)
        neutral = [choice(rng, f"p{number}") for number in range(200)]
        assert find_leak(neutral).above_chance is False
        words = [
            named(one.kin, tuple("_force_1" if bad else f"c_{n}" for n, bad in enumerate(one.culprits)), one.culprits)
            for one in neutral
        ]
        leak = find_leak(words)
        assert leak.above_chance is True
        assert leak.accuracy.value == 1.0
        assert leak.excess.value == pytest.approx(1 - leak.chance.value)

    def test_a_place_tells_too(self) -> None:
        rng = random.Random(0)
        last = [choice(rng, f"p{number}", place=-1) for number in range(100)]
        assert find_leak(last).accuracy.value > 0.95

    def test_kin_are_not_told_by_one_another(self) -> None:
        """Every name is of one kin alone; who has met the kin knows the culprit by its name."""
        rng = random.Random(1)
        many = []
        for group in range(40):
            names = tuple("".join(rng.choices("abcdefghij", k=8)) for _ in range(4))
            many += [(f"k{group}", names)] * 5
        # In an order of its own each, so that the place does not tell.
        orders = [rng.sample(names, len(names)) for _, names in many]
        shuffled = [
            named(kin, tuple(order), tuple(name == names[2] for name in order))
            for (kin, names), order in zip(many, orders, strict=True)
        ]
        assert find_leak([replace(one, kin=str(number)) for number, one in enumerate(shuffled)]).accuracy.value > 0.95
        assert find_leak(shuffled).above_chance is False

    def test_too_few_problems_are_not_judged(self) -> None:
        leak = find_leak([choice(random.Random(0), f"p{number}") for number in range(LEAST - 1)])
        assert (leak.n, leak.above_chance, leak.accuracy.n) == (LEAST - 1, None, 0)

    def test_nothing_to_choose_is_left_out(self) -> None:
        sole = named("a", ("r1",), (True,))
        innocent = named("b", ("r1", "r2"), (False, False))
        assert find_leak([sole, innocent]).n == 0


class TestCommand:
    def test_tables_verdicts_and_json(self, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / "new" / "saturation.json"
        easy = toys(tmp_path / "easy", CONFLICT, original_objective=0.0, **FIRST)
        assert main(["bench", "saturation", str(made), str(easy), "--workers", "0", "--json", str(out)]) == 0
        printed = capsys.readouterr().out
        assert "easy: saturated: drop-first" in printed
        assert "not above chance" in printed
        first, second = json.loads(out.read_text())["benchmarks"]
        assert (first["n"], set(first["policies"])) == (N, set(POLICIES))
        assert second["saturated_by"]["drop-first"] == ["hit", "kept"]
        assert second["policies"]["drop-first"]["hit"] == {
            "value": 1.0,
            "low": pytest.approx(0.207, abs=1e-3),
            "high": 1.0,
            "n": 1,
        }
        assert second["names"]["variables"]["accuracy"]["value"] is None

    def test_what_cannot_be_judged_is_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        bench = toys(tmp_path / "mixed", CONFLICT, FEASIBLE, original_objective=0.0, **FIRST)
        out = tmp_path / "s.json"
        assert main(["bench", "saturation", str(bench), "--workers", "0", "--json", str(out)]) == 1
        assert "mixed: toy1 was not judged" in capsys.readouterr().err
        (record,) = json.loads(out.read_text())["benchmarks"]
        assert record["policies"]["oracle"]["at_once"]["n"] == 1
        assert [one["problem_id"] for one in record["unjudged"]] == ["toy1"]

    def test_nothing_that_can_be_judged(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bench", "saturation", str(toys(tmp_path / "fine", FEASIBLE)), "--workers", "0"]) == 1
        assert "fine: not judged" in capsys.readouterr().out

    def test_limit_takes_the_first(self, made: Path) -> None:
        assert measure_saturation(made, limit=3).n == 3

    def test_bad_input(self, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bench", "saturation", str(tmp_path / "nowhere")]) == 2
        capsys.readouterr()
        assert main(["bench", "saturation", str(made), "--json", str(tmp_path)]) == 2
        printed = capsys.readouterr()
        assert "it is a folder" in printed.err
        assert printed.out == ""


@pytest.mark.public
class TestPublic:
    def test_policies_that_read_nothing_solve_the_public_test(self, public_data: Path) -> None:
        found = measure_saturation(public_data / "or_debug_bench" / "test_v2")
        assert set(found.saturated_by) == {"drop-first", "drop-random", "relax-minimal"}
        assert found.policies["drop-first"].kept.value == pytest.approx(71 / 88)

    def test_public_names_give_the_culprit_away(self, public_data: Path) -> None:
        leak = measure_saturation(public_data / "or_debug_bench" / "v1").rows
        assert leak.n == 483
        assert leak.excess.low > 0.4


_MEASURED: dict[Path, Saturation] = {}


def measured(bench: Path) -> Saturation:
    """What came of a benchmark, measured once."""
    if bench not in _MEASURED:
        _MEASURED[bench] = measure_saturation(bench)
    return _MEASURED[bench]


def choice(rng: random.Random, kin: str, place: int | None = None) -> Choice:
    """A conflict of two to six rows under random names; one is at fault, by chance or at a place of the list."""
    size = rng.randint(2, 6)
    culprit = rng.randrange(size) if place is None else place % size
    names = tuple(f"r{number}" for number in rng.sample(range(10, 100), size))
    places = tuple(sorted(rng.random() for _ in range(size)))
    return Choice(kin, name_features(names, places), tuple(number == culprit for number in range(size)))


def named(kin: str, names: tuple[str, ...], culprits: tuple[bool, ...]) -> Choice:
    """A conflict of rows under these names, all in the middle of the model."""
    return Choice(kin, name_features(names, (0.5,) * len(names)), culprits)
