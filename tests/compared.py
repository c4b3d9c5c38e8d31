"""Runs to compare: two built-in agents, and a served model whose answers are as hostile as answers get."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordebug_plugin.cli import main
from tests.test_chat import completion, server
from tests.toys import CONFLICT

PROBLEMS = 24
# Ends a script element, opens others, and would run if any of it became markup.
HOSTILE = "</script><script>window.attacked=1</script><img src=x onerror=window.attacked=1> & \"quoted\" 'so' \\u003c"
MODEL_RUN = "sft_<b>|1"


@dataclass(frozen=True)
class Runs:
    """Folders of runs on one benchmark."""

    folders: tuple[Path, ...]

    @property
    def names(self) -> list[str]:
        return [folder.name for folder in self.folders]

    @property
    def arguments(self) -> list[str]:
        return [str(folder) for folder in self.folders]

    def summary(self, name: str) -> dict[str, Any]:
        (folder,) = [folder for folder in self.folders if folder.name == name]
        return json.loads((folder / "summary.json").read_text())

    def episodes(self, name: str) -> list[dict[str, Any]]:
        (folder,) = [folder for folder in self.folders if folder.name == name]
        return [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]


def make_runs(folder: Path) -> Runs:
    """Plays all of them."""
    bench = _bench(folder / "bench")
    for agent in ("drop-first", "oracle"):
        assert main(["eval", str(bench), "--agent", agent, "--out", str(folder / agent)]) == 0
    with server(_answer) as (url, _):
        model = ["--base-url", url, "--model", "m", "--max-steps", "6", "--detail", "names"]
        assert main(["eval", str(bench), *model, "--out", str(folder / MODEL_RUN)]) == 0
    return Runs(tuple(folder / name for name in ("drop-first", MODEL_RUN, "oracle")))


def _answer(number: int, _: dict[str, Any]) -> tuple[int, Any]:
    """Hostile text without an action, a look, an innocent row, the culprit by too little, the culprit twice; again."""
    drop = "DROP_CONSTRAINT(low)"
    actions = ("GET_IIS()", "RELAX_CONSTRAINT(side, 1)", "RELAX_CONSTRAINT(low, 0.5)", drop, drop)
    text = HOSTILE
    if number % 6:
        text = f"<think>\n{HOSTILE} {number}\n</think>\n\nAction: {actions[number % 6 - 1]}"
    reply = completion(text)
    reply["usage"]["completion_tokens"] = 10 + number
    return 200, reply


def _bench(folder: Path) -> Path:
    folder.mkdir()
    records = []
    for number in range(PROBLEMS):
        (folder / f"{number}.lp").write_text(CONFLICT.replace("x <= 2", f"x <= {number / 8 - 2}"))
        records.append(
            {
                "problem_id": f"p{number}",
                "model_file": f"{number}.lp",
                "error_type": ("A", "B & <i>", "C")[number % 3],
                "difficulty": ("easy", "medium", "hard")[number // 8],
                "culprit": {"rows": ["low"], "variables": []},
                "fix": ["UPDATE_RHS(low, 1)"] if number > 16 else [],
                "original_objective": 1.0,
            }
        )
    (folder / "dataset.json").write_text(json.dumps({"problems": records}))
    return folder
