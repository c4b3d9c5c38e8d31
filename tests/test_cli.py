"""The commands, as a user calls them."""

import importlib.metadata
import importlib.util
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ordebug_plugin.agents import BUILT_IN
from ordebug_plugin.cli import main
from ordebug_plugin.commands.common import progress
from ordebug_plugin.errors import InputError
from tests.conftest import REPO
from tests.toys import CONFLICT, FEASIBLE


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    folder = tmp_path / "bench"
    folder.mkdir()
    records = []
    for number in range(6):
        (folder / f"{number}.lp").write_text(CONFLICT.replace("x <= 2", f"x <= {number - 2}"))
        culprit = {"rows": ["low"], "variables": []}
        records.append(
            {
                "problem_id": f"p{number}",
                "model_file": f"{number}.lp",
                "error_type": "AB"[number % 2],
                "culprit": culprit,
                "fix": ["UPDATE_RHS(low, 1)"] if number > 3 else [],
                "original_objective": 1.0,
            }
        )
    (folder / "dataset.json").write_text(json.dumps({"problems": records}))
    return folder


@pytest.mark.parametrize("agent", BUILT_IN)
def test_every_built_in_agent_runs(bench: Path, tmp_path: Path, agent: str) -> None:
    out = tmp_path / "run"
    assert main(["eval", str(bench), "--agent", agent, "--out", str(out), "--workers", "2"]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["n"] == 6
    assert summary["metrics"]["format"]["value"] == 1.0
    assert set(summary["by_type"]) == {"A", "B"}
    if agent != "random":
        assert summary["metrics"]["rr@20"]["value"] == 1.0
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["agent"]["name"] == agent
    assert config["max_steps"] == 20


def test_the_oracle_undoes_the_fault_or_repairs_cheaply(bench: Path, tmp_path: Path) -> None:
    assert main(["eval", str(bench), "--agent", "oracle", "--out", str(tmp_path / "run")]) == 0
    lines = (tmp_path / "run" / "episodes.jsonl").read_text().splitlines()
    episodes = [json.loads(line) for line in lines]
    undone = [episode for episode in episodes if episode["truth"]["fix"]]
    assert [turn["action"]["kind"] for e in undone for turn in e["turns"]] == ["UPDATE_RHS"] * 2
    for episode in episodes[:4]:
        repair = episode["repair"]
        assert repair["granted"] == pytest.approx(repair["needed"], rel=1e-5)


def test_a_run_repeats_to_the_byte_whatever_the_workers(bench: Path, tmp_path: Path) -> None:
    texts = []
    for workers in ("0", "1", "4"):
        out = tmp_path / workers
        main(["eval", str(bench), "--agent", "random", "--seed", "5", "--out", str(out), "--workers", workers])
        episodes = [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]
        for episode in episodes:
            for turn in episode["turns"]:
                del turn["agent_seconds"], turn["solver_seconds"]
        texts.append((out / "config.yaml").read_text() + json.dumps(episodes))
    assert texts[0] == texts[1] == texts[2]


def test_limit_json_and_compare(bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for agent in ("drop-first", "oracle"):
        main(["eval", str(bench), "--agent", agent, "--limit", "5", "--json", "--out", str(tmp_path / agent)])
        assert json.loads(capsys.readouterr().out)["n"] == 5
    runs = [str(tmp_path / "drop-first"), str(tmp_path / "oracle")]
    assert main(["compare", *runs]) == 0
    table = capsys.readouterr().out
    assert "oracle against drop-first" in table
    assert main(["compare", *runs, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    stored = json.loads((tmp_path / "oracle" / "summary.json").read_text())
    assert record["runs"]["oracle"] == stored
    assert {pair["metric"] for pair in record["paired"]} >= {"rr@1", "preservation"}


def check_error(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, *texts: str) -> None:
    assert main(arguments) == code
    message = capsys.readouterr().err
    assert all(text in message for text in texts), message
    assert "Traceback" not in message


def test_bad_input_is_named_with_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(name: str, code: int, *texts: str) -> None:
        out = str(tmp_path / f"run-{name}")
        check_error(capsys, ["eval", str(tmp_path / name), "--agent", "drop-first", "--out", out], code, *texts)

    run("missing.mps", 2, "missing.mps not found")
    (tmp_path / "cut.mps").write_text("NAME a\nROWS\n N obj\n L c1\nCOLUMNS\n x c1")
    run("cut.mps", 2, "cut.mps: Gurobi cannot read this model file")
    (tmp_path / "fine.lp").write_text(FEASIBLE)
    run("fine.lp", 2, "fine.lp", "nothing to repair")
    rows = "\n".join(f" r{i}: x{i} >= {i}" for i in range(2100))
    (tmp_path / "big.lp").write_text(f"Minimize\n obj: x0\nSubject To\n{rows}\n cap: x5 <= 1\nEnd\n")
    run("big.lp", 3, "big.lp", "GRB_LICENSE_FILE")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "dataset.json").write_text('{"problems": [{"problem_id": "a", "model_file": "gone.mps"}]}')
    run("folder", 2, "problems[0]", "gone.mps not found")


def test_unusable_problems_are_set_apart_and_the_rest_is_judged(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench / "2.lp").write_text(FEASIBLE)
    out = tmp_path / "run"
    assert main(["eval", str(bench), "--agent", "drop-first", "--out", str(out)]) == 1
    assert "1 problems are unusable" in capsys.readouterr().err
    (unusable,) = [json.loads(line) for line in (out / "unusable.jsonl").read_text().splitlines()]
    assert unusable["problem_id"] == "p2"
    assert "nothing to repair" in unusable["error"]
    assert json.loads((out / "summary.json").read_text())["n"] == 5


def test_a_run_is_never_overwritten(bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", str(bench), "--agent", "drop-first", "--out", str(tmp_path / "run")]
    assert main(arguments) == 0
    before = (tmp_path / "run" / "episodes.jsonl").read_bytes()
    check_error(capsys, arguments, 2, "already holds a run")
    assert (tmp_path / "run" / "episodes.jsonl").read_bytes() == before


def test_a_failed_run_is_not_in_the_way_of_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = tmp_path / "a.lp", str(tmp_path / "run")
    model.write_text(FEASIBLE)
    assert main(["eval", str(model), "--agent", "drop-first", "--out", out]) == 2
    model.write_text(CONFLICT)
    assert main(["eval", str(model), "--agent", "drop-first", "--out", out]) == 0
    assert not (tmp_path / "run" / "unusable.jsonl").exists()
    assert main(["score", out]) == 0


def test_a_failing_solver_is_told_from_a_failing_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terms = " + ".join(f"x{i}" for i in range(2000))
    model = tmp_path / "full.lp"
    model.write_text(f"Minimize\n obj: x0\nSubject To\n e: {terms} = 3\n f: x0 >= 4\nEnd\n")
    check_error(
        capsys, ["eval", str(model), "--agent", "relax-first", "--out", str(tmp_path / "run")], 3, "every episode"
    )


def test_places_that_cannot_be_written(bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    below = str(tmp_path / "file" / "x")
    check_error(capsys, ["bench", "make", below, "--n", "1"], 2, below)
    check_error(capsys, ["data", "demos", str(bench), f"{below}.json"], 2, f"{below}.json")
    check_error(capsys, ["data", "grpo", str(bench), f"{below}.jsonl"], 2, f"{below}.jsonl")
    check_error(capsys, ["eval", str(bench), "--agent", "oracle", "--out", below], 2, below)


def test_an_incomplete_run_is_said_to_be_one(bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(tmp_path / name) for name in ("whole", "cut")]
    for out in runs:
        main(["eval", str(bench), "--agent", "oracle", "--out", out])
    assert main(["compare", *runs]) == 0
    episodes = tmp_path / "cut" / "episodes.jsonl"
    episodes.write_text("".join(episodes.read_text().splitlines(keepends=True)[:4]))
    capsys.readouterr()
    assert main(["compare", *runs]) == 1
    assert "cut is incomplete, 2 episodes are missing" in capsys.readouterr().err


def test_a_single_model_is_told_turn_by_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.lp").write_text(CONFLICT)
    assert main(["eval", str(tmp_path / "mine.lp"), "--agent", "drop-first", "--out", str(tmp_path / "run")]) == 0
    assert "1. DROP_CONSTRAINT(low): OPTIMAL, objective 0" in capsys.readouterr().out


def test_rows_that_share_a_name_are_mentioned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["NAME a", "ROWS", " N obj", " G c", " L c", "COLUMNS", " x obj 1", " x c 1", "RHS", " R c 5"]
    (tmp_path / "twice.mps").write_text("\n".join([*rows, "BOUNDS", " UP B x 2", "ENDATA", ""]))
    assert main(["eval", str(tmp_path / "twice.mps"), "--agent", "drop-first", "--out", str(tmp_path / "run")]) == 0
    assert "share a name" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "episodes.jsonl").read_text())["aliases"] == {"c#2": "c"}


def test_runs_without_a_shared_problem_are_not_compared(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.lp").write_text(CONFLICT.replace("50", "51"))
    main(["eval", str(bench), "--agent", "oracle", "--out", str(tmp_path / "one")])
    main(["eval", str(tmp_path / "other.lp"), "--agent", "oracle", "--out", str(tmp_path / "two")])
    check_error(capsys, ["compare", str(tmp_path / "one"), str(tmp_path / "two")], 2, "share no problem")


def test_other_bad_input(bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_error(capsys, ["compare", str(tmp_path)], 2, "at least two runs")
    check_error(capsys, ["compare", str(tmp_path), str(bench)], 2, "holds no run")
    eval_without_model = ["eval", str(bench), "--base-url", "http://127.0.0.1:9/v1", "--out", str(tmp_path / "r")]
    check_error(capsys, eval_without_model, 2, "needs --model")
    main(["eval", str(bench), "--agent", "oracle", "--out", str(tmp_path / "broken")])
    with (tmp_path / "broken" / "episodes.jsonl").open("a") as file:
        file.write('{"problem_id": "x"}\n')
    check_error(capsys, ["compare", str(tmp_path / "broken"), str(tmp_path / "broken")], 2, "line 7 is not an episode")


@pytest.mark.parametrize(
    ("arguments", "command", "said"),
    [
        (["eval", "b", "--agent", "oracle", "--out", "o", "--temprature", "3"], "eval", "--temperature"),
        (["eval", "b", "--agent", "oracle", "--out", "o", "--temprature=-1"], "eval", "--temperature"),
        (["eval", "b", "--agent", "oracle", "--out", "o", "--sample", "3"], "eval", "--samples"),
        (["eval", "b", "--agent", "oracle", "--outt", "o"], "eval", "--out"),
        (["compare", "a", "b", "--html", "c.html"], "compare", "--page"),
        (["bench", "make", "o", "--sed", "4"], "bench make", "--seed"),
        (["data", "demos", "b", "o", "--wrkers", "4"], "data demos", "--workers"),
    ],
)
def test_a_typo_is_answered_by_the_command_with_what_may_be_meant(
    capsys: pytest.CaptureFixture[str], arguments: list[str], command: str, said: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith(f"usage: ordebug {command} ")
    typed = next(text for text in arguments if text.startswith("--") and text not in ("--agent", "--out"))
    assert message.endswith(f"ordebug {command}: error: unknown option {typed}: did you mean {said}?\n")


def test_what_is_unlike_every_option_is_named_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for left, said in ((["--zzz"], "unknown option --zzz\n"), (["more"], "unexpected: more\n")):
        with pytest.raises(SystemExit):
            main(["eval", "b", "--agent", "oracle", "--out", "o", *left])
        assert capsys.readouterr().err.endswith(f"ordebug eval: error: {said}")


@pytest.mark.parametrize(
    "ignored",
    [
        ["--model", "m"],
        ["--temperature", "1"],
        ["--detail", "names"],
        ["--no-history"],
        ["--max-tokens", "9", "--retries", "0"],
    ],
)
def test_options_that_an_agent_would_ignore_are_refused(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ignored: list[str]
) -> None:
    run = ["eval", str(bench), "--agent", "drop-first", "--out", str(tmp_path / "run"), *ignored]
    names = ", ".join(text for text in ignored if text.startswith("--"))
    check_error(capsys, run, 2, f"{names} go", "with --base-url, not with a built-in --agent")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", [["--ray", "auto"], ["--workers", "2"]])
def test_a_served_model_has_judges_anyway(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    run = ["eval", str(bench), "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--out", str(tmp_path / "run")]
    said = ("wait for its server and not for cores", "a judge for each core", "take --concurrency N")
    check_error(capsys, [*run, *option], 2, f"{option[0]} goes with a built-in --agent", *said)
    assert not (tmp_path / "run").exists()


def test_an_amount_is_of_the_agent_that_relaxes_by_it(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["eval", str(bench), "--amount", "5", "--out", str(tmp_path / "run"), "--agent"]
    check_error(capsys, [*run, "drop-first"], 2, "--amount goes with --agent relax-first alone")
    assert main([*run, "relax-first"]) == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["agent"]["amount"] == 5


def test_samples_of_an_agent_that_draws_nothing_are_said_to_be_the_same(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "draws nothing at random: every sample of a problem is the same episode again"
    for agent, told in (("drop-first", True), ("drop-random", False)):
        main(["eval", str(bench), "--agent", agent, "--samples", "2", "--out", str(tmp_path / agent)])
        assert (said in " ".join(capsys.readouterr().err.split())) is told
    episodes = [json.loads(line) for line in (tmp_path / "drop-first" / "episodes.jsonl").read_text().splitlines()]
    answers = {(one["problem_id"], json.dumps([turn["answer"] for turn in one["turns"]])) for one in episodes}
    assert (len(episodes), len(answers)) == (12, 6)


@pytest.mark.parametrize(
    "command",
    [
        ["eval"],
        ["compare"],
        ["bench", "make"],
        ["data", "convert"],
        ["data", "demos"],
        ["data", "collect"],
        ["data", "grpo"],
        ["reward", "check"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_every_command_has_help_with_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert f"example:\n  ordebug {' '.join(command)} " in capsys.readouterr().out


def test_the_command_starts_without_what_takes_seconds_to_import() -> None:
    code = "import sys, ordebug_plugin.cli; print(*{'scipy', 'openai', 'torch', 'ray'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_doctor_reports_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = {finding["subject"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["Gurobi"]["state"] == "ok"
    assert "13.0.3" in findings["Gurobi"]["detail"]
    for framework in ("LLaMA-Factory", "ms-swift"):
        assert findings[framework]["state"] in ("ok", "note")

    for package in ("ray", "deepspeed", "sglang"):  # each optional, and its line says how to get it
        if importlib.util.find_spec(package) is None:
            assert findings[package]["state"] == "note"
            assert f"pip install -e '.[{package}]' in the clone" in findings[package]["detail"]
        else:
            assert findings[package]["state"] == "ok"
            assert findings[package]["detail"] == importlib.metadata.version(package)


def test_doctor_reads_what_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said() -> tuple[str, str]:
        main(["doctor", "--json"])
        (found,) = [one for one in json.loads(capsys.readouterr().out) if one["subject"] == "settings"]
        return found["state"], found["detail"]

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ORDEBUG_STORE", "~/kept")
    monkeypatch.setenv("ORDEBUG_HANG", "60")
    state, detail = said()
    assert state == "ok"
    assert "ORDEBUG_HANG" in detail
    assert "ORDEBUG_STORE" in detail
    assert (tmp_path / "kept").is_dir()
    monkeypatch.setenv("ORDEBUG_WORKER", "4")
    state, detail = said()
    assert (state, detail[:34]) == ("note", "nothing reads ORDEBUG_WORKER; ther")
    monkeypatch.setenv("ORDEBUG_WORKERS", "many")
    state, detail = said()
    workers = "the environment variable ORDEBUG_WORKERS must be a whole number of at least 0, not 'many'"
    assert (state, detail[: len(workers) + 32]) == ("broken", f"{workers}; nothing reads ORDEBUG_WORKER; ")
    monkeypatch.delenv("ORDEBUG_WORKER")
    monkeypatch.setenv("ORDEBUG_HANG", "soon")
    hang = "the environment variable ORDEBUG_HANG must be a number of seconds above 0, not 'soon'"
    assert said() == ("broken", f"{hang}; {workers}")
    monkeypatch.setenv("ORDEBUG_HANG", "60")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("ORDEBUG_RAY", f"127.0.0.1:{port}")
    state, detail = said()
    assert state == "broken"
    assert detail.startswith(f"no Ray cluster at 127.0.0.1:{port}: ")


@pytest.mark.parametrize("address", ["", "http://10.0.0.1:6379"])
def test_an_address_that_is_none_of_ray(bench: Path, capsys: pytest.CaptureFixture[str], address: str) -> None:
    check_error(capsys, ["bench", "check", str(bench), "--ray", address], 2, "--ray takes auto, HOST:6379 or ray://")


def test_doctor_finds_a_refused_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    licence = tmp_path / "gurobi.lic"
    licence.write_text("TOKENSERVER=127.0.0.1\nPORT=1\n")
    monkeypatch.setenv("GRB_LICENSE_FILE", str(licence))
    assert main(["doctor", "--json"]) == 1
    findings = {finding["subject"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["Gurobi"]["state"] == "broken"
    said = findings["Gurobi"]["detail"]
    assert f"the licence file {licence}" in said or "a token server at 127.0.0.1" in said
    assert "Check what is set here, GRB_LICENSE_FILE: the path, the address" in said
    assert "ordebug doctor" not in said  # which is what was run


@pytest.mark.parametrize("done", [0, 1])
def test_a_bar_of_work_that_fails_stays_where_some_was_done(done: int, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with progress("models", 2) as advance:
            for _ in range(done):
                advance("one broken")
            raise InputError("no")

    with pytest.raises(InputError):
        work()
    said = capsys.readouterr().err
    assert ("models" in said, "1/2" in said) == (bool(done), bool(done))


def test_errors_with_brackets_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "flow[red].lp"
    (tmp_path / name).write_text(FEASIBLE)
    check_error(capsys, ["eval", str(tmp_path / name), "--agent", "oracle", "--out", str(tmp_path / "r")], 2, name)


@pytest.mark.parametrize("command", ["eval", "repair", "preflight", "graduate"])
def test_help_says_what_a_timeout_limits(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "up to the last byte of the answer" in text
    assert ("every problem of the benchmark" in text) is (command in ("eval", "graduate"))
