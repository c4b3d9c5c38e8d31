"""The shape of a dense decoder as its ``config.json`` says it, and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError

_SHAPE = ("hidden_size", "num_attention_heads", "num_hidden_layers")
_FAMILIES = ("qwen3", "qwen2", "llama", "mistral")
_QWEN3 = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "head_dim": 128,
    "num_key_value_heads": 8,
}


@dataclass(frozen=True)
class Architecture:
    """A dense decoder with grouped-query attention and a gated MLP (SwiGLU).

    Attributes:
        name: Of the model.
        hidden: Width.
        intermediate: Width within the MLP.
        layers: Number of layers.
        heads: Query heads.
        kv_heads: Key-value heads.
        head: Width of a head.
        vocabulary: Rows of the embedding.
        tied: Whether the output matrix is the embedding.
        query_bias: Whether query, key and value have biases (Qwen2).
        output_bias: Whether the attention's output has one (``attention_bias`` of Llama and Qwen3).
        mlp_bias: Whether gate, up and down have biases (``mlp_bias`` of Llama).
        head_norms: Whether queries and keys are normalised (Qwen3).
    """

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    tied: bool
    query_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    head_norms: bool = False

    @property
    def linear(self) -> tuple[tuple[int, int], ...]:
        """The seven weight matrices of a layer, (inputs, outputs): query, key, value, output; gate, up, down."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        attention = ((self.hidden, queries), (self.hidden, keys), (self.hidden, keys), (queries, self.hidden))
        return (*attention, *((self.hidden, self.intermediate),) * 2, (self.intermediate, self.hidden))

    @property
    def linear_parameters(self) -> int:
        """Of all layers' weight matrices; these are what QLoRA quantizes."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linear)

    @property
    def parameters(self) -> int:
        """All of them, embeddings included."""
        norms = 2 * self.hidden + (2 * self.head if self.head_norms else 0)
        biases = (self.heads + 2 * self.kv_heads) * self.head if self.query_bias else 0
        biases += self.hidden if self.output_bias else 0
        biases += 2 * self.intermediate + self.hidden if self.mlp_bias else 0
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return self.linear_parameters + self.layers * (norms + biases) + self.hidden + embeddings

    def lora_parameters(self, rank: int) -> int:
        """Trainable parameters of LoRA on every linear layer: rank × (inputs + outputs) each.

        Hu et al. 2021, "LoRA", arXiv 2106.09685, section 4.2. Output matrix and embeddings are left out, as
        ``lora_target: all`` of LLaMA-Factory and ``all-linear`` of ms-swift do.
        """
        return self.layers * rank * sum(inputs + outputs for inputs, outputs in self.linear)


def _qwen3(*shape: int, tied: bool) -> Mapping[str, Any]:
    keys = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    return {**_QWEN3, **dict(zip(keys, shape, strict=True)), "tie_word_embeddings": tied}


# As the model cards and config.json files of Qwen give them.
SHIPPED: Mapping[str, Mapping[str, Any]] = {
    "Qwen3-0.6B": _qwen3(1024, 3072, 28, 16, tied=True),
    "Qwen3-1.7B": _qwen3(2048, 6144, 28, 16, tied=True),
    "Qwen3-4B": _qwen3(2560, 9728, 36, 32, tied=True),
    "Qwen3-8B": _qwen3(4096, 12288, 36, 32, tied=False),
    "Qwen3-14B": _qwen3(5120, 17408, 40, 40, tied=False),
    "Qwen3-32B": _qwen3(5120, 25600, 64, 64, tied=False),
    # The fallback of the recipes.
    "Qwen2.5-7B-Instruct": {
        "model_type": "qwen2",
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
    },
}


def find_architecture(model: str) -> Architecture:
    """The architecture of a shipped name, with or without ``Qwen/``, or of a folder or file with a ``config.json``.

    Raises:
        InputError: It is neither, or of a family that is not known here.
    """
    name = model.removeprefix("Qwen/")
    if name in SHIPPED:
        return parse_config(SHIPPED[name], name)
    path = Path(model)
    path = path / "config.json" if path.is_dir() else path
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        known = ", ".join(SHIPPED)
        raise InputError(f"{model} is no folder with a config.json ({error}); known by name are {known}") from error
    return parse_config(config, str(model))


def parse_config(config: Any, name: str) -> Architecture:
    """Reads a configuration of Hugging Face.

    Raises:
        InputError: A key is missing or no size, or the model is no dense decoder of a known family.
    """
    if not isinstance(config, Mapping) or config.get("model_type") not in _FAMILIES:
        found = config.get("model_type") if isinstance(config, Mapping) else None
        raise InputError(f"{name}: model_type {found!r} is not known here, only the dense {', '.join(_FAMILIES)}")
    family = config["model_type"]
    hidden, heads, layers = (_size(config, key, name) for key in _SHAPE)
    # Transformers gives Qwen3 heads of 128 where its configuration says nothing.
    head = 128 if family == "qwen3" else hidden // heads
    biased = bool(config.get("attention_bias", False)) and family in {"qwen3", "llama"}
    return Architecture(
        name=name,
        hidden=hidden,
        intermediate=_size(config, "intermediate_size", name),
        layers=layers,
        heads=heads,
        kv_heads=_size(config, "num_key_value_heads", name, heads),
        head=_size(config, "head_dim", name, head),
        vocabulary=_size(config, "vocab_size", name),
        tied=bool(config.get("tie_word_embeddings", False)),
        query_bias=family == "qwen2" or biased,
        output_bias=biased,
        mlp_bias=bool(config.get("mlp_bias", False)) and family == "llama",
        head_norms=family == "qwen3",
    )


def _size(config: Mapping[str, Any], key: str, name: str, default: int | None = None) -> int:
    value = config.get(key)
    if value is None and default is not None:
        return default
    if key not in config:
        raise InputError(f"{name}: its configuration lacks {key!r}")
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name}: {key} of its configuration must be a whole number of at least 1, not {value!r}")
    return value
