"""What Gurobi says while it reads a model file reaches the person who wrote it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.solver import reading_messages
from tests.toys import CONFLICT, FEASIBLE

# A name that begins with a digit is no product: the row `low` asks for nothing of x.
PRODUCT = FEASIBLE.replace("low: x", "low: 2*x")
WARNING = "Warning: Numeric variable name in LP file ('2*x')"


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_file_that_cannot_be_read_is_told_with_the_line_and_what_stands_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "m.lp", CONFLICT.replace("Subject To\n", ""))
    good = write(tmp_path, "good.lp", CONFLICT)
    for arguments in (["repair", path, "--out", str(tmp_path / "r.lp")], ["judge", good, path], ["judge", path, good]):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert f"{path}: Gurobi cannot read this model file: Error reading LP format at line 4; Malformed term" in error
        assert 'Neighboring tokens: " + y low: x >= 5 high: x "' in error
    assert main(["bench", "import", path, good, str(tmp_path / "bench")]) == 1
    assert "at line 4; Malformed term" in capsys.readouterr().err


def test_a_file_that_is_not_utf_8_is_told_in_a_line(tmp_path: Path) -> None:
    """In a process of its own: what gurobipy prints by itself goes past pytest."""
    rows = b"NAME x\nROWS\n N obj\n G c1\nCOLUMNS\n x obj 1\n x c\xff1 1 q\xfe\nENDATA\n"
    (tmp_path / "bad.mps").write_bytes(rows)
    code = "import sys; from ordebug_plugin.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "eval", "bad.mps", "--agent", "drop-first", "--out", "run"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "cannot read this model file: 1: Error at line 7:; x c?1 1 q?" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(("name", "text"), [("a.lp", CONFLICT), ("a.mps", "NAME\nROWS\n N o\nENDATA\n")])
def test_a_byte_order_mark_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str) -> None:
    path = write(tmp_path, name, f"\ufeff{text}")
    assert main(["repair", path, "--out", str(tmp_path / "r.lp")]) == 2
    assert "a byte order mark (EF BB BF), which Gurobi cannot read: save it as UTF-8 without; Error" in (
        capsys.readouterr().err
    )


def test_warnings_are_said_by_every_command_that_takes_models_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, good = write(tmp_path, "m.lp", PRODUCT), write(tmp_path, "good.lp", CONFLICT)
    assert main(["repair", path, "--out", str(tmp_path / "r.lp")]) == 2
    assert WARNING in capsys.readouterr().err
    main(["judge", good, path, "--original", path])
    assert capsys.readouterr().err.count(WARNING) == 2
    assert main(["bench", "import", path, good, str(tmp_path / "bench")]) == 0
    assert WARNING in capsys.readouterr().err
    curved = write(tmp_path, "q.lp", PRODUCT.replace("End", " round: [ x ^2 ] <= 4\nEnd"))
    assert main(["bench", "import", curved, str(tmp_path / "none")]) == 2
    assert WARNING in capsys.readouterr().err


def test_messages_are_a_line_each_and_news_alone(tmp_path: Path) -> None:
    rows = "NAME T\nROWS\n N obj\n L c\nCOLUMNS\n x obj 1 c 1\n x c 2\n x d 2\nRHS\n r c 1\nENDATA\n"
    found = reading_messages(Path(write(tmp_path, "m.mps", rows)))
    assert [message.split(" ", 3)[:3] for message in found] == [
        ["Warning:", "duplicate", "nonzeros"],
        ["Warning:", "row", "name"],
    ]
    assert reading_messages(Path(write(tmp_path, "good.lp", CONFLICT))) == ()
    (message,) = reading_messages(Path(write(tmp_path, "m.lp", PRODUCT)))
    assert message.startswith(WARNING)
    assert message.endswith("left-hand side of a constraint.")


def test_an_empty_file_is_no_feasible_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "m.lp", "")
    assert main(["repair", path, "--out", str(tmp_path / "r.lp")]) == 2
    error = capsys.readouterr().err
    assert "no row and no variable" in error
    assert "feasible" not in error
    assert main(["bench", "import", path, str(tmp_path / "bench")]) == 2
    assert "no row and no variable" in capsys.readouterr().err
