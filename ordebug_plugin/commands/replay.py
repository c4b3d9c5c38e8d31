"""``ordebug replay``: is a recorded run what the solver says?"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_cross_check_option,
    add_workers_option,
    print_json,
    progress,
    workers,
)
from ordebug_plugin.crosscheck import Agreement, CrossCheck
from ordebug_plugin.edits import Edits
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.recorded import style_of
from ordebug_plugin.evaluate.replay import Replayed, replay_run
from ordebug_plugin.evaluate.run import load_run
from ordebug_plugin.files import write_text
from ordebug_plugin.guarded import make_judge
from ordebug_plugin.interval import Interval
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.solver import gurobi_version
from ordebug_plugin.verify.crosschecked import cross_check_lines, cross_check_record, cross_check_states

_SHOWN = 20


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "replay",
        "carry out the recorded actions of a run again, and confirm each prompt, status, IIS and objective; exit 1 "
        "when one is not as recorded",
        "ordebug replay runs/sft --episode p00007 --ledger ledger.jsonl",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder written by `ordebug eval`")
    parser.add_argument(
        "--bench",
        type=Path,
        metavar="DIR",
        help="benchmark of the run (default: the one it names, as a path from here)",
    )
    parser.add_argument("--episode", metavar="ID", help="only the episodes of this problem")
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE.jsonl", help="write every question to Gurobi, with versions and parameters"
    )
    parser.add_argument("--json", action="store_true", help="print every difference as JSON")
    add_workers_option(parser)
    add_cross_check_option(parser, "every state that the episodes reach")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Replays a run.

    Returns:
        0 where everything is as recorded, 1 where something is not, could not be carried out, or is contradicted by
        another solver.

    Raises:
        InputError: The run, the benchmark or an option cannot be used.
        SolverError: Gurobi cannot start.
    """
    config, episodes = load_run(options.run_folder)
    if options.episode is not None:
        episodes = tuple(episode for episode in episodes if episode.problem_id == options.episode)
        if not episodes:
            raise InputError(f"{options.run_folder} has no episode of a problem {options.episode!r}")
    if options.ledger is not None and options.ledger.exists():
        raise InputError(f"{options.ledger} is there already: name another file, or delete it first")
    work_limit = float(config["work_limit"])
    with make_judge(work_limit=work_limit) as judge:
        parameters = judge.parameters
    versions = (str(config["versions"]["gurobi"]), gurobi_version())
    if versions[0] != versions[1]:
        LOG.print(f"note: recorded with Gurobi {versions[0]}, replayed with {versions[1]}: another IIS may be found")
    bench = options.bench if options.bench is not None else Path(config["benchmark"])
    if not bench.exists():
        raise InputError(f"{bench}, the benchmark of the run, is not here: name it with --bench")
    problems = load_benchmark(bench).problems
    wrong = 0
    with progress("episodes", len(episodes)) as advance:

        def on_progress(result: Replayed) -> None:
            nonlocal wrong
            wrong += not result.confirmed
            advance(f"{wrong} not confirmed")

        results = replay_run(
            episodes,
            problems,
            max_steps=int(config["max_steps"]),
            style=style_of(config),
            work_limit=work_limit,
            workers=workers(options),
            on_progress=on_progress,
        )
    if options.ledger is not None:
        asked = {"run": str(options.run_folder), "benchmark": str(bench), "work_limit": work_limit}
        head = {"gurobi": versions[1], **asked, "first_tried_with": parameters}
        lines = [head, *(line for result in results for line in _calls(result))]
        write_text(options.ledger, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    checks = _cross_check(options, results, problems, work_limit) if options.cross_check else []
    turns, confirmed = sum(result.turns for result in results), sum(result.confirmed for result in results)
    if options.json:
        found = [_record(result) for result in results if not result.confirmed]
        print_json(
            {
                "episodes": len(results),
                "confirmed": confirmed,
                "turns": turns,
                "gurobi": versions,
                "not_confirmed": found,
                **({"cross_check": cross_check_record(checks)} if options.cross_check else {}),
            }
        )
    else:
        _print(results)
        RESULTS.print(f"{confirmed} of {len(results)} episodes confirmed, {turns} turns carried out again")
        for line in cross_check_lines(checks) if options.cross_check else []:
            RESULTS.print(line)
    contradicted = any(check.agreement is Agreement.CONTRADICTION for check in checks)
    return DONE if confirmed == len(results) and not contradicted else FINDINGS


def _cross_check(
    options: argparse.Namespace, results: Sequence[Replayed], problems: Sequence[Problem], work_limit: float
) -> list[CrossCheck]:
    """Asks again what the judge was asked, each state once."""
    by_content = {problem.content_hash: problem for problem in problems}
    asked = [call for result in results for call in result.calls if call.question == "solve"]
    states = list(dict.fromkeys((call.model, call.edits) for call in asked))
    with progress(options.cross_check, len(states)) as advance:
        return cross_check_states(
            [(by_content[model], edits) for model, edits in states],
            workers=workers(options),
            work_limit=work_limit,
            on_progress=lambda checks: advance(""),
        )


def _print(results: list[Replayed]) -> None:
    failing = [result for result in results if not result.confirmed]
    for result in failing[:_SHOWN]:
        if result.failure is not None:
            RESULTS.print(f"{result.problem_id}, sample {result.sample}: not carried out: {result.failure}")
        for one in result.differences:
            where = f"turn {one.turn}" if one.turn else "the episode"
            changed = f"{one.what} was {one.recorded}, is {one.found}"
            RESULTS.print(f"{result.problem_id}, sample {result.sample}, {where}: {changed}")
    if len(failing) > _SHOWN:
        RESULTS.print(f"… and {len(failing) - _SHOWN} more episodes (--json has them all)")


def _record(result: Replayed) -> dict[str, Any]:
    return {
        "problem_id": result.problem_id,
        "sample": result.sample,
        "failure": result.failure,
        "differences": [asdict(one) for one in result.differences],
    }


def _calls(result: Replayed) -> list[dict[str, Any]]:
    return [
        {
            "problem_id": result.problem_id,
            "sample": result.sample,
            "question": call.question,
            "model": call.model,
            "edits": _edits(call.edits),
            "answer": _plain(call.answer),
            "seconds": round(call.seconds, 6),
        }
        for call in result.calls
    ]


def _plain(answer: object) -> object:
    """An answer as JSON knows it."""
    if isinstance(answer, float) and not math.isfinite(answer):
        return str(answer)
    if isinstance(answer, Mapping):
        return {str(name): _plain(value) for name, value in answer.items()}
    if isinstance(answer, tuple | list):
        return [_plain(value) for value in answer]
    if is_dataclass(answer) and not isinstance(answer, type):
        return _plain(asdict(answer))
    return answer


def _edits(edits: Edits) -> dict[str, Any]:
    return {
        "rows": {name: _sides(interval) for name, interval in edits.rows},
        "variables": {name: _sides(interval) for name, interval in edits.variables},
        "rewrites": {name: dict(terms) for name, terms in edits.rewrites},
    }


def _sides(interval: Interval) -> list[float | str]:
    return [str(side) if math.isinf(side) else side for side in (interval.lower, interval.upper)]
