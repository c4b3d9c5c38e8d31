"""The episodes of a comparison, packed into a page: a list to filter, and the turns in parts that open on demand.

The list is small and read at once. The turns are cut into parts of some problems each, all runs of a problem side by
side, so that the prompts they share are stored once; a part is JSON, deflated (zlib) and in base64, which every
browser of today can open by itself (``DecompressionStream``).
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ordebug_plugin.actions import EXTENDED_ACTIONS, THINK_CLOSE, parse_answer
from ordebug_plugin.episode import Episode, Turn
from ordebug_plugin.evaluate.comparison import Run, difficulty
from ordebug_plugin.evaluate.story import Story, TurnStory, tell
from ordebug_plugin.metrics import fault_type, outcome_name
from ordebug_plugin.scoring import Scores, score, touched_elements
from ordebug_plugin.verdict import IIS

# Episodes in one part: what opening one of them unpacks.
_PER_PART = 60
# Characters kept of a prompt, of a think text and of the rest of an answer; the whole text is in episodes.jsonl.
EXCERPT = 4000


@dataclass(frozen=True)
class Packed:
    """The episodes of all runs.

    Attributes:
        listing: For JSON: ``runs``, ``problems`` and ``episodes``, see `pack`.
        parts: The turns, each part in base64.
        episodes: How many there are.
    """

    listing: Mapping[str, Any]
    parts: tuple[str, ...]
    episodes: int

    @property
    def size(self) -> int:
        """Bytes of the parts."""
        return sum(len(part) for part in self.parts)


def pack(runs: Sequence[Run]) -> Packed:
    """Packs the episodes of runs, by problem.

    ``listing["runs"]`` holds the names; ``listing["problems"]`` (id, fault type, difficulty, names in the conflict and
    the culprit); ``listing["episodes"]`` (run, problem, sample, outcome, answers, hit, preservation, tokens, actions,
    part, place in the part, whether the runs differ on the problem). Runs, problems and parts are numbered from 0.
    """
    problems: list[list[Any]] = []
    episodes: list[list[Any]] = []
    parts: list[str] = []
    texts = _Texts()
    details: list[dict[str, Any]] = []
    for group in _by_problem(runs):
        if len(details) >= _PER_PART:
            parts.append(_part(texts, details))
            texts, details = _Texts(), []
        first = group[0][1]
        problems.append([first.problem_id, fault_type(first), difficulty(first), _searchable(first)])
        scored = [(number, episode, score(episode)) for number, episode in group]
        differ = len({(scores.recovered, scores.hit == 1) for _, _, scores in scored if scores.scored}) > 1
        for number, episode, scores in scored:
            place = [len(parts), len(details), int(differ)]
            episodes.append([number, len(problems) - 1, *_listed(episode, scores), *place])
            details.append(_detail(episode, scores, tell(episode, scores), texts))
    if details:
        parts.append(_part(texts, details))
    names = [run.name for run in runs]
    return Packed({"runs": names, "problems": problems, "episodes": episodes}, tuple(parts), len(episodes))


def unpack(part: str) -> list[dict[str, Any]]:
    """What the page reads in one part: its episodes, texts put back in their places."""
    record = json.loads(zlib.decompress(base64.b64decode(part)))
    for episode in record["episodes"]:
        for turn in episode["turns"]:
            for key in _TEXTS:
                turn[key] = None if turn[key] is None else record["texts"][turn[key]]
    episodes: list[dict[str, Any]] = record["episodes"]
    return episodes


# The keys of a turn that hold the number of a text.
_TEXTS = ("prompt", "think", "answer")


class _Texts:
    """Texts of a part, each stored once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str | None) -> int | None:
        """The number of a text, cut to an excerpt; None for none."""
        if not text:
            return None
        more = len(text) - EXCERPT
        kept = text if more <= 0 else f"{text[:EXCERPT]}\n… {more} characters more, in episodes.jsonl"
        return self._numbers.setdefault(kept, len(self._numbers))

    @property
    def listed(self) -> list[str]:
        """All texts, by number."""
        return list(self._numbers)


def _part(texts: _Texts, details: Sequence[Mapping[str, Any]]) -> str:
    record = {"texts": texts.listed, "episodes": details}
    # A lone surrogate, which a model may emit and UTF-8 cannot hold, stays an escape: ASCII holds all.
    text = json.dumps(record, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")


def _by_problem(runs: Sequence[Run]) -> Iterator[list[tuple[int, Episode]]]:
    """All episodes of each problem, with the number of their run; problems in the order of the first run."""
    groups: dict[str, list[tuple[int, Episode]]] = {}
    for number, run in enumerate(runs):
        for episode in run.episodes:
            groups.setdefault(episode.problem_hash, []).append((number, episode))
    yield from groups.values()


def _searchable(episode: Episode) -> str:
    names = [] if episode.iis is None else [*episode.iis.rows, *episode.iis.bounds, *episode.iis.others]
    culprit = [*episode.truth.rows, *episode.truth.variables]
    return " ".join(dict.fromkeys(names + culprit))


def _listed(episode: Episode, scores: Scores) -> list[Any]:
    actions = [str(turn.step.action) for turn in episode.turns if turn.step.action is not None]
    return [
        episode.sample,
        outcome_name(episode),
        scores.answers,
        _number(scores.hit),
        _number(scores.preservation),
        _number(scores.tokens),
        " ".join(dict.fromkeys(actions)),
    ]


def _detail(episode: Episode, scores: Scores, story: Story, texts: _Texts) -> dict[str, Any]:
    truth, repair = episode.truth, episode.repair
    return {
        "headline": story.headline,
        "wrong_turn": story.wrong_turn,
        "iis": _iis(episode.iis),
        "rows": episode.n_rows,
        "culprit": [*truth.rows, *truth.variables],
        "added": list(truth.added_rows),
        "fix": [str(action) for action in truth.fix],
        "touched": sorted(name for _, name in touched_elements(episode)),
        "original": truth.objective,
        "objective": None if repair is None else repair.objective,
        "lost": [] if repair is None else sorted(set(repair.audit.lost_rows) - set(truth.added_rows)),
        "scores": {
            "hit": _number(scores.hit),
            "DA-F1": _number(scores.da_f1),
            "OP": _number(scores.op),
            "FP": _number(scores.fp),
            "preservation": _number(scores.preservation),
            "minimality": _number(scores.minimality),
            "tokens": _number(scores.tokens),
            "seconds": round(scores.seconds, 3),
        },
        "turns": [_turn(turn, told, texts) for turn, told in zip(episode.turns, story.turns, strict=True)],
    }


def _turn(turn: Turn, told: TurnStory, texts: _Texts) -> dict[str, Any]:
    step, text = turn.step, turn.reply.text
    think = parse_answer(text, EXTENDED_ACTIONS).think
    said = text if think is None else text.rpartition(THINK_CLOSE)[2].strip()
    return {
        "prompt": texts.number(turn.reply.prompt),
        "think": texts.number(think),
        "answer": texts.number(said),
        "action": None if step.action is None else str(step.action),
        "change": told.change,
        "conflict": told.conflict,
        "flaw": told.flaw,
        "note": step.note,
        "status": str(step.status),
        "objective": step.objective,
        "iis": _iis(step.iis),
        "tokens": turn.reply.completion_tokens,
        "truncated": turn.reply.truncated,
        "refused": step.refused,
    }


def _iis(iis: IIS | None) -> dict[str, list[str]] | None:
    return None if iis is None else {"rows": list(iis.rows), "bounds": list(iis.bounds), "others": list(iis.others)}


def _number(value: float) -> float | None:
    """A figure for JSON: whole numbers without a point, None where undefined."""
    if math.isnan(value):
        return None
    return int(value) if value == int(value) else round(value, 6)
