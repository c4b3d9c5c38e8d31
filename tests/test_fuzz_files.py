"""Fuzzing of everything that reads a file: a result or one of our errors that names the file, never anything else."""

from __future__ import annotations

import gzip
import json
import math
import random
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ordebug_plugin.cli import main
from ordebug_plugin.data.alpaca import is_document, read_alpaca
from ordebug_plugin.data.convert import convert_file
from ordebug_plugin.evaluate.records import dump_episode, load_episodes, parse_episode
from ordebug_plugin.evaluate.resume import check_same
from ordebug_plugin.evaluate.run import load_config, load_run
from ordebug_plugin.evaluate.samples import count_samples
from ordebug_plugin.grading import Task
from ordebug_plugin.metrics import summarize
from ordebug_plugin.plan.architecture import find_architecture
from ordebug_plugin.postmortem.training import evaluation_loss, read_training
from ordebug_plugin.predict.sources import find_checkpoints
from ordebug_plugin.preflight import read_prompts
from ordebug_plugin.problem import load_benchmark, load_problem
from ordebug_plugin.readiness.retention import read_retention
from ordebug_plugin.readiness.thresholds import load_thresholds
from ordebug_plugin.restoration import read_restoration
from ordebug_plugin.scoring import score
from ordebug_plugin.solver import Judge
from ordebug_plugin.solver.messages import reading_messages
from ordebug_plugin.specification import read_specification
from ordebug_plugin.sweep.config import load_sweep
from ordebug_plugin.sweep.pipeline import Pipeline, shared_stages
from ordebug_plugin.sweep.programs import Programs
from ordebug_plugin.tasks import dump_task, load_task
from ordebug_plugin.truth import read_truth
from ordebug_plugin.verify.reading import read_demonstration
from tests import drawn
from tests.conftest import REPO, conversation, demonstration
from tests.fuzzed import ODD, TEXTS, damaged_records, damaged_texts, fuzz, ours
from tests.toys import CONFLICT, CONFLICT_SPECIFICATION, RANGES, write_problem

RECORD = {
    "problem_id": "toy",
    "model_file": "toy.lp",
    "specification_file": "toy.txt",
    "error_type": "A",
    "difficulty": "easy",
    "action_set": "extended",
    "culprit": {"rows": ["low"], "variables": ["y"]},
    "fix": ["UPDATE_RHS(low, 1)"],
    "added_rows": ["low"],
    "original_objective": 1.0,
}
PUBLIC = {
    "problem_id": "toy",
    "model_file": "toy.lp",
    "error_type": "E",
    "target_name": "low, high",
    "ground_truth_fix": "Remove chain constraints: low, high",
    "original_objective": 1.5,
}
PAIRS = list(pairwise("abcdefghijklmnopqrstuvwx"))
BOMB = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in PAIRS)
MERGES = "a: &a {x: 1}\n" + "".join(f"{new}: &{new} {{<<: [*{old}, *{old}]}}\n" for old, new in PAIRS)
PROMPT = '{"messages": [{"role": "user", "content": "c"}], "contains": "x"}'
PROGRESS = '{"current_steps": 1, "total_steps": 3, "loss": 1, "elapsed_time": "0:00:01"}\n'
LINE = {"global_step/max_steps": "1/3", "loss": 1.0}
TABLE = {"checkpoints": [{"name": "a", "loss": 1.0, "other": {"x": 1}, "setting": "s"}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one episode of several turns, and its lines."""
    place = tmp_path_factory.mktemp("run")
    (place / "toy.lp").write_text(CONFLICT)
    assert main(["eval", str(place / "toy.lp"), "--agent", "relax-first", "--out", str(place / "run")]) == 0
    return place / "run"


# --- benchmarks -----------------------------------------------------------------------------------------------------


def written(folder: Path, index: bytes) -> Path:
    (folder / "toy.lp").write_text(CONFLICT)
    (folder / "toy.txt").write_text(CONFLICT_SPECIFICATION)
    (folder / "dataset.json").write_bytes(index)
    return folder


@fuzz
@given(damaged_records({"problems": [RECORD, PUBLIC]}))
def test_a_benchmark_with_odd_records(folder: Path, index: object) -> None:
    ours(lambda: load_benchmark(written(folder, json.dumps(index).encode())), "dataset.json")


@fuzz
@given(damaged_texts(json.dumps({"problems": [RECORD, PUBLIC]})))
def test_a_benchmark_with_a_damaged_index(folder: Path, index: bytes) -> None:
    ours(lambda: load_benchmark(written(folder, index)), "dataset.json")


@fuzz
@given(damaged_records(PUBLIC), TEXTS)
@example({"original_objective": 10**400}, "")
@example({"ground_truth_fix": "Remove " * 50_000 + "\n x"}, "")
@example({}, "Change coefficient of " + "a in " * 50_000 + "\nx")
@example({}, "Change " + "a back to BINARY, remove " * 20_000 + "\nx")
def test_labels_in_words(record: object, sentence: str) -> None:
    if isinstance(record, dict):
        truth = ours(lambda: read_truth(record))
        if truth is not None:
            ours(lambda: read_restoration(str(record.get("ground_truth_fix")), truth.added_rows))
    ours(lambda: read_restoration(sentence, ("a",)))


@fuzz
@given(damaged_texts(CONFLICT_SPECIFICATION))
def test_a_damaged_specification(text: bytes) -> None:
    said = text.decode("utf-8", errors="replace")
    found = ours(lambda: read_specification(said))
    if found is not None:
        assert read_specification(str(found)) == found


# --- models ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patient() -> Iterator[Judge]:
    with Judge(work_limit=0.1, models_kept=1) as judge:
        yield judge


def asked(judge: Judge, path: Path) -> None:
    """Everything that is asked of a model first."""
    problem = ours(lambda: load_problem(path), path.name)
    if problem is None or ours(lambda: judge.shape(problem), path.name) is None:
        ours(lambda: reading_messages(path))
        return
    shape = judge.shape(problem)
    assert all(not math.isnan(one.lower) for one in (*shape.rows.values(), *shape.variables.values()))
    verdict = ours(lambda: judge.solve(problem))
    if verdict is not None and verdict.status == "INFEASIBLE":
        ours(lambda: judge.iis(problem))


MODELS = [("lp", CONFLICT), ("mps", RANGES), ("mps", drawn.mps(drawn.draw(random.Random(7))))]


@fuzz
@given(st.sampled_from(MODELS).flatmap(lambda one: st.tuples(st.just(one[0]), damaged_texts(one[1]))))
def test_a_damaged_model(folder: Path, patient: Judge, model: tuple[str, bytes]) -> None:
    suffix, data = model
    path = folder / f"model.{suffix}"
    path.write_bytes(data)
    asked(patient, path)


@fuzz
@given(st.binary(max_size=200), st.sampled_from(["mps", "lp"]), st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_packed_model(folder: Path, patient: Judge, data: bytes, suffix: str, place: int, byte: int) -> None:
    packed = bytearray(gzip.compress(CONFLICT.encode() if suffix == "lp" else RANGES.encode()))
    packed[place % len(packed)] = byte
    path = folder / f"model.{suffix}.gz"
    for content in (bytes(packed), data, bytes(packed) + data):
        path.write_bytes(content)
        asked(patient, path)


@fuzz
@given(st.lists(st.text(st.characters(exclude_characters="\n\r\0"), min_size=1, max_size=300), min_size=1, max_size=4))
def test_odd_names_in_a_model(folder: Path, patient: Judge, names: list[str]) -> None:
    rows = "".join(f" {name}: x >= {place}\n" for place, name in enumerate(names))
    path = folder / "names.lp"
    path.write_bytes(f"Minimize\n x\nSubject To\n{rows} no: x <= -1\nEnd\n".encode(errors="surrogatepass"))
    asked(patient, path)


# --- data -----------------------------------------------------------------------------------------------------------


@fuzz
@given(damaged_records([demonstration(1), conversation(2)]), st.sampled_from([".json", ".jsonl"]))
def test_odd_rows_are_refused_with_reasons(folder: Path, rows: object, suffix: str) -> None:
    source, target = folder / f"rows{suffix}", folder / "out.jsonl"
    lines = rows if isinstance(rows, list) else [rows]
    source.write_text(json.dumps(rows) if suffix == ".json" else "\n".join(map(json.dumps, lines)))
    for to in ("sharegpt", "messages"):
        report = ours(lambda to=to: convert_file(source, target, to=to, system="s", keep_labels=False), source.name)  # type: ignore[misc]
        if report is not None:
            assert report.rows == report.written + report.rejected
            for line in filter(None, target.read_text().split("\n")):  # a text may hold other line ends
                json.loads(line)
    for number, row in enumerate(lines, 1):
        ours(lambda row=row, number=number: read_demonstration(row, number))  # type: ignore[misc]


@fuzz
@given(damaged_texts(json.dumps({"data": [demonstration(1)]}, indent=1)), st.sampled_from([".json", ".jsonl"]))
def test_a_damaged_data_file(folder: Path, text: bytes, suffix: str) -> None:
    path = folder / f"data{suffix}"
    path.write_bytes(text)
    ours(lambda: read_alpaca(path), path.name)
    ours(lambda: is_document(path))


@fuzz
@given(st.data())
def test_an_odd_task(folder: Path, data: st.DataObject) -> None:
    problem = write_problem(folder / "task.lp", CONFLICT)
    task = json.loads(dump_task(Task(problem), inline=data.draw(st.booleans())))
    text = json.dumps(data.draw(damaged_records(task)))
    ours(lambda: load_task(text))
    path = folder / "prompts.jsonl"
    row = {"messages": [{"role": "user", "content": "c"}], "task": text}
    path.write_text(json.dumps(data.draw(damaged_records(row))) + "\n")
    ours(lambda: read_prompts(path), path.name)


@fuzz
@given(
    damaged_records({"prompt": "p", "regex": "a+"}),
    damaged_texts(PROMPT),
)
def test_odd_retention_prompts(folder: Path, record: object, text: bytes) -> None:
    path = folder / "retention.jsonl"
    for content in (json.dumps(record).encode(), text):
        path.write_bytes(content)
        ours(lambda: read_retention(path), path.name)


# --- runs -----------------------------------------------------------------------------------------------------------


@fuzz
@given(st.data())
def test_an_odd_episode(run: Path, data: st.DataObject) -> None:
    """What is read can be scored, summed up and written again, and is then the same."""
    line = (run / "episodes.jsonl").read_text()
    text = json.dumps(data.draw(damaged_records(json.loads(line))))
    episode = ours(lambda: parse_episode(text))
    if episode is None:
        return
    assert parse_episode(dump_episode(episode)) == episode
    score(episode)
    summarize([episode], 20)


@fuzz
@given(st.data())
def test_a_damaged_run(run: Path, folder: Path, data: st.DataObject) -> None:
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy)
    name = data.draw(st.sampled_from(["episodes.jsonl", "config.yaml"]))
    (copy / name).write_bytes(data.draw(damaged_texts((run / name).read_text())))
    ours(lambda: load_run(copy), "copy")
    ours(lambda: count_samples(copy), "copy")
    ours(lambda: list(load_episodes(copy / "episodes.jsonl")), "episodes.jsonl")


@fuzz
@given(st.data())
@example(None)
def test_an_odd_configuration(run: Path, folder: Path, data: st.DataObject | None) -> None:
    good = yaml.safe_load((run / "config.yaml").read_text())
    config = folder / "config.yaml"
    if data is None:
        config.write_text(BOMB)
    else:
        odd = data.draw(damaged_records(good))
        config.write_text(json.dumps(odd))  # JSON is YAML
    found = ours(lambda: load_config(folder), str(folder))
    if found is not None:
        ours(lambda: check_same(config, found, good))


# --- trainings and settings -----------------------------------------------------------------------------------------

STATE = {
    "log_history": [
        {"step": 1, "loss": 2.0, "epoch": 0.1},
        {"step": 2, "eval_loss": 1.0},
        {"step": 3, "train_runtime": 3.5},
    ],
    "max_steps": 3,
    "best_model_checkpoint": "checkpoint-2",
}


@fuzz
@given(
    damaged_records(STATE),
    damaged_records({"dataset": ["a.jsonl#3"], "model": "m"}),
    damaged_records(LINE),
)
@example({}, {"dataset": "\ud800"}, {})
@example({}, {"dataset": "\0"}, {})
def test_odd_logs_of_a_training(folder: Path, state: object, arguments: object, line: object) -> None:
    place = folder / "training"
    place.mkdir(exist_ok=True)
    (place / "trainer_state.json").write_text(json.dumps(state))
    (place / "args.json").write_text(json.dumps(arguments))
    (place / "logging.jsonl").write_text(json.dumps(line) + "\n" + json.dumps({"step": 2, "loss": 3}))
    (place / "eval_results.json").write_text(json.dumps(line))
    ours(lambda: read_training(place), "training")
    ours(lambda: evaluation_loss(place), "training")


@fuzz
@given(
    damaged_texts(json.dumps(STATE)),
    damaged_texts("dataset: a\nmodel_name_or_path: &m b\nx: *m\n"),
    damaged_texts(PROGRESS),
)
def test_damaged_logs_of_a_training(folder: Path, state: bytes, recipe: bytes, line: bytes) -> None:
    place = folder / "damaged"
    place.mkdir(exist_ok=True)
    (place / "trainer_state.json").write_bytes(state)
    (place / "recipe.yaml").write_bytes(recipe)
    (place / "trainer_log.jsonl").write_bytes(line)
    ours(lambda: read_training(place), "damaged")


SWEEPS = [
    path.read_text()
    for path in sorted((REPO / "recipes" / "sweeps").glob("*.yaml"))
    if "extends" not in path.read_text()
]


def stages(path: Path) -> None:
    sweep = load_sweep(path)
    programs = Programs(Path("/bin/llamafactory-cli"), Path("/bin/swift"))
    shared = shared_stages(sweep, path.parent / "out", programs)
    for point in sweep.points[:3]:
        Pipeline(sweep, point, path.parent / "out", programs, tuple(shared[-1:])).stages()


@fuzz
@given(st.sampled_from(SWEEPS).flatmap(lambda text: damaged_records(yaml.safe_load(text))))
@example({**yaml.safe_load(SWEEPS[0]), "serve": {"batch": None}})
@example({**yaml.safe_load(SWEEPS[0]), "sft": {"base": "\ufffe", "recipe": "r.yaml"}})
@example({**yaml.safe_load(SWEEPS[0]), "eval": {"options": [[]]}})
def test_an_odd_sweep(folder: Path, sweep: object) -> None:
    path = folder / "sweep.yaml"
    path.write_text(json.dumps(sweep))
    ours(lambda: stages(path), "sweep.yaml")


@fuzz
@given(st.sampled_from(SWEEPS).flatmap(damaged_texts))
@example(BOMB.encode())
@example(MERGES.encode())
@example(b"- &a [*a]")
def test_a_damaged_sweep(folder: Path, text: bytes) -> None:
    path = folder / "sweep.yaml"
    path.write_bytes(text)
    ours(lambda: stages(path), "sweep.yaml")


@fuzz
@given(st.data())
@example(None)
def test_odd_thresholds(folder: Path, data: st.DataObject | None) -> None:
    good = (REPO / "ordebug_plugin" / "readiness" / "thresholds.yaml").read_text()
    path = folder / "thresholds.yaml"
    if data is None:
        path.write_text(BOMB)
    elif data.draw(st.booleans()):
        path.write_bytes(data.draw(damaged_texts(good)))
    else:
        path.write_text(json.dumps(data.draw(damaged_records(yaml.safe_load(good)))))
    found = ours(lambda: load_thresholds(path), "thresholds.yaml")
    if found is not None:
        for section, keys in found.values.items():
            for key, value in keys.items():
                if isinstance(value, int | float):
                    found.number(section, key)


@fuzz
@given(
    damaged_records(TABLE),
    ODD,
    st.sampled_from([".json", ".yaml"]),
)
def test_an_odd_table_of_checkpoints_and_model(folder: Path, table: object, config: object, suffix: str) -> None:
    path = folder / f"table{suffix}"
    path.write_text(json.dumps(table))
    ours(lambda: find_checkpoints([path]), "table")
    (folder / "config.json").write_text(json.dumps(config))
    ours(lambda: find_architecture(str(folder)))
