"""Licences by configuration: what is asked is what was set, no secret is shown, and no server is waited for."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.errors import InputError, SolverError
from ordebug_plugin.guarded import GuardedJudge
from ordebug_plugin.solver import Judge
from ordebug_plugin.solver.configuration import configuration
from tests.conftest import free_port
from tests.served import write_bench

SECRET = "sekrit-9f3b"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GRB_LICENSE_FILE", "ORDEBUG_GUROBI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield listener.getsockname()[1]


def licence(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder / "own.lic"
    path.write_text(text)
    monkeypatch.setenv("GRB_LICENSE_FILE", str(path))
    return path


def parameters(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder / "gurobi.prm"
    path.write_text(text)
    monkeypatch.setenv("ORDEBUG_GUROBI", str(path))
    return path


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ComputeServer 10.1.2.3:61000\nServerPassword {s}\n", "a compute server at 10.1.2.3:61000"),
        ("CSManager=http://m:1\nCSAPIAccessID={s}\nCSAPISecret={s}2\n", "a compute server at http://m:1"),
        ("TokenServer 10.1.2.3\nTSPort 41954\n", "a token server at 10.1.2.3"),
        ("WLSAccessID {s}\nWLSSecret {s}2\nLicenseID 77\n", "the Web License Service (WLS)"),
        ("CloudAccessID {s}\nCloudSecretKey {s}2\n", "Gurobi Instant Cloud"),
        ("# memory alone\n\nSoftMemLimit 4\n", "the licence inside gurobipy's own wheel"),
    ],
)
class TestKinds:
    def test_in_a_file_of_parameters(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: str
    ) -> None:
        parameters(tmp_path, text.format(s=SECRET), monkeypatch)
        assert configuration().kind == kind

    def test_in_the_environment(self, monkeypatch: pytest.MonkeyPatch, text: str, kind: str) -> None:
        for line in text.format(s=SECRET).splitlines():
            if line and not line.startswith("#"):
                name, value = line.replace("=", " ").split(maxsplit=1)
                monkeypatch.setenv(f"GRB_{name.upper()}", value)
        assert configuration().kind == kind

    def test_in_a_licence_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: str) -> None:
        if "SoftMemLimit" in text:
            text, kind = "TYPE=NODE\n", f"the licence file {tmp_path / 'own.lic'}"
        lines = text.format(s=SECRET).replace(" ", "=").upper().replace("HTTP://M:1", "http://m:1")
        licence(tmp_path, lines, monkeypatch)
        assert configuration().kind == kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Presolve 0\n", r"gurobi\.prm, line 1: a licence parameter"),
        (f"WLSSecret {SECRET}\nWLSecret {SECRET}\n", r"line 2: a licence parameter"),
        (f"{SECRET}\n", r"line 1: a licence parameter"),
        ("MemLimit much\n", r"line 1: MemLimit must be a number"),
    ],
)
def test_what_would_change_answers_or_is_unknown_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    parameters(tmp_path, text, monkeypatch)
    with pytest.raises(InputError, match=message) as caught:
        Judge()
    assert SECRET not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDEBUG_GUROBI", str(tmp_path / "none.prm"))
    with pytest.raises(InputError, match=r"none\.prm \(ORDEBUG_GUROBI\) cannot be read"):
        Judge()


REFUSED = [
    "ComputeServer 127.0.0.1:{port}\nServerPassword {s}\n",
    "CSManager http://127.0.0.1:{port}\nCSAPIAccessID {s}\nCSAPISecret {s}2\n",
    "TokenServer 127.0.0.1\nTSPort {port}\n",
]


@pytest.mark.parametrize("text", REFUSED)
class TestRefused:
    """A connection that is refused, on a port where nobody listens."""

    def test_every_command_fails_as_infrastructure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bench = write_bench(tmp_path / "bench", 2)
        port = free_port()
        parameters(tmp_path, text.format(port=port, s=SECRET), monkeypatch)
        out = tmp_path / "run"
        commands = [
            ["eval", str(bench), "--agent", "drop-first", "--out", str(out)],
            ["bench", "check", str(bench)],
            ["repair", str(bench / "0.lp"), "--out", str(tmp_path / "repaired.lp")],
        ]
        for command in commands:
            assert main(command) == 3
            said = capsys.readouterr()
            assert "Gurobi cannot start with" in said.err
            assert "0/2" not in said.err  # no bar of work that never began
            assert "127.0.0.1" in said.err
            assert SECRET not in said.err + said.out
        assert not any(
            SECRET in path.read_text() for path in tmp_path.rglob("*") if path.is_file() and path.parent == out
        )

    def test_the_doctor_says_which_and_no_secret(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        parameters(tmp_path, text.format(port=free_port(), s=SECRET), monkeypatch)
        assert main(["doctor", "--json"]) == 1
        said = capsys.readouterr().out
        (gurobi,) = (line for line in json.loads(said) if line["subject"] == "Gurobi")
        assert gurobi["state"] == "broken"
        assert " server at " in gurobi["detail"]
        assert "Check what is set here, ORDEBUG_GUROBI: " in gurobi["detail"]
        assert "ordebug doctor" not in gurobi["detail"]
        assert SECRET not in said


def test_a_secret_in_what_gurobi_says_is_blotted_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it names the address, which is made to hold the secret."""
    licence(tmp_path, f"COMPUTESERVER={SECRET}.invalid:1\nPASSWORD={SECRET}\n", monkeypatch)
    with pytest.raises(SolverError) as caught:
        Judge()
    assert SECRET not in str(caught.value).split(": ", 1)[1]
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("text", ["ComputeServer 127.0.0.1:{port}\n", "TokenServer 127.0.0.1\nTSPort {port}\n"])
def test_a_server_that_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters(tmp_path, text.format(port=silent), monkeypatch)
    monkeypatch.setenv("ORDEBUG_HANG", "1")
    began = time.monotonic()
    with pytest.raises(SolverError, match="Gurobi did not start within 1 s"):
        GuardedJudge()
    assert main(["doctor", "--json"]) == 1
    said = capsys.readouterr().out
    assert "did not start within 1 s, with a " in said
    assert "server at 127.0.0.1" in said
    assert "ordebug doctor" not in said
    assert main(["eval", str(write_bench(tmp_path / "b", 1)), "--agent", "random", "--out", str(tmp_path / "r")]) == 3
    assert "did not start within 1 s" in capsys.readouterr().err
    assert time.monotonic() - began < 60
