"""Memory of a training on one GPU, part by part, in bytes.

Parameters, gradients and optimizer states are counted as in Rajbhandari et al. 2020, "ZeRO: memory optimizations
toward training trillion parameter models" (arXiv 1910.02054, section 3.1 and figure 1): with mixed precision and Adam a
trained parameter takes 2 bytes for its weight, 2 for its gradient, and 12 for the optimizer (weight in float32, two
moments). Stage 1 shards the optimizer over the GPUs, stage 2 gradients too, stage 3 weights too.

Activations are counted in the manner of Korthikanti et al. 2022, "Reducing activation recomputation in large
transformer models" (arXiv 2205.05198, section 4): what each operation keeps for the backward pass, here for
grouped-query attention and a gated MLP, without dropout, and with an attention that keeps no scores (flash or SDPA).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin.plan.architecture import Architecture

_HALF, _FLOAT = 2, 4  # bytes of bfloat16 and float32
_OPTIMIZER = 12  # bytes a trained parameter: weight in float32, and Adam's two moments
# NF4 with double quantization: 4 bits, and 8/64 + 32/(64·256) bits of constants (Dettmers et al. 2023, "QLoRA",
# arXiv 2305.14314, section 3).
_NF4 = (4 + 8 / 64 + 32 / (64 * 256)) / 8
# What CUDA, its libraries and fragments of its allocator take; a rule of thumb, not measured here.
OVERHEAD = int(1.5 * 2**30)
# Parameters that stage 3 holds gathered on each GPU, DeepSpeed's default of `stage3_max_live_parameters`.
_LIVE = 1_000_000_000


class Method(StrEnum):
    """What is trained."""

    FULL = "full"
    LORA = "lora"
    QLORA = "qlora"


@dataclass(frozen=True)
class Load:
    """What a GPU has before it.

    Attributes:
        batch: Sequences at the same time.
        tokens: Of a sequence.
        checkpointing: Whether activations are recomputed, layer by layer.
    """

    batch: int
    tokens: int
    checkpointing: bool = True


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU.

    Attributes:
        weights: Of the model, and of the adapter.
        gradients: Of what is trained.
        optimizer: Of what is trained.
        activations: Kept for the backward pass.
        logits: Of the output layer and its loss, which is taken in float32.
        overhead: What nobody asked for: of CUDA, and in stage 3 the weights that are gathered at the time.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    overhead: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits + self.overhead


def trainable_parameters(model: Architecture, method: Method, rank: int) -> int:
    """How many parameters are trained."""
    return model.parameters if method is Method.FULL else model.lora_parameters(rank)


def training_memory(model: Architecture, method: Method, rank: int, stage: int, gpus: int, load: Load) -> Memory:  # noqa: PLR0913, PLR0917
    """Memory of one GPU in training.

    Args:
        model: What is trained.
        method: How.
        rank: Of LoRA.
        stage: Of ZeRO, 0 to 3; 0 is plain data parallelism.
        gpus: Over how many it shards.
        load: Of one GPU.
    """
    trained = trainable_parameters(model, method, rank)
    frozen = 0.0
    if method is Method.LORA:
        frozen = _HALF * model.parameters
    elif method is Method.QLORA:
        frozen = _NF4 * model.linear_parameters + _HALF * (model.parameters - model.linear_parameters)
    shards = {
        name: gpus if stage >= least else 1 for name, least in (("optimizer", 1), ("gradients", 2), ("weights", 3))
    }
    gathered = min(_LIVE, model.parameters) * (1 - 1 / shards["weights"])
    return Memory(
        weights=(frozen + _HALF * trained) / shards["weights"],
        gradients=_HALF * trained / shards["gradients"],
        optimizer=_OPTIMIZER * trained / shards["optimizer"],
        activations=activation_bytes(model, load),
        logits=logit_bytes(model, load),
        overhead=OVERHEAD + _HALF * gathered,
    )


def layer_bytes(model: Architecture, load: Load) -> float:
    """What one layer keeps for its backward pass, all at 2 bytes.

    Per token: input of each norm and of each block (4 × hidden), queries, keys, values and the attention's output, and
    in the MLP gate, up, the activated gate and their product.
    """
    attention = (2 * model.heads + 2 * model.kv_heads) * model.head
    return _HALF * load.batch * load.tokens * (4 * model.hidden + attention + 4 * model.intermediate)


def activation_bytes(model: Architecture, load: Load) -> float:
    """Activations of all layers; with recomputation each layer's input, and one layer's in full while it is redone."""
    each = layer_bytes(model, load)
    if not load.checkpointing:
        return model.layers * each
    return model.layers * _HALF * load.batch * load.tokens * model.hidden + each


def logit_bytes(model: Architecture, load: Load) -> float:
    """Logits in half precision, the copy in float32 that the loss is taken of, and its gradient."""
    return load.batch * load.tokens * model.vocabulary * (_HALF + 2 * _FLOAT)


def kv_cache_bytes(model: Architecture, tokens: int) -> float:
    """Keys and values of so many tokens in all layers, in half precision."""
    return 2.0 * _HALF * model.layers * model.kv_heads * model.head * tokens


def rollout_memory(model: Architecture, sequences: int, tokens: int, shards: int = 1) -> float:
    """A GPU that generates: merged weights and the cache of all sequences at their full length.

    Args:
        model: What generates.
        sequences: At the same time.
        tokens: Prompt and answer of one.
        shards: GPUs that hold one copy together (tensor parallelism).
    """
    return (_HALF * model.parameters + kv_cache_bytes(model, sequences * tokens)) / shards
