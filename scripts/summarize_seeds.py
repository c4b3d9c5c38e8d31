"""One table over several runs of scripts/demo.sh: what SFT reached, and what GRPO added, seed by seed.

for seed in 0 1 2; do bash scripts/demo.sh runs/seed$seed $seed; done
python scripts/summarize_seeds.py runs/seed0 runs/seed1 runs/seed2
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from grpo_curve import FIRST, average, read_steps

SHARES = 0.005  # actions that make up less are left out
MEASURES = {"preservation": False, "rr@1": True, "rr@5": True, "hit": True, "format": True}


def compare(first: Path, second: Path) -> dict[str, Any]:
    """What `ordebug compare --json` says of two runs."""
    command = [sys.executable, "-m", "ordebug_plugin.cli", "compare", str(first), str(second), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise ValueError(done.stderr.strip())
    output: dict[str, Any] = json.loads(done.stdout)
    return output


def cell(estimate: dict[str, float], *, percent: bool, sign: str = "") -> str:
    """A figure with its interval."""
    scale, digits = (100, 1) if percent else (1, 3)
    low, high = (f"{scale * estimate[end]:{sign}.{digits}f}" for end in ("low", "high"))
    return f"{scale * estimate['value']:{sign}.{digits}f}{'%' if percent else ''} [{low}, {high}]"


def actions(metrics: dict[str, Any]) -> str:
    """Shares of the actions, the largest first."""
    shares = {name.removeprefix("action_"): one["value"] for name, one in metrics.items() if name.startswith("action_")}
    kept = sorted(((share, name) for name, share in shares.items() if share >= SHARES), reverse=True)
    return ", ".join(f"{name} {share:.1%}" for share, name in kept)


def rows(folder: Path) -> list[tuple[str, str]]:
    """Everything about one run, heading and text."""
    report = compare(folder / "eval/sft", folder / "eval/grpo")
    runs, paired = report["runs"], {pair["metric"]: pair for pair in report["paired"]}
    steps = read_steps(folder / "grpo/logging.jsonl")
    tens = [steps[:10], steps[-10:]]
    table = [("unseen problems", str(runs["sft"]["n"]))]
    for name, percent in MEASURES.items():
        for run in ("sft", "grpo"):
            table.append((f"{name}, {run}", cell(runs[run]["metrics"][name], percent=percent)))
        if name in paired:
            pair = paired[name]
            p = "" if pair["p"] is None else f", p {pair['p']:.2g}"
            table.append((f"{name}, difference", f"{cell(pair, percent=False, sign='+')}{p}: {pair['verdict']}"))
    table += [(f"answers, {run}", actions(runs[run]["metrics"])) for run in ("sft", "grpo")]
    zero = average(steps[:FIRST], "frac_reward_zero_std")
    table.append((f"frac_reward_zero_std, first {min(FIRST, len(steps))} steps", f"{zero:.3f}"))
    rewards = [average(ten, "reward") for ten in tens]
    table.append(("reward in training, first and last 10 steps", " → ".join(f"{value:.3f}" for value in rewards)))
    table.append(("seconds a step", f"{average(steps, 'step_time'):.1f}"))
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of scripts/demo.sh")
    options = parser.parse_args()
    tables = []
    for folder in options.folders:
        try:
            tables.append(dict(rows(folder)))
        except (OSError, ValueError) as error:
            print(f"{folder} is no finished run of scripts/demo.sh: {error}", file=sys.stderr)
            return 2
    print("| | " + " | ".join(folder.name for folder in options.folders) + " |")
    print("|---|" + "---|" * len(tables))
    for heading in tables[0]:
        print(f"| {heading} | " + " | ".join(table[heading] for table in tables) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
