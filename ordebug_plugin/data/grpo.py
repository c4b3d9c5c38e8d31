"""Prompts for GRPO: what the model sees, rendered as everywhere, and the task by which a reward judges its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ordebug_plugin.env import RepairEnv
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import write_text
from ordebug_plugin.grading import Task
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Style, render_messages
from ordebug_plugin.solver import Judge
from ordebug_plugin.tasks import COLUMN, STYLE_COLUMN, dump_task


@dataclass(frozen=True)
class PromptReport:
    """What was written: the file, and its number of rows."""

    path: Path
    rows: int


def write_prompts(
    problems: Sequence[Problem],
    out: Path,
    *,
    style: Style,
    inline: bool,
    on_progress: Callable[[int], None] = lambda _: None,
) -> PromptReport:
    """Writes one prompt a problem, as JSONL with the columns ``messages``, ``problem_id``, ``task`` and ``style``.

    Args:
        problems: Infeasible models.
        out: ``*.jsonl``; replaced if it exists, and left alone if anything fails.
        style: How prompts are rendered; evaluate with the same.
        inline: Put the models' text into the file, instead of their absolute paths.
        on_progress: Called with the number of problems done, after each.

    Raises:
        InputError: `out` cannot be written.
        ProblemError: A model cannot be read, or is not infeasible.
        SolverError: Gurobi failed.
    """
    if out.suffix != ".jsonl":
        raise InputError(f"{out}: name the target *.jsonl")
    lines = []
    with Judge(models_kept=1) as judge:
        for number, problem in enumerate(problems, 1):
            messages = render_messages(RepairEnv(judge, problem).reset(), style)
            row = {
                "messages": [asdict(message) for message in messages],
                "problem_id": problem.id,
                COLUMN: dump_task(Task(problem), inline=inline),
                STYLE_COLUMN: json.dumps(asdict(style)),
            }
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
            on_progress(number)
    write_text(out, "".join(lines))
    return PromptReport(out, len(lines))
