"""Rejection sampling: the successes of any model's runs become demonstrations, its failures are kept apart.

Every score is computed anew from the record of the episode (`scoring`), which needs no solver and no benchmark.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ordebug_plugin.actions import ActionKind
from ordebug_plugin.demonstrations.rows import conversation, own_system
from ordebug_plugin.env import Outcome
from ordebug_plugin.episode import Episode, Turn
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.run import load_run
from ordebug_plugin.files import check_writable, write_text
from ordebug_plugin.prompt import INSTRUCTION, SYSTEM_PROMPT, Message, join_instruction, system_for
from ordebug_plugin.scoring import Scores, score
from ordebug_plugin.statistics import null_for_nan

_HEAD = f"{INSTRUCTION}\n\n"


@dataclass(frozen=True)
class CollectReport:
    """What became of every episode: ``episodes == rows + duplicates + sum(failures)``.

    Attributes:
        path: The Alpaca file.
        chat: The file of conversations, or None.
        failures_path: The file of failures, or None.
        runs: Runs read.
        episodes: Episodes in them.
        rows: Successes written.
        duplicates: Successes that another one says word for word.
        failures: Episodes that are no demonstration, by the reason.
        problems: Problems of which there is a success.
        error_types: Rows per kind of fault.
    """

    path: Path
    chat: Path | None
    failures_path: Path | None
    runs: int
    episodes: int
    rows: int
    duplicates: int
    failures: Mapping[str, int]
    problems: int
    error_types: Mapping[str, int]


def collect(
    runs: Sequence[Path],
    out: Path,
    *,
    min_preservation: float,
    chat: Path | None = None,
    failures: Path | None = None,
) -> CollectReport:
    """Writes the successes of runs as demonstrations.

    Args:
        runs: Folders of `ordebug eval`.
        out: Alpaca file of the last answers, with the prompts that they answered.
        min_preservation: What a success preserves at least (`scoring.Scores.preservation`), from 0 to 1.
        chat: JSONL file of the whole conversations, one for each row.
        failures: JSONL file of the other episodes: outcome, scores, and every prompt with its answer.

    Raises:
        InputError: A run cannot be read, a file not be written, or there is no success.
    """
    for path in (out, chat, failures):
        if path is not None:
            check_writable(path)
    rows: list[dict[str, object]] = []
    chats: list[dict[str, object]] = []
    failed: list[dict[str, object]] = []
    reasons: Counter[str] = Counter()
    seen: set[tuple[str, ...]] = set()
    episodes = duplicates = 0
    for run in runs:
        config, found = load_run(run)
        for episode in found:
            episodes += 1
            scores = score(episode)
            reason = _refusal(episode, scores, min_preservation)
            if reason is not None:
                reasons[reason] += 1
                failed.append(_failure(episode, scores, reason, run))
                continue
            told = (episode.problem_hash, *(text for turn in episode.turns for text in (_state(turn), turn.reply.text)))
            if told in seen:
                duplicates += 1
                continue
            seen.add(told)
            about = _labels(episode, run)
            last = episode.turns[-1]
            metadata = {**about, "turn": len(episode.turns)}
            row: dict[str, object] = {
                "instruction": INSTRUCTION,
                "input": _state(last),
                "output": last.reply.text,
                **own_system(_system(config)),
                "metadata": metadata,
            }
            rows.append(row)
            chats.append(_chat(episode, config, about))
    if failures is not None:
        write_text(failures, "".join(json.dumps(one, ensure_ascii=False, allow_nan=False) + "\n" for one in failed))
    if not rows:
        listed = ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common())
        raise InputError(f"not one of {episodes} episodes is a demonstration ({listed or 'the runs are empty'})")
    metadata = {"agent": "collected", "runs": [str(run) for run in runs], "min_preservation": min_preservation}
    text = json.dumps({"metadata": metadata, "data": rows}, indent=1, ensure_ascii=False)
    write_text(out, text + "\n")
    if chat is not None:
        write_text(chat, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in chats))
    labels = Counter(str(row["metadata"]["error_type"]) for row in rows)  # type: ignore[index]
    problems = {row["metadata"]["problem_hash"] for row in rows}  # type: ignore[index]
    return CollectReport(
        path=out,
        chat=chat,
        failures_path=failures,
        runs=len(runs),
        episodes=episodes,
        rows=len(rows),
        duplicates=duplicates,
        failures=dict(reasons.most_common()),
        problems=len(problems),
        error_types=dict(sorted(labels.items())),
    )


def _refusal(episode: Episode, scores: Scores, least: float) -> str | None:
    """Why an episode is no demonstration; None where it is one."""
    if episode.outcome is None:
        return "infrastructure"
    if episode.outcome is not Outcome.RECOVERED:
        return str(episode.outcome)
    if not episode.turns[-1].step.well_formed or episode.turns[-1].reply.truncated:
        return "malformed"
    if any(turn.reply.prompt is None for turn in episode.turns):
        return "prompt not recorded"
    if math.isnan(scores.preservation):
        return "preservation unknown"
    return None if scores.preservation >= least else "preservation too low"


def _state(turn: Turn) -> str:
    return (turn.reply.prompt or "").removeprefix(_HEAD)


def _labels(episode: Episode, run: Path) -> dict[str, object]:
    return {
        "problem_id": episode.problem_id,
        "problem_hash": episode.problem_hash,
        "error_type": episode.error_type,
        "difficulty": episode.difficulty,
        "action_set": "extended" if episode.extended else "public",
        "policy": "collected",
        "run": run.name,
        "sample": episode.sample,
    }


def _chat(episode: Episode, config: Mapping[str, Any], about: Mapping[str, object]) -> dict[str, object]:
    """The whole episode; to learn are the answers that were carried out and not taken back afterwards."""
    system = system_for(_system(config), extended=episode.extended)
    messages = [] if system is None else [Message("system", system)]
    for turn in episode.turns:
        messages.append(Message("user", join_instruction(INSTRUCTION, _state(turn))))
        messages.append(Message("assistant", turn.reply.text))
    resets = [place for place, turn in enumerate(episode.turns) if _is_reset(turn)]
    since = resets[-1] if resets else 0
    learn = [
        place >= since and turn.step.well_formed and not turn.step.refused and not turn.reply.truncated
        for place, turn in enumerate(episode.turns)
    ]
    return conversation(messages, learn, about)


def _system(config: Mapping[str, Any]) -> str | None:
    """The system prompt of a run."""
    agent = config.get("agent")
    style = agent.get("style") if isinstance(agent, Mapping) else None
    return style.get("system") if isinstance(style, Mapping) else SYSTEM_PROMPT


def _is_reset(turn: Turn) -> bool:
    action = turn.step.action
    return action is not None and not turn.step.refused and action.kind is ActionKind.RESET


def _failure(episode: Episode, scores: Scores, reason: str, run: Path) -> dict[str, object]:
    return {
        "metadata": _labels(episode, run),
        "reason": reason,
        "outcome": episode.outcome,
        "error": episode.error,
        "scores": _finite(asdict(scores)),
        "turns": [
            {
                "prompt": join_instruction(INSTRUCTION, _state(turn)),
                "answer": turn.reply.text,
                "note": turn.step.note,
                "status": turn.step.status,
            }
            for turn in episode.turns
        ],
    }


def _finite(record: Mapping[str, object]) -> dict[str, object]:
    """JSON knows neither NaN nor the turn of a recovery that never came."""
    return {name: None if value == math.inf else value for name, value in null_for_nan(dict(record)).items()}
