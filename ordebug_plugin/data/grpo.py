"""Prompts for GRPO: what the model sees, rendered as everywhere, and the task by which a reward judges its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ordebug_plugin.env import Observation, RepairEnv
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import write_text
from ordebug_plugin.grading import Task
from ordebug_plugin.guarded import make_judge
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Style, render_messages
from ordebug_plugin.tasks import COLUMN, STYLE_COLUMN, dump_task


@dataclass(frozen=True)
class PromptReport:
    """What was written.

    Attributes:
        path: The file.
        rows: Its number of prompts.
        later: How many of them show a state after the first turn.
    """

    path: Path
    rows: int
    later: int


def write_prompts(  # noqa: PLR0913  # all but two by keyword
    problems: Sequence[Problem],
    out: Path,
    *,
    style: Style,
    inline: bool,
    episodes: Sequence[Episode] = (),
    on_progress: Callable[[int], None] = lambda _: None,
) -> PromptReport:
    """Writes the first prompt of every problem, and those of later turns where there are episodes.

    As JSONL with the columns ``messages``, ``problem_id``, ``task`` and ``style``.

    Args:
        problems: Infeasible models.
        out: ``*.jsonl``; replaced if it exists, and left alone if anything fails.
        style: How prompts are rendered; evaluate with the same.
        inline: Put the models' text into the file, instead of their absolute paths.
        episodes: What a policy did on these problems. The states that it got into become prompts too: a policy that
            is trained on first turns alone gets worse at later ones.
        on_progress: Called with the number of problems done, after each.

    Raises:
        InputError: `out` cannot be written.
        ProblemError: A model cannot be read, or is not infeasible.
        SolverError: Gurobi failed.
    """
    if out.suffix != ".jsonl":
        raise InputError(f"{out}: name the target *.jsonl")
    played: dict[str, list[Episode]] = {}
    for episode in episodes:
        played.setdefault(episode.problem_hash, []).append(episode)
    lines: list[str] = []
    with make_judge(models_kept=1) as judge:
        for number, problem in enumerate(problems, 1):
            env = RepairEnv(judge, problem)
            lines.append(_line(problem, env.reset(), style, inline=inline))
            for episode in played.get(problem.content_hash, ()):
                env.reset()
                for turn in episode.turns[:-1]:
                    lines.append(_line(problem, env.step(turn.step.answer).observation, style, inline=inline))
            on_progress(number)
    distinct = list(dict.fromkeys(lines))  # episodes repeat each other
    write_text(out, "".join(distinct))
    return PromptReport(out, len(distinct), len(distinct) - len(problems))


def _line(problem: Problem, observation: Observation, style: Style, *, inline: bool) -> str:
    """The row of one state, with the answers that led to it as the history of its task."""
    task = Task(problem, tuple(step.answer for step in observation.history))
    row = {
        "messages": [asdict(message) for message in render_messages(observation, style)],
        "problem_id": problem.id,
        COLUMN: dump_task(task, inline=inline),
        STYLE_COLUMN: json.dumps(asdict(style)),
    }
    return json.dumps(row, ensure_ascii=False) + "\n"
