"""The stock LLaMA-Factory of this environment: its parser, its tokenization, its commands, and our hook in it."""

from __future__ import annotations

import importlib.util
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.data.convert import convert_file
from ordebug_plugin.prompt import SYSTEM_PROMPT
from tests.conftest import REPO, conversation, demonstration, documented, free_port, run

if importlib.util.find_spec("llamafactory") is None:
    pytest.skip(
        "LLaMA-Factory is not installed here: run .venvs/llamafactory/bin/python -m pytest", allow_module_level=True
    )

from datasets import Dataset  # type: ignore[import-untyped]
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.data.template import TEMPLATES
from llamafactory.hparams import get_infer_args, get_train_args
from llamafactory.model import load_tokenizer

pytestmark = pytest.mark.llamafactory

ONE_VALUE = "UPDATE_BOUNDS(x0, 5)"


def recipe(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((REPO / "recipes" / name).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture
def tokenize(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Path) -> Any:
    """Runs LLaMA-Factory's own loading and tokenization of `workplace`, as `recipes/cpu/sft.yaml` would."""
    # LLaMA-Factory writes these into its one global template; monkeypatch puts them back.
    for name in ("default_system", "enable_thinking", "preserve_thinking"):
        monkeypatch.setattr(TEMPLATES["qwen3"], name, getattr(TEMPLATES["qwen3"], name))

    def tokenized(folder: Path, **overrides: Any) -> tuple[Dataset, Any]:
        places = {"dataset_dir": str(folder), "output_dir": str(tmp_path / "out"), "cache_dir": str(tmp_path / "cache")}
        options = {**recipe("cpu/sft.yaml"), **places, "model_name_or_path": str(tiny_model), **overrides}
        model_args, data_args, training_args, _, _ = get_train_args(options)
        loaded = load_tokenizer(model_args)
        template = get_template_and_fix_tokenizer(loaded["tokenizer"], data_args)
        datasets = get_dataset(template, model_args, data_args, training_args, stage="sft", **loaded)
        return datasets["train_dataset"], loaded["tokenizer"]

    return tokenized


def answers(dataset: Dataset, tokenizer: Any) -> list[str]:
    """What the loss sees."""
    return [tokenizer.decode([label for label in row["labels"] if label >= 0]) for row in dataset]


def put(folder: Path, rows: list[dict[str, object]]) -> None:
    (folder / "runs/demo/sft_train.json").write_text(json.dumps({"metadata": {}, "data": rows}, indent=2))


class TestRecipes:
    @pytest.mark.parametrize("name", ["sft.yaml", "qlora.yaml", "cpu/sft.yaml"])
    def test_training_recipe_is_accepted_by_their_parser(self, name: str, tmp_path: Path) -> None:
        options = recipe(name)
        # These two are refused on a machine without the GPUs the recipe is for.
        options.pop("deepspeed", None)
        options.update(bf16=False, output_dir=str(tmp_path))
        _, data_args, training_args, finetuning_args, _ = get_train_args(options)
        assert data_args.enable_thinking is True
        assert data_args.template in TEMPLATES
        assert (training_args.seed, training_args.data_seed) == (42, 42)
        with pytest.raises(ValueError, match="lora_rnak"):
            get_train_args({**options, "lora_rnak": 32})
        if name != "cpu/sft.yaml":
            assert (finetuning_args.lora_rank, finetuning_args.lora_alpha, finetuning_args.lora_dropout) == (
                32,
                64,
                0.05,
            )
            assert finetuning_args.lora_target == ["all"]
            assert training_args.load_best_model_at_end
            assert finetuning_args.early_stopping_steps > 0

    def test_command_for_two_nodes_is_accepted_by_their_parser(self, tmp_path: Path) -> None:
        (words,) = documented("FORCE_TORCHRUN=1")
        at = words.index("train")
        assert words[at - 1 : at + 2] == ["llamafactory-cli", "train", "recipes/sft.yaml"]
        options = {**recipe("sft.yaml"), **dict(word.split("=") for word in words[at + 2 :])}
        # These two are refused on a machine without the GPUs the recipe is for.
        del options["deepspeed"]
        options.update(bf16=False, output_dir=str(tmp_path))
        _, _, training_args, _, _ = get_train_args(options)
        plain = recipe("sft.yaml")["gradient_accumulation_steps"]
        assert int(training_args.gradient_accumulation_steps) * 2 == plain  # twice the GPUs, the same batch

    @pytest.mark.parametrize("name", ["merge.yaml", "cpu/merge.yaml"])
    def test_merge_recipe_is_accepted_by_their_parser(self, name: str) -> None:
        model_args, data_args, finetuning_args, _ = get_infer_args(recipe(name))
        assert finetuning_args.finetuning_type == "lora"
        assert model_args.export_dir
        assert model_args.adapter_name_or_path
        assert data_args.template == recipe("sft.yaml")["template"]
        with pytest.raises(ValueError, match="export_dri"):
            get_infer_args({**recipe(name), "export_dri": "x"})

    def test_deepspeed_file_is_there_and_is_zero_2(self) -> None:
        config = json.loads((REPO / recipe("sft.yaml")["deepspeed"]).read_text())
        assert config["zero_optimization"]["stage"] == 2
        assert {key for key, value in config.items() if value == "auto"} >= {
            "train_micro_batch_size_per_gpu",
            "gradient_accumulation_steps",
        }

    def test_cutoff_len_holds_the_longest_row_in_bytes(self, public_data: Path) -> None:
        """A byte-level tokenizer makes at most one token of a byte, so bytes bound tokens without Qwen's tokenizer."""
        template = 64  # <|im_start|>, role and <|im_end|> of three messages
        for path in sorted((public_data / "sft").glob("*.json")):
            rows = json.loads(path.read_text(encoding="utf-8"))["data"]
            longest = max(len("".join((row["instruction"], row["input"], row["output"])).encode()) for row in rows)
            assert longest + len(SYSTEM_PROMPT.encode()) + template < recipe("sft.yaml")["cutoff_len"]


class TestLabels:
    def test_labels_hold_the_whole_answer_byte_for_byte(
        self, workplace: Path, tokenize: Any, rows: list[dict[str, object]]
    ) -> None:
        dataset, tokenizer = tokenize(workplace)
        assert answers(dataset, tokenizer) == [f"{row['output']}<|im_end|>\n" for row in rows]
        shown = tokenizer.decode(dataset[7]["input_ids"])
        assert shown.startswith(f"<|im_start|>system\n{SYSTEM_PROMPT}<|im_end|>\n<|im_start|>user\nDebug the")
        assert "mip_typeA" not in shown
        assert "Type:" not in shown

    def test_enable_thinking_false_loses_all_reasoning(
        self, workplace: Path, tokenize: Any, rows: list[dict[str, object]]
    ) -> None:
        """What this option costs, so that nobody turns it on unknowingly."""
        dataset, tokenizer = tokenize(workplace, enable_thinking=False)
        action = str(rows[0]["output"]).partition("</think>")[2].lstrip("\n")
        assert answers(dataset, tokenizer) == [f"{action}<|im_end|>\n"] * len(rows)

    def test_list_and_document_and_offline_conversion_give_the_same_tokens(
        self, workplace: Path, tokenize: Any, rows: list[dict[str, object]]
    ) -> None:
        document, _ = tokenize(workplace)
        data = workplace / "data"
        data.mkdir()
        source = workplace / "runs/demo/sft_train.json"
        convert_file(source, data / "sft_train.sharegpt.json", to="sharegpt", system=SYSTEM_PROMPT, keep_labels=False)
        offline, _ = tokenize(workplace, dataset="or_debug_sharegpt")
        (data / "sft_train.json").write_text(json.dumps(rows))
        plain, _ = tokenize(workplace, dataset="or_debug")
        assert document["input_ids"] == offline["input_ids"] == plain["input_ids"]
        assert document["labels"] == offline["labels"] == plain["labels"]

    def test_a_conversation_is_learnt_turn_by_turn_but_for_what_went_astray(
        self, workplace: Path, tokenize: Any
    ) -> None:
        """As `ordebug data demos --chat` writes it, converted: `mask_history` keeps a turn out of the loss."""
        (workplace / "data").mkdir()
        source = workplace / "chat.jsonl"
        source.write_text("".join(json.dumps(conversation(number)) + "\n" for number in range(3)))
        target = workplace / "data" / "sft_chat.sharegpt.json"
        convert_file(source, target, to="sharegpt", system=SYSTEM_PROMPT, keep_labels=False)
        options = {"mask_history": True, "preserve_thinking": True, "cutoff_len": 4096}
        dataset, tokenizer = tokenize(workplace, dataset="or_debug_chat", **options)
        outputs = [f"{demonstration(number)['output']}<|im_end|>\n" for number in range(3)]
        assert answers(dataset, tokenizer) == [output for output in outputs for _ in range(2)]
        shown = [tokenizer.decode(row["input_ids"]) for row in dataset]
        assert [text.count("<think>\nAstray.\n</think>") for text in shown] == [1] * 6
        assert [text.count("</think>") for text in shown] == [2, 3] * 3

    @pytest.mark.parametrize("workers", [1, 2])
    def test_refused_rows_are_dropped(
        self, workplace: Path, tokenize: Any, rows: list[dict[str, object]], workers: int
    ) -> None:
        """Also where a worker's whole share is refused."""
        good = rows[:12]
        put(workplace, [*good, *[demonstration(number, ONE_VALUE) for number in range(100, 112)]])
        dataset, tokenizer = tokenize(workplace, preprocessing_num_workers=workers)
        assert answers(dataset, tokenizer) == [f"{row['output']}<|im_end|>\n" for row in good]

    @pytest.mark.parametrize(
        ("default_system", "shown"),
        [("Be brief.", "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"), ("", "<|im_start|>user\n")],
    )
    def test_default_system_of_the_recipe_replaces_ours(
        self, workplace: Path, tokenize: Any, default_system: str, shown: str
    ) -> None:
        dataset, tokenizer = tokenize(workplace, default_system=default_system)
        assert tokenizer.decode(dataset[0]["input_ids"]).startswith(shown)

    def test_dataset_info_may_name_other_columns(
        self, workplace: Path, tokenize: Any, rows: list[dict[str, object]]
    ) -> None:
        names = {"instruction": "task", "input": "state", "output": "answer"}
        renamed = [{names.get(key, key): value for key, value in row.items()} | {"voice": "Mine."} for row in rows]
        put(workplace, renamed)
        (workplace / "dataset_info.json").unlink()
        columns = {"prompt": "task", "query": "state", "response": "answer", "system": "voice"}
        entry = {"file_name": "runs/demo/sft_train.json", "formatting": "or_debug", "columns": columns}
        (workplace / "dataset_info.json").write_text(json.dumps({"or_debug_demo": entry}))
        dataset, tokenizer = tokenize(workplace)
        assert answers(dataset, tokenizer) == [f"{row['output']}<|im_end|>\n" for row in rows]
        assert tokenizer.decode(dataset[0]["input_ids"]).startswith("<|im_start|>system\nMine.<|im_end|>")


class TestCommands:
    def test_train_with_workers_then_export(self, workplace: Path, rows: list[dict[str, object]]) -> None:
        put(workplace, [*rows, demonstration(100, ONE_VALUE)])
        lora = ("finetuning_type=lora", "lora_rank=8", "output_dir=runs/demo/lora", "max_steps=2")
        small = ("per_device_train_batch_size=4", "preprocessing_num_workers=2")
        trained = run("llamafactory-cli", "train", "recipes/cpu/sft.yaml", *lora, *small, cwd=workplace)
        assert trained.returncode == 0, trained.output
        assert "row 'mip_typeA_100' is refused: the action in 'output' cannot be executed" in trained.output
        assert re.search(r"Num examples = 24\b", trained.output)
        assert re.search(r"Converting format of dataset \(num_proc=2\)", trained.output)

        base = "model_name_or_path=runs/demo/base"
        merged = run("llamafactory-cli", "export", "recipes/cpu/merge.yaml", base, cwd=workplace)
        assert merged.returncode == 0, merged.output
        check = str(REPO / "scripts" / "check_merge.py")
        differs = run("python", check, "runs/demo/base", "runs/demo/merged", cwd=workplace)
        assert differs.returncode == 0, differs.output
        assert "7 of " in differs.output  # q, k, v, o, gate, up, down of the one layer
        same = run("python", check, "runs/demo/base", "runs/demo/base", cwd=workplace)
        assert same.returncode == 1
        assert "the adapter was not merged" in same.output

    def test_train_under_torchrun_on_two_nodes(self, workplace: Path) -> None:
        """Two nodes on loopback, of one process each, as docs/scale.md starts them."""
        said = dict(part.split("=") for part in documented("FORCE_TORCHRUN=1")[0] if re.match("[A-Z]", part))
        assert (said["NNODES"], said["NODE_RANK"]) == ("2", "0")
        here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "NPROC_PER_NODE": "1"}
        nodes = [{**said, **here, "NODE_RANK": rank, "CUDA_VISIBLE_DEVICES": ""} for rank in ("1", "0")]
        options = ("max_steps=2", "per_device_train_batch_size=4", "ddp_backend=gloo", "preprocessing_num_workers=2")
        command = ("llamafactory-cli", "train", "recipes/cpu/sft.yaml", *options)
        with ThreadPoolExecutor(2) as threads:
            ended = list(threads.map(lambda env: run(*command, cwd=workplace, env=env), nodes))
        for trained in ended:
            assert trained.returncode == 0, trained.output
            assert "world size: 2" in trained.output
        results = json.loads((workplace / "runs/demo/sft/train_results.json").read_text())
        assert 0 < results["train_loss"] < 10  # ln 400 = 6 for a model that knows nothing


class TestHook:
    def test_torch_switch_turns_it_off_and_install_turns_it_on_later(self, tmp_path: Path) -> None:
        code = """
import sys
from llamafactory.data.converter import DATASET_CONVERTERS
print("imported:", "or_debug" in DATASET_CONVERTERS, "ordebug_plugin" in sys.modules)
from ordebug_plugin.frameworks.autoload import install
install(), install()
print("installed:", "or_debug" in DATASET_CONVERTERS)
"""
        off = run("python", "-c", code, cwd=tmp_path, env={"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"})
        assert "imported: False False" in off.output
        assert "installed: True" in off.output

    def test_import_torch_loads_nothing_of_ours_but_the_hook_and_looking_does_not_spend_it(
        self, tmp_path: Path
    ) -> None:
        code = """
import sys, torch, importlib.util
print("ours:", sorted(name for name in sys.modules if name.startswith(("ordebug_plugin", "llamafactory", "gurobipy"))))
importlib.util.find_spec("llamafactory.data.loader")
from llamafactory.data.converter import DATASET_CONVERTERS
print("registered:", "or_debug" in DATASET_CONVERTERS)
print("left:", [finder for finder in sys.meta_path if "PostImportFinder" in repr(finder)])
"""
        result = run("python", "-c", code, cwd=tmp_path)
        ours = "['ordebug_plugin', 'ordebug_plugin.frameworks', 'ordebug_plugin.frameworks.autoload']"
        assert f"ours: {ours}" in result.output
        assert "registered: True" in result.output
        assert "left: []" in result.output

    def test_hook_that_fails_breaks_neither_torch_nor_the_import(self, tmp_path: Path) -> None:
        """A LLaMA-Factory of the future, without any of the names that we use."""
        package = tmp_path / "llamafactory" / "data"
        package.mkdir(parents=True)
        for path in (package.parent / "__init__.py", package / "__init__.py", package / "loader.py"):
            path.touch()
        code = """
import torch, llamafactory.data.loader
print("alive:", torch.ones(2).sum().item())
"""
        result = run("python", "-c", code, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
        assert result.returncode == 0, result.output
        assert "alive: 2.0" in result.output
        assert "could not register the data format 'or_debug'" in result.output
        assert "ordebug data convert IN.json OUT.json" in result.output
