"""`ordebug bench make`: every problem is what its record says, whoever draws it, and only reasoning finds the fault."""

from __future__ import annotations

import json
import math
import random
import re
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.errors import InputError
from ordebug_plugin.generate import Difficulty, Names, Size, Wanted, make_benchmark
from ordebug_plugin.generate.families import DEFAULT_FAMILIES, FAMILIES
from ordebug_plugin.generate.faults import FAULTS
from ordebug_plugin.generate.instance import make_instance
from ordebug_plugin.generate.slips import like
from ordebug_plugin.generate.themes import THEMES
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.solver import Judge
from ordebug_plugin.specification import read_specification
from ordebug_plugin.verify.benchmark import check_benchmark
from ordebug_plugin.verify.facts import dropped
from ordebug_plugin.verify.finding import Ruling
from tests.test_generate import files

SMALL = Wanted(sizes=(Size.SMALL,))
N = 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("make") / "bench"
    make_benchmark(out, n=N, seed=5, wanted=SMALL, workers=2)
    return out


def records(folder: Path) -> list[dict[str, object]]:
    return list(json.loads((folder / "dataset.json").read_text())["problems"])


def test_one_worker_gives_the_same_bytes_as_two(folder: Path, tmp_path: Path) -> None:
    make_benchmark(tmp_path / "bench", n=N, seed=5, wanted=SMALL, workers=1)
    assert files(tmp_path / "bench") == files(folder)


def test_every_problem_is_proven_again_with_every_label(folder: Path) -> None:
    check = check_benchmark(folder)
    assert not check.wrong, check.wrong[:3]
    assert all(finding.ruling is Ruling.PROVEN for proof in check.proofs for finding in proof.findings)
    assert check.count(Ruling.PROVEN) == N


def test_a_wrong_fact_in_a_record_is_found(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench"
    make_benchmark(out, n=3, seed=5, wanted=SMALL)
    index = json.loads((out / "dataset.json").read_text())
    facts = [record["facts"] for record in index["problems"]]
    facts[0]["cheapest"] *= 1.01
    facts[1]["single_drops"] = facts[1]["single_drops"][1:] or ["r0"]
    facts[2]["disjoint"] += 1
    (out / "dataset.json").write_text(json.dumps(index))
    wrong = {(proof.problem_id, str(finding.check)) for proof, finding in check_benchmark(out).wrong}
    assert wrong == {("p00000", "cheapest-repair"), ("p00001", "single-drops"), ("p00002", "disjoint-iis")}


def test_families_and_kinds_of_faults_all_occur(folder: Path) -> None:
    made = records(folder)
    assert {record["family"] for record in made} == set(DEFAULT_FAMILIES)
    assert {record["error_type"] for record in made} >= {"A", "B", "C", "D", "E", "H", "unit"}
    assert {record["problem_type"] for record in made} == {"lp", "mip"}
    assert len({record["theme"] for record in made}) > 3


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_each_kind_of_fault_can_be_asked_for(tmp_path: Path, kind: str) -> None:
    make_benchmark(tmp_path / "bench", n=2, seed=1, wanted=Wanted(faults=(kind,), sizes=(Size.SMALL,)))
    assert {record["error_type"] for record in records(tmp_path / "bench")} == {kind}
    assert check_benchmark(tmp_path / "bench").count(Ruling.PROVEN) == 2


def test_kinds_are_what_they_say(folder: Path) -> None:
    for record in records(folder):
        culprit, facts = record["culprit"], record["facts"]
        assert isinstance(culprit, dict)
        assert isinstance(facts, dict)
        kind = record["error_type"]
        if kind in {"E", "G"}:
            assert len(culprit["rows"]) + len(culprit["variables"]) > 1
        if kind in {"B", "H"}:
            assert len(culprit["variables"]) == 1
        if kind == "D":
            assert record["added_rows"] == culprit["rows"]
        if kind == "F":
            assert facts["iis_rows"] + facts["iis_bounds"] >= 7
            assert not record["cheapest_repair_hits"]
        if kind == "I":
            assert len(facts["single_drops"]) >= 3
        if kind in {"A", "C", "swap", "bigm", "period"}:
            assert str(record["fix"]).startswith("['REWRITE_CONSTRAINT(")


def test_the_specification_speaks_of_every_element_but_rows_that_were_added(folder: Path) -> None:
    problems = load_benchmark(folder).problems
    with Judge() as judge:
        for problem, record in zip(problems, records(folder), strict=True):
            specification = read_specification((folder / str(record["specification_file"])).read_text())
            shape = judge.shape(problem)
            elements = set(shape.rows) | set(shape.variables)
            assert set(specification.statements) == elements - set(problem.truth.added_rows)
            said = set(re.findall(r"\b[rv]\d\d+\b", " ".join(specification.statements.values())))
            assert said <= elements


def test_names_are_numbers_of_one_length(folder: Path) -> None:
    with Judge() as judge:
        for problem in load_benchmark(folder).problems:
            shape = judge.shape(problem)
            assert all(re.fullmatch(r"r\d\d+", name) for name in shape.rows)
            assert all(re.fullmatch(r"v\d\d+", name) for name in shape.variables)
            assert len({len(name) for name in (*shape.rows, *shape.variables)}) == 1


@pytest.mark.parametrize("names", Names)
def test_order_does_not_tell(names: Names) -> None:
    places = []
    for seed in range(600):
        rng = random.Random(f"order/{seed}")
        family = FAMILIES[rng.choice(DEFAULT_FAMILIES)]
        draft = family.draw(rng, Size.SMALL, rng.choice(list(THEMES.values())))
        broken = rng.choice(family.faults).break_(rng, draft.model)
        if broken is not None:
            instance = make_instance(rng, draft, broken, names)
            order = [row.name for row in instance.broken.rows]
            if len(instance.undo.rows) == 1:  # several of one model are not independent
                places.append(order.index(instance.undo.rows[0]) / (len(order) - 1))
    # Uniform places have mean 1/2 and standard deviation 0.3, so that of 250 lies within 0.02 of it.
    assert len(places) > 250
    assert sum(places) / len(places) == pytest.approx(0.5, abs=0.08)


def test_no_innocent_row_keeps_the_optimum_when_dropped(folder: Path) -> None:
    with Judge() as judge:
        for problem in load_benchmark(folder).problems:
            iis, objective = judge.iis(problem), problem.truth.objective
            assert iis is not None
            assert objective is not None
            assert len(iis.rows) + len(iis.bounds) >= 3
            for row in set(iis.rows) - set(problem.truth.rows):
                found = judge.solve(problem, dropped([row])).objective
                assert found is None or abs(found - objective) > 1e-3 * abs(objective)


def test_readable_names(tmp_path: Path) -> None:
    wanted = Wanted(sizes=(Size.SMALL,), faults=("D",), names=Names.READABLE)
    make_benchmark(tmp_path / "bench", n=10, seed=2, wanted=wanted)
    assert check_benchmark(tmp_path / "bench").count(Ruling.PROVEN) == 10
    with Judge() as judge:
        for problem in load_benchmark(tmp_path / "bench").problems:
            # A row that was added is called like those of its kind.
            assert all(re.fullmatch(r"[a-z_]+_\d+", row) for row in judge.shape(problem).rows)


def test_sizes_and_difficulties_can_be_asked_for(tmp_path: Path) -> None:
    wanted = Wanted(sizes=(Size.MEDIUM,), difficulties=(Difficulty.HARD,))
    make_benchmark(tmp_path / "bench", n=6, seed=3, wanted=wanted)
    made = records(tmp_path / "bench")
    assert {record["difficulty"] for record in made} == {"hard"}
    assert all(20 < int(str(record["n_constraints"])) <= 125 for record in made)


def decimals(values: Iterable[float]) -> int:
    return max((len(f"{value:.10g}".partition(".")[2]) for value in values if math.isfinite(value)), default=0)


@pytest.mark.parametrize("name", DEFAULT_FAMILIES)
def test_the_digits_of_a_number_do_not_tell_that_it_is_wrong(name: str) -> None:
    """A wrong number has no more decimals than the right ones of its kind."""
    family = FAMILIES[name]
    for seed in range(3):
        draft = family.draw(random.Random(seed), Size.MEDIUM, THEMES["steel"])
        rows, columns = draft.model.rows, draft.model.columns
        sides = {role: decimals(row.rhs for row in rows if row.role == role) for role in {row.role for row in rows}}
        terms = decimals(value for row in rows for _, value in row.terms)
        bounds = decimals(end for column in columns for end in (column.lower, column.upper))
        for fault in family.faults:
            for draw in range(15):
                broken = fault.break_(random.Random(draw), draft.model)
                if broken is None:
                    continue
                for row in broken.rows:
                    assert decimals([row.rhs]) <= sides[row.role], (fault.name, row)
                    assert decimals(value for _, value in row.terms) <= terms, (fault.name, row)
                for column in broken.columns:
                    assert decimals((column.lower, column.upper)) <= bounds, (fault.name, column)


def test_a_number_is_as_long_as_the_one_in_its_place() -> None:
    assert [like(393.0, 39.3), like(4.0, 0.4), like(2.5, 0.25), like(-3.0, -0.3)] == [39.0, 1.0, 0.2, -1.0]


def test_no_word_is_in_two_themes() -> None:
    words = [
        word for theme in THEMES.values() for word in (*theme.places, *theme.goods, *theme.machines, *theme.people)
    ]
    assert len(words) == len(set(words))


def test_the_command_reads_ranges_and_says_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bench"
    assert main(["bench", "make", str(out), "--n", "4", "--faults", "A-B,unit", "--sizes", "small", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n"] == 4
    assert set(report["counts"]["error_type"]) <= {"A", "B", "unit"}
    for option, value in (("--faults", "A,zap"), ("--families", "pizza"), ("--difficulty", "x"), ("--themes", "moon")):
        assert main(["bench", "make", str(tmp_path / "no"), "--n", "1", option, value]) == 2
        assert f"{option}: there is no" in capsys.readouterr().err
    assert main(["bench", "make", str(tmp_path / "no"), "--families", "plans", "--sizes", "large"]) == 2
    assert "no model of size large" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_what_cannot_be_had_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "no"
    for options, message in (
        (["--families", "production", "--faults", "bigm"], "there is no 'bigm'"),
        (["--families", "transportation", "--faults", "F", "--difficulty", "easy"], "models of transportation"),
    ):
        assert main(["bench", "make", str(out), "--n", "2", "--sizes", "small", *options]) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()


class Everything(frozenset[str]):
    """All hashes there could be."""

    def __contains__(self, _: object) -> bool:
        return True


def test_a_benchmark_of_which_all_is_excluded_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="after 0 of 2 problems there are hardly more"):
        make_benchmark(tmp_path / "bench", n=2, seed=0, wanted=SMALL, exclude=Everything())


def test_every_family_says_what_it_is() -> None:
    assert all(family.summary and family.sizes for family in FAMILIES.values())


def test_a_folder_that_a_command_left_which_could_not_begin_is_as_good_as_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "make", str(tmp_path / "bench"), "--n", "2", "--families", "plans"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert main([*command, "--ray", f"127.0.0.1:{port}"]) == 2
    assert main(command) == 0
    assert main(command) == 2
    assert "is not empty" in capsys.readouterr().err
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "other").symlink_to(tmp_path / "nothing")
    assert main(["bench", "make", str(tmp_path / "link"), *command[3:]]) == 2
