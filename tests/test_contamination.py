"""`ordebug data contamination`: overlaps by content, whatever the ids and names, and none where there is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.demonstrations import Policy, Recipe, make_demonstrations
from ordebug_plugin.errors import InputError
from ordebug_plugin.generate.benchmark import make_benchmark, structure_hashes
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.prompt import MAX_TERMS, Detail, Style
from ordebug_plugin.verify.contamination import Contamination, find_contamination
from tests.toys import PLANS, describe, write_problem

N = 6


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("contamination") / "bench"
    make_benchmark(out, n=N, seed=11, wanted=PLANS)
    return out


@pytest.fixture(scope="module")
def other(bench: Path) -> Path:
    out = bench.parent / "other"
    make_benchmark(out, n=N, seed=12, wanted=PLANS, exclude=structure_hashes(bench))
    return out


def overlap(train: Path, bench: Path) -> Contamination:
    return find_contamination(train, bench, work_limit=10.0)


def ids(bench: Path) -> tuple[str, ...]:
    return tuple(problem.id for problem in load_benchmark(bench).problems)


def test_other_problems_with_the_same_ids_do_not_overlap(bench: Path, other: Path) -> None:
    assert ids(bench) == ids(other)
    assert not overlap(other, bench).found


def test_a_benchmark_overlaps_with_itself(bench: Path) -> None:
    found = overlap(bench, bench)
    assert found.models == found.prompts == ids(bench)
    assert found.structures == found.originals == ()


def test_a_model_under_other_names_is_found_by_its_structure(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names differ, as the generator would draw them anew; what its record says of the structure does not."""
    renamed = tmp_path / "renamed"
    shutil.copytree(bench, renamed)
    index = json.loads((renamed / "dataset.json").read_text())
    record = index["problems"][2]
    model = renamed / record["model_file"]
    names = [*record["iis_constraints"], *record["culprit"]["rows"]]
    text = model.read_text()
    for name in set(names):
        text = text.replace(f" {name} ", f" {name}x ").replace(f" {name}\n", f" {name}x\n")
    model.write_text(text)
    index["problems"] = [record]
    (renamed / "dataset.json").write_text(json.dumps(index))
    found = overlap(renamed, bench)
    assert (found.models, found.structures, found.prompts) == ((), (record["problem_id"],), ())
    capsys.readouterr()
    assert main(["data", "contamination", str(renamed), str(bench)]) == 1
    assert f"1 of {N} problems: same structure under other names ({record['problem_id']})" in capsys.readouterr().out


def test_the_model_before_its_fault_is_found_whatever_the_fault(bench: Path, other: Path, tmp_path: Path) -> None:
    def with_originals(folder: Path, first: int) -> Path:
        out = tmp_path / folder.name
        shutil.copytree(folder, out)
        index = json.loads((out / "dataset.json").read_text())
        for number, record in enumerate(index["problems"], first):
            record["original_hash"] = f"o{number}"
        (out / "dataset.json").write_text(json.dumps(index))
        return out

    found = overlap(with_originals(other, N - 1), with_originals(bench, 0))
    assert (found.models, found.structures, found.originals, found.prompts) == ((), (), ids(bench)[N - 1 :], ())
    assert found.found


@pytest.mark.parametrize("detail", Detail)
@pytest.mark.parametrize("kind", ["alpaca", "sharegpt", "messages", "grpo"])
def test_rows_give_away_the_problems_they_show(
    bench: Path, other: Path, tmp_path: Path, kind: str, detail: Detail
) -> None:
    alpaca, train = tmp_path / "alpaca.json", tmp_path / "train.jsonl"
    if kind == "grpo":
        assert main(["data", "grpo", str(bench), str(train), "--detail", detail.value]) == 0
    else:
        recipe = Recipe(Policy.MIXED, style=Style(detail=detail))
        make_demonstrations(load_benchmark(bench), alpaca, recipe, seed=0, per_problem=8)
        document = json.loads(alpaca.read_text())
        for row in document["data"]:
            del row["metadata"]  # then only the prompts can tell
        alpaca.write_text(json.dumps(document))
        train = alpaca
        if kind != "alpaca":
            train = tmp_path / f"train.{kind}.{'json' if kind == 'sharegpt' else 'jsonl'}"
            assert main(["data", "convert", str(alpaca), str(train), "--to", kind]) == 0
    found = overlap(train, bench)
    assert found.prompts == ids(bench)
    assert found.models == (ids(bench) if kind == "grpo" else ())
    assert found.training.unread == 0
    assert not overlap(train, other).found


@pytest.mark.parametrize("detail", Detail)
def test_a_specification_hides_no_prompt(bench: Path, other: Path, tmp_path: Path, detail: Detail) -> None:
    """The same conflicts, told in words of their own in the training data, the test problems, both or neither."""
    described = [tmp_path / "made", tmp_path / "bought"]
    for folder in described:
        shutil.copytree(bench, folder)
        describe(folder, f"All of this was {folder.name}.")
    train = tmp_path / "train.jsonl"
    assert main(["data", "grpo", str(described[0]), str(train), "--detail", detail.value]) == 0
    assert ("All of this was made." in json.loads(train.read_text().splitlines()[0])["messages"][-1]["content"]) == (
        detail is Detail.FULL
    )
    for test in (bench, *described):
        assert overlap(train, test).prompts == ids(bench)
    assert not overlap(train, other).prompts


@pytest.mark.parametrize("detail", Detail)
def test_a_long_row_hides_no_prompt(tmp_path: Path, detail: Detail) -> None:
    """It is written out further in full detail than before."""
    terms = " + ".join(f"x{number}" for number in range(MAX_TERMS + 1))
    text = f"Minimize\n obj: x0\nSubject To\n long: {terms} <= -1\nEnd\n"
    if detail is Detail.FULL:
        (tmp_path / "a.spec.txt").write_text("One row.\n\nlong: Together at most -1.\n")
    model, train = write_problem(tmp_path / "a.lp", text).path, tmp_path / "train.jsonl"
    assert main(["data", "grpo", str(model), str(train), "--detail", detail.value]) == 0
    assert overlap(train, model).prompts == ("a",)


def test_labels_do_not_hide_a_prompt(bench: Path, tmp_path: Path) -> None:
    train = tmp_path / "train.jsonl"
    assert main(["data", "grpo", str(bench), str(train), "--labels"]) == 0
    rows = [json.loads(line) for line in train.read_text().splitlines()]
    assert all("Type: " in row["messages"][-1]["content"] for row in rows)
    assert overlap(train, bench).prompts == ids(bench)


def test_the_command_says_what_it_found(
    bench: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    assert main(["data", "contamination", str(other), str(bench)]) == 0
    assert main(["data", "contamination", str(bench), str(bench), "--json", str(out)]) == 1
    assert f"{N} of {N} problems: the model is in the training data" in capsys.readouterr().out
    assert json.loads(out.read_text())["models"] == list(ids(bench))


def test_rows_that_show_nothing_are_counted_or_refused(bench: Path, tmp_path: Path) -> None:
    train = tmp_path / "train.json"
    assert main(["data", "grpo", str(bench), str(tmp_path / "all.jsonl")]) == 0
    row = json.loads((tmp_path / "all.jsonl").read_text().splitlines()[0])
    train.write_text(json.dumps([row, {"text": "nothing"}, "nothing", {"messages": "nothing"}]))
    assert overlap(train, bench).training.unread == 3
    train.write_text(json.dumps([{"text": "nothing"}]))
    with pytest.raises(InputError, match="not one row has a prompt or a model"):
        overlap(train, bench)


def test_public_training_prompts_repeat_in_the_public_test(public_data: Path) -> None:
    """Other models, but names alone: 69 of 88 test problems look like a training problem to the letter."""
    found = overlap(public_data / "sft/heuristic.json", public_data / "or_debug_bench/test_v2")
    assert (len(found.models), len(found.prompts)) == (0, 69)
