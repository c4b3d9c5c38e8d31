"""How long it takes, from floating-point operations and from bytes read: estimates, to be doubled by whoever plans.

A training token costs 2 operations a parameter forward and 4 backward (Kaplan et al. 2020, "Scaling laws for neural
language models", arXiv 2001.08361, section 2.1); recomputing activations costs the forward pass again (arXiv
2205.05198, section 5); frozen weights need no gradient of their own, which saves 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.plan.architecture import Architecture
from ordebug_plugin.plan.memory import Method, kv_cache_bytes


@dataclass(frozen=True)
class Gpu:
    """A GPU, by its maker's data sheet.

    Attributes:
        memory: Bytes.
        operations: Dense bfloat16 operations a second.
        bandwidth: Bytes a second from its memory.
    """

    memory: float
    operations: float
    bandwidth: float


# Dense figures: data sheets often print those with sparsity, which are twice as high.
GPUS: Mapping[str, Gpu] = {
    "A800-80G": Gpu(80e9, 312e12, 2.039e12),
    "A100-80G": Gpu(80e9, 312e12, 2.039e12),
    "A100-40G": Gpu(40e9, 312e12, 1.555e12),
    "H100-80G": Gpu(80e9, 989e12, 3.35e12),
    "H200-141G": Gpu(141e9, 989e12, 4.8e12),
    "L40S-48G": Gpu(48e9, 362e12, 0.864e12),
    "A6000-48G": Gpu(48e9, 154.8e12, 0.768e12),
    "RTX4090-24G": Gpu(24e9, 165.2e12, 1.008e12),
}
# Of the data sheet's operations; short sequences and small batches reach less. Not measured here.
EFFICIENCY = 0.35


def training_operations(model: Architecture, method: Method, tokens: float, *, checkpointing: bool) -> float:
    """Operations of training on so many tokens; attention's own are left out, a few percent at 4,096 tokens."""
    each = 6 if method is Method.FULL else 4
    return (each + (2 if checkpointing else 0)) * model.parameters * tokens


def training_seconds(operations: float, gpu: Gpu, gpus: int, efficiency: float = EFFICIENCY) -> float:
    """Wall time of a training."""
    return operations / (gpu.operations * efficiency * gpus)


def decoding_seconds(model: Architecture, gpu: Gpu, answers: int, at_once: int, prompt: int, answer: int) -> float:  # noqa: PLR0913, PLR0917
    """Wall time of generating answers on one GPU, bound by reading weights and cache once for each token.

    Pope et al. 2022, "Efficiently scaling transformer inference", arXiv 2211.05102, section 2.

    Args:
        model: What generates, in half precision.
        gpu: On what.
        answers: How many.
        at_once: Sequences in a batch.
        prompt: Tokens of a prompt.
        answer: Tokens of an answer.
    """
    together = min(at_once, answers)
    read = 2 * model.parameters + kv_cache_bytes(model, round(together * (prompt + answer / 2)))
    return answers / together * answer * read / gpu.bandwidth
