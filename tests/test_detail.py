"""``--detail``: whatever a prompt shows, demonstrations, GRPO, evaluation and multi-turn environments show the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from ordebug_plugin.cli import main
from ordebug_plugin.prompt import INSTRUCTION, Detail, join_instruction
from ordebug_plugin.reward_pool import RewardPool
from ordebug_plugin.scene import scene
from ordebug_plugin.shown import read_state
from ordebug_plugin.solver import Judge
from ordebug_plugin.tasks import load_style, load_task
from tests.test_chat import completion, server
from tests.toys import CONFLICT, CONFLICT_SPECIFICATION, answer

FIRST = answer("RELAX_CONSTRAINT(high, 1)")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "conflict.spec.txt").write_text(CONFLICT_SPECIFICATION)
    (tmp_path / "conflict.lp").write_text(CONFLICT)
    return tmp_path / "conflict.lp"


@pytest.mark.parametrize("detail", Detail)
def test_every_prompt_of_a_state_is_the_same(model: Path, tmp_path: Path, detail: Detail) -> None:
    options = ["--detail", detail.value]
    run, alpaca, grpo = tmp_path / "run", tmp_path / "sft.json", tmp_path / "grpo.jsonl"

    with server(lambda n, body: (200, completion((FIRST, answer("SUBMIT()"))[n - 1]))) as (url, requests):
        assert main(["eval", str(model), "--base-url", url, "--model", "m", "--out", str(run), *options]) == 0
    first, second = (request["body"]["messages"][-1]["content"] for request in requests)
    assert yaml.safe_load((run / "config.yaml").read_text())["agent"]["style"]["detail"] == detail.value
    assert ("A baker plans a day." in first) == (detail is Detail.FULL)
    assert ("x >= 5 (low)" in first) == (detail is not Detail.NAMES)

    assert main(["data", "demos", str(model), str(alpaca), "--policy", "mixed", "--per-problem", "30", *options]) == 0
    demonstrated = json.loads(alpaca.read_text())["data"]
    of_first_turns = {
        join_instruction(row["instruction"], row["input"]) for row in demonstrated if row["metadata"]["turn"] == 1
    }
    assert of_first_turns == {first}

    assert main(["data", "grpo", str(model), str(grpo), "--turns", str(run), *options]) == 0
    rows = [json.loads(line) for line in grpo.read_text().splitlines()]
    assert [row["messages"][-1]["content"] for row in rows] == [first, second]
    assert main(["data", "grpo", str(model), str(tmp_path / "same.jsonl"), "--turns", str(run)]) == 0
    assert (tmp_path / "same.jsonl").read_bytes() == grpo.read_bytes()  # as the model of the run was shown them
    other = next(each.value for each in Detail if each is not detail)
    assert main(["data", "grpo", str(model), str(tmp_path / "no.jsonl"), "--turns", str(run), "--detail", other]) == 2

    task, style = load_task(rows[0]["task"]), load_style(rows[0]["style"])
    pool = RewardPool(workers=1)
    with Judge() as judge:
        for answers, expected in ([], first), ([FIRST], second):
            assert scene(judge, task, answers, 5, style).text == expected
            shown = pool.scene(task, answers, 5, style)
            assert shown is not None
            assert shown.text == expected

    # Every state that a demonstration shows is the one that its history leads to, in later turns as well.
    report = tmp_path / "report.json"
    assert any(row["metadata"]["turn"] > 1 for row in demonstrated)
    assert main(["data", "verify", str(alpaca), "--bench", str(model), "--workers", "0", "--json", str(report)]) <= 1
    assert all(row["true_prompt"] for row in json.loads(report.read_text())["rows"])


@pytest.mark.parametrize("detail", Detail)
def test_what_a_prompt_shows_is_read_back_at_any_detail(model: Path, tmp_path: Path, detail: Detail) -> None:
    """Also where a specification is so written that it looks like the sections around it."""
    odd = (
        "## IIS (Irreducible Infeasible Subsystem)\n\nConflicting Constraints: ['side']\nhigh: 1. SUBMIT(): ## IIS (\n"
    )
    (tmp_path / "conflict.spec.txt").write_text(odd)
    grpo, run = tmp_path / "grpo.jsonl", tmp_path / "run"
    assert main(["eval", str(model), "--agent", "relax-first", "--max-steps", "2", "--out", str(run)]) == 0
    assert main(["data", "grpo", str(model), str(grpo), "--turns", str(run), "--detail", detail.value]) == 0
    later = json.loads(grpo.read_text().splitlines()[1])["messages"][-1]["content"]
    shown = read_state(later.removeprefix(f"{INSTRUCTION}\n\n"))
    assert shown.iis_rows == ("low", "high")
    assert [str(action) for action in shown.history or ()] == ["RELAX_CONSTRAINT(low, 1.0)"]
    assert ("## Specification" in shown.state) == (detail is Detail.FULL)


def test_a_model_is_evaluated_on_the_prompt_it_was_trained_on_unless_asked_otherwise(
    model: Path, tmp_path: Path
) -> None:
    """Which is the full one where there is a specification, else names alone."""
    for name, specified in (("with", True), ("without", False)):
        if not specified:
            (model.parent / "conflict.spec.txt").unlink()
        out = tmp_path / name
        with server(lambda n, body: (200, completion(FIRST))) as (url, requests):
            assert (
                main(["eval", str(model), "--base-url", url, "--model", "m", "--max-steps", "1", "--out", f"{out}"])
                == 0
            )
        (request,) = requests
        shown = request["body"]["messages"][-1]["content"]
        assert ("## Specification" in shown) == specified
        assert main(["data", "grpo", str(model), f"{out}.jsonl"]) == 0
        assert json.loads(Path(f"{out}.jsonl").read_text())["messages"][-1]["content"] == shown
        assert main(["data", "demos", str(model), f"{out}.json", "--policy", "drop-first"]) == 0
        row = json.loads(Path(f"{out}.json").read_text())["data"][0]
        assert join_instruction(row["instruction"], row["input"]) == shown


@pytest.mark.parametrize("command", ["eval", "demos", "grpo"])
def test_another_detail_is_refused_with_the_three_that_there_are(
    model: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    words = ["eval", str(model), "--out", "x"] if command == "eval" else ["data", command, str(model), "x.json"]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--detail", "all"])
    assert stopped.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "--detail: invalid choice: 'all'" in message
    assert all(detail.value in message for detail in Detail)
