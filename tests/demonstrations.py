"""Rows and conversations about one toy, that tests can reason about by hand."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ordebug_plugin.env import RepairEnv
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.prompt import INSTRUCTION, Style, render_messages
from ordebug_plugin.solver import Judge

Data = dict[str, Any]
STATE = (
    "## Current State\nStatus: INFEASIBLE\n\n## IIS (Irreducible Infeasible Subsystem)\n"
    "Conflicting Constraints: ['low', 'high']\n\n## Model Structure\nConstraints: 3\nVariables: 2\n"
    "Constraint Names: ['low', 'high', 'side']"
)
GOOD = "<think>\nlow asks for more than high allows; its side must be 1.\n</think>\n\nAction: UPDATE_RHS(low, 1.0)"
LOOK = "<think>\nHow far off is low?\n</think>\n\nAction: CHECK_SLACK(low)"
SMALL = "<think>\nI loosen low by 1.\n</think>\n\nAction: RELAX_CONSTRAINT(low, 1.0)"
WRONG = "<think>\nside goes.\n</think>\n\nAction: DROP_CONSTRAINT(side)"
CONVERSATION = Style(conversation=True)


def row(output: str = GOOD, state: str = STATE, **metadata: object) -> Data:
    about = metadata or {"problem_id": "toy"}
    return {"instruction": INSTRUCTION, "input": state, "output": output, "metadata": about}


def talk(bench: Path, *answers: str, style: Style = CONVERSATION, **metadata: object) -> Data:
    """A conversation in which these answers were given, as multi-turn training has it."""
    problem = load_benchmark(bench).problems[0]
    with Judge() as judge:
        env = RepairEnv(judge, problem)
        observation = env.reset()
        for text in answers[:-1]:
            observation = env.step(text).observation
        messages = [asdict(message) for message in render_messages(observation, style)]
    messages.append({"role": "assistant", "content": answers[-1]})
    return {"messages": messages, "metadata": {"problem_id": "toy", **metadata}}
