"""Episodes on disk: one self-contained JSON line each, written and read here alone.

Infinite sides are the strings "inf" and "-inf"; NaN never occurs (it is null), so that any JSON reader takes the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.documents import parse_json
from ordebug_plugin.env import Outcome, Step
from ordebug_plugin.episode import Episode, Repair, Reply, Turn
from ordebug_plugin.errors import ActionError, InputError
from ordebug_plugin.truth import dump_truth, load_truth
from ordebug_plugin.verdict import IIS, Audit, Status


def dump_episode(episode: Episode) -> str:
    """One line of JSON, without the newline."""
    return json.dumps(episode_record(episode), ensure_ascii=False, allow_nan=False)


def episode_record(episode: Episode) -> dict[str, Any]:
    """An episode as plain data."""
    return {
        "problem_id": episode.problem_id,
        "problem_hash": episode.problem_hash,
        "error_type": episode.error_type,
        "difficulty": episode.difficulty,
        "sample": episode.sample,
        "outcome": episode.outcome,
        "error": episode.error,
        "n_rows": episode.n_rows,
        "aliases": dict(episode.aliases),
        "truth": dump_truth(episode.truth),
        "iis": _iis_out(episode.iis),
        "turns": [_turn_out(turn) for turn in episode.turns],
        "repair": _repair_out(episode.repair),
        "action_set": "extended" if episode.extended else "public",
    }


def load_episodes(path: Path) -> Iterator[Episode]:
    """Reads ``episodes.jsonl``.

    Raises:
        InputError: A line is not an episode; names the file and the line.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield parse_episode(line)
                except InputError as error:
                    cut = (
                        "" if line.endswith("\n") else "; a killed run ends so: `ordebug eval … --resume` completes it"
                    )
                    raise InputError(f"{path}, line {number} is not an episode: {error}{cut}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def parse_episode(line: str) -> Episode:
    """Reads one line.

    Raises:
        InputError: It is not an episode.
    """
    try:
        return _episode_in(parse_json(line))
    except (ValueError, KeyError, TypeError, AttributeError, ActionError) as error:
        raise InputError(repr(error)) from error


def _turn_out(turn: Turn) -> dict[str, Any]:
    reply, step = turn.reply, turn.step
    return {
        "prompt": reply.prompt,
        "answer": reply.text,
        "raw": None if reply.raw is None else {"content": reply.raw[0], "reasoning": reply.raw[1]},
        "action": None if step.action is None else _action_out(step.action),
        "well_formed": step.well_formed,
        "refused": step.refused,
        "truncated": reply.truncated,
        "note": step.note,
        "status": step.status,
        "objective": step.objective,
        "iis": _iis_out(step.iis),
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "agent_seconds": reply.seconds,
        "solver_seconds": turn.solver_seconds,
    }


def _action_out(action: Action) -> dict[str, Any]:
    numbers = [str(number) if math.isinf(number) else number for number in action.numbers]
    record = {"kind": action.kind, "target": action.target, "numbers": numbers}
    return record if action.expression is None else {**record, "expression": action.expression}


def _iis_out(iis: IIS | None) -> dict[str, Any] | None:
    if iis is None:
        return None
    return {"rows": iis.rows, "bounds": iis.bounds, "others": iis.others, "minimal": iis.minimal}


def _repair_out(repair: Repair | None) -> dict[str, Any] | None:
    if repair is None:
        return None
    return {
        "objective": repair.objective,
        "needed": repair.needed,
        "granted": repair.audit.granted,
        "lost_rows": repair.audit.lost_rows,
    }


def _episode_in(record: Mapping[str, Any]) -> Episode:
    return Episode(
        problem_id=record["problem_id"],
        problem_hash=record["problem_hash"],
        error_type=record["error_type"],
        difficulty=record["difficulty"],
        truth=load_truth(record["truth"]),
        n_rows=record["n_rows"],
        aliases=record["aliases"],
        sample=record["sample"],
        iis=_iis_in(record["iis"]),
        turns=tuple(_turn_in(turn) for turn in record["turns"]),
        outcome=None if record["outcome"] is None else Outcome(record["outcome"]),
        error=record["error"],
        repair=_repair_in(record["repair"]),
        extended=record.get("action_set") == "extended",  # older runs say nothing: there was but one
    )


def _turn_in(record: Mapping[str, Any]) -> Turn:
    reply = Reply(
        text=record["answer"],
        prompt=record["prompt"],
        prompt_tokens=record["prompt_tokens"],
        completion_tokens=record["completion_tokens"],
        seconds=record["agent_seconds"],
        truncated=record["truncated"],
        raw=None if record["raw"] is None else (record["raw"]["content"], record["raw"]["reasoning"]),
    )
    step = Step(
        answer=record["answer"],
        action=None if record["action"] is None else _action_in(record["action"]),
        well_formed=record["well_formed"],
        refused=record["refused"],
        note=record["note"],
        status=Status(record["status"]),
        objective=record["objective"],
        iis=_iis_in(record["iis"]),
    )
    return Turn(reply, step, record["solver_seconds"])


def _action_in(record: Mapping[str, Any]) -> Action:
    numbers = tuple(float(number) for number in record["numbers"])
    return Action(ActionKind(record["kind"]), record["target"], numbers, record.get("expression"))


def _iis_in(record: Mapping[str, Any] | None) -> IIS | None:
    if record is None:
        return None
    return IIS(tuple(record["rows"]), tuple(record["bounds"]), tuple(record["others"]), record["minimal"])


def _repair_in(record: Mapping[str, Any] | None) -> Repair | None:
    if record is None:
        return None
    audit = Audit(record["granted"], tuple(record["lost_rows"]))
    return Repair(record["objective"], record["needed"], audit)
