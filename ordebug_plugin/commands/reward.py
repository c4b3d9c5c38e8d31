"""``ordebug reward …``: the rewards, and whether they can be gamed."""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rich.table import Table

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_workers_option,
    positive,
    progress,
    workers,
)
from ordebug_plugin.errors import InputError, LicenseLimitError, OrdebugError, ProblemError
from ordebug_plugin.exploits import Finding, try_exploits
from ordebug_plugin.files import write_text
from ordebug_plugin.guarded import check_gurobi
from ordebug_plugin.parallel import call_each
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.reward import PRESETS, Weights
from ordebug_plugin.workers import Lost

_MAX_SHOWN = 10


def add_parser(commands: Subparsers) -> None:
    """Adds the commands."""
    group = Subparsers(commands.add("reward", "check the rewards", "ordebug reward check --help"))
    parser = group.add(
        "check",
        "try every known exploit on every problem of a benchmark; exit 1 when one pays",
        "ordebug reward check --bench bench/test --weights repair=0.3,diagnosis=0.2,preservation=0.4,efficiency=0.1",
    )
    parser.add_argument("--bench", type=Path, required=True, metavar="DIR", help="benchmark folder")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N problems")
    parser.add_argument(
        "--weights",
        metavar="NAME=W,…",
        help=f"weights of a composite of your own ({', '.join(field.name for field in fields(Weights))}), checked "
        "instead of the shipped ones",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every finding to a file")
    add_workers_option(parser)
    parser.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> int:
    """Tries the exploits.

    Returns:
        0 when none pays, 1 when one does, or when a problem could not be judged.

    Raises:
        InputError: The benchmark or the weights cannot be used.
        SolverError: Gurobi failed.
    """
    composites = PRESETS if options.weights is None else {"yours": _weights(options.weights)}
    problems = load_benchmark(options.bench).problems[: options.limit]
    check_gurobi()
    findings: list[Finding] = []
    unusable: list[str] = []
    ended = iter(problems)
    with progress("exploits", len(problems)) as advance:

        def keep(result: tuple[Finding, ...] | OrdebugError | Lost) -> None:
            problem = next(ended)
            if isinstance(result, tuple):
                findings.extend(result)
            elif isinstance(result, Lost):
                unusable.append(f"{problem.path}: {result.reason}")
            elif isinstance(result, ProblemError | LicenseLimitError):
                unusable.append(str(result))
            else:
                raise result
            advance(f"{sum(finding.pays for finding in findings)} pay")

        calls = [(problem, composites) for problem in problems]
        call_each(try_exploits, calls, workers=workers(options), on_done=keep)
    RESULTS.print(_table(findings))
    paying = [finding for finding in findings if finding.pays]
    for finding in paying[:_MAX_SHOWN]:
        RESULTS.print(
            f"{finding.exploit} pays on {finding.problem_id} under {finding.composite}: "
            f"{finding.reward:.4f}, the honest repair {finding.honest:.4f}"
        )
    verdict = f"{len(paying)} of {len(findings)} trials pay" if paying else f"none of {len(findings)} trials pays"
    RESULTS.print(f"{verdict}, on {len(problems) - len(unusable)} problems")
    for message in unusable:
        LOG.print(f"not judged: {message}")
    if options.json is not None:
        _write(options.json, findings, unusable)
    return FINDINGS if paying or unusable else DONE


def _weights(text: str) -> Weights:
    values = {field.name: 0.0 for field in fields(Weights)}
    for part in text.split(","):
        name, _, number = part.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if name.strip() not in values or not 0.0 <= value <= 1.0:
            raise InputError(
                f"--weights: {part!r} is not NAME=NUMBER with a number in [0, 1] and one of {list(values)}"
            )
        values[name.strip()] = value
    if abs(sum(values.values()) - 1.0) > 1e-9:
        raise InputError(f"--weights add up to {sum(values.values()):g}, not 1")
    return Weights(**values)


def _table(findings: list[Finding]) -> Table:
    table = Table(title="exploits against the honest repair", title_justify="left")
    for heading in ("exploit", "composite", "trials", "mean reward", "honest", "closest", "coincide", "pay"):
        table.add_column(heading, justify="left" if heading in ("exploit", "composite") else "right", no_wrap=True)
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.exploit, finding.composite].append(finding)
    for (exploit, composite), group in groups.items():
        apart = [finding for finding in group if not finding.coincides]
        n = max(1, len(apart))
        gap = min((finding.honest - finding.reward for finding in apart), default=float("nan"))
        table.add_row(
            exploit,
            composite,
            str(len(group)),
            f"{sum(finding.reward for finding in apart) / n:.3f}",
            f"{sum(finding.honest for finding in apart) / n:.3f}",
            f"{gap:.4f}",
            str(len(group) - len(apart)),
            str(sum(finding.pays for finding in group)),
        )
    return table


def _write(path: Path, findings: list[Finding], unusable: list[str]) -> None:
    record: dict[str, Any] = {
        "trials": len(findings),
        "pay": sum(finding.pays for finding in findings),
        "pay_by_exploit": dict(Counter(finding.exploit for finding in findings if finding.pays)),
        "unusable": unusable,
        "findings": [{**asdict(finding), "pays": finding.pays} for finding in findings],
    }
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
