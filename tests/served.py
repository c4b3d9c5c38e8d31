"""Runs of `ordebug eval` against a server on loopback: what plays, and what it wrote."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.test_chat import completion
from tests.toys import CONFLICT, answer


def write_bench(folder: Path, n: int) -> Path:
    folder.mkdir()
    records = []
    for number in range(n):
        (folder / f"{number}.lp").write_text(CONFLICT + f"\\ {number}\n")
        records.append({"problem_id": f"p{number}", "model_file": f"{number}.lp", "error_type": "AB"[number % 2]})
    (folder / "dataset.json").write_text(json.dumps({"problems": records}))
    return folder


def arguments(bench: Path, url: str, out: Path, *options: str) -> list[str]:
    return ["eval", str(bench), "--base-url", url, "--model", "m", "--out", str(out), "--max-steps", "4", *options]


def thoughtful(number: int, body: dict[str, Any]) -> tuple[int, Any]:
    """An answer that depends on the request alone, as a deterministic server's: some episodes take several turns."""
    rng = random.Random(json.dumps(body["messages"]) + str(body["seed"]))
    actions = ["GET_IIS()", "DROP_CONSTRAINT(nope)", "RELAX_CONSTRAINT(low, 1.0)", "DROP_CONSTRAINT(high)"]
    return 200, completion(answer(rng.choice(actions)))


def episodes_of(out: Path) -> list[dict[str, Any]]:
    """What a run wrote, less the seconds."""
    episodes = [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]
    for episode in episodes:
        for turn in episode["turns"]:
            del turn["agent_seconds"], turn["solver_seconds"]
    return episodes


def figures_of(out: Path) -> dict[str, Any]:
    """summary.json, less the seconds."""
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    for metrics in (summary["metrics"], *summary["by_type"].values()):
        del metrics["seconds"], metrics["seconds_recovered"]
    return summary
