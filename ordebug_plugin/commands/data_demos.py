"""``ordebug data demos`` and ``ordebug data collect``: demonstrations, made or collected."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ordebug_plugin.commands.common import (
    DONE,
    RESULTS,
    Subparsers,
    add_detail_option,
    add_system_option,
    add_workers_option,
    detail_of,
    positive,
    print_json,
    progress,
    share,
    system_prompt,
    workers,
)
from ordebug_plugin.demonstrations import Policy, Recipe, make_demonstrations
from ordebug_plugin.demonstrations.collect import collect
from ordebug_plugin.demonstrations.repairers import HURRIED
from ordebug_plugin.errors import InputError
from ordebug_plugin.experts.situation import Voice
from ordebug_plugin.problem import load_benchmark, load_records
from ordebug_plugin.prompt import Style
from ordebug_plugin.verify.row import OBJECTIVE_KEPT

_PER_PROBLEM = 4


def add_parser(group: Subparsers) -> None:
    """Adds both commands."""
    parser = group.add(
        "demos",
        "make demonstrations for a benchmark, each verified by the solver",
        "ordebug data demos bench/train data/sft_train.json --detail full --chat data/sft_train.chat.jsonl",
    )
    parser.add_argument("benchmark", type=Path, metavar="BENCH", help="benchmark folder")
    parser.add_argument("target", type=Path, metavar="OUT.json", help="Alpaca file to write")
    parser.add_argument(
        "--chat", type=Path, metavar="OUT.jsonl", help="write the whole episodes, too, as conversations"
    )
    parser.add_argument(
        "--policy",
        choices=[policy.value for policy in Policy],
        default=Policy.EXPERT.value,
        help="who demonstrates: an expert, from what the prompt shows; hurried and careful repairers, mixed; or "
        "the one template of the public heuristic data (default %(default)s)",
    )
    parser.add_argument(
        "--voice",
        choices=[voice.value for voice in Voice],
        help="how experts write: in many phrasings, or in one short form for tiny models (default varied)",
    )
    parser.add_argument(
        "--per-problem",
        type=positive,
        metavar="N",
        help=f"rows per problem (default {_PER_PROBLEM}; 1 of drop-first), of experts in the mean: kinds of faults and "
        "places in the IIS are evened out",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    parser.add_argument(
        "--hurried",
        type=share,
        metavar="SHARE",
        help=f"share of answers that take the first row listed, not what is odd, of --policy mixed (default {HURRIED})",
    )
    add_detail_option(parser)
    add_system_option(parser)
    add_workers_option(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run_demos)

    parser = group.add(
        "collect",
        "turn the successes in runs of `ordebug eval` into demonstrations (rejection sampling)",
        "ordebug data collect runs/base-s1 runs/base-s2 data/sft_own.json --failures data/failures.jsonl",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of `ordebug eval`")
    parser.add_argument("target", type=Path, metavar="OUT.json", help="Alpaca file to write")
    parser.add_argument(
        "--chat", type=Path, metavar="OUT.jsonl", help="write the whole episodes, too, as conversations"
    )
    parser.add_argument(
        "--failures", type=Path, metavar="FILE.jsonl", help="write every other episode, with its outcome and scores"
    )
    parser.add_argument(
        "--min-preservation",
        type=share,
        default=OBJECTIVE_KEPT,
        metavar="P",
        help="what a success preserves at least, OP x FP, or minimality where the original is unknown "
        "(default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run_collect)


def run_demos(options: argparse.Namespace) -> int:
    """Makes demonstrations.

    Raises:
        InputError: The benchmark or a target cannot be used, or two options do not go together.
        SolverError: Gurobi failed.
    """
    _check_names(options)
    policy = Policy(options.policy)
    if options.hurried is not None and policy is not Policy.MIXED:
        raise InputError("--hurried is about --policy mixed alone")
    if options.voice is not None and policy is not Policy.EXPERT:
        raise InputError("--voice is about --policy expert alone")
    benchmark = load_benchmark(options.benchmark)
    detail = detail_of(options, benchmark.problems)
    recipe = Recipe(
        policy=policy,
        voice=Voice(options.voice or Voice.VARIED),
        style=Style(detail=detail, system=system_prompt(options)),
        hurried=HURRIED if options.hurried is None else options.hurried,
    )
    with progress("demonstrations", len(benchmark.problems)) as advance:
        report = make_demonstrations(
            benchmark,
            options.target,
            recipe,
            seed=options.seed,
            per_problem=options.per_problem or (1 if policy is Policy.DROP_FIRST else _PER_PROBLEM),
            records=load_records(options.benchmark),
            chat=options.chat,
            workers=workers(options),
            on_progress=lambda _: advance(""),
        )
    if options.json:
        print_json({**asdict(report), "path": str(report.path), "chat": _name(report.chat), "detail": detail})
        return DONE
    RESULTS.print(f"{report.rows} verified demonstrations of {report.problems} problems written to {options.target}")
    if options.detail is None:
        RESULTS.print(f"  prompts: --detail {detail}, which evaluation must have, too")
    for noun, counts in (
        ("actions", report.actions),
        ("faults", report.error_types),
        ("place in the list of the IIS", report.places),
        ("episodes thrown away", report.discarded),
        ("problems without a demonstration, by fault", report.without),
    ):
        if counts:
            RESULTS.print(f"  {noun}: {_listed(counts)}")
    return DONE


def run_collect(options: argparse.Namespace) -> int:
    """Collects demonstrations.

    Raises:
        InputError: A run or a target cannot be used, or there is no success.
    """
    _check_names(options)
    if options.failures is not None and options.failures.suffix != ".jsonl":
        raise InputError(f"{options.failures}: name the failures *.jsonl")
    report = collect(
        options.runs,
        options.target,
        min_preservation=options.min_preservation,
        chat=options.chat,
        failures=options.failures,
    )
    if options.json:
        paths = {"path": str(report.path), "chat": _name(report.chat), "failures_path": _name(report.failures_path)}
        print_json({**asdict(report), **paths})
        return DONE
    RESULTS.print(
        f"{report.rows} of {report.episodes} episodes written to {options.target}, on {report.problems} problems; "
        f"{report.duplicates} say the same, {sum(report.failures.values())} are no demonstrations"
    )
    if report.failures:
        RESULTS.print(f"  {_listed(report.failures)}")
    return DONE


def _check_names(options: argparse.Namespace) -> None:
    if options.target.suffix != ".json":
        raise InputError(f"{options.target}: name the target *.json")
    if options.chat is not None and options.chat.suffix != ".jsonl":
        raise InputError(f"{options.chat}: name the conversations *.jsonl")


def _name(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _listed(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{name} {count}" for name, count in counts.items())
