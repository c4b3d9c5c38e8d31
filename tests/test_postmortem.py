"""`ordebug postmortem`: what the frameworks' own logs say, and what follows from it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.errors import InputError
from ordebug_plugin.postmortem.finding import Severity, judge_training
from ordebug_plugin.postmortem.training import Stage, read_training
from tests.test_chat import GOOD, completion, server
from tests.toys import CONFLICT

# What ms-swift 4.6.0 writes for a step of GRPO, shortened.
STEP = {
    "loss": "0.01",
    "grad_norm": "0.4",
    "learning_rate": "0.0001",
    "reward": "0.4",
    "reward_std": "0.2",
    "frac_reward_zero_std": "0.1",
    "rewards/ordebug_repair/mean": "0.4",
    "rewards/ordebug_format/mean": "1.0",
    "completions/mean_length": "40",
    "completions/clipped_ratio": "0",
    "kl": "0.01",
}


def sft(folder: Path, losses: Sequence[float], evals: Mapping[int, float] = {}, *, planned: int | None = None) -> Path:
    """What LLaMA-Factory 0.9.5 leaves of a training that logs every 10 steps."""
    folder.mkdir(parents=True)
    history: list[dict[str, Any]] = [
        {"step": 10 * number, "loss": loss, "grad_norm": 1.0, "epoch": 0.1 * number}
        for number, loss in enumerate(losses, 1)
    ]
    history += [{"step": step, "eval_loss": loss} for step, loss in evals.items()]
    last = 10 * len(losses)
    history.append({"step": last, "train_runtime": 12.5, "train_loss": losses[-1]})
    state = {"max_steps": planned or last, "log_history": history, "best_model_checkpoint": None}
    (folder / "trainer_state.json").write_text(json.dumps(state))
    (folder / "trainer_log.jsonl").write_text("".join(json.dumps({"current_steps": last, "total_steps": last}) + "\n"))
    return folder


def grpo(folder: Path, *steps: Mapping[str, Any], planned: int | None = None) -> Path:
    folder.mkdir(parents=True)
    total = planned or len(steps)
    lines = [{**STEP, **step, "global_step/max_steps": f"{number}/{total}"} for number, step in enumerate(steps, 1)]
    (folder / "logging.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = folder / "prompts.jsonl"
    data.write_text("{}\n")
    (folder / "args.json").write_text(json.dumps({"dataset": [str(data)], "beta": 0.04, "learning_rate": 1e-4}))
    return folder


def found(folder: Path, severity: Severity) -> str:
    return "; ".join(one.what for one in judge_training(read_training(folder)) if one.severity is severity)


def test_sft_by_its_state(tmp_path: Path) -> None:
    training = read_training(sft(tmp_path / "sft", [2.0, 1.0, 0.5]))
    assert (training.framework, training.stage, training.steps, training.planned) == (
        "LLaMA-Factory",
        Stage.SFT,
        30,
        30,
    )
    assert training.curves["loss"].points == ((10, 2.0), (20, 1.0), (30, 0.5))
    assert (training.finished, training.seconds) == (True, 12.5)
    assert "the loss went from 2 to 0.5" in found(tmp_path / "sft", Severity.GOOD)
    assert "no evaluation loss" in found(tmp_path / "sft", Severity.NOTE)


def test_a_loss_that_is_no_number_is_found(tmp_path: Path) -> None:
    folder = sft(tmp_path / "sft", [2.0, 1.0, math.nan, math.nan])
    assert "loss was no finite number at 2 steps, the first of them 30" in found(folder, Severity.BAD)
    assert "no finite number" not in found(sft(tmp_path / "fine", [2.0, 1.0]), Severity.BAD)


def test_sft_that_overfits_or_learns_nothing(tmp_path: Path) -> None:
    over = sft(tmp_path / "over", [2.0, 1.0, 0.5, 0.2], {10: 1.5, 20: 1.0, 40: 1.4})
    assert "least at step 20 (1) and ends at 1.4: overfit" in found(over, Severity.BAD)
    fine = sft(tmp_path / "fine", [2.0, 1.0, 0.5], {10: 1.5, 30: 1.0})
    assert found(fine, Severity.BAD) == ""
    assert "nothing was learned" in found(sft(tmp_path / "flat", [2.0, 2.0, 2.0]), Severity.BAD)


def test_grpo_by_its_log(tmp_path: Path) -> None:
    rising = [{"reward": str(0.3 + 0.02 * number)} for number in range(20)]
    training = read_training(grpo(tmp_path / "grpo", *rising))
    assert (training.framework, training.stage, training.steps, training.finished) == ("ms-swift", Stage.GRPO, 20, True)
    assert training.curves["reward"].last == pytest.approx(0.68)
    assert training.settings["beta"] == 0.04
    assert training.data[0].sha256 == "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"
    assert "reward went from 0.310 to 0.670" in found(tmp_path / "grpo", Severity.GOOD)
    assert found(tmp_path / "grpo", Severity.BAD) == ""


@pytest.mark.parametrize(
    ("entry", "values", "what"),
    [
        ("frac_reward_zero_std", ["0.9"] * 10, "90% of the groups had no spread"),
        ("reward", ["0.4"] * 10, "it did not rise"),
        ("completions/clipped_ratio", ["0"] * 9 + ["0.5"], "50% of the answers were cut"),
    ],
)
def test_what_goes_wrong_in_grpo(tmp_path: Path, entry: str, values: list[str], what: str) -> None:
    steps = [{"reward": str(0.3 + 0.04 * number), entry: value} for number, value in enumerate(values)]
    assert what in found(grpo(tmp_path / "grpo", *steps), Severity.BAD)


def test_a_component_traded_for_reward(tmp_path: Path) -> None:
    steps = [
        {"reward": str(0.3 + 0.04 * number), "rewards/ordebug_format/mean": str(1 - 0.05 * number)}
        for number in range(10)
    ]
    assert "ordebug_format fell from 1.000 to 0.550 while the reward rose" in found(
        grpo(tmp_path / "a", *steps), Severity.BAD
    )


def test_a_killed_run_has_a_torn_line_and_is_said_to_be_incomplete(tmp_path: Path) -> None:
    folder = grpo(tmp_path / "grpo", *[{"reward": str(0.1 * number)} for number in range(5)], planned=50)
    with (folder / "logging.jsonl").open("a") as log:
        log.write('{"reward": "0.')
    assert "the log ends at step 5 of 50" in found(folder, Severity.BAD)
    lines = (folder / "logging.jsonl").read_text().splitlines()
    (folder / "logging.jsonl").write_text("\n".join(["{torn", *lines]))
    with pytest.raises(InputError, match="line 1 is no JSON"):
        read_training(folder)


def test_the_newest_checkpoint_speaks_where_nothing_else_does(tmp_path: Path) -> None:
    sft(tmp_path / "run" / "checkpoint-20", [2.0, 1.0])
    sft(tmp_path / "run" / "checkpoint-100", [2.0] * 9 + [0.5])
    training = read_training(tmp_path / "run")
    assert (training.steps, training.checkpoints) == (100, (20, 100))


def test_the_page_and_json_of_a_whole_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    sft(runs / "sft", [2.0, 1.0, 0.5])
    grpo(runs / "grpo", *[{"reward": str(0.3 + 0.02 * number)} for number in range(20)])
    (tmp_path / "model.lp").write_text(CONFLICT)
    other = tmp_path / "other.lp"
    other.write_text(CONFLICT.replace("100", "90"))  # an evaluation on something else comes between
    for name, model, reply in (
        ("1-before", tmp_path / "model.lp", completion("no")),
        ("2-else", other, completion("no")),
        ("after", tmp_path / "model.lp", completion(GOOD)),
    ):
        with server(lambda n, body, reply=reply: (200, reply)) as (url, _):
            arguments = ["eval", str(model), "--base-url", url, "--model", "m", "--max-steps", "1"]
            assert main([*arguments, "--out", str(runs / "eval" / name)]) == 0
    capsys.readouterr()
    page, record = tmp_path / "p.html", tmp_path / "p.json"
    assert main(["postmortem", str(runs), "--page", str(page), "--json", str(record)]) == 0
    told = json.loads(record.read_text())
    assert set(told["trainings"]) == {"sft", "grpo"}
    assert told["trainings"]["grpo"]["curves"]["reward"][0] == [1, 0.3]
    summary = json.loads((runs / "eval" / "after" / "summary.json").read_text())
    assert told["evaluations"]["eval/after"] == summary
    html = page.read_text()
    assert html.count("<svg") >= 8
    assert "eval/after" in html
    assert not re.search(r"""(?:src|href)=["']?(?!#)|@import|url\(""", html)
    printed = capsys.readouterr().out
    assert "good: the reward went from" in printed
    assert "eval/after against eval/1-before, rr@5: +1.000" in printed
    assert "2-else" not in printed


def test_folders_that_hold_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["postmortem", str(tmp_path / "empty")]) == 2
    assert "holds neither the output of a training nor a run" in capsys.readouterr().err
    assert main(["postmortem", str(tmp_path / "nowhere")]) == 2
    assert "is no folder" in capsys.readouterr().err
