"""GRPO in the stock ms-swift of this environment: its parser, and its command for two steps with our rewards."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.reward_functions import REWARDS
from tests.conftest import REPO, run

if importlib.util.find_spec("swift") is None:
    pytest.skip("ms-swift is not in this environment: use .venvs/swift", allow_module_level=True)

from swift.arguments import RLHFArguments
from swift.cli.main import parse_yaml_args
from swift.rewards import orms
from swift.utils import parse_args

from ordebug_plugin.frameworks.swift import register

pytestmark = pytest.mark.swift

RECIPE = REPO / "recipes" / "cpu" / "grpo.yaml"


@pytest.fixture
def prompts(tmp_path: Path, tiny_model: Path) -> Path:
    """A clone's folder as the recipe expects it: a model to start from, and prompts with their tasks."""
    demo = tmp_path / "runs" / "demo"
    demo.mkdir(parents=True)
    (demo / "sft").symlink_to(tiny_model)
    (tmp_path / "recipes").symlink_to(REPO / "recipes")
    assert main(["bench", "make", str(demo / "train"), "--n", "6", "--seed", "3"]) == 0
    assert main(["data", "grpo", str(demo / "train"), str(demo / "grpo_train.jsonl")]) == 0
    return tmp_path


def arguments(*overrides: str) -> tuple[RLHFArguments, list[str]]:
    """The recipe through `swift rlhf`'s own parser."""
    argv = [str(RECIPE)]
    parse_yaml_args(argv)
    parsed: tuple[RLHFArguments, list[str]] = parse_args(RLHFArguments, [*argv, *overrides])
    return parsed


def test_recipe_is_accepted_by_their_parser(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prompts)
    monkeypatch.setattr(sys, "argv", ["swift"])
    known, unknown = arguments()
    assert unknown == []
    assert known.rlhf_type == "grpo"
    assert set(known.reward_funcs) <= set(REWARDS)
    assert len(known.reward_weights) == len(known.reward_funcs)
    assert known.enable_thinking is True
    assert arguments("--num_generationz", "3")[1] == ["--num_generationz", "3"]


def test_every_reward_is_registered_under_its_name(prompts: Path) -> None:
    register()
    row = json.loads((prompts / "runs/demo/grpo_train.jsonl").read_text().splitlines()[0])
    for name, function in REWARDS.items():
        reward = orms[name]()
        assert type(reward).__name__ == name  # under this name ms-swift logs it
        assert reward(["no action"], task=[row["task"]]) == function(["no action"], task=[row["task"]])


def test_stock_command_trains_with_our_rewards(prompts: Path) -> None:
    small = ("--max_steps", "2", "--per_device_train_batch_size", "4", "--num_generations", "2", "--save_steps", "2")
    recipe = str(prompts / "recipes/cpu/grpo.yaml")
    trained = run("swift", "rlhf", recipe, *small, "--max_completion_length", "8", cwd=prompts, timeout=300)
    assert trained.returncode == 0, trained.output[-4000:]
    logged = [json.loads(line) for line in (prompts / "runs/demo/grpo/logging.jsonl").read_text().splitlines()]
    steps = [entry for entry in logged if "reward" in entry]
    assert len(steps) == 2
    for entry in steps:
        assert {f"rewards/{name}/mean" for name in REWARDS if name != "ordebug"} <= entry.keys()
        # An untrained model gives no action within 8 tokens: judged, and worth nothing.
        assert float(entry["reward"]) == 0.0
        assert float(entry["frac_reward_zero_std"]) == 1.0
    assert (prompts / "runs/demo/grpo/checkpoint-2/model.safetensors").exists()
