"""The course of a GRPO run of ms-swift: means of ten steps each, from its logging.jsonl.

python scripts/grpo_curve.py runs/demo/grpo/logging.jsonl
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

COLUMNS = {
    "reward": "reward",
    "reward_std": "spread",
    "frac_reward_zero_std": "without spread",
    "rewards/ordebug_preservation/mean": "preservation",
    "rewards/ordebug_repair/mean": "repair",
    "rewards/ordebug_diagnosis/mean": "diagnosis",
    "rewards/ordebug_format/mean": "format",
    "kl": "KL",
    "completions/mean_length": "tokens",
    "step_time": "seconds",
}
FIRST = 50  # steps for which the share of prompts without spread is reported by itself


def read_steps(path: Path) -> list[dict[str, Any]]:
    """The log's training steps, in order.

    Raises:
        ValueError: A line is not JSON, or no line is a step of GRPO.
        OSError: The file cannot be read.
    """
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    steps = [record for record in records if "reward" in record and "frac_reward_zero_std" in record]
    if not steps:
        raise ValueError("no line has a reward: is it the logging.jsonl of a GRPO run?")
    return steps


def average(steps: list[dict[str, Any]], name: str) -> float | None:
    """Mean over the steps that have it."""
    values = [float(step[name]) for step in steps if name in step]
    return statistics.fmean(values) if values else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="logging.jsonl of the run")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    try:
        steps = read_steps(options.log)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        print(f"{options.log}: {reason}; give the logging.jsonl that `swift rlhf` wrote", file=sys.stderr)
        return 2
    tens = [steps[start : start + 10] for start in range(0, len(steps), 10)]
    first = average(steps[:FIRST], "frac_reward_zero_std")
    if options.json:
        rows = [{name: average(ten, name) for name in COLUMNS} for ten in tens]
        print(json.dumps({"steps": len(steps), "frac_reward_zero_std_first_50": first, "tens": rows}, indent=1))
        return 0
    shown = {name: heading for name, heading in COLUMNS.items() if average(steps, name) is not None}
    print("steps    " + " ".join(f"{heading:>14}" for heading in shown.values()))
    for number, ten in enumerate(tens):
        values = " ".join(f"{average(ten, name):14.3f}" for name in shown)
        print(f"{10 * number + 1:3d}-{10 * number + len(ten):<4d} {values}")
    print(f"prompts whose answers all earn the same, first {min(FIRST, len(steps))} steps: {first:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
