"""`ordebug postmortem`: which files a training read, where it was started, and what is said where nobody can know."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.cli import main
from ordebug_plugin.postmortem.data import DataFile, data_files
from ordebug_plugin.postmortem.finding import Severity
from ordebug_plugin.postmortem.training import read_training
from tests.conftest import REPO
from tests.test_postmortem import found, grpo, sft


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(path: Path, text: str = "[]") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def info(folder: Path, **entries: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_info.json").write_text(json.dumps(entries))


def recipe(folder: Path, **settings: Any) -> Path:
    (folder / "recipe.yaml").write_text(yaml.safe_dump(settings))
    return folder


def only(folder: Path, *, by_name: bool = True, **settings: Any) -> DataFile:
    (one,) = data_files(folder, settings, by_name=by_name)
    return one


def test_the_names_of_a_recipe_are_found_by_dataset_info(tmp_path: Path) -> None:
    """Started in `tmp_path`, which its relative output_dir gives away."""
    train, held = rows(tmp_path / "data/t.json", "[1]"), rows(tmp_path / "data/v.json", "[2]")
    info(tmp_path / "data", train={"file_name": "t.json"}, held={"file_name": "v.json"}, hub={"hf_hub_url": "a/b"})
    info(tmp_path / "runs", train={"file_name": "decoy.json"})
    rows(tmp_path / "runs" / "decoy.json", "[3]")
    folder = recipe(
        sft(tmp_path / "runs" / "sft", [2.0, 1.0]),
        dataset="train, hub,gone",
        eval_dataset="held",
        output_dir="runs/sft",
        learning_rate=1e-3,
    )
    training = read_training(folder)
    one, hub, gone, other = training.data
    assert (one.path, one.found, one.sha256) == ("train", str(train), sha256(train))
    assert (other.path, other.sha256) == ("held", sha256(held))
    assert (hub.sha256, gone.sha256) == (None, None)
    assert "dataset_info.json names no file of it" in hub.unknown
    assert training.settings["learning_rate"] == 1e-3
    assert "recipe.yaml" in training.sources
    assert "the hash of the data hub is unknown" in found(folder, Severity.NOTE)


def test_where_it_was_started_is_looked_for_and_never_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "project" / "runs" / "grpo"
    folder.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert "there is no data/p.jsonl from" in only(folder, by_name=False, dataset=["data/p.jsonl"]).unknown
    own = rows(tmp_path / "project" / "data" / "p.jsonl", "{}")
    for named in (["data/p.jsonl"], ["data/p.jsonl#500"], "data/p.jsonl"):
        assert only(folder, by_name=False, dataset=named).found == str(own)
    other = rows(elsewhere / "data" / "p.jsonl", "{}")  # the same rows: it does not matter which
    assert only(folder, by_name=False, dataset=["data/p.jsonl"]).sha256 == sha256(own)
    other.write_text('{"another": 1}')
    ambiguous = only(folder, by_name=False, dataset=["data/p.jsonl"])
    assert ambiguous.sha256 is None
    assert "they are not the same" in ambiguous.unknown
    certain = only(folder, by_name=False, dataset=["data/p.jsonl"], output_dir="./runs/grpo")
    assert certain.sha256 == sha256(own)
    absolute = only(folder, by_name=False, dataset=[str(tmp_path / "gone.jsonl")])
    assert "is not there (any more)" in absolute.unknown


def test_a_folder_of_data_is_hashed_file_by_file(tmp_path: Path) -> None:
    parts = [rows(tmp_path / "data" / "parts" / name, name) for name in ("1.json", "2.json")]
    info(tmp_path / "data", parts={"file_name": "parts"})
    both = data_files(tmp_path, {"dataset": "parts", "dataset_dir": str(tmp_path / "data")}, by_name=True)
    assert [one.sha256 for one in both] == [sha256(part) for part in parts]


@pytest.mark.parametrize(
    ("content", "dataset_dir", "reason"),
    [
        ("{torn", "data", "cannot be read"),
        ("[]", "data", "names no file of it"),
        ('{"train": 5}', "data", "names no file of it"),
        ("{}", "nowhere", "there is no nowhere/dataset_info.json"),
        ("{}", "ONLINE", "no folder here"),
        ("{}", 5, "no folder here"),
    ],
)
def test_what_cannot_be_found_is_unknown_with_the_reason(
    tmp_path: Path, content: str, dataset_dir: object, reason: str
) -> None:
    rows(tmp_path / "data" / "dataset_info.json", content)
    one = only(tmp_path, dataset="train", dataset_dir=dataset_dir)
    assert (one.sha256, one.found) == (None, None)
    assert reason in one.unknown


def test_the_page_says_where_the_data_lies_or_why_that_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = rows(tmp_path / "rows.json")
    info(tmp_path, train={"file_name": "rows.json"})
    told = recipe(sft(tmp_path / "told", [2.0, 1.0]), dataset="train", dataset_dir=str(tmp_path), seed="2026-01-01")
    silent = sft(tmp_path / "silent", [2.0, 1.0])
    (silent / "training_args.bin").write_bytes(b"a pickle that nobody may open")
    (silent / "llamaboard_config.yaml").write_text("top.lang: en\n")
    page, record = tmp_path / "p.html", tmp_path / "p.json"
    assert main(["postmortem", str(told), str(silent), "--page", str(page), "--json", str(record)]) == 0
    assert "the data that it was trained on is unknown" in capsys.readouterr().out
    assert f"{data}, SHA-256 {sha256(data)}" in page.read_text()
    assert "put the recipe there" in page.read_text()
    trainings = json.loads(record.read_text())["trainings"]
    assert trainings["told"]["data"][0]["sha256"] == sha256(data)
    assert (trainings["silent"]["data"], trainings["silent"]["settings"]) == ([], {})


def test_the_scripts_keep_the_recipe_that_they_train_with(tmp_path: Path) -> None:
    """As in `scripts/demo.sh`: stock recipe, options of the command line, and data named by `dataset_info.json`."""
    data = rows(tmp_path / "sft_train.json", "[1]")
    info(tmp_path, or_debug_demo={"file_name": "sft_train.json"})
    folder = sft(tmp_path / "sft", [2.0, 1.0])
    options = f'dataset_dir="{tmp_path}" output_dir="{folder}" learning_rate=2.0e-3 "seed=43"'
    script = (
        f'set -eu; OUT="{tmp_path}" SEED=1; . scripts/stages.sh; keep_recipe recipes/cpu/sft.yaml "{folder}" {options}'
    )
    done = subprocess.run(["bash", "-c", script], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    training = read_training(folder)
    assert (training.settings["seed"], training.settings["learning_rate"]) == (43, 2e-3)
    assert training.settings["template"] == "qwen3"
    assert [(one.path, one.sha256) for one in training.data] == [("or_debug_demo", sha256(data))]


def test_relative_data_of_ms_swift_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = rows(tmp_path / "runs" / "prompts.jsonl", "{}")
    folder = grpo(tmp_path / "runs" / "grpo", {})
    (folder / "args.json").write_text(
        json.dumps({"dataset": ["runs/prompts.jsonl"], "val_dataset": [], "output_dir": str(folder)})
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [one.sha256 for one in read_training(folder).data] == [sha256(data)]
