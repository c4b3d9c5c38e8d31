"""``ordebug plan``: parameters, memory and hours of a training, before anyone rents GPUs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from ordebug_plugin.commands.common import DONE, FINDINGS, RESULTS, Subparsers, positive, print_json, share
from ordebug_plugin.errors import InputError
from ordebug_plugin.plan.architecture import SHIPPED, Architecture, find_architecture
from ordebug_plugin.plan.memory import Load, Method, rollout_memory, trainable_parameters, training_memory
from ordebug_plugin.plan.time import (
    EFFICIENCY,
    GPUS,
    Gpu,
    decoding_seconds,
    training_operations,
    training_seconds,
)

_STAGES = {Method.FULL: (0, 1, 2, 3), Method.LORA: (0, 2, 3), Method.QLORA: (0, 2)}
_PARTS = ("weights", "gradients", "optimizer", "activations", "logits", "overhead", "total")
_GB = 1e9
_TOO_TIGHT = 0.95  # of a GPU's memory: the rest is for what no formula knows


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "plan",
        "estimate trainable parameters, memory and hours of full, LoRA and QLoRA training under ZeRO 0 to 3, and of "
        "GRPO; exit 1 where nothing fits",
        "ordebug plan Qwen3-8B --gpus 2 --gpu A800-80G --rows 4200 --tokens 1024",
    )
    parser.add_argument(
        "model", metavar="MODEL", help=f"{', '.join(SHIPPED)}, or a folder with a config.json, or such a file"
    )
    parser.add_argument("--gpus", type=positive, default=1, metavar="N", help="default 1")
    parser.add_argument("--gpu", choices=list(GPUS), default="A800-80G", help="default %(default)s")
    parser.add_argument(
        "--rank", type=positive, default=32, metavar="R", help="of LoRA, on every linear layer (default 32)"
    )
    parser.add_argument("--batch", type=positive, default=4, metavar="N", help="sequences on a GPU at once (default 4)")
    parser.add_argument("--tokens", type=positive, default=1024, metavar="N", help="of a sequence (default 1024)")
    parser.add_argument("--no-checkpointing", action="store_true", help="activations are kept, not recomputed")
    parser.add_argument("--rows", type=positive, default=4200, metavar="N", help="demonstrations (default 4200)")
    parser.add_argument("--epochs", type=positive, default=3, metavar="N", help="default 3")
    grpo = parser.add_argument_group("GRPO")
    grpo.add_argument("--steps", type=positive, default=100, metavar="N", help="default 100")
    grpo.add_argument("--answers", type=positive, default=128, metavar="N", help="of a step, all GPUs (default 128)")
    grpo.add_argument("--answer-tokens", type=positive, default=256, metavar="N", help="of an answer (default 256)")
    parser.add_argument(
        "--efficiency",
        type=share,
        default=EFFICIENCY,
        help="share of the GPU's operations in use (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Estimates.

    Returns:
        0; 1 where no training fits the GPUs.

    Raises:
        InputError: The model is not known, and is no folder with a configuration, or nothing is to be done.
    """
    if not options.efficiency:
        raise InputError("--efficiency must be above 0: nothing would ever be done")
    model, gpu = find_architecture(options.model), GPUS[options.gpu]
    trainings = list(_trainings(model, gpu, options))
    grpo = _grpo(model, gpu, options)
    if options.json:
        print_json({"model": model.name, "parameters": model.parameters, "training": trainings, "grpo": grpo})
    else:
        RESULTS.print(
            f"{model.name}: {model.parameters:,} parameters, {model.linear_parameters:,} of them in linear layers"
        )
        RESULTS.print(_table(trainings, options))
        RESULTS.print(_said(grpo, options))
    return DONE if any(one["fits"] for one in trainings) else FINDINGS


def _trainings(model: Architecture, gpu: Gpu, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    load = Load(options.batch, options.tokens, not options.no_checkpointing)
    seen = float(options.rows) * options.epochs * options.tokens
    for method, stages in _STAGES.items():
        operations = training_operations(model, method, seen, checkpointing=load.checkpointing)
        for stage in stages if options.gpus > 1 else (0,):
            memory = training_memory(model, method, options.rank, stage, options.gpus, load)
            yield {
                "method": method.value,
                "zero": stage,
                "trainable": trainable_parameters(model, method, options.rank),
                "weights": memory.weights,
                "gradients": memory.gradients,
                "optimizer": memory.optimizer,
                "activations": memory.activations,
                "logits": memory.logits,
                "overhead": memory.overhead,
                "total": memory.total,
                "fits": memory.total < _TOO_TIGHT * gpu.memory,
                "hours": training_seconds(operations, gpu, options.gpus, options.efficiency) / 3600,
            }


def _grpo(model: Architecture, gpu: Gpu, options: argparse.Namespace) -> dict[str, Any]:
    """A GPU generates its share of a step's answers at once, then all of them are trained on with LoRA."""
    own = -(-options.answers // options.gpus)
    length = options.tokens + options.answer_tokens
    generating = decoding_seconds(model, gpu, own, own, options.tokens, options.answer_tokens)
    operations = training_operations(model, Method.LORA, options.answers * length, checkpointing=True)
    # Log-probabilities under the reference, one more pass forward.
    operations += 2 * model.parameters * options.answers * length
    learning = training_seconds(operations, gpu, options.gpus, options.efficiency)
    return {
        "rollout_memory": rollout_memory(model, own, length),
        "generating_seconds": generating,
        "learning_seconds": learning,
        "hours": options.steps * (generating + learning) / 3600,
    }


def _table(trainings: list[dict[str, Any]], options: argparse.Namespace) -> Table:
    table = Table(
        title=f"GB on each of {options.gpus} {options.gpu}, batch {options.batch} × {options.tokens} tokens; hours for "
        f"{options.rows} rows × {options.epochs} epochs at {options.efficiency:.0%} of the GPU's operations",
        title_justify="left",
    )
    headings = ("training", "ZeRO", "trained", "weights", "gradients", "optimizer", "activations", "logits", "other")
    for heading in (*headings, "total", "fits", "hours"):
        table.add_column(heading, justify="left" if heading == "training" else "right")
    for one in trainings:
        parts = (one[name] / _GB for name in _PARTS)
        table.add_row(
            *(one["method"], str(one["zero"]), f"{one['trainable'] / 1e6:,.1f} M"),
            *(f"{part:.1f}" for part in parts),
            "yes" if one["fits"] else "no",
            f"{one['hours']:.2f}",
        )
    return table


def _said(grpo: dict[str, Any], options: argparse.Namespace) -> str:
    return (
        f"GRPO with LoRA, {options.steps} steps of {options.answers} answers of {options.answer_tokens} tokens: "
        f"rollouts take {grpo['rollout_memory'] / _GB:.1f} GB on each GPU (weights and KV cache); a step generates for "
        f"{grpo['generating_seconds']:.0f} s and learns for {grpo['learning_seconds']:.0f} s, {grpo['hours']:.1f} h "
        "in all. Estimates from formulas (see the docstrings of ordebug_plugin/plan); the time of the solver, of "
        "QLoRA's dequantization and of reading the prompts is not in them"
    )
