"""The stock ms-swift of this environment: its parser, its tokenization and its command, on converted messages."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.data.convert import convert_file
from ordebug_plugin.postmortem.training import is_training, read_training
from ordebug_plugin.prompt import SYSTEM_PROMPT
from tests.conftest import REPO, conversation, demonstration, run

if importlib.util.find_spec("swift") is None:
    pytest.skip("ms-swift is not in this environment: use .venvs/swift", allow_module_level=True)

from swift.arguments import SftArguments
from swift.cli.main import parse_yaml_args
from swift.dataset import load_dataset
from swift.utils import parse_args
from torch.utils.tensorboard import SummaryWriter

pytestmark = [pytest.mark.swift, pytest.mark.usefixtures("own_environment")]

RECIPE = REPO / "recipes" / "cpu" / "swift_sft.yaml"


@pytest.fixture
def messages(workplace: Path) -> Path:
    """The rows as `swift_sft.yaml` expects them, converted as its comment says."""
    demo = workplace / "runs" / "demo"
    convert_file(
        demo / "sft_train.json", demo / "sft_train.jsonl", to="messages", system=SYSTEM_PROMPT, keep_labels=False
    )
    return demo / "sft_train.jsonl"


def arguments(*overrides: str) -> tuple[SftArguments, list[str]]:
    """The recipe through `swift sft`'s own parser: YAML to flags, flags to arguments and what it did not know."""
    argv = [str(RECIPE)]
    parse_yaml_args(argv)
    parsed: tuple[SftArguments, list[str]] = parse_args(SftArguments, [*argv, *overrides])
    return parsed


def test_recipe_is_accepted_by_their_parser(messages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(messages.parents[2])
    monkeypatch.setattr(sys, "argv", ["swift"])
    known, unknown = arguments()
    assert unknown == []
    assert (known.enable_thinking, known.template, known.tuner_type) == (True, "qwen3", "full")
    assert (known.seed, known.data_seed) == (42, 42)
    assert arguments("--max_stepz", "3")[1] == ["--max_stepz", "3"]


def test_labels_hold_the_whole_answer_byte_for_byte(
    messages: Path, rows: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(messages.parents[2])
    known, _ = arguments()
    _, processor = known.get_model_processor(load_model=False)
    template = known.get_template(processor)
    template.set_mode("train")
    for line, row in zip(messages.read_text(encoding="utf-8").splitlines(), rows, strict=True):
        encoded = template.encode(json.loads(line))
        learned = processor.decode([label for label in encoded["labels"] if label >= 0])
        assert learned.removesuffix("\n") == f"{row['output']}<|im_end|>"
        shown = processor.decode(encoded["input_ids"])
        assert shown.startswith(f"<|im_start|>system\n{SYSTEM_PROMPT}<|im_end|>\n<|im_start|>user\nDebug the")
        assert "mip_typeA" not in shown


def test_a_conversation_is_learnt_turn_by_turn_but_for_what_went_astray(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `ordebug data demos --chat` writes it, read from the file as their loader does."""
    monkeypatch.chdir(workplace)
    path = workplace / "chat.jsonl"
    path.write_text("".join(json.dumps(conversation(number)) + "\n" for number in range(3)))
    known, _ = arguments("--dataset", str(path), "--max_length", "4096")
    _, processor = known.get_model_processor(load_model=False)
    template = known.get_template(processor)
    template.set_mode("train")
    dataset, _ = load_dataset([str(path)], split_dataset_ratio=0.0)
    for number, row in enumerate(dataset):
        encoded = template.encode(row)
        learned = processor.decode([label for label in encoded["labels"] if label >= 0])
        output = demonstration(number)["output"]
        assert learned.removesuffix("\n") == f"{output}<|im_end|>\n{output}<|im_end|>"
        shown = processor.decode(encoded["input_ids"])
        assert shown.count("<think>\nAstray.\n</think>") == 1
        assert shown.count(str(output)) == 2


def test_command_trains(messages: Path) -> None:
    small = ("--max_steps", "2", "--save_steps", "2", "--logging_steps", "1", "--per_device_train_batch_size", "4")
    small = (*small, "--report_to", "tensorboard")
    # ms-swift sets this one where it is not set, also in this process, as soon as its arguments are parsed.
    place = {"TENSORBOARD_LOGGING_DIR": str(messages.parent / "swift_sft" / "runs")}
    trained = run("swift", "sft", "recipes/cpu/swift_sft.yaml", *small, cwd=messages.parents[2], env=place)
    assert trained.returncode == 0, trained.output
    saved = messages.parent / "swift_sft" / "checkpoint-2"
    assert (saved / "model.safetensors").is_file()
    history = json.loads((saved / "trainer_state.json").read_text())["log_history"]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert len(losses) == 2
    told = read_training(messages.parent / "swift_sft")  # what `ordebug postmortem` makes of it
    assert (told.framework, told.stage, told.steps, told.planned, told.checkpoints) == ("ms-swift", "sft", 2, 2, (2,))
    points = [value for _, value in told.curves["loss"].points]  # logging.jsonl has fewer digits
    assert points == pytest.approx([float(loss) for loss in losses], rel=1e-6)
    assert all(0 < float(loss) < 10 for loss in losses)  # ln 400 = 6 for a model that knows nothing
    assert [file.sha256 for file in told.data] == [hashlib.sha256(messages.read_bytes()).hexdigest()]
    # Where nothing but TensorBoard's files was kept.
    for file in (messages.parent / "swift_sft").glob("**/events.out.tfevents.*"):
        kept = messages.parents[2] / "kept" / file.relative_to(messages.parent / "swift_sft")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(file.read_bytes())
    assert is_training(messages.parents[2] / "kept")
    again = read_training(messages.parents[2] / "kept")
    assert (again.stage, again.steps, again.planned, again.settings) == ("sft", 2, None, {})
    assert [step for step, _ in again.curves["loss"].points] == [1, 2]
    assert [value for _, value in again.curves["loss"].points] == pytest.approx(points, rel=1e-5)
    assert "tfevents" in again.sources[0]
    assert main(["postmortem", str(messages.parents[2] / "kept")]) in (0, 1)


def test_event_files_that_were_written_here(tmp_path: Path) -> None:
    """As the Trainer of Hugging Face names its tags, one folder a start, and a step that was logged again."""
    for start, losses in (("Jan01", {10: 3.0, 20: 2.0}), ("Jan02", {20: 1.5, 30: 1.0})):
        with SummaryWriter(str(tmp_path / "run" / "runs" / start)) as writer:
            for step, loss in losses.items():
                writer.add_scalar("train/loss", loss, step)
                writer.add_scalar("train/reward", 1 / loss, step)
                writer.add_scalar("train/rewards/ordebug_repair/mean", 0.5, step)
                writer.add_scalar("eval/loss", loss + 1, step)
    told = read_training(tmp_path / "run")
    assert (told.stage, told.steps) == ("grpo", 30)
    assert told.curves["loss"].points == ((10, 3.0), (20, 1.5), (30, 1.0))
    assert told.curves["eval_loss"].last == 2.0
    assert told.curves["rewards/ordebug_repair/mean"].last == 0.5
    record = tmp_path / "p.json"
    assert main(["postmortem", str(tmp_path), "--json", str(record)]) in (0, 1)
    assert list(json.loads(record.read_text())["trainings"]) == ["run"]
