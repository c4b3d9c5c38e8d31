"""`ordebug bench split`: nothing lost, nothing on two sides, every part its share, and the same again by the seed."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.data.split import Part, Plan, split_benchmark
from ordebug_plugin.errors import InputError, ProblemError
from ordebug_plugin.generate import make_benchmark
from ordebug_plugin.kinship import Identity, kin
from ordebug_plugin.problem import load_benchmark, load_records
from ordebug_plugin.verify.contamination import find_contamination
from tests.toys import CONFLICT, PLANS

FAMILIES, THEMES, FAULTS, SIZES = ("blending", "knapsack", "routing"), ("bakery", "steel"), "AB", ("small", "large")
N = 144
Records = list[dict[str, Any]]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toys with everything a record may hold, in threes: two share a structure, in every other three all are kin."""
    out = tmp_path_factory.mktemp("split") / "bench"
    records: Records = []
    strata = itertools.cycle(itertools.product(FAMILIES, FAULTS, SIZES, THEMES))
    for triple in range(N // 3):
        family, fault, size, theme = next(strata)
        for place in range(3):
            number = 3 * triple + place
            records.append(
                {
                    "problem_id": f"p{number}",
                    "model_file": f"models/p{number}.lp",
                    "specification_file": f"specs/p{number}.txt",
                    "family": family,
                    "error_type": fault,
                    "size": size,
                    "theme": theme,
                    "structure_hash": f"s{number - (place == 1)}",
                    "original_hash": f"o{number - (place == 2 and triple % 2)}",
                    "culprit": {"rows": ["low"], "variables": []},
                }
            )
    write(out, records)
    return out


def write(out: Path, records: Records) -> None:
    for folder in ("models", "specs"):
        (out / folder).mkdir(parents=True)
    for number, record in enumerate(records):
        (out / record["model_file"]).write_text(CONFLICT.replace("100", str(100 + number)))
        (out / record["specification_file"]).write_text(f"Überblick {number}\n")
    (out / "dataset.json").write_text(json.dumps({"dataset_name": "toys", "num_problems": N, "problems": records}))


def records_of(parts: dict[str, Part]) -> dict[str, Records]:
    return {name: [dict(record) for record in load_records(part.path)] for name, part in parts.items()}


def sides(parts: dict[str, Part], key: str) -> dict[str, set[str]]:
    """Value of a field to the parts that have it."""
    found: dict[str, set[str]] = {}
    for name, records in records_of(parts).items():
        for record in records:
            found.setdefault(record[key], set()).add(name)
    return found


def test_nothing_is_lost(bench: Path, tmp_path: Path) -> None:
    parts = split_benchmark(bench, tmp_path / "out", Plan(families=("routing",), themes=("steel",)))
    assert set(parts) == {"train", "val", "test", "held_out_families", "held_out_names"}
    written = [record for records in records_of(parts).values() for record in records]
    source = load_records(bench)
    assert sorted(written, key=lambda record: record["problem_id"]) == sorted(
        source, key=lambda r: str(r["problem_id"])
    )
    assert sum(part.n for part in parts.values()) == N
    for part in parts.values():
        for record in load_records(part.path):
            for key in ("model_file", "specification_file"):
                assert (part.path / str(record[key])).read_bytes() == (bench / str(record[key])).read_bytes()
        assert len(list((part.path / "models").iterdir())) == len(list((part.path / "specs").iterdir())) == part.n
        index = json.loads((part.path / "dataset.json").read_text())
        assert (index["num_problems"], index["source"]["num_problems"]) == (part.n, N)


@pytest.mark.parametrize("seed", range(4))
def test_kin_are_never_on_two_sides(bench: Path, tmp_path: Path, seed: int) -> None:
    parts = split_benchmark(bench, tmp_path / "out", Plan(test=0.3, val=0.3, seed=seed))
    for key in ("structure_hash", "original_hash"):
        assert all(len(found) == 1 for found in sides(parts, key).values())


def test_the_same_bytes_are_kin_whatever_the_record_says(bench: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(bench, twin)
    for number in range(3, N, 3):
        shutil.copy(twin / "models" / "p0.lp", twin / "models" / f"p{number}.lp")
    parts = split_benchmark(twin, tmp_path / "out", Plan(test=0.05, val=0))
    assert max(part.n for part in parts.values()) >= N // 3
    where = sides(parts, "problem_id")
    assert len(set.union(*(where[f"p{number}"] for number in range(0, N, 3)))) == 1


def test_kinship_reaches_over_others() -> None:
    chain = [
        Identity("a", structure="1"),
        Identity("b", "1", "x"),
        Identity("c", "2", "x"),
        Identity("c"),
        Identity("d"),
    ]
    assert kin(chain) == ["a", "a", "a", "a", "d"]
    assert kin([Identity("a", "1"), Identity("b", None, "1")]) == ["a", "b"]  # a structure is no original
    assert kin([Identity("b"), Identity("a")]) == ["b", "a"]  # unknown is not equal


def test_every_part_has_its_share_of_every_stratum(bench: Path, tmp_path: Path) -> None:
    parts = split_benchmark(bench, tmp_path / "out", Plan(test=0.25, val=0.25))
    largest = 3  # problems that stay together
    for part, share in (("train", 0.5), ("val", 0.25), ("test", 0.25)):
        assert abs(parts[part].n - share * N) <= largest
        for key, values in (("family", FAMILIES), ("error_type", FAULTS), ("size", SIZES)):
            for value in values:
                assert abs(parts[part].strata[key][value] - share * N / len(values)) <= 3 * largest


def test_the_same_seed_gives_the_same_bytes(bench: Path, tmp_path: Path) -> None:
    def files(name: str, seed: int) -> dict[str, bytes]:
        split_benchmark(bench, tmp_path / name, Plan(seed=seed))
        found = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        return {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in found}

    assert files("a", 1) == files("b", 1)
    assert files("a2", 1).keys() != files("c", 2).keys()


def test_the_order_of_the_index_decides_nothing(bench: Path, tmp_path: Path) -> None:
    backwards = tmp_path / "backwards"
    shutil.copytree(bench, backwards)
    index = json.loads((backwards / "dataset.json").read_text())
    index["problems"].reverse()
    (backwards / "dataset.json").write_text(json.dumps(index))
    one = sides(split_benchmark(bench, tmp_path / "a", Plan()), "problem_id")
    assert sides(split_benchmark(backwards, tmp_path / "b", Plan()), "problem_id") == one


def test_what_is_held_out_is_nowhere_else(bench: Path, tmp_path: Path) -> None:
    parts = split_benchmark(bench, tmp_path / "out", Plan(families=("routing", "blending"), themes=("bakery",)))
    families, themes = sides(parts, "family"), sides(parts, "theme")
    assert families["routing"] == families["blending"] == {"held_out_families"}
    assert themes["bakery"] == {"held_out_families", "held_out_names"}
    assert parts["held_out_families"].n == 2 * N // 3
    assert {record["family"] for record in load_records(parts["held_out_names"].path)} == {"knapsack"}


def test_kin_of_what_is_held_out_go_with_it(bench: Path, tmp_path: Path) -> None:
    """The same structure under the names of another theme would else be trained on."""
    mixed = tmp_path / "mixed"
    shutil.copytree(bench, mixed)
    index = json.loads((mixed / "dataset.json").read_text())
    index["problems"][0]["theme"] = "harbour"
    (mixed / "dataset.json").write_text(json.dumps(index))
    parts = split_benchmark(mixed, tmp_path / "out", Plan(themes=("harbour",)))
    assert [record["problem_id"] for record in load_records(parts["held_out_names"].path)] == ["p0", "p1"]


def test_parts_of_a_made_benchmark_do_not_contaminate_one_another(tmp_path: Path) -> None:
    make_benchmark(tmp_path / "made", n=30, seed=7, wanted=PLANS)
    parts = split_benchmark(tmp_path / "made", tmp_path / "out", Plan(test=0.3, val=0))
    assert set(parts) == {"train", "test"}
    assert (parts["train"].n, parts["test"].n) == (21, 9)
    assert not find_contamination(parts["train"].path, parts["test"].path, work_limit=10.0).found


@pytest.mark.public
def test_a_public_benchmark(public_data: Path, tmp_path: Path) -> None:
    """No families and no hashes: by content, and by fault type."""
    parts = split_benchmark(public_data / "or_debug_bench" / "v1", tmp_path / "out", Plan())
    counts = {name: part.n for name, part in parts.items()}
    assert sum(counts.values()) == 901
    assert counts == pytest.approx({"train": 0.7 * 901, "val": 0.1 * 901, "test": 0.2 * 901}, abs=2)
    hashes = Counter(problem.content_hash for part in parts.values() for problem in load_benchmark(part.path).problems)
    assert sum(hashes.values()) == 901
    assert parts["test"].strata["error_type"] == pytest.approx({"A": 44, "B": 50, "C": 36.2, "D": 50}, abs=1)


class TestErrors:
    def refused(self, bench: Path, out: Path, plan: Plan, match: str) -> None:
        with pytest.raises(InputError, match=match):
            split_benchmark(bench, out, plan)
        assert not out.exists() or list(out.iterdir()) == [out / "mine"]

    def test_a_folder_with_files(self, bench: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").write_text("")
        self.refused(bench, tmp_path / "out", Plan(), "is not empty: name a new folder")

    def test_unknown_families_and_themes(self, bench: Path, tmp_path: Path) -> None:
        unknown = "the family 'rooting': there are blending, knapsack, routing"
        self.refused(bench, tmp_path / "out", Plan(families=("routing", "rooting")), unknown)
        self.refused(bench, tmp_path / "out", Plan(themes=("stel",)), "the theme 'stel': there are bakery, steel")

    def test_a_benchmark_without_families(self, bench: Path, tmp_path: Path) -> None:
        bare = tmp_path / "bare"
        shutil.copytree(bench, bare)
        index = json.loads((bare / "dataset.json").read_text())
        for record in index["problems"]:
            del record["family"]
        (bare / "dataset.json").write_text(json.dumps(index))
        self.refused(bare, tmp_path / "out", Plan(families=("routing",)), "its records have no field 'family'")

    def test_shares_that_leave_nothing(self, bench: Path, tmp_path: Path) -> None:
        self.refused(bench, tmp_path / "out", Plan(test=0.9, val=0.1), "leave nothing to train on")
        self.refused(bench, tmp_path / "out", Plan(families=FAMILIES), "train and val and test would be empty")
        self.refused(bench, tmp_path / "out", Plan(val=0.001), "val would be empty")

    @pytest.mark.parametrize(
        ("key", "value", "match"),
        [
            ("specification_file", "specs/gone.txt", r"problems\[2\]: specification file .*gone.txt not found"),
            ("specification_file", "../spec.txt", r"problems\[2\]: .* is outside the folder: move it inside"),
            ("model_file", "gone.lp", "gone.lp not found"),
        ],
    )
    def test_files_that_cannot_be_copied(self, bench: Path, tmp_path: Path, key: str, value: str, match: str) -> None:
        broken = tmp_path / "broken"
        shutil.copytree(bench, broken)
        index = json.loads((broken / "dataset.json").read_text())
        index["problems"][2][key] = value
        (broken / "dataset.json").write_text(json.dumps(index))
        (tmp_path / "spec.txt").write_text("A plan.\n\nc: At most 3.\n")
        with pytest.raises(ProblemError, match=match):
            split_benchmark(broken, tmp_path / "out", Plan())
        assert not (tmp_path / "out").exists()

    def test_a_single_model(self, bench: Path, tmp_path: Path) -> None:
        self.refused(bench / "models" / "p0.lp", tmp_path / "out", Plan(), "only a benchmark folder can be split")

    def test_a_benchmark_that_changes_meanwhile(self, bench: Path, tmp_path: Path) -> None:
        moving = tmp_path / "moving"
        shutil.copytree(bench, moving)

        def change() -> None:  # called for every problem, so that of a hundred files only one is written each time
            (moving / "models" / "p7.lp").write_text(CONFLICT)

        with pytest.raises(ProblemError, match="did the benchmark change meanwhile"):
            split_benchmark(moving, tmp_path / "out", Plan(), change)


class TestCommand:
    def test_table_and_folders(self, bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / "out"
        command = [
            "bench",
            "split",
            str(bench),
            str(out),
            "--hold-out-families",
            "routing, ",
            "--hold-out-names",
            "steel",
        ]
        assert main(command) == 0
        assert "no two parts share content" in capsys.readouterr().out
        assert sorted(path.name for path in out.iterdir()) == [
            "held_out_families",
            "held_out_names",
            "test",
            "train",
            "val",
        ]
        assert main(command) == 2
        assert "is not empty" in capsys.readouterr().err

    def test_json(self, bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bench", "split", str(bench), str(tmp_path / "out"), "--val", "0", "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert set(record) == {"train", "test"}
        assert record["train"]["n"] + record["test"]["n"] == N
        assert sum(record["train"]["strata"]["theme"].values()) == record["train"]["n"]
