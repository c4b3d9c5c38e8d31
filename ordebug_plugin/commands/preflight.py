"""``ordebug preflight``: is this checkpoint worth GRPO, and on which prompts."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    nonnegative,
    positive,
    print_json,
    progress,
)
from ordebug_plugin.commands.server import add_request_options, connect
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import write_text
from ordebug_plugin.preflight import Preflight, Spread, assess, read_prompts, sample_groups, worth_training
from ordebug_plugin.prompt import Style
from ordebug_plugin.reward_functions import REWARDS
from ordebug_plugin.statistics import Estimate, null_for_nan

# From half of the prompts on, GRPO pays more for what teaches nothing than for what does.
TOO_MANY = 0.5


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "preflight",
        "sample groups from a served checkpoint, and see what GRPO would have to learn from",
        "ordebug preflight data/grpo_train.jsonl --base-url http://127.0.0.1:8000/v1 --model sft "
        "--limit 400 --out data/grpo_subset.jsonl",
    )
    parser.add_argument("prompts", type=Path, metavar="PROMPTS.jsonl", help="what `ordebug data grpo` wrote")
    parser.add_argument("--base-url", required=True, metavar="URL", help="an OpenAI-compatible server, up to /v1")
    parser.add_argument("--model", required=True, metavar="NAME", help="model name as the server knows it")
    parser.add_argument("--out", type=Path, metavar="SUBSET.jsonl", help="write the prompts worth training on")
    parser.add_argument("--reward", choices=sorted(REWARDS), default="ordebug_preserve", help="default: %(default)s")
    parser.add_argument("--samples", type=positive, default=8, metavar="N", help="answers per prompt (default 8)")
    parser.add_argument("--temperature", type=nonnegative, default=1.0, help="as GRPO will sample (default 1)")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N prompts")
    add_request_options(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Samples and reports.

    Returns:
        0 when more than half of the prompts have variance and no answer was lost, else 1.

    Raises:
        InputError: The prompts or an option cannot be used.
        ProblemError: A model of the prompts is missing.
        ServerError: The server cannot be reached.
    """
    if options.samples < 2:
        raise InputError("--samples must be at least 2: one answer has no variance")
    if options.out is not None and options.out.suffix != ".jsonl":
        raise InputError(f"{options.out}: name the target *.jsonl")
    if options.out is not None and options.out.resolve() == options.prompts.resolve():
        raise InputError(f"{options.out}: the prompts themselves would be lost; name another file")
    prompts = read_prompts(options.prompts)[: options.limit]
    reward = REWARDS[options.reward]
    chat = connect(options, Style())  # the prompts are rendered already
    with progress(options.model, len(prompts)) as advance:
        groups = sample_groups(
            chat,
            prompts,
            samples=options.samples,
            concurrency=options.concurrency,
            reward=reward,
            on_group=lambda _: advance(""),
        )
    report = assess(groups, reward)
    kept = worth_training(groups)
    if options.json:
        print_json({**_record(report), "worth_training": len(kept)})
    else:
        RESULTS.print(_table(report, options.model))
        RESULTS.print(_shares(report))
        RESULTS.print(f"{len(kept)} of {report.prompts} prompts are worth training on")
    if options.out is not None and not kept:
        LOG.print(f"{options.out} was not written: there is nothing in it to train on")
    elif options.out is not None:
        write_text(options.out, "".join(prompt.line + "\n" for prompt in kept))
        LOG.print(f"wrote {options.out}")
    if report.lost:
        LOG.print(f"{report.lost} answers were lost to the server or the solver, and are in no figure")
    return FINDINGS if report.lost or not report.zero_variance.value < TOO_MANY else DONE


def _table(report: Preflight, model: str) -> Table:
    table = Table(title=f"{report.reward} of {model}, {report.answers} answers to {report.prompts} prompts")
    table.title_justify = "left"
    for heading in ("", "prompts without variance", "mean", "95% interval", "within a group", "between prompts"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    table.add_row("reward", _percent(report.zero_variance), *_figures(report.rewards))
    for label, (zero, spread) in report.by_type.items() if len(report.by_type) > 1 else ():
        table.add_row(f"  type {label}", _percent(zero), *_figures(spread))
    for name, spread in report.components.items():
        table.add_row(name, "", *_figures(spread))
    return table


def _figures(spread: Spread) -> tuple[str, str, str, str]:
    estimate = spread.mean
    interval = f"[{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{estimate.value:.3f}", interval, f"{spread.within:.3f}", f"{spread.between:.3f}"


def _shares(report: Preflight) -> str:
    shares = ", ".join(f"{kind} {count / max(1, report.answers):.1%}" for kind, count in report.actions.items())
    return (
        f"well-formed {_percent(report.format)}, cut by the token limit {_percent(report.truncated)}\nactions: {shares}"
    )


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]"


def _record(report: Preflight) -> dict[str, Any]:
    record: dict[str, Any] = null_for_nan(asdict(report))
    record["by_type"] = {
        label: {"zero_variance": zero, "rewards": spread} for label, (zero, spread) in record["by_type"].items()
    }
    return record
