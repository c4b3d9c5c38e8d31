"""Episodes on disk: one self-contained JSON line each, written and read here alone.

Infinite sides are the strings "inf" and "-inf"; NaN never occurs (it is null), so that any JSON reader takes the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.documents import parse_json
from ordebug_plugin.env import Outcome, Step
from ordebug_plugin.episode import Episode, Repair, Reply, Turn
from ordebug_plugin.errors import ActionError, InputError
from ordebug_plugin.fields import Fields
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
        return _episode_in(Fields(parse_json(line)))
    except (ValueError, ActionError) as error:
        raise InputError(str(error)) from error


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


def _episode_in(record: Fields) -> Episode:
    return Episode(
        problem_id=record.text("problem_id"),
        problem_hash=record.text("problem_hash"),
        error_type=record.text_or_none("error_type"),
        difficulty=record.text_or_none("difficulty"),
        truth=load_truth(record.fields("truth")),
        n_rows=record.count("n_rows"),
        aliases=record.names("aliases"),
        sample=record.count("sample"),
        iis=_iis_in(record, "iis"),
        turns=tuple(map(_turn_in, record.each("turns"))),
        outcome=None if (outcome := record.text_or_none("outcome")) is None else Outcome(outcome),
        error=record.text_or_none("error"),
        repair=_repair_in(record),
        # Older runs say nothing: there was but one.
        extended=record.has("action_set") and record.text("action_set") == "extended",
    )


def _turn_in(record: Fields) -> Turn:
    reply = Reply(
        text=record.text("answer"),
        prompt=record.text_or_none("prompt"),
        prompt_tokens=record.count_or_none("prompt_tokens"),
        completion_tokens=record.count_or_none("completion_tokens"),
        seconds=record.number("agent_seconds"),
        truncated=record.flag("truncated"),
        raw=_raw_in(record),
    )
    step = Step(
        answer=record.text("answer"),
        action=_action_in(record),
        well_formed=record.flag("well_formed"),
        refused=record.flag("refused"),
        note=record.text("note"),
        status=Status(record.text("status")),
        objective=record.number_or_none("objective"),
        iis=_iis_in(record, "iis"),
    )
    return Turn(reply, step, record.number("solver_seconds"))


def _raw_in(record: Fields) -> tuple[str | None, str | None] | None:
    if not record.has("raw"):
        return None
    raw = record.fields("raw")
    return raw.text_or_none("content"), raw.text_or_none("reasoning")


def _action_in(record: Fields) -> Action | None:
    if not record.has("action"):
        return None
    action = record.fields("action")
    numbers = tuple(map(_side_in, action.items("numbers")))
    expression = action.text("expression") if action.has("expression") else None
    return Action(ActionKind(action.text("kind")), action.text_or_none("target"), numbers, expression)


def _side_in(value: object) -> float:
    if value in ("inf", "-inf") or (isinstance(value, int | float) and not isinstance(value, bool)):
        return float(value)  # of these two texts, or a number
    raise ValueError(f"{value!r} is no number of an action")


def _iis_in(record: Fields, key: str) -> IIS | None:
    if not record.has(key):
        return None
    iis = record.fields(key)
    return IIS(iis.texts("rows"), iis.texts("bounds"), iis.texts("others"), iis.flag("minimal"))


def _repair_in(record: Fields) -> Repair | None:
    if not record.has("repair"):
        return None
    repair = record.fields("repair")
    audit = Audit(repair.number("granted"), repair.texts("lost_rows"))
    return Repair(repair.number_or_none("objective"), repair.number_or_none("needed"), audit)
