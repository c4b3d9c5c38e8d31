"""Estimates against the real libraries, transformers and peft, and against the papers' own figures."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.errors import InputError
from ordebug_plugin.plan.architecture import SHIPPED, find_architecture, parse_config
from ordebug_plugin.plan.memory import Load, Method, activation_bytes, kv_cache_bytes, layer_bytes, training_memory
from ordebug_plugin.plan.time import GPUS, training_operations, training_seconds

LOAD = Load(batch=1, tokens=1024)
needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None or importlib.util.find_spec("peft") is None,
    reason="transformers or peft is not in this environment",
)


@needs_transformers
@pytest.mark.parametrize("name", list(SHIPPED))
def test_parameters_are_those_of_transformers(name: str) -> None:
    assert find_architecture(f"Qwen/{name}").parameters == counted(SHIPPED[name])


def counted(config: Mapping[str, Any]) -> int:
    """The parameters of a model that transformers makes of a configuration."""
    import torch  # noqa: PLC0415
    from transformers import AutoConfig, AutoModelForCausalLM  # noqa: PLC0415

    with torch.device("meta"):  # shapes alone: 32 billion parameters take no memory
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    return int(model.num_parameters())


def test_published_sizes() -> None:
    """As the model cards round them (8.2B and 6.95B without embeddings; 7.61B), and what LoRA of rank 32 adds."""
    qwen3, qwen2 = find_architecture("Qwen3-8B"), find_architecture("Qwen/Qwen2.5-7B-Instruct")
    assert (qwen3.parameters, qwen2.parameters) == (8_190_735_360, 7_615_616_512)
    assert round(qwen3.linear_parameters / 1e9, 2) == 6.95
    assert qwen3.lora_parameters(32) == 36 * 32 * (2 * 8192 + 2 * 5120 + 3 * 16384) == 87_293_952


SMALL = {
    **{"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "vocab_size": 300},
}


@needs_transformers
@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "llama"},
        {"model_type": "llama", "tie_word_embeddings": True},
        {"model_type": "llama", "attention_bias": True},
        {"model_type": "llama", "mlp_bias": True},
        {"model_type": "llama", "num_key_value_heads": 4},
        {"model_type": "mistral"},
        {"model_type": "mistral", "head_dim": 32},
        {"model_type": "qwen2"},
        {"model_type": "qwen2", "tie_word_embeddings": True},
        {"model_type": "qwen3"},  # heads of 128, whatever the width
        {"model_type": "qwen3", "head_dim": 16, "attention_bias": True},
    ],
    ids=lambda config: "-".join(config[key] if key == "model_type" else key for key in config),
)
def test_every_family_and_its_variants(config: dict[str, Any]) -> None:
    assert parse_config({**SMALL, **config}, "small").parameters == counted({**SMALL, **config})


@needs_transformers
def test_a_real_small_model_and_its_lora(tiny_model: Path) -> None:
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    architecture = find_architecture(str(tiny_model))
    assert architecture.parameters == model.num_parameters()
    for rank in (1, 8):
        adapted = get_peft_model(
            AutoModelForCausalLM.from_pretrained(tiny_model), LoraConfig(r=rank, target_modules="all-linear")
        )
        trainable, _ = adapted.get_nb_trainable_parameters()
        assert architecture.lora_parameters(rank) == trainable


def test_memory_is_that_of_the_zero_paper() -> None:
    """Figure 1 of arXiv 1910.02054: 7.5 billion parameters on 64 GPUs take 120, 31.4, 16.6 and 1.9 GB."""
    model = find_architecture("Qwen3-8B")
    scale = 7.5e9 / model.parameters
    for stage, published in enumerate((120.0, 31.4, 16.6, 1.9)):
        memory = training_memory(model, Method.FULL, 0, stage, 64, LOAD)
        states = memory.weights + memory.gradients + memory.optimizer
        assert scale * states / 1e9 == pytest.approx(published, abs=0.06)


def test_stage_3_holds_gathered_weights_and_the_parts_are_the_total() -> None:
    model = find_architecture("Qwen3-8B")
    two, three = (training_memory(model, Method.FULL, 0, stage, 2, LOAD) for stage in (2, 3))
    assert three.overhead - two.overhead == 1e9  # half of a billion parameters is here anyway
    parts = asdict(three)
    assert three.total == sum(parts.values())
    alone = training_memory(model, Method.FULL, 0, 3, 1, LOAD)
    assert alone.overhead == two.overhead


def test_adapters_need_no_states_for_what_is_frozen() -> None:
    model = find_architecture("Qwen3-8B")
    full, lora, qlora = (training_memory(model, method, 32, 0, 1, LOAD) for method in Method)
    assert full.total > lora.total > qlora.total
    assert lora.optimizer == 12 * model.lora_parameters(32)
    assert lora.weights == pytest.approx(2 * model.parameters + 2 * model.lora_parameters(32))
    # 4.127 bits a weight, the figure of the QLoRA paper, section 3.
    quantized = qlora.weights - 2 * (model.parameters - model.linear_parameters) - 2 * model.lora_parameters(32)
    assert 8 * quantized / model.linear_parameters == pytest.approx(4.127, abs=5e-4)


def test_activations_grow_with_tokens_and_shrink_with_recomputation() -> None:
    model = find_architecture("Qwen3-8B")
    kept = Load(2, 1024, checkpointing=False)
    assert activation_bytes(model, kept) == model.layers * layer_bytes(model, kept)
    assert activation_bytes(model, Load(2, 1024)) < activation_bytes(model, kept) / 5
    assert activation_bytes(model, Load(2, 2048)) == 2 * activation_bytes(model, Load(2, 1024))


@needs_transformers
def test_activations_of_a_layer_are_what_torch_keeps() -> None:
    """All that a layer saves for its backward pass, counted by torch's own hooks, against the formula."""
    import torch  # noqa: PLC0415
    from transformers import Qwen3Config, Qwen3ForCausalLM  # noqa: PLC0415

    def configured(layers: int) -> Qwen3Config:
        return Qwen3Config(hidden_size=256, intermediate_size=768, num_hidden_layers=layers, num_attention_heads=4,
                           num_key_value_heads=2, head_dim=64, vocab_size=64)  # fmt: skip

    def saved(layers: int) -> int:
        config = configured(layers)
        model = Qwen3ForCausalLM(config).to(torch.bfloat16)
        weights = {parameter.data_ptr() for parameter in model.parameters()}
        found: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                found[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = model(torch.zeros((2, 512), dtype=torch.long)).logits
        del output
        return sum(found.values())

    measured = saved(3) - saved(2)
    formula = layer_bytes(parse_config(configured(1).to_dict(), "small"), Load(2, 512))
    # Eager norms and rotations keep copies in float32 that fused kernels do not.
    assert formula < measured < 2.5 * formula


def test_kv_cache_of_qwen3_8b() -> None:
    assert kv_cache_bytes(find_architecture("Qwen3-8B"), 1) == 2 * 2 * 36 * 8 * 128


def test_time_is_linear_in_gpus_and_adapters_save_a_third() -> None:
    model, gpu = find_architecture("Qwen3-8B"), GPUS["A800-80G"]
    full = training_operations(model, Method.FULL, 1e6, checkpointing=False)
    assert full == 6e6 * model.parameters
    assert training_operations(model, Method.LORA, 1e6, checkpointing=False) == pytest.approx(full * 2 / 3)
    assert training_seconds(full, gpu, 2) == training_seconds(full, gpu, 1) / 2


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["plan", "Qwen/Qwen3-8B", "--gpus", "2", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    fits = {(one["method"], one["zero"]): one["fits"] for one in record["training"]}
    assert fits["full", 0] is False
    assert fits["lora", 2] is True
    for one in record["training"]:
        parts = ("weights", "gradients", "optimizer", "activations", "logits", "overhead")
        assert one["total"] == pytest.approx(sum(one[part] for part in parts))
    assert main(["plan", "Qwen3-32B", "--gpu", "RTX4090-24G"]) == 1
    assert main(["plan", "Qwen3-8B", "--efficiency", "0"]) == 2
    assert "--efficiency must be above 0" in capsys.readouterr().err
    assert main(["plan", str(tmp_path)]) == 2
    assert "is no folder with a config.json" in capsys.readouterr().err


def test_other_architectures_are_refused() -> None:
    with pytest.raises(InputError, match="'qwen3_moe' is not known here"):
        parse_config({"model_type": "qwen3_moe"}, "moe")
    with pytest.raises(InputError, match="lacks 'hidden_size'"):
        parse_config({"model_type": "qwen3"}, "empty")
    with pytest.raises(InputError, match="num_attention_heads of its configuration must be a whole number of at least"):
        parse_config({**SMALL, "model_type": "llama", "num_attention_heads": 0}, "headless")
    with pytest.raises(InputError, match=r"vocab_size of its configuration must be a whole number .* not 'many'"):
        parse_config({**SMALL, "model_type": "llama", "vocab_size": "many"}, "wordy")
