"""``ordebug graduate``: whether an SFT checkpoint is ready for reinforcement learning."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_detail_option,
    add_system_option,
    detail_of,
    positive,
    print_json,
    progress,
    system_prompt,
)
from ordebug_plugin.commands.server import (
    DEFAULT_MAX_TOKENS,
    add_request_options,
    body_of,
    check_scheme,
    endpoint_of,
    is_bare_address,
    is_url,
)
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import check_writable, make_folder, write_text
from ordebug_plugin.postmortem.training import read_training
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.prompt import Style
from ordebug_plugin.readiness.base import Base, read_base
from ordebug_plugin.readiness.gather import Plan, check_folder, gather
from ordebug_plugin.readiness.loss import step_of
from ordebug_plugin.readiness.report import REPORT, figure_of, readiness_record, render_readiness
from ordebug_plugin.readiness.retention import read_retention
from ordebug_plugin.readiness.thresholds import load_thresholds
from ordebug_plugin.readiness.verdict import Given, Readiness, Verdict, judge_readiness
from ordebug_plugin.redaction import public_url
from ordebug_plugin.serving import Deployment, check_checkpoint, find_swift, fingerprint, served

if TYPE_CHECKING:  # the openai client takes a second to import
    from ordebug_plugin.agents.chat import ChatAgent, Sampling


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "graduate",
        "has SFT done enough? Convergence, format, actions, skill above the base model and what is left to explore, "
        "each against its threshold; exit 1 where the checkpoint is not ready",
        "ordebug graduate saves/merged --train-log saves/sft --bench bench/val --base runs/base --out runs/graduate",
    )
    parser.add_argument(
        "target", metavar="CHECKPOINT|URL", help="a model's folder, served as long as needed, or a server, up to /v1"
    )
    parser.add_argument("--model", metavar="NAME", help="model name as the server knows it; needed with a URL")
    parser.add_argument("--bench", type=Path, required=True, metavar="VAL", help="problems that were not trained on")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="keeps all answers; goes on where it was"
    )
    parser.add_argument("--train-log", type=Path, metavar="DIR", help="output folder of the SFT: its loss curves")
    parser.add_argument("--base", type=Path, metavar="RUN", help="`ordebug eval` of the base model on VAL")
    parser.add_argument(
        "--retention", type=Path, metavar="FILE.jsonl", help="prompts of your own, with expected answers"
    )
    parser.add_argument("--thresholds", type=Path, metavar="FILE.yaml", help="thresholds that replace the defaults")
    parser.add_argument("--page", type=Path, metavar="FILE.html", help="write one self-contained page")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--limit", type=positive, default=200, metavar="N", help="problems of VAL (default 200)")
    parser.add_argument(
        "--groups", type=positive, default=100, metavar="N", help="problems that groups are sampled for (default 100)"
    )
    add_detail_option(parser)
    add_system_option(parser)
    add_request_options(
        parser,
        max_tokens=f"that of --base, else {DEFAULT_MAX_TOKENS}",
    )
    serving = parser.add_argument_group("serving a checkpoint")
    serving.add_argument(
        "--swift", type=Path, metavar="PATH", help="executable of ms-swift (default: where it is found)"
    )
    serving.add_argument(
        "--model-type", default="qwen3", metavar="NAME", help="ms-swift's type and template (default qwen3)"
    )
    serving.add_argument(
        "--serve-options",
        default="",
        metavar="TEXT",
        help="further options of `swift deploy`, e.g. '--infer_backend vllm'; they replace ours",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measures and judges.

    Returns:
        0 where the checkpoint is ready, else 1.

    Raises:
        InputError: A file, a folder or an option cannot be used.
        ServerError: The server cannot be reached, or did not come up.
        SolverError: Gurobi failed.
    """
    thresholds = load_thresholds(options.thresholds)
    items = () if options.retention is None else tuple(read_retention(options.retention))
    training = None if options.train_log is None else read_training(options.train_log)
    if options.page is not None:
        check_writable(options.page)
    problems = load_benchmark(options.bench).problems[: options.limit]
    turns = thresholds.whole("task", "turns")
    base = None if options.base is None else read_base(options.base, turns, problems)
    style, max_tokens = _asking(options, problems, base)
    body = body_of(options)
    if "temperature" in body:
        raise InputError("--body may not set 'temperature': greedy answers and groups have one each (--thresholds)")
    name, who = _who(options)
    make_folder(options.out)
    plan = Plan(
        benchmark=str(options.bench),
        problems=problems,
        sampled=min(options.groups, len(problems)),
        who=who,
        style=style,
        thresholds=thresholds,
        items=items,
        max_tokens=max_tokens,
        seed=options.seed,
        body=body,
        concurrency=options.concurrency,
        out=options.out,
    )
    check_folder(plan)
    with _reached(options, name, plan) as chat:
        try:
            evidence = gather(plan, chat, progress)
        except KeyboardInterrupt:
            LOG.print("the same command goes on from here")
            raise
    if evidence.lost:
        why = "the server or the solver, and are in no figure; the same command asks for them again"
        LOG.print(f"{evidence.lost} answers were lost to {why}")
    step = None if options.train_log is None else step_of(Path(options.target), options.train_log)
    given = Given(training, None if base is None else base.episodes, items, step)
    readiness = judge_readiness(name, evidence, given, thresholds)
    settings = {
        "target": public_url(options.target) if is_url(options.target) else options.target,
        "bench": str(options.bench),
        "problems": len(problems),
        "groups": plan.sampled,
        "train log": _shown(options.train_log),
        "base": _shown(options.base),
        "retention": _shown(options.retention),
        "detail": style.detail.value,
        "max tokens": max_tokens,
        "seed": options.seed,
    }
    record = readiness_record(readiness, thresholds, settings)
    write_text(options.out / REPORT, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if options.page is not None:
        write_text(options.page, render_readiness(readiness, thresholds, settings, training))
        LOG.print(f"wrote {options.page}")
    if options.json:
        print_json(record)
    else:
        _print(readiness)
    return DONE if readiness.verdict is Verdict.READY else FINDINGS


def _asking(options: argparse.Namespace, problems: Sequence[Problem], base: Base | None) -> tuple[Style, int]:
    """How the checkpoint is asked, and the token limit of an answer: as the base model was, where nothing else is said.

    Raises:
        InputError: The base model was shown something else.
    """
    shown = None if base is None else base.style
    detail = shown.detail if shown is not None and options.detail is None else detail_of(options, problems)
    style = replace(shown or Style(), detail=detail, system=system_prompt(options))
    max_tokens = options.max_tokens or (base.max_tokens if base is not None else None) or DEFAULT_MAX_TOKENS
    whence = "a model must be asked as it was trained"
    if base is not None and base.style is None:
        LOG.print(f"{base.folder} was played by a built-in agent, not by a base model")
    elif base is not None:
        base.check_style(style)
        whence = f"as in {base.folder}"
    if options.detail is None or options.max_tokens is None:
        LOG.print(f"prompts: --detail {detail}, answers: --max-tokens {max_tokens}; {whence}")
    return style, max_tokens


def _who(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The model's name, and what tells it from others."""
    if is_bare_address(options.target):
        check_scheme(options.target)
    if is_url(options.target):
        if not options.model:
            raise InputError("a URL needs --model: the name under which the server knows the model")
        return options.model, {"name": options.model, "base_url": public_url(options.target)}
    folder = Path(options.target)
    check_checkpoint(folder)
    name = options.model or folder.resolve().name
    return name, {"name": name, "base_url": "swift deploy", "checkpoint": fingerprint(folder)}


@contextlib.contextmanager
def _reached(options: argparse.Namespace, name: str, plan: Plan) -> Iterator[Callable[[Sampling], ChatAgent]]:
    """The model, found alive or served; where nothing is left to ask, it is not needed."""
    from ordebug_plugin.agents.chat import ChatAgent  # noqa: PLC0415

    def at(url: str) -> Callable[[Sampling], ChatAgent]:
        endpoint = endpoint_of(options, url, name)
        return lambda sampling: ChatAgent(endpoint, plan.style, sampling)

    if plan.is_complete():
        LOG.print(f"{options.out} holds all answers: the model is not asked")
        yield at("http://127.0.0.1:9/v1")
    elif is_url(options.target):
        _probe(at(options.target))
        yield at(options.target)
    else:
        deployment = Deployment(
            checkpoint=Path(options.target),
            swift=find_swift(options.swift),
            name=name,
            batch=options.concurrency,
            kind=options.model_type,
            options=tuple(shlex.split(options.serve_options)),
        )
        LOG.print(f"serving {options.target} by {deployment.swift}; its log is {options.out / 'serve.log'}")
        with served(deployment, options.out / "serve.log") as url:
            yield at(url)


def _probe(chat: Callable[[Sampling], ChatAgent]) -> None:
    from ordebug_plugin.agents.chat import Sampling  # noqa: PLC0415

    chat(Sampling()).probe()


def _shown(path: Path | None) -> str:
    return "none" if path is None else str(path)


def _print(readiness: Readiness) -> None:
    table = Table(title=f"{readiness.model}: ready for reinforcement learning?")
    table.title_justify = "left"
    for heading in ("", "figure", "threshold", "n", "", "decides"):
        table.add_column(heading, justify="right" if heading in ("figure", "n") else "left")
    for check in readiness.checks:
        n = str(check.estimate.n or "")
        threshold = f"{check.side} {check.threshold:g}"
        decides = "yes" if check.name in readiness.deciding else "no"
        table.add_row(check.title, figure_of(check), threshold, n, check.words, decides)
    RESULTS.print(table)
    for check in readiness.checks:
        RESULTS.print(f"  {check.title}: {check.note}")
    RESULTS.print(readiness.reason)
    for advice in readiness.advice:
        RESULTS.print(f"  {advice.lever}: {advice.change}\n    because {advice.why}")
