"""What the policy sees next, after some answers: for environments that keep no solver of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ordebug_plugin.env import RepairEnv
from ordebug_plugin.grading import Task
from ordebug_plugin.prompt import Style, render_user
from ordebug_plugin.solver import Judge


@dataclass(frozen=True)
class Scene:
    """The end of a trajectory so far.

    Attributes:
        text: The user message of the turn that is next.
        done: Whether the episode has ended, and none is.
    """

    text: str
    done: bool


def scene(judge: Judge, task: Task, answers: Sequence[str], max_turns: int, style: Style) -> Scene:
    """Plays a trajectory from its start; the judge remembers the states that it has seen.

    Args:
        judge: The solver.
        task: What the first answer answers.
        answers: The answers since then, canonical.
        max_turns: Turns allowed after ``task.history``.
        style: What the message shows.

    Raises:
        ProblemError: The model cannot be used.
        SolverError: Gurobi failed.
    """
    env = RepairEnv(judge, task.problem, max_turns + len(task.history))
    observation, done = env.reset(), False
    for answer in (*task.history, *answers):
        transition = env.step(answer)
        observation, done = transition.observation, transition.outcome is not None
        if done:
            break
    return Scene(render_user(observation, style), done)
