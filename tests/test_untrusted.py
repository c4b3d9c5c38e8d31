"""Attacks by what others write: names, model files, answers and replies of servers, each carried out for real."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.actions import parse_answer
from ordebug_plugin.cli import main
from ordebug_plugin.commands.common import print_json, progress
from ordebug_plugin.errors import InputError, ProblemError
from ordebug_plugin.evaluate import latex, markdown
from ordebug_plugin.problem import load_benchmark, load_problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.sweep.config import load_sweep
from ordebug_plugin.tasks import load_task
from ordebug_plugin.terminal import SafeConsole
from tests.conftest import REPO
from tests.test_chat import completion, evaluate, server
from tests.toys import CONFLICT, RANGES, answer

STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\rspoofed \u202egnp.exe[bold red]\x1b]8;;http://evil\x1b\\"


def bench_of(folder: Path, **record: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "toy.lp").write_text(CONFLICT)
    (folder / "dataset.json").write_text(
        json.dumps({"problems": [{"problem_id": "toy", "model_file": "toy.lp", **record}]})
    )
    return folder


class TestModelFiles:
    @pytest.mark.parametrize(
        "name", ["$(touch owned).lp.gz", "`touch owned`.mps.gz", '"; touch owned; ".lp.gz', "a;touch owned;.lp.gz"]
    )
    def test_a_name_is_never_read_by_a_shell(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: Judge
    ) -> None:
        monkeypatch.chdir(tmp_path)
        text = CONFLICT if ".lp" in name else RANGES
        Path(name).write_bytes(gzip.compress(text.encode()))
        assert judge.shape(load_problem(Path(name))).rows
        assert main(["repair", name, "--out", "repaired.lp"]) in (0, 1, 2)
        assert not Path("owned").exists()

    def test_a_line_on_which_gurobi_dies_is_refused(self, tmp_path: Path) -> None:
        """In a process of its own: what is read here would end pytest."""
        path = tmp_path / "long.mps"
        path.write_text("A" * 600 + "\n")
        read = "import gurobipy, sys; gurobipy.read(sys.argv[1])"
        died = subprocess.run([sys.executable, "-c", read, str(path)], check=False, capture_output=True)
        assert died.returncode < 0, "Gurobi survives it now: the limit of solver.reading can go"
        with Judge() as judge, pytest.raises(ProblemError, match=r"long\.mps, line 1: longer than"):
            judge.shape(load_problem(path))

    @pytest.mark.parametrize("before", [0, 500, 1 << 20, (1 << 20) + 300])
    def test_a_long_line_is_found_wherever_it_stands(self, tmp_path: Path, before: int) -> None:
        """Files are read in pieces of a MiB; and a file may be exchanged after somebody has looked at its lines."""
        path = tmp_path / "long.mps"
        lines = ("*" * 99 + "\n") * (before // 100 + 1)
        path.write_text(lines[:before] + "\n" + "A" * 600)
        problem = load_problem(path)
        assert problem.short_lines is None
        path.write_text(lines)
        known = load_problem(path)
        assert known.short_lines is not None
        path.write_text(lines[:before] + "\n" + "A" * 600)  # another file by now
        for one in (problem, known):
            with Judge() as judge, pytest.raises(ProblemError, match=r"long\.mps, line \d+: longer than"):
                judge.shape(one)

    def test_a_bomb_is_refused_within_its_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.mps.gz"
        path.write_bytes(gzip.compress(bytes(100 << 20), compresslevel=1) * 11)
        said = limited("from ordebug_plugin.problem import load_problem; load_problem(Path(sys.argv[1]))", path)
        assert "holds more than 1024 MiB" in said

    def test_a_pipe_or_device_is_no_model(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.lp")
        (tmp_path / "zero.lp").symlink_to("/dev/zero")
        for name in ("pipe.lp", "zero.lp"):
            with pytest.raises(ProblemError, match="no ordinary file"):
                load_problem(tmp_path / name)

    @pytest.mark.parametrize("key", ["model_file", "specification_file"])
    def test_a_benchmark_names_files_of_its_own_folder_alone(self, key: str, tmp_path: Path) -> None:
        """What a benchmark names is put into prompts, and sent to a server."""
        secret = tmp_path / "secret.lp"
        secret.write_text(CONFLICT)
        bench = tmp_path / "bench"
        bench.mkdir()
        (bench / "link.lp").symlink_to(secret)
        (bench / "up").symlink_to(tmp_path)
        for name in ("../secret.lp", str(secret), "link.lp", "up/secret.lp", "a\0.lp", "\ud800.lp"):
            with pytest.raises(ProblemError, match=r"problems\[0\]"):
                load_benchmark(bench_of(bench, **{key: name}))

    def test_an_inline_model_stays_in_its_folder(self, tmp_path: Path) -> None:
        task = {"id": "a", "hash": "0", "error_type": None, "truth": None, "history": []}
        empty: dict[str, Any] = {"rows": [], "variables": [], "objective": None, "added_rows": [], "fix": []}
        target = tmp_path / "owned.lp"
        with pytest.raises(ProblemError):
            load_task(json.dumps({**task, "truth": empty, "name": str(target), "model": CONFLICT}))
        assert not target.exists()


def limited(code: str, *arguments: object) -> str:
    """What a program says that may take 1 GiB of memory and 120 s, and fails."""
    head = "import sys; from pathlib import Path; "
    done = subprocess.run(
        [sys.executable, "-c", head + code, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(REPO), "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)),
    )
    assert done.returncode == 1
    return done.stderr


class TestTerminal:
    def test_no_text_steers_it(self) -> None:
        shown = io.StringIO()
        console = SafeConsole(file=shown, force_terminal=True, width=200)
        console.print(STEERING, style="red")
        console.print(STEERING)
        text = shown.getvalue().replace("\x1b[31m", "").replace("\x1b[0m", "")  # rich's own
        assert not any(sign in text for sign in "\x1b\x07\x9b\r\u202e")
        assert "[bold red]" in text

    def test_json_says_the_same_without_them(self, capsys: pytest.CaptureFixture[str]) -> None:
        record = {"name": STEERING + "\ud800"}
        print_json(record)
        text = capsys.readouterr().out
        assert json.loads(text) == record
        assert not any(sign in text for sign in "\x1b\x07\x9b\u202e\ud800")

    def test_progress_reads_no_markup(self) -> None:
        with progress("[/]", 1) as advance:
            advance("[/red] [link=http://evil]x")

    def test_names_of_a_benchmark_and_answers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        bench = bench_of(tmp_path / "bench", problem_id=STEERING, error_type=STEERING, difficulty=STEERING)
        with server(lambda n, body: (200, completion(STEERING + answer("DROP_CONSTRAINT(high)")))) as (url, _):
            options = ["--base-url", url, "--model", "m", "--out", str(tmp_path / "run")]
            assert main(["eval", str(bench), *options]) == 0
        for command in (["score"], ["replay", "--bench", str(bench)]):
            main([command[0], str(tmp_path / "run"), *command[1:]])
        main(["eval", str(bench / "toy.lp"), *options[:4], "--out", str(tmp_path / f"{STEERING[:3]}x")])
        said = capsys.readouterr()
        assert not any(sign in said.out + said.err for sign in "\x1b\x07\x9b\u202e")


class TestTables:
    NAME = "a|b \\input{/etc/passwd} $x$ [y](javascript:z) <script> `c`\n\n# head\n| d |"

    def test_markdown(self) -> None:
        (line,) = markdown.markdown_table(["x"], [[markdown.escape(self.NAME)]])[2:]
        assert line.count("|") - line.count("\\|") == 2
        assert "\n" not in line
        assert "\\<script" in line
        assert "\\[y\\](" in line

    def test_latex(self) -> None:
        text = latex.escape(self.NAME + "^^5cinput")
        assert "\\input" not in text
        assert "\n" not in text
        assert "$x" not in text.replace("\\$", "")


class TestServer:
    def test_an_answer_without_end_is_cut(self, tmp_path: Path) -> None:
        """As fast as loopback carries it, without length, for as long as anybody listens."""
        sent = 0

        def endless() -> Iterator[bytes]:
            nonlocal sent
            while True:
                sent += 1 << 20
                yield b" " * (1 << 20)

        with server(lambda n, body: (200, endless())) as (url, requests):
            code, (episode,), _ = evaluate(tmp_path, url, "--timeout", "300", "--retries", "3")
        assert code == 4
        assert "longer than 32 MiB" in episode["error"]
        assert len(requests) == 1  # it is no passing failure
        assert sent < 100 << 20

    def test_a_packed_answer_is_cut_where_it_is_unpacked(self, tmp_path: Path) -> None:
        import http.server  # noqa: PLC0415
        import threading  # noqa: PLC0415

        bomb = gzip.compress(b" " * (512 << 20), compresslevel=9)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(json.dumps({"data": [{"id": "m"}]}).encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._send(bomb, packed=True)

            def _send(self, data: bytes, *, packed: bool = False) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                if packed:
                    self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{httpd.server_address[1]}/v1"
            code, (episode,), _ = evaluate(tmp_path, url, "--retries", "0")
        finally:
            httpd.shutdown()
        assert code == 4
        assert "longer than 32 MiB" in episode["error"]

    def test_what_a_redirection_holds_is_never_read(self, tmp_path: Path) -> None:
        """By either client: of `eval`, and of the commands that ask one question after the other."""
        sent = 0

        def large() -> Iterator[bytes]:
            nonlocal sent
            for _ in range(256):
                sent += 1 << 20
                yield b" " * (1 << 20)

        (tmp_path / "toy.lp").write_text(CONFLICT)
        with server(lambda n, body: (200, completion(answer("DROP_CONSTRAINT(high)")))) as (new, asked):
            to_new = {"Location": f"{new}/chat/completions"}
            with server(lambda n, body: (307, large()), headers=to_new) as (old, redirected):
                code, (episode,), _ = evaluate(tmp_path, old, "--timeout", "300")
                options = ["--base-url", old, "--model", "m", "--timeout", "300", "--retries", "0"]
                assert main(["repair", str(tmp_path / "toy.lp"), *options, "--out", str(tmp_path / "out.lp")]) == 0
        assert (code, episode["outcome"]) == (0, "recovered")
        assert len(asked) == len(redirected) >= 2
        assert sent < len(redirected) * (32 << 20)

    def test_redirections_in_a_circle_end(self, tmp_path: Path) -> None:
        there: list[str] = []
        with server(lambda n, body: (307, there[0])) as (url, requests):
            there.append(f"{url}/chat/completions")
            code, (episode,), _ = evaluate(tmp_path, url, "--retries", "0")
        assert (code, episode["outcome"]) == (4, None)
        assert len(requests) == 21  # twenty redirections, as in other clients

    def test_one_that_drips_forever_is_given_up_by_every_command(self, tmp_path: Path) -> None:
        def drip() -> Iterator[bytes]:
            while True:
                time.sleep(0.05)
                yield b" "

        (tmp_path / "toy.lp").write_text(CONFLICT)
        with server(lambda n, body: (200, drip())) as (url, _):
            options = ["--base-url", url, "--model", "m", "--timeout", "0.5", "--retries", "0"]
            assert main(["repair", str(tmp_path / "toy.lp"), *options, "--out", str(tmp_path / "out.lp")]) == 4

    def test_a_megabyte_of_anything_is_an_ordinary_answer(self) -> None:
        for piece in (" ", "\t", "1", ")", "(", "<think>", "</think>", "Action: ", "a: ", ") ", "\u2028", "GET_IIS() "):
            text = piece * (300_000 // len(piece))
            for head in ("", "Action: GET_IIS", "Action: DROP_CONSTRAINT(", "Action: RELAX_CONSTRAINT(a, "):
                assert parse_answer(f"{head}{text}!").action is None
                assert parse_answer(f"{head}{text}!)").action is None or head


@pytest.mark.parametrize("name", ["../../owned", "a/b", "..", "x\n", "../../owned, b", "/tmp/owned", ""])
@pytest.mark.parametrize("section", ["points", "shared"])
def test_no_name_in_a_sweep_leads_out_of_its_folder(name: str, section: str, tmp_path: Path) -> None:
    path = tmp_path / "sweep.json"
    entry = {name: None} if section == "points" else {name: "ordebug doctor"}
    needed = {"data": dict.fromkeys(("demos", "held_out", "problems"), "x"), "sft": {"base": "x", "recipe": "x"}}
    points = {"points": {"e": None}, "grpo": {"recipe": "x", "prompts": "x"}, **needed}
    path.write_text(json.dumps({**points, section: entry}))
    with pytest.raises(InputError, match="the name becomes a folder"):
        load_sweep(path)
