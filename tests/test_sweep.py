"""Sweeps: what their files say, stages that are done once, and a runner that may be killed at any time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ordebug_plugin.cli import main
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import held
from ordebug_plugin.serving import Deployment
from ordebug_plugin.sweep.config import load_sweep
from ordebug_plugin.sweep.pipeline import Pipeline, choose_rows, shared_stages
from ordebug_plugin.sweep.programs import Programs, assignments, options, swift_options
from ordebug_plugin.sweep.runner import MARK, StageError, Told, run_stages
from ordebug_plugin.sweep.stage import Stage
from tests.conftest import REPO

SWEEPS = sorted((REPO / "recipes" / "sweeps").glob("*.yaml"))
QUIET = Told(lambda _: None, lambda _: None)
HERE = ("--llamafactory", sys.executable, "--swift", sys.executable)  # --dry-run starts neither


def commands(path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, object]]]:
    assert main(["sweep", str(path), "--out", str(out), "--dry-run", "--json", *HERE]) == 0
    found: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_makes_its_commands_and_runs_none(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = commands(path, tmp_path / "out", capsys)
    sweep = load_sweep(path)
    assert list(found) == ["shared", *(point.name for point in sweep.points)]
    assert not (tmp_path / "out").exists()
    for name, stages in found.items():
        for stage in stages:
            words = " ".join(map(str, stage["command"]))  # type: ignore[arg-type]
            assert "{shared}" not in words
            assert "{point}" not in words
            if name != "shared" and stage["stage"] not in ("demos", "preflight"):
                assert str(tmp_path / "out" / "points" / name) in words
    assert sweep.never_run == (path.stem == "qwen3-8b")


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_checkpoint_is_held_against_the_base_and_may_be_ready(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a base, or with an evaluation an epoch, `ordebug graduate` could say undecided at best."""
    found = commands(path, tmp_path, capsys)
    base = str(tmp_path / "shared" / "eval-base")
    (evaluated,) = [stage for stage in found["shared"] if stage["stage"] == "eval-base"]
    asked = [stage for stages in found.values() for stage in stages if stage["stage"] == "graduate"]
    trained = [stage for stages in found.values() for stage in stages if stage["stage"] == "sft"]
    assert asked
    for stage in (evaluated, *asked):
        assert base in stage["command"]  # type: ignore[operator]
    for stage in trained:
        assert {"eval_strategy=steps", "eval_steps=0.05"} <= set(stage["command"])  # type: ignore[call-overload]
    (last,) = shared_stages(load_sweep(path), tmp_path, Programs(Path("lf"), Path("swift")))[-1:]
    assert last.serves is not None
    assert "{shared}" not in str(last.serves.checkpoint)
    assert "{url}" in last.command


def test_epochs_are_all_that_changes_between_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = commands(REPO / "recipes/sweeps/epochs.yaml", tmp_path, capsys)
    one, ten = ([str(stage["command"]).replace(name, "POINT") for stage in found[name]] for name in ("e1-s0", "e10-s0"))
    different = [(first, second) for first, second in zip(one, ten, strict=True) if first != second]
    assert len(different) == 1
    assert different[0][0].replace("num_train_epochs=1'", "num_train_epochs=10'") == different[0][1]
    assert "seed=43" in str(found["e1-s1"])


def test_a_sweep_that_extends_another_has_its_settings(tmp_path: Path) -> None:
    base = load_sweep(REPO / "recipes/sweeps/epochs.yaml")
    lora = load_sweep(REPO / "recipes/sweeps/lora.yaml")
    assert lora.shared == base.shared  # so both may lie in one folder
    rank = next(point for point in lora.points if point.setting == "r8").sections
    assert rank["sft"]["settings"]["lora_rank"] == 8
    assert rank["sft"]["settings"]["eval_strategy"] == "steps"
    assert rank["grpo"] == base.points[0].sections["grpo"]
    (tmp_path / "a.yaml").write_text("extends: a.yaml")
    with pytest.raises(InputError, match="it extends itself"):
        load_sweep(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"poitns": {}}, "there is no key 'poitns'"),
        ({"points": {"e1": {"sft": {"epochs": 1}}}}, "points, e1, sft: there is no key 'epochs'"),
        ({"points": {"a/b": None}}, "the name becomes a folder"),
        ({"points": {}}, "there are none"),
        ({"seeds": [0.5]}, "whole numbers"),
        ({"points": {"e1": {"sft": {"base": None}}}}, "points, e1: sft: base is missing"),
        ({"points": {"e1": {"data": {"keep": "long"}}}}, "keep is any or short"),
        ({"eval": {"options": [{"samples": 4}]}}, "eval, options: must be keys with values"),
        ({"shared": {"x": {"serves": "base"}}}, "shared, x: command is missing"),
        ({"shared": {"x": {"command": "ordebug", "server": "base"}}}, "shared, x: there is no key 'server'"),
        ({"shared": {"x": "rm -rf /"}}, "a sweep calls ordebug, llamafactory-cli, swift and python, not 'rm'"),
    ],
)
def test_bad_sweeps_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], reason: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({"extends": str(REPO / "recipes/sweeps/epochs.yaml"), **change}))
    assert main(["sweep", str(path), "--out", str(tmp_path / "out"), "--dry-run", *HERE]) == 2
    assert reason in capsys.readouterr().err.replace("\n", " ")


def test_an_unknown_point_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = str(REPO / "recipes/sweeps/lr.yaml")
    assert main(["sweep", sweep, "--out", str(tmp_path), "--only", "e1", "--dry-run", *HERE]) == 2
    assert "there is no point e1" in capsys.readouterr().err


def test_settings_become_what_each_program_takes() -> None:
    settings = {"a": 1, "b": True, "c": False, "d": None, "e": ["x", 2]}
    assert options(settings) == ["--a", "1", "--b", "--e", "x", "2"]
    assert swift_options(settings) == ["--a", "1", "--b", "true", "--c", "false", "--e", "x", "2"]
    assert assignments({"a": 1e-3, "b": True, "d": None, "e": "no", "f": "epoch"}) == [
        *("a=0.001", "b=true", "d=null"),
        *('e="no"', "f=epoch"),  # a bare no is false to YAML
    ]


def rows_of(path: Path) -> list[str]:
    return [row["output"] for row in json.loads(path.read_text())["data"]]


def test_fewer_rows_are_among_more_and_short_ones_are_the_shortest(tmp_path: Path) -> None:
    rows = [{"instruction": "i", "input": "", "output": "x" * (1 + number * 7 % 50)} for number in range(40)]
    (tmp_path / "all.json").write_text(json.dumps(rows))
    (tmp_path / "held.json").write_text(json.dumps(rows))
    for name, count, keep in (("a", 20, "any"), ("b", 10, "any"), ("c", 20, "short")):
        choose_rows(tmp_path / "all.json", tmp_path / "held.json", tmp_path / name, count, keep)
    more, fewer, short = (rows_of(tmp_path / name / "demos.json") for name in "abc")
    assert len(more) == 20
    assert set(fewer) < set(more)
    assert max(map(len, short)) <= sorted(len(row["output"]) for row in rows)[19]
    entries = json.loads((tmp_path / "a/dataset_info.json").read_text())
    assert (tmp_path / "a" / entries["held_out"]["file_name"]).resolve() == (tmp_path / "held.json").resolve()
    with pytest.raises(InputError, match="has 40 rows, and 41 are asked for"):
        choose_rows(tmp_path / "all.json", tmp_path / "held.json", tmp_path / "d", 41, "any")


def test_an_environment_of_a_point_decides_its_result(tmp_path: Path) -> None:
    def sft(changes: dict[str, object]) -> Stage:
        path = tmp_path / "one.yaml"
        settings = {"extends": str(REPO / "recipes/sweeps/epochs.yaml"), "points": {"e1": {"sft": changes}}}
        path.write_text(yaml.safe_dump(settings))
        return stages_of(path, tmp_path)["sft"]

    assert sft({}).hash() == sft({}).hash()
    assert sft({"environment": {"NPROC_PER_NODE": "2"}}).hash() != sft({}).hash()


def stages_of(path: Path, out: Path) -> dict[str, Stage]:
    """The stages of a sweep's first point."""
    sweep = load_sweep(path)
    pipeline = Pipeline(sweep, sweep.points[0], out, Programs(Path("lf"), Path("swift")), ())
    return {stage.name: stage for stage in pipeline.stages()}


def test_a_preflight_that_broke_is_no_preflight(tmp_path: Path) -> None:
    """It ends with 1 where it has findings, as Python does where it gives up."""
    stage = stages_of(REPO / "recipes/sweeps/epochs.yaml", tmp_path)["preflight"]
    assert stage.stdout is not None
    stage.stdout.parent.mkdir(parents=True)
    stage.stdout.write_text("")
    assert not stage.accepted(1)
    stage.stdout.write_text('{"rewards": {"within": 0.1}}')
    assert stage.accepted(1)
    assert stage.accepted(0)
    assert not stage.accepted(4)


def bench(folder: Path, n: int, needs: tuple[Stage, ...] = ()) -> Stage:
    """A cheap stage with the real command line."""
    command = [sys.executable, "-m", "ordebug_plugin.cli", "bench", "make", str(folder / "bench")]
    command += ["--families", "plans", "--n", str(n), "--workers", "0"]
    return Stage("bench", folder, command, outputs=(folder / "bench",), needs=needs)


def demos(folder: Path, made: Stage) -> Stage:
    command = [sys.executable, "-m", "ordebug_plugin.cli", "data", "demos", str(folder / "bench")]
    command += [str(folder / "demos.json"), "--policy", "mixed", "--workers", "0"]
    return Stage("demos", folder, command, outputs=(folder / "demos.json",), needs=(made,))


def ran(folder: Path, *stages: Stage) -> list[str]:
    """The names of the stages that were carried out."""
    begun: list[str] = []
    assert run_stages(folder, stages, Told(lambda stage: begun.append(stage.name), lambda _: None), {}, wait=False)
    return begun


def test_a_stage_is_done_once_until_something_changes(tmp_path: Path) -> None:
    folder = tmp_path / "points" / "p"
    first = bench(folder, 2)
    assert ran(folder, first, demos(folder, first)) == ["bench", "demos"]
    assert ran(folder, first, demos(folder, first)) == []
    assert (first.seconds or 0) > 0
    (folder / "demos.json").unlink()
    assert ran(folder, first, demos(folder, first)) == ["demos"]
    other = bench(folder, 3)  # what rests on it is made anew, too; the old folder is not in its way
    assert ran(folder, other, demos(folder, other)) == ["bench", "demos"]
    moved = tmp_path / "elsewhere" / "points" / "p"
    moved.parent.mkdir(parents=True)
    folder.rename(moved)
    there = bench(moved, 3)
    assert ran(moved, there, demos(moved, there)) == []


def test_files_count_by_content(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("a: 1")
    stage = Stage("x", tmp_path / "p", ["true"], inputs=(recipe,))
    before = stage.hash()
    recipe.write_text("a: 2")
    assert stage.hash() != before
    deployment = Deployment(tmp_path / "model", Path(sys.executable), "m", 8, options=("--torch_dtype", "float32"))
    served = Stage("x", tmp_path / "p", ["true"], inputs=(recipe,), serves=deployment)
    assert served.hash() != stage.hash()


def test_a_stage_that_fails_says_why_and_is_not_done(tmp_path: Path) -> None:
    folder = tmp_path / "points" / "p"
    bad = Stage("bad", folder, [sys.executable, "-c", "import sys; print('no such luck'); sys.exit(3)"])
    with pytest.raises(StageError, match=r"(?s)bad ended with 3.*no such luck"):
        run_stages(folder, [bad], QUIET, {}, wait=False)
    assert not bad.is_done()
    empty = Stage("empty", folder, [sys.executable, "-c", ""], outputs=(folder / "model",))
    with pytest.raises(StageError, match="ended well but did not make"):
        run_stages(folder, [empty], QUIET, {}, wait=False)


def test_a_point_that_another_process_holds_is_left_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "points" / "p"
    folder.mkdir(parents=True)
    stage = Stage("x", folder, [sys.executable, "-c", ""])
    with held(folder):
        assert run_stages(folder, [stage], QUIET, {}, wait=False) is False
    assert run_stages(folder, [stage], QUIET, {}, wait=False) is True


RUNNER = """
import sys
from pathlib import Path
from ordebug_plugin.sweep.runner import Told, interruptible, run_stages
from ordebug_plugin.sweep.stage import Stage

folder = Path(sys.argv[1])
quick = Stage("quick", folder, [sys.executable, "-c", ""])
child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
long = Stage("long", folder, [sys.executable, "-c", child], outputs=(folder / "never",))
with interruptible():
    run_stages(folder, [quick, long], Told(lambda stage: print(stage.name, flush=True), lambda _: None), {}, wait=False)
"""


def started_by(folder: Path) -> set[int]:
    """The processes that have the mark of a folder; those that have ended and wait to be reaped have none."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"{MARK}={folder.resolve()}".encode() in environment:
            found.add(int(entry.name))
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes by /proc")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_runner_keeps_what_is_done_and_leaves_nothing_running(tmp_path: Path, sign: signal.Signals) -> None:
    folder = tmp_path / "points" / "p"
    runner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUNNER), str(folder)], stdout=subprocess.PIPE, text=True, cwd=REPO
    )
    try:
        assert runner.stdout is not None
        assert [runner.stdout.readline().strip() for _ in range(2)] == ["quick", "long"]
        until(lambda: len(started_by(folder)) == 2)  # the command, and what it has started
    finally:
        runner.send_signal(sign)
        runner.wait(timeout=60)
        runner.stdout.close()  # type: ignore[union-attr]
    left = started_by(folder)
    assert bool(left) == (sign is signal.SIGKILL)
    quick = Stage("quick", folder, [sys.executable, "-c", ""])
    assert ran(folder, quick, Stage("long", folder, [sys.executable, "-c", ""])) == ["long"]
    until(lambda: not started_by(folder))


def test_what_is_measured_is_summarized_though_points_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real runs of agents where a sweep puts those of checkpoints; points that fail are summarized all the same."""
    path = tmp_path / "two.yaml"
    settings = {"extends": str(REPO / "recipes/sweeps/epochs.yaml"), "shared": {}, "seeds": [0]}
    path.write_text(yaml.safe_dump({**settings, "points": {"e1": None, "e2": None}}))
    out = tmp_path / "out"
    assert main(["bench", "make", str(tmp_path / "bench"), "--families", "plans", "--n", "4", "--seed", "2"]) == 0
    for agent, name in (("random", "e1-s0"), ("drop-first", "e2-s0")):
        for place, samples in (("eval/sft", "1"), ("samples", "4"), ("eval/grpo", "1")):
            run = ["eval", str(tmp_path / "bench"), "--agent", agent, "--max-steps", "1", "--samples", samples]
            assert main([*run, "--out", str(out / "points" / name / place)]) == 0
    capsys.readouterr()
    sweep = load_sweep(path)
    programs = Programs(Path(sys.executable), Path(sys.executable))
    for point in sweep.points:
        stages = {stage.name: stage for stage in Pipeline(sweep, point, out.resolve(), programs, ()).stages()}
        for name in ("eval-sft", "samples", *(["eval-grpo"] if point.setting == "e1" else [])):
            stages[name].end(60.0)
    assert main(["sweep", str(path), "--out", str(out), "--json", *HERE]) == 1  # there are no demonstrations
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert "failed: e1-s0, e2-s0" in captured.err.replace("\n", " ")
    assert [point["left"][0] for point in record["points"]] == ["demos", "demos"]
    assert set(record["settings"]) == {"e1", "e2"}
    assert record["prediction"]["measured"] == 1  # that of e2 is there, but nobody has said that it is done
    assert record["points"][0]["seconds"] == {"eval-sft": 60.0, "samples": 60.0, "eval-grpo": 60.0}
    assert "| e1 | 1 |" in (out / "summary.md").read_text()
    assert "<svg" in (out / "summary.html").read_text()
    assert os.path.exists(out / "two.yaml")
    (out / "points" / "e2-s0" / "samples" / "config.yaml").write_text("[")  # a point that cannot be read hides no other
    assert main(["sweep", str(path), "--out", str(out), "--json", *HERE]) == 1
    captured = capsys.readouterr()
    assert "e2-s0 is not in the summary: " in captured.err
    record = json.loads(captured.out)
    assert set(record["settings"]) == {"e1"}
    assert [point["unreadable"] is None for point in record["points"]] == [True, False]
    summary = (out / "summary.md").read_text()
    assert "0 of 2 points" in summary
    assert "e2-s0 cannot be read: " in summary
