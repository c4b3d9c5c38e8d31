"""Our rewards and our environment inside ms-swift.

Call `register` from a file given to ``--external_plugins``: recipes/plugin/ does.
"""

from __future__ import annotations

import logging
from typing import Any

from swift.dataset import DatasetMeta, register_dataset
from swift.rewards import ORM, orms
from swift.rollout.gym_env import Env, envs
from swift.rollout.multi_turn import GYMScheduler, multi_turns

from ordebug_plugin.env import MAX_TURNS
from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.grading import Task
from ordebug_plugin.prompt import Style, canonical_answer, system_for
from ordebug_plugin.reward_functions import ANSWERS, LOST, REWARDS, RewardFunction, pool
from ordebug_plugin.reward_pool import check_crew
from ordebug_plugin.scene import Scene
from ordebug_plugin.tasks import COLUMN, STYLE_COLUMN, load_style, load_task

logger = logging.getLogger(__name__)

ENVIRONMENT = "ordebug"
SCHEDULER = "ordebug_scheduler"
# What `--dataset NAME` means, from the folder in which swift is started: what `ordebug data grpo` and
# `ordebug data convert --to messages` are told to write.
DATASETS = {"or_debug": "data/grpo_train.jsonl", "or_debug_sft": "data/sft_train.jsonl"}
# Shown where the solver failed, so that the batch goes on; its trajectory is neutral in every reward.
UNAVAILABLE = Scene("The solver is not available. Answer with Action: SUBMIT()", done=True)


def register() -> None:
    """Puts rewards, datasets, environment and scheduler into ms-swift's registries; idempotent.

    Raises:
        InputError: ORDEBUG_WORKERS is wrong, or no Ray is where ORDEBUG_RAY says, which would else show at the first
            reward.
        SolverError: Gurobi cannot start, here or on the cluster, and every answer of the training would be neutral.
    """
    check_crew()
    for name, function in REWARDS.items():
        orms[name] = _orm(function)
    for dataset, path in DATASETS.items():
        register_dataset(DatasetMeta(dataset_name=dataset, dataset_path=path), exist_ok=True)
    envs[ENVIRONMENT] = RepairGym
    multi_turns[SCHEDULER] = RepairScheduler


def _orm(function: RewardFunction) -> type[ORM]:
    """A reward class: ms-swift makes one object of it per run, and logs it under the class's name."""

    def call(self: ORM, completions: list[Any], **columns: Any) -> list[float]:
        return function(completions, **columns)

    return type(function.name, (ORM,), {"__call__": call, "__doc__": f"The reward {function.name}."})


class RepairGym(Env):  # type: ignore[misc]
    """`RepairEnv` as ms-swift's gym drives it: the whole state each turn, in the style of the dataset row.

    Steps are worth 0; the trajectory is scored as a whole by the reward functions. It raises nothing: a solver that
    fails or hangs, in the processes of the rewards, ends the trajectory, which is then neutral in all of them.

    Args:
        env_config: ``max_turns`` of the dataset row, where it has one (default 20).
    """

    def __init__(self, env_config: dict[str, Any] | None) -> None:
        super().__init__(env_config)
        self.max_turns = int((env_config or {}).get("max_turns", MAX_TURNS))
        self.answers: list[str] = []
        self.lost = False
        self._style = Style()
        self._task: Task | None = None

    async def reset(self, config: Any) -> tuple[str, dict[str, Any], str]:
        """Starts the episode of a dataset row; returns the first user message, no information, the system prompt."""
        self.answers, self.lost, self._task = [], False, None
        row = config.data_dict or {}
        try:
            self._style = load_style(str(row.get(STYLE_COLUMN)))
            self._task = load_task(str(row.get(COLUMN)))
        except OrdebugError as error:
            logger.warning("the environment cannot start, the trajectory is neutral: %s", error)
        system = system_for(self._style.system, extended=self._task is not None and self._task.problem.extended)
        return self._turn().text, {}, system or ""

    async def step(self, action: list[dict[str, Any]]) -> tuple[str, float, bool, dict[str, Any]]:
        """Takes the last message of the conversation as the answer."""
        self.answers.append(canonical_answer(str(action[-1].get("content") or "")))
        turn = self._turn()
        return turn.text, 0.0, turn.done, {}

    def _turn(self) -> Scene:
        """The turn after the answers so far; once the solver was lost, there are no more."""
        turn = None
        if self._task is not None and not self.lost:
            turn = pool().scene(self._task, self.answers, self.max_turns, self._style)
        self.lost = turn is None
        return turn or UNAVAILABLE

    async def close(self) -> None:
        """Lets go of the task."""
        self._task = None


class RepairScheduler(GYMScheduler):  # type: ignore[misc]
    """The gym scheduler, which also hands every trajectory's answers to the rewards, and closes at the last turn.

    ms-swift gives reward functions the last turn only; the answers travel in ``rollout_infos``. It closes an
    environment when that says it is done, so one that runs out of the trainer's turns must be told.
    """

    def _create_env(self, env_config: dict[str, Any]) -> Env:
        config = {"name": ENVIRONMENT, **env_config}
        if self.max_turns:
            config.setdefault("max_turns", self.max_turns)
        return super()._create_env(config)

    async def on_turn_end(self, infer_request: Any, response_choice: Any, current_turn: int) -> dict[str, Any]:
        """Steps the environment, and adds the answers so far."""
        env = self._envs.get(infer_request.uuid)
        result: dict[str, Any] = await super().on_turn_end(infer_request, response_choice, current_turn)
        if isinstance(env, RepairGym):
            result["rollout_infos"] |= {ANSWERS: list(env.answers), LOST: env.lost}
        if self.max_turns and current_turn >= self.max_turns:
            await self._close_and_remove(infer_request.uuid)
            result["done"] = True
        return result
