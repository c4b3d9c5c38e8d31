"""The same turns in our environment."""

from __future__ import annotations

from judge_bench.naive import State
from judge_bench.script import Script
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.prompt import render_answer
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import IIS, Status


def our_episode(judge: Judge, script: Script) -> list[State]:
    """The same turns in the environment."""
    env = RepairEnv(judge, script.problem, len(script.actions) + 1)
    observation = env.reset()
    states = [our_state(observation.status, None, observation.iis)]
    for action in script.actions:
        step = env.step(render_answer("Why.", action)).step
        states.append(our_state(step.status, step.objective, step.iis))
    return states


def our_state(status: Status, objective: float | None, iis: IIS | None) -> State:
    rows, bounds = (iis.rows, iis.bounds) if iis else ((), ())
    return status is Status.INFEASIBLE, objective, frozenset(rows), frozenset(bounds)
