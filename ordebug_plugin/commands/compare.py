"""``ordebug compare``: runs on the same problems, side by side."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from ordebug_plugin.commands.common import DONE, FINDINGS, LOG, RESULTS, Subparsers, print_json, progress
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.comparison import comparison_record, load_comparison
from ordebug_plugin.evaluate.latex import render_latex
from ordebug_plugin.evaluate.markdown import render_markdown
from ordebug_plugin.evaluate.page import render_page
from ordebug_plugin.evaluate.table import comparison_tables, paired_table
from ordebug_plugin.files import check_writable, write_text

_STDOUT = Path("-")


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "compare",
        "put runs side by side, and test each against the one before it on the problems they share",
        "ordebug compare runs/base runs/sft runs/drop-first --page compare.html",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders written by `ordebug eval`")
    parser.add_argument(
        "--note",
        action="append",
        default=[],
        metavar="RUN=TEXT",
        help="what a reader must know of a run; it stands in captions and headers (may be given for each run)",
    )
    parser.add_argument(
        "--json",
        type=Path,
        nargs="?",
        const=_STDOUT,
        metavar="FILE",
        help="write every figure as JSON; without FILE print JSON instead of tables",
    )
    parser.add_argument("--md", type=Path, metavar="FILE", help="write tables and verdicts as Markdown")
    parser.add_argument(
        "--latex", type=Path, metavar="FILE", help="write the published table (booktabs); its caption names the runs"
    )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE.html",
        help="write one page to send: tables, plots, and every episode turn by turn; it works offline",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compares two or more runs.

    Returns:
        0, or 1 when a run is incomplete or lost episodes to infrastructure.

    Raises:
        InputError: A folder holds no run, two runs share no problem, there are fewer than two, or an output cannot be
            written.
    """
    if len(options.runs) < 2:
        raise InputError("compare needs at least two runs")
    _check_outputs(options)
    remarks = dict(_remark(text) for text in options.note)
    with progress("figures and tests", 3 * len(options.runs) - 3) as advance:
        comparison = load_comparison(options.runs, advance, remarks)
    for note in comparison.notes:
        LOG.print(f"note: {note}")
    record = comparison_record(comparison)
    if options.json == _STDOUT:
        print_json(record)
    else:
        for table in comparison_tables(comparison.summaries, RESULTS.width):
            RESULTS.print(table)
        for pairing in comparison.pairings:
            names = (pairing.first, pairing.second)
            RESULTS.print(paired_table(names, pairing.overall, pairing.shared, RESULTS.width))
    if options.json not in (None, _STDOUT):
        _write(options.json, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if options.md is not None:
        _write(options.md, render_markdown(comparison))
    if options.latex is not None:
        _write(options.latex, render_latex(comparison))
    if options.page is not None:
        _write(options.page, render_page(comparison))
    return FINDINGS if comparison.incomplete else DONE


def _remark(text: str) -> tuple[str, str]:
    name, found, said = text.partition("=")
    if not found or not said.strip():
        raise InputError(f"--note {text!r}: write RUN=TEXT, with the name of a run as the tables have it")
    return name, said.strip().removesuffix(".")


def _outputs(options: argparse.Namespace) -> Iterator[Path]:
    for path in (options.json, options.md, options.latex, options.page):
        if path is not None and path != _STDOUT:
            yield path


def _check_outputs(options: argparse.Namespace) -> None:
    """Finds out what is wrong with the names of the outputs before the work."""
    outputs = list(_outputs(options))
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise InputError("two outputs have the same name: give each of --json, --md, --latex and --page its own")
    folders = {folder.resolve() for folder in options.runs}
    for path in outputs:
        if path.resolve().parent in folders:
            raise InputError(f"{path}: lies in the folder of a run: write it elsewhere, so that runs stay as they are")
        check_writable(path)


def _write(path: Path, text: str) -> None:
    write_text(path, text)
    size = path.stat().st_size
    LOG.print(f"wrote {path} ({size / 1e6:.1f} MB)" if size >= 1e6 else f"wrote {path} ({size / 1e3:.0f} kB)")
