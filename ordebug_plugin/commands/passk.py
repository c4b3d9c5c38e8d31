"""``ordebug passk``: how often one of k samples succeeds."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from ordebug_plugin.commands.common import DONE, FINDINGS, LOG, RESULTS, Subparsers, positive, print_json
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.samples import SUCCESSES, Samples, count_samples
from ordebug_plugin.pass_at_k import KS
from ordebug_plugin.statistics import Estimate, null_for_nan


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "passk",
        "pass@k by the unbiased estimator, from runs with many samples of each problem",
        "ordebug eval bench/val --base-url URL --model sft --samples 256 --temperature 1 --max-steps 1 --out runs/k256 "
        "--resume && ordebug passk runs/k256",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of `ordebug eval … --samples K`")
    parser.add_argument(
        "--success",
        choices=list(SUCCESSES),
        action="append",
        help="what counts as a success; may be given several times (default rr@1, hit, and preserved, which is "
        "preservation ≥ .999)",
    )
    parser.add_argument("--k", type=positive, nargs="+", metavar="K", help="default 1, 2, 4, … up to the samples")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Counts and estimates.

    Returns:
        0; 1 where samples are missing, or problems have unequal numbers of them, so that not all count at every k.

    Raises:
        InputError: A folder holds no run, or fewer samples than a k asks for.
    """
    successes = options.success or ["rr@1", "hit", "preserved"]
    counted = [count_samples(folder) for folder in options.runs]
    records = []
    for samples in counted:
        ks = options.k or [k for k in KS if k <= samples.most]
        if max(ks) > samples.most:
            raise InputError(f"{samples.run} has {samples.most} samples of a problem: pass@{max(ks)} needs more")
        if options.json:
            records.append(_record(samples, successes, ks))
        else:
            RESULTS.print(_table(samples, successes, ks))
        if samples.least < samples.most:
            LOG.print(
                f"{samples.run}: problems have {samples.least} to {samples.most} samples; at each k only those with "
                "enough count. `ordebug eval … --resume` completes a run"
            )
        if samples.missing:
            LOG.print(f"{samples.run} is incomplete, {samples.missing} samples are missing")
    if options.json:
        print_json(records)
    return FINDINGS if any(samples.least < samples.most or samples.missing for samples in counted) else DONE


def _record(samples: Samples, successes: Sequence[str], ks: Sequence[int]) -> dict[str, Any]:
    return {
        "run": str(samples.run),
        "temperature": samples.temperature,
        "samples": [samples.least, samples.most],
        "missing": samples.missing,
        "pass": {name: {str(k): null_for_nan(asdict(samples.estimate(name, k))) for k in ks} for name in successes},
    }


def _table(samples: Samples, successes: Sequence[str], ks: Sequence[int]) -> Table:
    at = "" if samples.temperature is None else f", temperature {samples.temperature:g}"
    table = Table(title=f"{samples.run}: {samples.most} samples of a problem{at}", title_justify="left")
    table.add_column("k", justify="right")
    for name in successes:
        table.add_column(f"pass@k, {name}", justify="right", no_wrap=True)
    for k in ks:
        table.add_row(str(k), *(_cell(samples.estimate(name, k)) for name in successes))
    return table


def _cell(estimate: Estimate) -> str:
    if estimate.n == 0:
        return "–"
    interval = "" if math.isnan(estimate.low) else f" [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
    return f"{100 * estimate.value:.1f}%{interval}"
