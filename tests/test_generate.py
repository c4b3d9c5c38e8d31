"""The built-in generator: what it claims about a problem is what the solver says, and nothing gives the fault away."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest

from ordebug_plugin.actions import PUBLIC_ACTIONS, REPAIRS, ActionKind, parse_answer
from ordebug_plugin.cli import main
from ordebug_plugin.demonstrations import Policy, Recipe, make_demonstrations
from ordebug_plugin.edits import NO_EDITS, apply_action, resolve
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.errors import InputError, ProblemError
from ordebug_plugin.generate import make_benchmark, structure_hashes
from ordebug_plugin.problem import Benchmark, load_benchmark
from ordebug_plugin.prompt import INSTRUCTION, Detail, Style, render_state
from ordebug_plugin.solver import Judge
from tests.toys import PLANS

N = 60
MIXED = Recipe(Policy.MIXED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generate") / "bench"
    make_benchmark(out, n=N, seed=7, wanted=PLANS)
    return out


@pytest.fixture(scope="module")
def benchmark(folder: Path) -> Benchmark:
    return load_benchmark(folder)


def demonstrate(benchmark: Benchmark, out: Path, style: Style, **options: float) -> list[dict[str, str]]:
    recipe = Recipe(Policy.MIXED, style=style, **options)
    make_demonstrations(benchmark, out / "demos.json", recipe, seed=3, per_problem=5)
    data = json.loads((out / "demos.json").read_text(encoding="utf-8"))["data"]
    assert isinstance(data, list)
    return data


@pytest.fixture(scope="module", params=[Style(), Style(detail=Detail.ALGEBRA)], ids=["names", "algebra"])
def style(request: pytest.FixtureRequest) -> Style:
    chosen: Style = request.param
    return chosen


@pytest.fixture(scope="module")
def rows(benchmark: Benchmark, style: Style, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    return demonstrate(benchmark, tmp_path_factory.mktemp("demonstrations"), style)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_seed_gives_the_same_bytes_and_another_seed_other_problems(folder: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "bench", tmp_path / "other"
    make_benchmark(again, n=N, seed=7, wanted=PLANS)
    make_benchmark(other, n=N, seed=8, wanted=PLANS)
    assert files(again) == files(folder)
    assert not structure_hashes(folder) & structure_hashes(other)


def test_excluded_problems_do_not_come_back_under_other_names(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "test"
    report = make_benchmark(
        out, n=N, seed=7, wanted=PLANS, exclude=structure_hashes(folder)
    )  # the same seed would repeat them
    assert not structure_hashes(folder) & structure_hashes(out)
    assert report.redrawn >= N


def test_problems_are_distinct(folder: Path, benchmark: Benchmark) -> None:
    assert len({problem.content_hash for problem in benchmark.problems}) == N
    assert len(structure_hashes(folder)) == N


def test_broken_as_recorded_and_the_fix_restores_the_objective(folder: Path, benchmark: Benchmark) -> None:
    records = json.loads((folder / "dataset.json").read_text())["problems"]
    with Judge() as judge:
        for problem, record in zip(benchmark.problems, records, strict=True):
            observation = RepairEnv(judge, problem).reset()  # raises where the model is not infeasible
            assert observation.iis is not None
            assert record["iis_constraints"] == list(observation.iis.rows)
            assert record["iis_bounds"] == list(observation.iis.bounds)
            assert record["n_constraints"] == len(observation.rows)
            assert record["n_variables"] == len(observation.shape.variables)
            shape = judge.shape(problem)
            edits = NO_EDITS
            for action in problem.truth.fix:
                edits = apply_action(shape, edits, resolve(shape, edits, action))
            assert judge.solve(problem, edits).objective == pytest.approx(problem.truth.objective, rel=1e-6)


def test_truth_names_what_the_fix_touches(benchmark: Benchmark) -> None:
    for problem in benchmark.problems:
        truth = problem.truth
        dropped = {action.target for action in truth.fix if action.kind is ActionKind.DROP_CONSTRAINT}
        assert dropped == set(truth.added_rows)
        assert {action.target for action in truth.fix} == {*truth.rows, *truth.variables}


def test_every_kind_of_fault_and_both_kinds_of_model_occur(benchmark: Benchmark) -> None:
    assert {problem.error_type for problem in benchmark.problems} == {
        "demand",
        "capacity",
        "contradiction",
        "bound",
        "double",
    }
    integers = ["INTORG" in problem.path.read_text() for problem in benchmark.problems]
    assert any(integers)
    assert not all(integers)


def test_names_are_neutral_unique_and_in_no_telling_order(benchmark: Benchmark) -> None:
    places = []
    with Judge() as judge:
        for problem in benchmark.problems:
            shape = judge.shape(problem)
            assert 5 <= len(shape.rows) <= 15
            assert all(re.fullmatch(r"r\d\d", name) for name in shape.rows)
            assert all(re.fullmatch(r"v\d\d", name) for name in shape.variables)
            numbers = [name[1:] for name in (*shape.rows, *shape.variables)]
            assert len(set(numbers)) == len(numbers)
            order = list(shape.rows)
            places += [order.index(row) / (len(order) - 1) for row in problem.truth.rows]
    # Uniform places have mean 1/2 and standard deviation 0.29, so that of some 50 lies within 0.04 of it.
    assert sum(places) / len(places) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("n", [0, -1])
def test_no_problems_is_an_error(tmp_path: Path, n: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        make_benchmark(tmp_path / "new", n=n, seed=0, wanted=PLANS)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        make_benchmark(tmp_path, n=1, seed=0, wanted=PLANS)
    assert list(files(tmp_path)) == ["precious.txt"]


def test_hashes_of_a_foreign_folder_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"dataset\.json cannot be read"):
        structure_hashes(tmp_path)
    (tmp_path / "dataset.json").write_text('{"problems": [{"problem_id": "a"}]}')
    with pytest.raises(ProblemError, match="not made by `ordebug bench make`"):
        structure_hashes(tmp_path)


def test_progress_counts_problems(tmp_path: Path, benchmark: Benchmark) -> None:
    seen: list[int] = []
    make_benchmark(tmp_path / "bench", n=3, seed=0, wanted=PLANS, on_progress=seen.append)
    few = dataclasses.replace(benchmark, problems=benchmark.problems[:2])
    make_demonstrations(few, tmp_path / "demos.json", MIXED, seed=0, per_problem=1, on_progress=seen.append)
    assert seen == [1, 2, 3, 1, 2]


def test_demonstrations_repeat_by_seed(benchmark: Benchmark, tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first.json", "again.json", "other.json"))
    for out, seed in ((first, 3), (again, 3), (other, 4)):
        make_demonstrations(benchmark, out, MIXED, seed=seed, per_problem=2)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_first_turn_demonstrations_hold_in_the_environment(
    benchmark: Benchmark, style: Style, rows: list[dict[str, str]]
) -> None:
    problems = {problem.id: problem for problem in benchmark.problems}
    checked = recovered = 0
    with Judge() as judge:
        for row in rows:
            metadata = row["metadata"]
            assert isinstance(metadata, dict)
            if metadata["turn"] != 1:
                continue
            problem = problems[metadata["problem_id"]]
            assert metadata["problem_hash"] == problem.content_hash
            env = RepairEnv(judge, problem)
            observation = env.reset()
            assert row["instruction"] == INSTRUCTION
            assert row["input"] == render_state(observation, style)
            transition = env.step(row["output"])
            assert transition.step.well_formed
            assert not transition.step.refused
            action = transition.step.action
            assert action is not None
            assert observation.iis is not None
            assert action.target in (*observation.iis.rows, *observation.iis.bounds)
            if action.is_repair:
                assert transition.observation.iis != observation.iis
            checked += 1
            recovered += transition.outcome is Outcome.RECOVERED
    assert checked > N
    # Not all: a demonstrated step may break one conflict of several, and the episode recovers later.
    assert 0.3 * checked < recovered < checked


def test_reasoning_names_only_what_the_prompt_shows(rows: list[dict[str, str]]) -> None:
    name = re.compile(r"\b[rv]\d\d\b")
    for row in rows:
        answer = parse_answer(row["output"])
        assert answer.well_formed
        assert answer.think is not None
        assert answer.action is not None
        said = set(name.findall(answer.think))
        assert answer.action.target in said
        assert said <= set(name.findall(row["input"]))


def test_demonstrations_vary_and_show_later_turns(style: Style, rows: list[dict[str, str]]) -> None:
    answers = [parse_answer(row["output"]) for row in rows]
    kinds = {answer.action.kind for answer in answers if answer.action is not None}
    if (
        style.detail is Detail.ALGEBRA
    ):  # nearly every conflict holds an oddity, so the careful repairer seldom has to try something
        assert kinds >= {ActionKind.DROP_CONSTRAINT, ActionKind.RELAX_CONSTRAINT, ActionKind.UPDATE_BOUNDS}
    else:
        assert kinds == {*REPAIRS & {*PUBLIC_ACTIONS}, ActionKind.CHECK_SLACK}
    later = [row for row in rows if "## Previous Actions" in row["input"]]
    assert 0.2 * len(rows) < len(later) < 0.6 * len(rows)
    assert any("no action found" in row["input"] for row in later)
    assert any("no constraint named" in row["input"] for row in later)


def oddities(prompt: str) -> set[str]:
    """What is odd in the algebra that a prompt shows, read from its text alone."""
    odd = set()
    for line in prompt.partition("## IIS in Full\n")[2].partition("\n\n")[0].splitlines():
        is_row = line.endswith(")")
        name = line[-4:-1] if is_row else line[:3]
        text = line.rpartition(" (")[0] if is_row else line
        numbers = [float(number) for number in re.findall(r"(?:in \[|, |= )(-?[\d.e+inf]+)", text)]
        lower = numbers[0] if re.search(r" >?= |in \[", text) else -math.inf
        upper = numbers[-1] if re.search(r" <?= |in \[", text) else math.inf
        if is_row and " = " not in text and (lower >= 100 or 0 < upper < 100):
            odd.add(name)
        if not is_row and not re.search("binary|integer", text) and (lower > 0 or 0 <= upper <= 2):
            odd.add(name)
    return odd


def test_the_two_repairers(benchmark: Benchmark, tmp_path: Path) -> None:
    """With algebra: what is marked odd is odd, the hurried takes the first row, the careful what is marked."""
    rows = demonstrate(benchmark, tmp_path, Style(detail=Detail.ALGEBRA))
    hurried = careful = 0
    for row in rows:
        answer = parse_answer(row["output"])
        assert answer.think is not None
        assert answer.action is not None
        opening, _, rest = answer.think.partition(". ")
        marked = re.findall(r"odd ([rv]\d\d)", opening)
        assert set(marked) == oddities(row["input"]), row["input"]
        listed = re.findall(r"\b[rv]\d\d\b", row["input"].partition("Conflicting ")[2].partition("\n\n")[0])
        if "first one" in rest:
            hurried += 1
            assert answer.action.target == listed[0]
        elif "odd" in rest:
            careful += 1
            assert answer.action.target in marked
            is_bound = str(answer.action.target).startswith("v")
            assert (answer.action.kind is ActionKind.UPDATE_BOUNDS) == is_bound
        assert list(dict.fromkeys(re.findall(r"\b[rv]\d\d\b", opening))) == listed
    assert careful > 0.2 * len(rows)
    assert hurried / (hurried + careful) == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize("hurried", [0.0, 1.0])
def test_the_share_of_the_hurried_repairer_is_yours(benchmark: Benchmark, tmp_path: Path, hurried: float) -> None:
    thoughts = [
        row["output"] for row in demonstrate(benchmark, tmp_path, Style(detail=Detail.ALGEBRA), hurried=hurried)
    ]
    assert any("The odd" in text for text in thoughts) == (hurried == 0)
    assert any("The first" in text for text in thoughts) == (hurried == 1)


@pytest.mark.parametrize("hurried", [-0.1, 1.1, math.nan])
def test_a_share_is_from_0_to_1(benchmark: Benchmark, tmp_path: Path, hurried: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        make_demonstrations(
            benchmark, tmp_path / "x.json", Recipe(Policy.MIXED, hurried=hurried), seed=0, per_problem=1
        )


@pytest.mark.parametrize("text", ["2", "-0.1", "nan", "most"])
def test_a_share_on_the_command_line_names_its_option(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(SystemExit):
        main(["data", "demos", "bench", "out.json", f"--hurried={text}"])
    assert "argument --hurried: must be" in capsys.readouterr().err


def test_no_demonstrations_per_problem_is_an_error(benchmark: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 1"):
        make_demonstrations(benchmark, tmp_path / "x.json", MIXED, seed=0, per_problem=0)
