"""``ordebug predict``: which SFT checkpoint to give to reinforcement learning."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from ordebug_plugin.commands.common import DONE, FINDINGS, LOG, RESULTS, Subparsers, print_json, progress
from ordebug_plugin.evaluate.samples import SUCCESSES
from ordebug_plugin.files import write_text
from ordebug_plugin.predict.checkpoint import TARGETS, read_checkpoint
from ordebug_plugin.predict.prediction import Prediction, predict, prediction_record
from ordebug_plugin.predict.report import (
    FIT_HEADINGS,
    about_fits,
    checkpoint_table,
    fit_rows,
    render_markdown,
    render_page,
)
from ordebug_plugin.predict.sources import find_checkpoints


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "predict",
        "rank SFT checkpoints by what predicts the result of reinforcement learning, and where results are measured, "
        "say what each predictor is worth beside the SFT score alone; exit 1 where figures are missing",
        "ordebug predict runs/epochs --page predict.html",
    )
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUNS",
        help="folders of `ordebug sweep`, or of checkpoints in its layout, or a table (YAML or JSON) that says for "
        "each checkpoint where its name, eval, samples, training or loss, preflight, rl and other figures are",
    )
    parser.add_argument("--target", choices=TARGETS, default=TARGETS[0], help="what is predicted (default %(default)s)")
    parser.add_argument(
        "--success",
        choices=list(SUCCESSES),
        default="preserved",
        help="what pass@k counts (default %(default)s: preservation of at least .999)",
    )
    parser.add_argument(
        "--by",
        metavar="NAME",
        help="predictor to rank by, as pass@64 (default pass@1 of samples or loss, as all or most have)",
    )
    parser.add_argument("--md", type=Path, metavar="FILE.md", help="write it as Markdown")
    parser.add_argument("--page", type=Path, metavar="FILE.html", help="write one self-contained page with plots")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predicts.

    Returns:
        0; 1 where a checkpoint lacks the figure it is ranked by, or a run is incomplete.

    Raises:
        InputError: A path holds no checkpoint, or a file of one cannot be read.
    """
    found = find_checkpoints(options.runs)
    checkpoints = []
    with progress("checkpoints", len(found)) as advance:
        for sources in found:
            checkpoints.append(read_checkpoint(sources, target=options.target, success=options.success))
            advance(sources.name)
    prediction = predict(checkpoints, target=options.target, by=options.by)
    if options.json:
        print_json(prediction_record(prediction))
    else:
        _print(prediction)
    if options.md is not None:
        write_text(options.md, render_markdown(prediction))
        LOG.print(f"wrote {options.md}")
    if options.page is not None:
        write_text(options.page, render_page(prediction))
        LOG.print(f"wrote {options.page}")
    ranked = prediction.rankings[prediction.by].order
    incomplete = len(ranked) < len(checkpoints) or any(one.incomplete for one in checkpoints)
    return FINDINGS if incomplete else DONE


def _print(prediction: Prediction) -> None:
    headings, rows = checkpoint_table(prediction)
    RESULTS.print(_table("checkpoints, the most promising first", headings, rows))
    if prediction.fits:
        rows = fit_rows(prediction.fits)
        RESULTS.print(_table("what predicts the outcome", FIT_HEADINGS[:-1], [row[:-1] for row in rows]))
        RESULTS.print(f"{about_fits(prediction)}.")
        for row in rows:
            RESULTS.print(f"  {row[0]}: {row[-1]}")
    for note in prediction.notes:
        RESULTS.print(f"note: {note}")
    RESULTS.print(prediction.recommendation)


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table
