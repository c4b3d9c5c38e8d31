"""``ordebug data verify``: what do demonstrations prove?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_system_option,
    add_work_limit_option,
    add_workers_option,
    positive,
    progress,
    system_prompt,
    workers,
)
from ordebug_plugin.data.alpaca import ROWS_KEY
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import check_writable, write_text
from ordebug_plugin.verify.data_report import data_record, data_tables, verdict_table
from ordebug_plugin.verify.dataset import DatasetCheck, measure_all, replay_all
from ordebug_plugin.verify.length import DEFAULT_CUTOFF, Ruler
from ordebug_plugin.verify.matching import match_prompts, match_rows
from ordebug_plugin.verify.page import render_page
from ordebug_plugin.verify.quality import dimensions


def add_parser(group: Subparsers) -> None:
    """Adds the command."""
    parser = group.add(
        "verify",
        "replay every demonstration through the judge; exit 1 unless each is well-formed, and repairs or helps",
        "ordebug data verify data/sft_train.json --bench bench/train --keep data/sft_proven.json --page quality.html",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="IN.json",
        help='Alpaca rows or conversations ("messages", "conversations"): a list, or {"data": […]}, or .jsonl',
    )
    parser.add_argument("--bench", type=Path, required=True, metavar="DIR", help="the problems that the rows are about")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure, and what came of every row")
    parser.add_argument(
        "--page", type=Path, metavar="FILE.html", help="write a page to read, with examples of findings"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="OUT.json",
        help="write the rows that are well-formed and recover or, with one answer to learn, are a useful step (a new "
        "look, less to repair, a wrong edit taken back), unchanged; with --tokenizer only those that fit",
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        metavar="MODEL_DIR",
        help="measure training examples with the tokenizer and chat template in this folder; longer ones are findings",
    )
    parser.add_argument(
        "--cutoff-len",
        type=positive,
        default=DEFAULT_CUTOFF,
        metavar="N",
        help="tokens after which training cuts an example (default %(default)s, as in recipes/sft.yaml)",
    )
    add_system_option(parser)
    add_work_limit_option(parser)
    add_workers_option(parser)
    parser.set_defaults(run=run_verify)


def run_verify(options: argparse.Namespace) -> int:
    """Verifies a file.

    Returns:
        0 when every row is proven and, where that was measured, fits; 1 when one does not.

    Raises:
        InputError: The file, the benchmark or the tokenizer cannot be used, or an output not be written.
        SolverError: Gurobi cannot start.
    """
    _check_outputs(options)
    check = match_rows(options.source, options.bench)
    if options.tokenizer is not None:
        ruler = Ruler(options.tokenizer, system=system_prompt(options))
        check = measure_all(check, ruler, options.tokenizer.name, options.cutoff_len)
    check = match_prompts(check, workers=workers(options), work_limit=options.work_limit)
    with progress("problems", len(check.problems)) as advance:
        check = replay_all(
            check,
            workers=workers(options),
            work_limit=options.work_limit,
            on_progress=lambda: advance(""),
        )
    quality = dimensions(check)
    for table in (*data_tables(check, quality), verdict_table(quality)):
        RESULTS.print(table)
    for reason, count in check.unjudged.items():
        LOG.print(f"{count} rows not judged: {reason}")
    if options.json is not None:
        record = json.dumps(data_record(check, quality), indent=1, ensure_ascii=False, allow_nan=False)
        write_text(options.json, record + "\n")
    if options.page is not None:
        write_text(options.page, render_page(check, quality))
    if options.keep is not None:
        _keep(check, options.keep)
    return DONE if len(check.kept) == len(check.rows) else FINDINGS


def _check_outputs(options: argparse.Namespace) -> None:
    """Finds out what is wrong with the names of the outputs before the work."""
    if options.keep is not None and options.keep.suffix != ".json":
        raise InputError(f"{options.keep}: name the rows to keep *.json")
    outputs = [path for path in (options.keep, options.json, options.page) if path is not None]
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise InputError("two outputs have the same name: give each of --keep, --json and --page a name of its own")
    for path in outputs:
        if path.resolve() == options.source.resolve():
            raise InputError(f"{options.source}: would be overwritten: choose another name for the output")
        check_writable(path)


def _keep(check: DatasetCheck, target: Path) -> None:
    """Writes the rows that can be trained on as they are, in a document where the source is one."""
    rows = list(check.kept)
    if not rows:
        raise InputError(f"{target} not written: not one row of {check.source} is proven")
    document = {"metadata": dict(check.file.metadata), ROWS_KEY: rows} if check.file.metadata else rows
    write_text(target, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    fit = " and fit" if check.lengths is not None else ""
    LOG.print(f"{len(rows)} of {len(check.rows)} rows are proven{fit}, and written to {target}")
