"""Tables in terminals of any width: a figure that lacks its last digits is another figure, so nothing is cropped."""

import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from ordebug_plugin.cli import main
from ordebug_plugin.evaluate.comparison import load_comparison
from ordebug_plugin.evaluate.run import load_run
from ordebug_plugin.evaluate.table import comparison_tables, measures, paired_table, run_tables
from ordebug_plugin.metrics import Summary, summarize
from tests.toys import CONFLICT

TYPES = [f"{noun} fault" for noun in ("a", "bound", "capacity", "contradiction", "demand", "double", "flipped")]
TYPES += [f"{noun} of a very long name" for noun in ("g", "h", "i", "j", "k", "l", "m")]
WIDTHS = (80, 100, 120, 140)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four runs on problems of 14 fault types."""
    folder = tmp_path_factory.mktemp("runs")
    bench = folder / "bench"
    bench.mkdir()
    records = []
    for number in range(28):
        (bench / f"{number}.lp").write_text(CONFLICT.replace("x <= 2", f"x <= {number / 8 - 2}"))
        records.append({"problem_id": f"p{number}", "model_file": f"{number}.lp", "error_type": TYPES[number % 14]})
    (bench / "dataset.json").write_text(json.dumps({"problems": records}))
    found = []
    for agent in ("drop-first", "relax-first", "oracle", "random"):
        found.append(folder / f"{agent}_with_a_long_name")
        assert main(["eval", str(bench), "--agent", agent, "--out", str(found[-1])]) == 0
    return found


@pytest.fixture(scope="module")
def summary(folders: list[Path]) -> Summary:
    return summarize(load_run(folders[3])[1], 20)


def _lines(tables: list[RenderableType], width: int) -> list[str]:
    shown = io.StringIO()
    console = Console(file=shown, width=width, soft_wrap=True, markup=False, highlight=False)
    for table in tables:
        console.print(table)
    return shown.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_fourteen_fault_types_crop_nothing(summary: Summary, width: int) -> None:
    lines = _lines([*run_tables("a run", summary, width)], width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "…" not in text
    for measure in measures([summary]):
        figure = summary.metrics[measure.name]
        (row,) = [line for line in lines if line.startswith(f"│ {measure.heading} ")]
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert cells[1] == measure.value(figure)
        assert " ".join(cells[1:3]).strip() == measure.both(figure)
    for label in TYPES:
        start = label[:17].strip()
        (row,) = [line for line in lines if line.startswith(f"│ {start} ")]
        assert f" {100 * summary.by_type[label]['rr@1'].value:.1f}% " in row


def test_few_fault_types_stand_beside_the_figures(summary: Summary) -> None:
    few = Summary(summary.n, summary.outcomes, summary.metrics, dict(list(summary.by_type.items())[:2]))
    (table,) = run_tables("a run", few, 100)
    assert [column.header for column in table.columns][3:] == list(few.by_type)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [2, 4])
def test_runs_side_by_side_crop_nothing(folders: list[Path], width: int, n: int) -> None:
    comparison = load_comparison(folders[:n])
    lines = _lines([*comparison_tables(comparison.summaries, width)], width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    for run in comparison.runs:
        for measure in measures([run.summary]):
            for part in measure.both(run.summary.metrics[measure.name]).split(" ", 1):
                assert part in text
    pairing = comparison.pairings[0]
    names = (pairing.first, pairing.second)
    lines = _lines([paired_table(names, pairing.overall, pairing.shared, width)], width)
    assert max(map(len, lines[1:])) <= width  # a title is wrapped by the terminal
    assert "…" not in "\n".join(lines)
    assert "on 28 shared problems" in " ".join(" ".join(lines).split())
    assert " ".join(" ".join(lines).split()).count("not") == sum(
        not pair.separable for pair in pairing.overall if pair.difference.n
    )


def test_two_runs_stand_side_by_side_in_eighty_columns(folders: list[Path]) -> None:
    assert len(comparison_tables(load_comparison(folders[:2]).summaries, 80)) == 1
    assert len(comparison_tables(load_comparison(folders).summaries, 80)) == 2


def test_in_a_real_terminal_of_eighty_columns(folders: list[Path], summary: Summary) -> None:
    """What `ordebug score` shows where stdout is a terminal, whose width rich asks for."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 80))
    command = [sys.executable, "-m", "ordebug_plugin.cli", "score", str(folders[3])]
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how a terminal ends whose other side is closed
                break
            if not piece:
                break
            shown += piece
        assert process.wait() == 0
    os.close(ours)
    rate = f"{100 * summary.metrics['rr@1'].value:.1f}%"
    assert re.search(rf"│ RR@1 +│ +{re.escape(rate)} │", shown.decode())
