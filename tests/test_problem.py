import gzip
import json
import pickle
from pathlib import Path

import pytest

from ordebug_plugin.actions import parse_action
from ordebug_plugin.errors import ProblemError
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.truth import Truth, read_truth
from tests.toys import CONFLICT, CONFLICT_SPECIFICATION, FEASIBLE


def index(folder: Path, *records: object) -> Path:
    (folder / "dataset.json").write_text(json.dumps({"problems": list(records)}))
    return folder


def test_a_folder_loads_in_order_and_by_content(tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text(CONFLICT)
    (tmp_path / "b.lp.gz").write_bytes(gzip.compress(CONFLICT.encode(), mtime=1))
    (tmp_path / "c.lp").write_text(FEASIBLE)
    records = [{"problem_id": name, "model_file": f"{name}.lp"} for name in ("c", "a")]
    benchmark = load_benchmark(index(tmp_path, *records, {"problem_id": "b", "model_file": "b.lp.gz"}))
    assert [problem.id for problem in benchmark.problems] == ["c", "a", "b"]
    c, a, b = (problem.content_hash for problem in benchmark.problems)
    assert a == b != c
    assert load_benchmark(tmp_path / "dataset.json") == benchmark


def test_a_single_file_is_a_benchmark(tmp_path: Path) -> None:
    (tmp_path / "mine.lp").write_text(CONFLICT)
    (problem,) = load_benchmark(tmp_path / "mine.lp").problems
    assert problem.id == "mine"
    assert problem.truth == Truth()
    assert problem.specification is None


@pytest.mark.parametrize("name", ["mine.lp", "mine.lp.gz"])
def test_the_specification_beside_a_single_file_is_its_own(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONFLICT.encode() if name.endswith("lp") else gzip.compress(CONFLICT.encode()))
    (tmp_path / "mine.spec.txt").write_text(CONFLICT_SPECIFICATION)
    (problem,) = load_benchmark(tmp_path / name).problems
    assert str(problem.specification) == CONFLICT_SPECIFICATION
    (tmp_path / "mine.spec.txt").write_text(f"{CONFLICT_SPECIFICATION}and so on\n")
    with pytest.raises(ProblemError, match=r"mine\.spec\.txt: line 7 of the specification is no statement"):
        load_benchmark(tmp_path / name)


def test_a_record_names_its_specification(tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text(CONFLICT)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.txt").write_text(CONFLICT_SPECIFICATION)
    record = {"problem_id": "a", "model_file": "a.lp"}
    described, plain = load_benchmark(
        index(tmp_path, record | {"specification_file": "specs/a.txt"}, record | {"specification_file": None})
    ).problems
    assert described.specification is not None
    assert described.specification.overview == "A baker plans a day. Cost is to be as low as possible."
    assert list(described.specification.statements) == ["y", "high", "low", "x"]
    assert plain.specification is None
    copy = pickle.loads(pickle.dumps(described))
    assert {described: "found", plain: "other"}[copy] == "found"  # problems are keys, and travel to workers


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"problem_id": "a", "model_file": "no.mps"}, r"problems\[0\]: model file .*no\.mps not found"),
        ({"problem_id": "a"}, "needs the strings"),
        ("a", "is not an object"),
        ({"problem_id": "a", "model_file": "a.txt"}, "is not a model file"),
        ({"problem_id": "a", "model_file": "bad.mps.gz"}, "cannot be read"),
        ({"problem_id": "a", "model_file": "a.lp", "original_objective": "1"}, "must be a finite number"),
        ({"problem_id": "a", "model_file": "a.lp", "original_objective": float("nan")}, "must be a finite number"),
        ({"problem_id": "a", "model_file": "a.lp", "original_objective": True}, "must be a finite number"),
        ({"problem_id": "a", "model_file": "a.lp", "error_type": 3}, "must be a string"),
        ({"problem_id": "a", "model_file": "a.lp", "specification_file": 3}, "specification_file must be a string"),
        ({"problem_id": "a", "model_file": "a.lp", "specification_file": "no.txt"}, r"file .*no\.txt not found"),
        ({"problem_id": "a", "model_file": "a.lp", "specification_file": "."}, "specification file .* cannot be read"),
        (
            {"problem_id": "a", "model_file": "a.lp", "specification_file": "twice.txt"},
            r"problems\[0\]: .*twice\.txt: line 4 of the specification: a second statement about 'c'",
        ),
        ({"problem_id": "a", "model_file": "a.lp", "specification_file": "empty.txt"}, r"empty\.txt: .* is empty"),
        ({"problem_id": "a", "model_file": "a.lp", "specification_file": "bad.mps.gz"}, "cannot be read"),
        ({"problem_id": "a", "model_file": "a.lp", "culprit": {"rows": "c1"}}, "list of strings"),
        ({"problem_id": "a", "model_file": "a.lp", "culprit": {}, "fix": ["MEND(c1)"]}, "fix is no action"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, record: object, reason: str) -> None:
    (tmp_path / "a.lp").write_text(CONFLICT)
    (tmp_path / "bad.mps.gz").write_bytes(gzip.compress(CONFLICT.encode())[:-12])
    (tmp_path / "twice.txt").write_text("A problem.\n\nc: One.\nc: Two.\n")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ProblemError, match=reason):
        load_benchmark(index(tmp_path, record))


@pytest.mark.parametrize("text", ["{", "[]", '{"problems": []}', "\xff"])
def test_a_bad_index_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text, encoding="latin-1")
    with pytest.raises(ProblemError, match=r"dataset\.json"):
        load_benchmark(tmp_path)


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"dataset\.json not found"):
        load_benchmark(tmp_path)
    with pytest.raises(ProblemError, match=r"no\.mps not found"):
        load_benchmark(tmp_path / "no.mps")


@pytest.mark.parametrize(
    ("error_type", "target", "fix", "expected"),
    [
        ("A", "c8", "Change c8 from <= back to >=", Truth(rows=("c8",), fix=(parse_action("DROP_CONSTRAINT(c8)"),))),
        (
            "B",
            "x0",
            "Change x0 back to INTEGER with UB=10.0, remove _force_x0",
            Truth(
                variables=("x0",),
                added_rows=("_force_x0",),
                fix=(parse_action("DROP_CONSTRAINT(_force_x0)"),),
            ),
        ),
        (
            "C",
            "row:x2",
            "Change coefficient of x2 in row from 0.1 back to 1.0",
            Truth(rows=("row",), fix=(parse_action("DROP_CONSTRAINT(row)"),)),
        ),
        (
            "D",
            "_cycle",
            "Remove chain constraints: _chain_1, _cycle",
            Truth(
                rows=("_cycle",),
                added_rows=("_chain_1", "_cycle"),
                fix=(parse_action("DROP_CONSTRAINT(_cycle)"), parse_action("DROP_CONSTRAINT(_chain_1)")),
            ),
        ),
    ],
)
def test_public_labels(error_type: str, target: str, fix: str, expected: Truth) -> None:
    record = {"error_type": error_type, "target_name": target, "ground_truth_fix": fix}
    assert read_truth(record) == expected
