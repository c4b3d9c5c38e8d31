#!/usr/bin/env python3
"""Alpaca rows whose answers are well-formed and know nothing: a random action on a random row of the model.

A stand-in for what pretraining gives a large model, so that a tiny one can be asked what GRPO alone teaches: it can
write an answer, and nothing in its training tells a good one from a bad one.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import sys
from pathlib import Path

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.prompt import render_answer

_NAMES = re.compile(r"^Constraint Names: (\[.*\])$", re.MULTILINE)
_NUMBERS = {
    ActionKind.DROP_CONSTRAINT: 0,
    ActionKind.RELAX_CONSTRAINT: 1,
    ActionKind.UPDATE_RHS: 1,
    ActionKind.CHECK_SLACK: 0,
}


def answer(state: str, rng: random.Random) -> str:
    """A random action on a random row that the prompt lists."""
    listed = _NAMES.search(state)
    if listed is None:
        raise SystemExit(f"error: a prompt lists no rows:\n{state}")
    kind, row = rng.choice(list(_NUMBERS)), rng.choice(ast.literal_eval(listed[1]))
    numbers = tuple(float(10 ** rng.randint(0, 3)) for _ in range(_NUMBERS[kind]))
    return render_answer(f"Some row: {row}.", Action(kind, row, numbers))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python scripts/writing_rows.py sft_train.json writing.json --seed 0"
    )
    parser.add_argument("prompts", type=Path, metavar="IN.json", help="Alpaca file whose prompts are taken")
    parser.add_argument("out", type=Path, metavar="OUT.json", help="Alpaca file to write")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    content = json.loads(options.prompts.read_text(encoding="utf-8"))
    for row in content["data"]:
        row["output"] = answer(row["input"], rng)
        row["metadata"]["policy"] = "writing"
    options.out.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(content['data'])} rows written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
