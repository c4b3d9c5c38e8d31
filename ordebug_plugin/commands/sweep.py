"""``ordebug sweep``: SFT, its figures, a short GRPO and its result, for each point of a sweep."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ordebug_plugin.commands.common import DONE, FINDINGS, LOG, RESULTS, Subparsers, print_json
from ordebug_plugin.errors import InputError, OrdebugError
from ordebug_plugin.files import held, make_folder, write_text
from ordebug_plugin.predict.checkpoint import TARGETS, read_checkpoint
from ordebug_plugin.predict.prediction import predict
from ordebug_plugin.predict.report import render_page
from ordebug_plugin.predict.sources import Sources, find_checkpoints
from ordebug_plugin.sweep.config import Point, Sweep, load_sweep
from ordebug_plugin.sweep.pipeline import POINTS, SHARED, Pipeline, shared_stages, write_datasets
from ordebug_plugin.sweep.programs import find_programs
from ordebug_plugin.sweep.runner import Told, interruptible, run_stages
from ordebug_plugin.sweep.stage import Stage
from ordebug_plugin.sweep.summary import Row, row_of, summary_markdown, summary_record
from ordebug_plugin.terminal import harmless

SUMMARY_JSON, SUMMARY_MD, PAGE = "summary.json", "summary.md", "summary.html"
# The stage that makes each figure of a point.
_FIGURES = {"sft": "training", "samples": "samples", "preflight": "preflight", "eval-grpo": "rl"}

Points = Sequence[tuple[Point, list[Stage]]]


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "sweep",
        "vary one setting: for each point SFT, its score, pass@k, held-out loss and reward spread, a short GRPO and "
        "its result; exit 1 where a point failed. The same command goes on after a kill; started twice, the two share "
        "the points",
        "ordebug sweep recipes/sweeps/epochs.yaml --out runs/epochs",
    )
    parser.add_argument("sweep", type=Path, metavar="SWEEP.yaml", help="recipes/sweeps has some")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the sweep")
    parser.add_argument(
        "--only", nargs="+", metavar="POINT", help="only these points: a setting, or setting-sSEED, as --dry-run lists"
    )
    parser.add_argument("--dry-run", action="store_true", help="print every command, and run none")
    parser.add_argument("--llamafactory", type=Path, metavar="FILE", help="llamafactory-cli, where it is not found")
    parser.add_argument("--swift", type=Path, metavar="FILE", help="swift of ms-swift, where it is not found")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON (--dry-run: the commands)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carries out a sweep, or the rest of it.

    Returns:
        0; 1 where a point failed, or is left to another process.

    Raises:
        InputError: The sweep cannot be used, a framework is not there, or the folder cannot be written.
    """
    sweep = load_sweep(options.sweep)
    out = options.out.resolve()
    programs = find_programs(options.llamafactory, options.swift)
    shared = shared_stages(sweep, out, programs)
    pipelines = [(point, Pipeline(sweep, point, out, programs, tuple(shared[-1:])).stages()) for point in sweep.points]
    chosen = _chosen(pipelines, options.only)
    if options.dry_run:
        _print_commands(shared, chosen, as_json=options.json)
        return DONE
    if sweep.never_run:
        LOG.print(f"{options.sweep}: nobody here has run this sweep; its commands were only parsed")
    make_folder(out)
    write_text(out / options.sweep.name, options.sweep.read_text(encoding="utf-8"))
    told = Told(_tell_begin, lambda _: None)
    failed: list[str] = []
    elsewhere: list[str] = []
    unreadable: dict[str, str] = {}
    with interruptible():
        if shared:
            LOG.print("what all points share (where another process is making it, this one waits)")
            write_datasets(sweep, out)
            run_stages(out / SHARED, shared, told, sweep.environment, wait=True)
        for place, (point, stages) in enumerate(chosen, 1):
            LOG.print(f"{point.name} ({place} of {len(chosen)})")
            try:
                if not run_stages(out / POINTS / point.name, stages, told, sweep.environment, wait=False):
                    elsewhere.append(point.name)
                    LOG.print("  another process is at it")
            except OrdebugError as error:
                failed.append(point.name)
                LOG.print(f"  {error}")
            unreadable = _write_summary(sweep, out, pipelines)
    for name, why in unreadable.items():
        LOG.print(f"{name} is not in the summary: {why}")
    failed += [name for name in unreadable if name not in failed]
    return _tell_end(options, out, failed, elsewhere)


def _chosen(pipelines: Points, only: Sequence[str] | None) -> Points:
    if only is None:
        return pipelines
    names = {name for point, _ in pipelines for name in (point.name, point.setting)}
    for name in only:
        if name not in names:
            raise InputError(f"there is no point {name}: there are {', '.join(point.name for point, _ in pipelines)}")
    return [(point, stages) for point, stages in pipelines if point.name in only or point.setting in only]


def _print_commands(shared: Sequence[Stage], chosen: Points, *, as_json: bool) -> None:
    groups = [(SHARED, shared), *((point.name, stages) for point, stages in chosen)]
    if as_json:
        print_json(
            {
                name: [
                    {"stage": stage.name, "command": list(stage.command), "done": stage.is_done()} for stage in stages
                ]
                for name, stages in groups
            }
        )
        return
    for name, stages in groups:
        RESULTS.print(f"{name}:")
        for stage in stages:
            mark = "done" if stage.is_done() else "to do"
            RESULTS.print(f"  {stage.name} ({mark}): {shlex.join(stage.command) or 'in this process'}")


def _tell_begin(stage: Stage) -> None:
    LOG.print(f"  {time.strftime('%H:%M:%S')} {stage.name}; its output: {stage.log}")


def _write_summary(sweep: Sweep, out: Path, pipelines: Points) -> dict[str, str]:
    """Writes the summary of what is there, that of other processes included.

    Returns:
        Points whose figures cannot be read, and why: the others are not to wait for them.
    """
    with held(out, wait=True):  # two processes that end at the same time would write over each other
        rows, checkpoints = [], []
        for point, stages in pipelines:
            try:
                row = row_of(point, stages)
                if "eval-sft" not in row.left:
                    checkpoints.append(read_checkpoint(_finished(row, out / POINTS / point.name)))
            except OrdebugError as error:
                row = Row(point, {}, (), unreadable=str(error))
            rows.append(row)
        prediction = None
        if checkpoints:
            prediction = predict(checkpoints, target=TARGETS[0])
            write_text(out / PAGE, render_page(prediction))
        record = summary_record(sweep, rows, prediction)
        write_text(out / SUMMARY_JSON, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        write_text(out / SUMMARY_MD, summary_markdown(sweep, rows, prediction))
    return {row.point.name: row.unreadable for row in rows if row.unreadable is not None}


def _finished(row: Row, folder: Path) -> Sources:
    """The figures of a point whose stages are done: what another process is writing is no figure yet."""
    (found,) = find_checkpoints([folder])
    left = {field: None for stage, field in _FIGURES.items() if stage in row.left}
    return replace(found, **left)  # type: ignore[arg-type]


def _tell_end(options: argparse.Namespace, out: Path, failed: Sequence[str], elsewhere: Sequence[str]) -> int:
    if options.json:
        print_json(json.loads((out / SUMMARY_JSON).read_text(encoding="utf-8")))
    else:
        print(harmless((out / SUMMARY_MD).read_text(encoding="utf-8")), end="")
    LOG.print(f"wrote {out / SUMMARY_JSON}, {SUMMARY_MD} and, where a point was measured, {PAGE}")
    if failed:
        LOG.print(f"failed: {', '.join(failed)}. Mend the cause; the same command goes on from there")
    if elsewhere:
        LOG.print(f"with other processes: {', '.join(elsewhere)}")
    return FINDINGS if failed or elsewhere else DONE
