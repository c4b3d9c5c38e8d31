"""What a killed run left behind: which of its episodes stand, and whether it was the same run."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.host import Job
from ordebug_plugin.evaluate.records import parse_episode
from ordebug_plugin.files import held

# What may differ between a run and its continuation. The problems are held by their hashes, wherever they lie now; a
# server that was started again may have another address; where it puts think text was found out by the run. Limits of
# time and retries decide what is lost, which is run again; older runs do not say them.
_FREE = (
    "concurrency",
    "benchmark",
    "agent.base_url",
    "agent.think",
    "agent.timeout",
    "agent.retries",
    "agent.episode_timeout",
)


@dataclass(frozen=True)
class Kept:
    """Episodes of a run folder that stand.

    Attributes:
        lines: Their lines as they are on disk, without line ends.
        episodes: Number of the job to its episode.
        torn: Whether the last line was cut by the kill; it is played again.
        lost: Episodes lost to infrastructure; they are played again.
    """

    lines: tuple[str, ...]
    episodes: Mapping[int, Episode]
    torn: bool
    lost: int


def read_kept(path: Path, jobs: Sequence[Job]) -> Kept:
    """Reads what stands in ``episodes.jsonl``; nothing where there is none.

    Raises:
        InputError: A whole line is no episode, or one of no job; names the line.
    """
    *whole, rest = path.read_bytes().split(b"\n") if path.exists() else [b""]
    numbers: dict[tuple[str, str, int], deque[int]] = defaultdict(deque)
    for number, job in enumerate(jobs):
        numbers[job.problem.id, job.problem.content_hash, job.sample].append(number)
    lines, episodes, lost = [], {}, 0
    for place, data in enumerate(whole, 1):
        try:
            line = data.decode()
            episode = parse_episode(line)
        except (UnicodeDecodeError, InputError) as error:
            raise InputError(f"{path}, line {place} is not an episode: {error}; delete the line to go on") from error
        if episode.outcome is None:
            lost += 1
            continue
        own = numbers[episode.problem_id, episode.problem_hash, episode.sample]
        if not own:
            raise InputError(f"{path}, line {place} is an episode of another run, or there twice; delete it to go on")
        episodes[own.popleft()] = episode
        lines.append(line)
    return Kept(tuple(lines), episodes, bool(rest), lost)


def check_same(path: Path, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuses to continue a run with another configuration.

    Args:
        path: The configuration on disk, for the message.
        recorded: What it holds.
        wanted: What it would be made now.

    Raises:
        InputError: They differ in more than may change; names every key, with both values.
    """
    old, new = flat_config(recorded), flat_config(wanted)
    changed = [
        f"{key}: {_shown(old, key)} there, {_shown(new, key)} now"
        for key in dict.fromkeys([*old, *new])
        if key not in _FREE and (key not in old or key not in new or old[key] != new[key])
    ]
    if changed:
        raise InputError(
            f"{path} is another configuration, so the run cannot be resumed ({'; '.join(changed)}). "
            "Give the options it was started with, or another --out"
        )


def flat_config(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration with its nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        flat |= flat_config(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _shown(flat: Mapping[str, Any], key: str) -> str:
    if key not in flat:
        return "nothing"
    text = repr(flat[key])
    return text if len(text) <= 60 else text[:57] + "..."


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for this process: two that write the same run would double its episodes.

    Raises:
        InputError: Another process holds it.
    """
    with held(folder) as ours:
        if not ours:
            raise InputError(f"{folder}: another `ordebug eval` is writing this run")
        yield
