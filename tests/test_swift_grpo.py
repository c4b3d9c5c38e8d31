"""GRPO in the stock ms-swift of this environment: its parser, and its command for two steps with our rewards."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.cli import main
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.errors import InputError, SolverError
from ordebug_plugin.postmortem.finding import judge_training
from ordebug_plugin.postmortem.training import read_training
from ordebug_plugin.prompt import Detail, Style, render_messages
from ordebug_plugin.reward_functions import FAILURES, REWARDS
from ordebug_plugin.reward_pool import RewardPool
from ordebug_plugin.solver import Judge
from ordebug_plugin.tasks import load_task
from tests.conftest import REPO, documented, free_port, run
from tests.toys import answer

if importlib.util.find_spec("swift") is None:
    pytest.skip("ms-swift is not in this environment: use .venvs/swift", allow_module_level=True)

import torch
from swift.arguments import DeployArguments, RLHFArguments, RolloutArguments
from swift.cli.main import get_torchrun_args, parse_yaml_args
from swift.dataset import load_dataset
from swift.infer_engine.protocol import RolloutInferRequest
from swift.model import get_model_processor
from swift.rewards import orms
from swift.template import get_template
from swift.utils import parse_args
from torch.distributed.run import get_args_parser

from ordebug_plugin.frameworks.swift import RepairScheduler, register

pytestmark = [pytest.mark.swift, pytest.mark.usefixtures("own_environment")]

RECIPES = ("grpo.yaml", "grpo_multiturn.yaml")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts with their tasks, which name the models of a benchmark beside them."""
    made = tmp_path_factory.mktemp("grpo")
    out = made / "grpo_prompts.jsonl"
    assert main(["bench", "make", str(made / "train"), "--families", "plans", "--n", "6", "--seed", "3"]) == 0
    assert main(["data", "grpo", str(made / "train"), str(out), "--detail", "algebra"]) == 0
    return out


@pytest.fixture
def prompts(tmp_path: Path, tiny_model: Path, data: Path) -> Path:
    """A clone's folder as the recipe expects it: a model to start from, and prompts with their tasks."""
    demo = tmp_path / "runs" / "demo"
    demo.mkdir(parents=True)
    (demo / "sft").symlink_to(tiny_model)
    (tmp_path / "recipes").symlink_to(REPO / "recipes")
    for name in ("grpo_prompts.jsonl", "grpo_train.jsonl", "grpo_multiturn.jsonl"):
        shutil.copy(data, demo / name)
    return tmp_path


def arguments(recipe: str, *overrides: str) -> tuple[RLHFArguments, list[str]]:
    """A recipe through `swift rlhf`'s own parser."""
    argv = [str(REPO / "recipes" / "cpu" / recipe)]
    parse_yaml_args(argv)
    parsed: tuple[RLHFArguments, list[str]] = parse_args(RLHFArguments, [*argv, *overrides])
    return parsed


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_is_accepted_by_their_parser(prompts: Path, monkeypatch: pytest.MonkeyPatch, recipe: str) -> None:
    monkeypatch.chdir(prompts)
    monkeypatch.setattr(sys, "argv", ["swift"])
    known, unknown = arguments(recipe)
    assert unknown == []
    assert known.rlhf_type == "grpo"
    assert set(known.reward_funcs) <= set(REWARDS)
    assert len(known.reward_weights) == len(known.reward_funcs)
    assert known.enable_thinking is True
    assert arguments(recipe, "--num_generationz", "3")[1] == ["--num_generationz", "3"]


def parse_alone(kind: type, argv: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[str]]:
    """Parses arguments; with vLLM their parser starts a process group, which must not outlive the test."""
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    try:
        parsed: tuple[Any, list[str]] = parse_args(kind, argv)
        return parsed
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def commands_for_two_machines() -> list[tuple[str, list[str], dict[str, str]]]:
    """Method, arguments and environment of each `swift` command in docs/scale.md."""
    found = []
    for words in documented("swift"):
        at = words.index("swift")
        found.append((words[at + 1], words[at + 2 :], dict(word.split("=") for word in words[:at])))
    return found


def test_torchrun_understands_the_documented_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    (environment,) = [env for _, _, env in commands_for_two_machines() if "NNODES" in env]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    given = get_torchrun_args()
    assert given is not None
    told = get_args_parser().parse_args([*given, "train.py"])
    assert (told.nnodes, told.node_rank, told.nproc_per_node) == ("2", 0, "2")
    assert (told.master_addr, told.master_port) == ("10.0.0.1", 29500)


def after_sft(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model and its prompts where the GPU recipes look for those of Qwen3-8B."""
    (prompts / "saves/qwen3-8b").mkdir(parents=True)
    (prompts / "saves/qwen3-8b/merged").symlink_to((prompts / "runs/demo/sft").resolve())
    (prompts / "data").mkdir()
    (prompts / "data/grpo_train.jsonl").symlink_to(prompts / "runs/demo/grpo_train.jsonl")
    monkeypatch.chdir(prompts)
    monkeypatch.setattr(sys, "argv", ["swift"])


def test_every_documented_command_is_accepted_by_their_parser(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    after_sft(prompts, monkeypatch)
    monkeypatch.setattr(RLHFArguments, "_init_external_vllm", lambda _: None)  # connects to the rollout server
    monkeypatch.setattr("swift.arguments.deploy_args.get_device_count", lambda: 1)  # the GPU that is not here
    seen = {}
    for method, argv, _ in commands_for_two_machines():
        name = Path(argv[0]).name
        parse_yaml_args(argv)
        argv = ["float32" if word == "bfloat16" else word for word in argv]  # noqa: PLW2901
        if "--deepspeed" in argv:
            at = argv.index("--deepspeed")
            del argv[at : at + 2]
        known, unknown = parse_alone({"rlhf": RLHFArguments, "rollout": RolloutArguments}[method], argv, monkeypatch)
        assert unknown == []
        seen[name, method] = known
    server, trainer = seen["rollout.yaml", "rollout"], seen["grpo_multiturn_server.yaml", "rlhf"]
    assert (server.host, server.port) == ("0.0.0.0", 8000)
    assert (trainer.vllm_mode, trainer.vllm_server_host, trainer.vllm_server_port) == ("server", ["10.0.0.2"], [8000])
    alone = yaml.safe_load((REPO / "recipes/grpo.yaml").read_text())["gradient_accumulation_steps"]
    assert seen["grpo.yaml", "rlhf"].gradient_accumulation_steps * 2 == alone  # twice the GPUs, the same batch


GPU_RECIPES = ("grpo.yaml", "grpo_from_base.yaml", "grpo_multiturn.yaml", "grpo_multiturn_server.yaml")


@pytest.mark.parametrize("recipe", GPU_RECIPES)
def test_gpu_recipe_is_accepted_by_their_parser(prompts: Path, monkeypatch: pytest.MonkeyPatch, recipe: str) -> None:
    after_sft(prompts, monkeypatch)
    argv = [str(REPO / "recipes" / recipe)]
    parse_yaml_args(argv)
    # Refused on a machine without the GPUs and the hub that the recipe is for.
    elsewhere = {"bfloat16": "float32", "Qwen/Qwen3-8B": "saves/qwen3-8b/merged"}
    argv = [elsewhere.get(word, word) for word in argv]
    if "--deepspeed" in argv:
        at = argv.index("--deepspeed")
        del argv[at : at + 2]
    monkeypatch.setattr(RLHFArguments, "_init_external_vllm", lambda _: None)  # connects to the rollout server
    known, unknown = parse_alone(RLHFArguments, argv, monkeypatch)
    assert unknown == []
    assert known.dynamic_sample
    assert known.epsilon_high > known.epsilon
    assert (known.multi_turn_scheduler == "ordebug_scheduler") == (recipe == "grpo_multiturn.yaml")
    assert set(known.reward_funcs) <= set(REWARDS)
    assert known.vllm_server_pass_dataset == (known.vllm_mode == "server")


def test_rollout_recipe_is_accepted_by_their_parser(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (prompts / "saves/qwen3-8b").mkdir(parents=True)
    (prompts / "saves/qwen3-8b/merged").symlink_to((prompts / "runs/demo/sft").resolve())
    monkeypatch.chdir(prompts)
    monkeypatch.setattr(sys, "argv", ["swift"])
    argv = [str(REPO / "recipes/serve/rollout.yaml")]
    parse_yaml_args(argv)
    monkeypatch.setattr("swift.arguments.deploy_args.get_device_count", lambda: 1)  # the GPU that is not here
    argv = ["float32" if word == "bfloat16" else word for word in argv]
    known, unknown = parse_alone(RolloutArguments, argv, monkeypatch)
    assert unknown == []
    assert known.use_gym_env
    assert (known.multi_turn_scheduler, known.gym_env) == ("ordebug_scheduler", "ordebug")


def test_server_recipe_is_accepted_by_their_parser(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (prompts / "saves/qwen3-8b").mkdir(parents=True)
    (prompts / "saves/qwen3-8b/merged").symlink_to((prompts / "runs/demo/sft").resolve())
    monkeypatch.chdir(prompts)
    monkeypatch.setattr(sys, "argv", ["swift"])
    argv = [str(REPO / "recipes/serve/swift.yaml")]
    parse_yaml_args(argv)
    # What the recipe's first lines say for a machine without a GPU.
    argv += ["--infer_backend", "transformers", "--max_batch_size", "8", "--torch_dtype", "float32"]
    known, unknown = parse_alone(DeployArguments, argv, monkeypatch)
    assert unknown == []
    assert (known.model_type, known.template, known.enable_thinking) == ("qwen3", "qwen3", True)
    assert (known.host, known.port, known.served_model_name) == ("127.0.0.1", 8000, "sft")
    assert (known.vllm_tensor_parallel_size, known.max_batch_size) == (2, 8)


@pytest.mark.parametrize(
    ("name", "value", "error", "reason"),
    [
        ("ORDEBUG_RAY", "127.0.0.1:9", InputError, "needs Ray|no Ray cluster at 127.0.0.1:9"),
        ("GRB_LICENSE_FILE", "/nonexistent/gurobi.lic", SolverError, "Gurobi cannot start"),
    ],
)
def test_a_training_whose_rewards_cannot_be_computed_does_not_begin(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, error: type[Exception], reason: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(error, match=reason):
        register()


def test_every_reward_is_registered_under_its_name(prompts: Path) -> None:
    register()
    row = json.loads((prompts / "runs/demo/grpo_train.jsonl").read_text().splitlines()[0])
    for name, function in REWARDS.items():
        reward = orms[name]()
        assert type(reward).__name__ == name  # under this name ms-swift logs it
        fix = load_task(row["task"]).problem.truth.fix
        answers = [["no action"], [answer(str(action)) for action in fix], [answer("GET_IIS()")]]
        columns = {"task": [row["task"]] * 3, "rollout_infos": [{"answers": one} for one in answers]}
        values = reward(["", "", ""], **columns)
        assert values == function(["", "", ""], **columns)
        assert values[1] == pytest.approx(1.0)
        assert values[0] < 1.0
        assert FAILURES[name] == 0


def test_datasets_have_names(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prompts)
    register()
    (prompts / "data").mkdir()
    (prompts / "data/grpo_train.jsonl").symlink_to(prompts / "runs/demo/grpo_train.jsonl")
    rows = [json.loads(line) for line in (prompts / "data/grpo_train.jsonl").read_text().splitlines()]
    dataset, _ = load_dataset(["or_debug"], split_dataset_ratio=0, remove_unused_columns=False)
    assert [row["task"] for row in dataset] == [row["task"] for row in rows]
    assert [row["messages"] for row in dataset] == [row["messages"] for row in rows]


@pytest.mark.parametrize("recipe", RECIPES)
def test_stock_command_trains_with_our_rewards(prompts: Path, recipe: str) -> None:
    small = ("--max_steps", "2", "--per_device_train_batch_size", "4", "--num_generations", "2", "--save_steps", "2")
    path, out = str(prompts / "recipes/cpu" / recipe), prompts / "out"
    short = ("--max_completion_length", "8", "--output_dir", str(out))
    trained = run("swift", "rlhf", path, *small, *short, cwd=prompts, timeout=300)
    assert trained.returncode == 0, trained.output[-4000:]
    logged = [json.loads(line) for line in (out / "logging.jsonl").read_text().splitlines()]
    steps = [entry for entry in logged if "reward" in entry]
    assert len(steps) == 2
    told = read_training(out)  # what `ordebug postmortem` makes of it
    assert (told.framework, told.stage, told.steps, told.planned, told.checkpoints) == ("ms-swift", "grpo", 2, 2, (2,))
    assert [value for _, value in told.curves["reward"].points] == [0.0, 0.0]
    assert {"kl", "step_time", "completions/mean_length"} <= told.curves.keys()
    assert "100% of the groups had no spread" in " ".join(finding.what for finding in judge_training(told))
    for entry in steps:
        assert {f"rewards/{name}/mean" for name in REWARDS if name != "ordebug"} <= entry.keys()
        # An untrained model gives no action within 8 tokens: judged, and worth nothing.
        assert float(entry["reward"]) == 0.0
        assert float(entry["frac_reward_zero_std"]) == 1.0
        if recipe == "grpo_multiturn.yaml":
            assert float(entry["num_turns"]) == 3.0
    assert (out / "checkpoint-2/model.safetensors").exists()


class TestGym:
    """The environment and the scheduler as ms-swift drives them, turn by turn."""

    @pytest.fixture
    def row(self, prompts: Path) -> dict[str, Any]:
        register()
        loaded: dict[str, Any] = json.loads((prompts / "runs/demo/grpo_train.jsonl").read_text().splitlines()[0])
        return loaded

    def drive(self, row: dict[str, Any], answers: list[str], max_turns: int) -> tuple[Any, list[dict[str, Any]], Any]:
        scheduler = RepairScheduler(max_turns=max_turns, gym_env="ordebug")
        request = RolloutInferRequest(messages=row["messages"], data_dict=row, uuid="u")

        async def go() -> list[dict[str, Any]]:
            await scheduler.on_trajectory_start([request])
            results = []
            for turn, text in enumerate(answers, 1):
                request.messages.append({"role": "assistant", "content": text})
                result = await scheduler.on_turn_end(request, None, turn)
                results.append(result)
                if not result["done"]:
                    scheduler.step(request, None, turn)
            return results

        return scheduler, asyncio.run(go()), request

    def test_the_conversation_is_the_one_that_is_evaluated(self, row: dict[str, Any]) -> None:
        answers = [answer("GET_IIS()"), "nonsense"]
        _, _, request = self.drive(row, answers, 5)
        task = load_task(row["task"])
        with Judge() as judge:
            env = RepairEnv(judge, task.problem, 5)
            observation = env.reset()
            for text in answers:
                observation = env.step(text).observation
            style = Style(conversation=True, detail=Detail.ALGEBRA)
            expected = [asdict(message) for message in render_messages(observation, style)]
        assert request.messages == expected

    def test_the_whole_trajectory_is_scored(self, row: dict[str, Any]) -> None:
        answers = [answer("GET_IIS()"), *[answer(str(action)) for action in load_task(row["task"]).problem.truth.fix]]
        _, results, _ = self.drive(row, answers, 5)
        assert [result["done"] for result in results] == [False] * (len(answers) - 1) + [True]
        info = results[-1]["rollout_infos"]
        assert info["answers"] == answers
        (value,) = REWARDS["ordebug_preservation"](["only the last turn"], task=[row["task"]], rollout_infos=[info])
        assert value == pytest.approx(1.0)
        (value,) = REWARDS["ordebug_efficiency"](["only the last turn"], task=[row["task"]], rollout_infos=[info])
        assert value < 1.0

    def test_environments_are_closed_also_when_turns_run_out(self, row: dict[str, Any]) -> None:
        scheduler, results, _ = self.drive(row, ["nonsense"] * 3, 3)
        assert [result["done"] for result in results] == [False, False, True]
        assert scheduler._envs == {}

    def test_a_missing_model_ends_neutrally(self, row: dict[str, Any]) -> None:
        gone = {**row, "task": json.dumps(json.loads(row["task"]) | {"path": "/nonexistent.lp"})}
        scheduler, results, request = self.drive(gone, [answer("GET_IIS()")], 3)
        assert results[0]["done"]
        infos = [
            results[0]["rollout_infos"],
            {"answers": [answer(str(a)) for a in load_task(row["task"]).problem.truth.fix]},
        ]
        values = REWARDS["ordebug_repair"](["", ""], task=[row["task"]] * 2, prompt_id=["p", "p"], rollout_infos=infos)
        assert values == pytest.approx([1.0, 1.0])
        assert "not available" in request.messages[1]["content"]
        assert scheduler._envs == {}

    def test_a_hung_solver_ends_neutrally(
        self, row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enough: int
    ) -> None:
        pool = RewardPool(hang=enough, workers=1)
        monkeypatch.setattr("ordebug_plugin.frameworks.swift.pool", lambda: pool)
        path = Path(shutil.copy(load_task(row["task"]).problem.path, tmp_path))
        hung = {**row, "task": json.dumps(json.loads(row["task"]) | {"path": str(path)})}
        load_task(hung["task"])  # while there is a file: it refuses a pipe, and remembers what it has read
        path.unlink()
        os.mkfifo(path)  # Gurobi waits for ever for somebody to write into it
        scheduler, results, request = self.drive(hung, [answer("GET_IIS()")], 3)
        assert results[0]["done"]
        assert results[0]["rollout_infos"]["lost"]
        assert "not available" in request.messages[1]["content"]
        assert scheduler._envs == {}


@pytest.mark.parametrize("recipe", ["cpu/grpo_multiturn.yaml", "grpo_multiturn.yaml", "grpo_multiturn_server.yaml"])
def test_a_trajectory_is_trained_on_as_it_was_generated(tiny_model: Path, recipe: str) -> None:
    """By default ms-swift forgets the reasoning of earlier turns in rollouts, and trains on it all the same."""
    keys = yaml.safe_load((REPO / "recipes" / recipe).read_text())
    _, tokenizer = get_model_processor(str(tiny_model), model_type="qwen3", load_model=False)

    def encode(mode: str, *, preserve: bool | None) -> str:
        template = get_template(
            tokenizer,
            template_type=keys["template"],
            enable_thinking=keys["enable_thinking"],
            preserve_thinking=preserve,
        )
        template.set_mode(mode)
        turns = [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": answer("GET_IIS()")},
            {"role": "user", "content": "second"},
        ]
        last = [{"role": "assistant", "content": answer("SUBMIT()")}] if mode == "train" else []
        return str(tokenizer.decode(template.encode({"messages": turns + last})["input_ids"]))

    ours = keys["preserve_thinking"]
    assert encode("train", preserve=ours).startswith(encode("transformers", preserve=ours))
    assert not encode("train", preserve=None).startswith(encode("transformers", preserve=None))


def test_a_trajectory_may_begin_at_a_later_turn(prompts: Path) -> None:
    register()
    row = json.loads((prompts / "runs/demo/grpo_train.jsonl").read_text().splitlines()[0])
    later = {**row, "task": json.dumps(json.loads(row["task"]) | {"history": [answer("GET_IIS()"), "nonsense"]})}
    scheduler = RepairScheduler(max_turns=3, gym_env="ordebug")
    request = RolloutInferRequest(messages=row["messages"], data_dict=later, uuid="u")
    asyncio.run(scheduler.on_trajectory_start([request]))
    assert "## Previous Actions\n1. GET_IIS(): still infeasible\n2. no action" in request.messages[-1]["content"]
