"""``ordebug data …``: training data."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ordebug_plugin.commands import data_contamination, data_demos, data_verify
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
from ordebug_plugin.data.convert import convert_file
from ordebug_plugin.data.grpo import write_prompts
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.run import load_run
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.prompt import Detail, Style


def add_parser(commands: Subparsers) -> None:
    """Adds the commands."""
    group = Subparsers(commands.add("data", "make, convert and verify training data", "ordebug data convert --help"))
    parser = group.add(
        "convert",
        "turn Alpaca data into ShareGPT (LLaMA-Factory) or messages (ms-swift), think text untouched",
        "ordebug data convert alpaca.json data/sft_train.sharegpt.json",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="IN.json",
        help='Alpaca: a list of rows, {"data": […]} or .jsonl; or conversations, as `demos --chat` writes',
    )
    parser.add_argument("target", type=Path, metavar="OUT.json", help=".json or .jsonl; refused rows go beside it")
    parser.add_argument("--to", choices=("sharegpt", "messages"), default="sharegpt", help="default: sharegpt")
    add_system_option(parser)
    parser.add_argument("--keep-labels", action="store_true", help="keep the ID and Type lines, which leak the answer")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run_convert)

    data_demos.add_parser(group)

    parser = group.add(
        "grpo",
        "write the prompts of a benchmark for GRPO, with the column that the rewards judge answers by",
        "ordebug data grpo bench/train data/grpo_train.jsonl",
    )
    parser.add_argument("benchmark", type=Path, metavar="BENCH", help="benchmark folder, or a single model file")
    parser.add_argument("target", type=Path, metavar="OUT.jsonl", help="file to write")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N problems")
    parser.add_argument(
        "--turns", type=Path, metavar="RUN", help="add the later turns of a run of `ordebug eval` on this benchmark"
    )
    parser.add_argument("--inline", action="store_true", help="put the models in, instead of their absolute paths")
    add_system_option(parser)
    add_detail_option(parser)
    parser.add_argument("--labels", action="store_true", help="show ID and Type as the public prompts do: leaks")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run_grpo)
    data_verify.add_parser(group)
    data_contamination.add_parser(group)


def run_convert(options: argparse.Namespace) -> int:
    """Converts a file.

    Returns:
        0 when every row was written, 1 when some were refused.

    Raises:
        InputError: The source or target cannot be used.
    """
    report = convert_file(
        options.source,
        options.target,
        to=options.to,
        system=system_prompt(options),
        keep_labels=options.keep_labels,
    )
    if options.json:
        print_json({**asdict(report), "rejects": None if report.rejects is None else str(report.rejects)})
    else:
        RESULTS.print(
            f"{report.written} of {report.rows} rows written to {options.target}"
            f"{'' if report.made == report.written else f', as {report.made}'}; "
            f"{report.changed} lost lines that leak the answer (ID, Type); {report.rejected} refused"
        )
    if report.rejects is not None:
        LOG.print(f"the refused rows, each with its number and the reason, are in {report.rejects}")
    return FINDINGS if report.rejected else DONE


def _detail(options: argparse.Namespace, problems: Sequence[Problem], run: Mapping[str, Any]) -> Detail:
    """As asked for, or as a model saw it in the run whose turns are added."""
    shown = run.get("agent", {}).get("style", {}).get("detail")
    if shown is None:
        return detail_of(options, problems)
    if options.detail not in (None, shown):
        raise InputError(
            f"the model of {options.turns} was shown --detail {shown}: it must not learn from --detail {options.detail}"
        )
    return Detail(shown)


def run_grpo(options: argparse.Namespace) -> int:
    """Writes GRPO prompts.

    Raises:
        InputError: The benchmark or the target cannot be used.
        SolverError: Gurobi failed.
    """
    problems = load_benchmark(options.benchmark).problems[: options.limit]
    run, episodes = load_run(options.turns) if options.turns is not None else ({}, ())
    style = Style(labels=options.labels, detail=_detail(options, problems, run), system=system_prompt(options))
    wanted = {problem.content_hash for problem in problems}
    later = any(len(episode.turns) > 1 and episode.problem_hash in wanted for episode in episodes)
    if options.turns is not None and not later:  # before anything is written
        raise InputError(f"{options.turns} has no second turn on a problem of {options.benchmark}")
    with progress("prompts", len(problems)) as advance:
        report = write_prompts(
            problems,
            options.target,
            style=style,
            inline=options.inline,
            episodes=episodes,
            on_progress=lambda _: advance(""),
        )
    if options.json:
        print_json({"path": str(report.path), "rows": report.rows, "later": report.later})
    else:
        RESULTS.print(f"{report.rows} prompts written to {report.path}, {report.later} of them of later turns")
    return DONE
