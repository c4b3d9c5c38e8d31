"""A run: one agent on one benchmark, written to a folder.

The folder holds ``config.yaml`` (everything that went in), ``episodes.jsonl`` (one line per episode, appended as they
end, and put into benchmark order when all have) and ``summary.json`` (the figures).
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ordebug_plugin import __version__
from ordebug_plugin.documents import parse_yaml
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.engine import Course, Player, Served, Unusable, play_jobs
from ordebug_plugin.evaluate.host import Job
from ordebug_plugin.evaluate.recorded import check_recorded
from ordebug_plugin.evaluate.records import dump_episode, load_episodes
from ordebug_plugin.evaluate.resume import Kept, check_same, locked, read_kept
from ordebug_plugin.files import make_folder, write_text
from ordebug_plugin.metrics import Summary, summarize
from ordebug_plugin.parallel import Crew
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, gurobi_version
from ordebug_plugin.statistics import null_for_nan
from ordebug_plugin.truth import dump_truth

if TYPE_CHECKING:  # the openai client takes a second to import
    from ordebug_plugin.agents.completion import ThinkText

CONFIG, EPISODES, SUMMARY, UNUSABLE = "config.yaml", "episodes.jsonl", "summary.json", "unusable.jsonl"


@dataclass(frozen=True)
class RunConfig:
    """What decides the figures of a run; `agent` holds the options of the agent.

    Attributes:
        benchmark: Path as given.
        agent: Its name and options, ready for YAML. Never holds an API key.
        concurrency: Requests in flight; 1 where a built-in agent plays.
        max_steps: Turns per episode.
        seed: Seed of the agent.
        work_limit: Gurobi work units per call.
        limit: Only the first so many problems; None for all.
        samples: Episodes per problem.
    """

    benchmark: str
    agent: Mapping[str, Any]
    concurrency: int = 1
    max_steps: int = 20
    seed: int = 0
    work_limit: float = DEFAULT_WORK_LIMIT
    limit: int | None = None
    samples: int = 1


@dataclass(frozen=True)
class RunResult:
    """What came out of a run.

    Attributes:
        summary: The figures.
        unusable: Problems that could not be judged.
        lost: Why episodes were lost to infrastructure, one message each: the error's type, and its text.
    """

    summary: Summary
    unusable: tuple[Unusable, ...]
    lost: tuple[str, ...]


def run_evaluation(  # noqa: PLR0913  # all but four by keyword
    config: RunConfig,
    player: Player,
    problems: tuple[Problem, ...],
    out: Path,
    *,
    resume: bool = False,
    workers: Crew = 0,
    on_result: Callable[[Episode | Unusable], None] = lambda _: None,
    on_kept: Callable[[Kept], None] = lambda _: None,
) -> RunResult:
    """Runs every episode and writes the run folder.

    Args:
        config: Written to ``config.yaml``, with the versions in use and the hash of the benchmark.
        player: Who plays.
        problems: What to run on, already limited.
        out: The folder; must not hold a run yet, unless it is to be resumed.
        resume: Go on with the run that the folder holds, if it holds one: finished episodes stand, those lost to
            infrastructure are played again.
        workers: Who plays the episodes of a built-in agent; the episodes do not depend on it.
        on_result: Called after each episode, as they end, first with those that stand.
        on_kept: Called with what stands, where a run is resumed.

    Raises:
        InputError: `out` already holds a run, or one of another configuration, or cannot be written.
        ProblemError: Not one problem is usable.
    """
    if not resume and (out / EPISODES).exists():
        raise InputError(
            f"{out} already holds a run: go on with it by --resume, give another --out, or remove it first"
        )
    make_folder(out)
    with locked(out):
        jobs = [Job(problem, sample) for problem in problems for sample in range(config.samples)]
        record = _record(config, problems)
        kept = _kept(out, record, jobs) if resume else Kept((), {}, torn=False, lost=0)
        if resume and (out / CONFIG).exists():
            record, player = _taken_up(out, record, player)
            on_kept(kept)
        write_text(out / CONFIG, _yaml(record))
        results: dict[int, Episode | Unusable] = dict(kept.episodes)
        for episode in kept.episodes.values():
            on_result(episode)
        left = [number for number in range(len(jobs)) if number not in results]
        try:
            write_text(out / EPISODES, "".join(f"{line}\n" for line in kept.lines))
            with (out / EPISODES).open("a", encoding="utf-8", errors="backslashreplace") as lines:

                def on_end(place: int, result: Episode | Unusable) -> None:
                    results[left[place]] = result
                    if isinstance(result, Episode):
                        lines.write(dump_episode(result) + "\n")
                        lines.flush()
                    on_result(result)

                def on_think(think: ThinkText) -> None:
                    found = {**record, "agent": {**record["agent"], "think": think.value}}
                    write_text(out / CONFIG, _yaml(found))

                course = Course(config.concurrency, config.max_steps, config.work_limit, workers)
                play_jobs([jobs[number] for number in left], player, course, on_end, on_think)
        except OSError as error:  # the disk is full; what ends here is the last line alone, which --resume plays again
            raise InputError(f"{out / EPISODES}: cannot be written: {error.strerror}") from error
        finally:
            if not any(isinstance(result, Episode) for result in results.values()):
                (out / EPISODES).unlink(missing_ok=True)  # an empty run must not be in the way of the next try
        return _finish(out, [results[number] for number in range(len(jobs))], config.max_steps)


def check_resumable(config: RunConfig, problems: tuple[Problem, ...], out: Path) -> None:
    """Checks that a folder holds no other run: before a server is started for it.

    Raises:
        InputError: It does; names what differs.
    """
    _check_same(out, _record(config, problems))


def _check_same(out: Path, record: Mapping[str, Any]) -> None:
    if (out / CONFIG).exists():
        check_same(out / CONFIG, load_config(out), yaml.safe_load(_yaml(record)))


def _kept(out: Path, record: Mapping[str, Any], jobs: Sequence[Job]) -> Kept:
    """What stands of the run in a folder, which must be the one that is to be run."""
    _check_same(out, record)
    if (out / EPISODES).exists() and not (out / CONFIG).exists():
        raise InputError(f"{out} holds episodes but no {CONFIG}: they cannot be resumed; give another --out")
    return read_kept(out / EPISODES, jobs)


def _taken_up(out: Path, record: Mapping[str, Any], player: Player) -> tuple[dict[str, Any], Player]:
    """The configuration and the player of a run that goes on: what was found out about the server holds."""
    recorded = load_config(out)
    found = recorded["agent"].get("think")
    if found is None or not isinstance(player, Served):
        return recorded, player
    from ordebug_plugin.agents.completion import ThinkText  # noqa: PLC0415  # as below

    try:
        return recorded, replace(player, think=ThinkText(found))
    except ValueError as error:
        raise InputError(f"{out / CONFIG}: agent.think must be one of {', '.join(ThinkText)}, not {found!r}") from error


def _finish(out: Path, results: Sequence[Episode | Unusable], max_steps: int) -> RunResult:
    """Writes what can only be written at the end; episodes go into benchmark order, whatever order they ended in."""
    episodes = [result for result in results if isinstance(result, Episode)]
    # Every sample of such a problem finds it unusable.
    unusable = list({(one.problem_id, one.path): one for one in results if isinstance(one, Unusable)}.values())
    (out / UNUSABLE).unlink(missing_ok=True)  # of a run that came to nothing else
    if unusable:
        records = [{"problem_id": one.problem_id, "path": one.path, "error": str(one.error)} for one in unusable]
        write_text(out / UNUSABLE, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    if not episodes:
        raise unusable[0].error
    write_text(out / EPISODES, "".join(dump_episode(episode) + "\n" for episode in episodes))
    summary = summarize(episodes, max_steps)
    write_text(out / SUMMARY, summary_text(summary))
    errors = tuple(episode.error for episode in episodes if episode.error is not None)
    return RunResult(summary, tuple(unusable), errors)


def load_run(folder: Path) -> tuple[dict[str, Any], tuple[Episode, ...]]:
    """The configuration and the episodes of a finished run.

    Raises:
        InputError: The folder holds no run, or one without an episode, or a file of it cannot be read.
    """
    config = load_config(folder)
    check_begun(folder)
    episodes = tuple(load_episodes(folder / EPISODES))
    if not episodes:
        raise InputError(f"{folder / EPISODES} holds no episode: `ordebug eval … --resume` plays those of the run")
    return config, episodes


def check_begun(folder: Path) -> None:
    """Finds out whether a run has its file of episodes.

    Raises:
        InputError: It has none: it was interrupted before the first one ended.
    """
    if not (folder / EPISODES).exists():
        raise InputError(
            f"no episode of {folder} has ended yet: the same `ordebug eval … --out {folder}` starts it again, with or "
            "without --resume"
        )


def load_config(folder: Path) -> dict[str, Any]:
    """The configuration of a run, finished or not.

    Raises:
        InputError: The folder holds no run, or its configuration cannot be read, or lacks a key, or has another value
            in it than one of a run.
    """
    try:
        config = parse_yaml((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no run (`ordebug eval … --out {folder}` makes one): {error}") from error
    return check_recorded(folder / CONFIG, config)


def missing_episodes(folder: Path, config: Mapping[str, Any], episodes: Sequence[Episode]) -> int:
    """How many episodes of a run are missing though their problems are not unusable: it was interrupted."""
    return expected_episodes(folder, config) - len(episodes)


def expected_episodes(folder: Path, config: Mapping[str, Any]) -> int:
    """How many episodes a run has when it is complete: those of its problems that are not unusable."""
    unusable = folder / UNUSABLE
    apart = unusable.read_bytes().count(b"\n") if unusable.exists() else 0
    samples = int(config.get("samples") or 1)  # older runs say nothing: there was one
    return (int(config["problems"]) - apart) * samples


def lost_words(lost: int, n: int) -> str:
    """What must be known of a run whose judged episodes are not all of its episodes.

    Args:
        lost: Episodes lost to infrastructure.
        n: Episodes of the run, those included.
    """
    return (
        f"{lost} of {n} episodes were lost to infrastructure: those judged are more often short ones, so the figures "
        "are biased; the same `ordebug eval` with --resume runs the lost ones again"
    )


def summary_text(summary: Summary) -> str:
    """The bytes of ``summary.json``."""
    return json.dumps(summary_record(summary), indent=2, ensure_ascii=False) + "\n"


def summary_record(summary: Summary) -> dict[str, Any]:
    """A summary as JSON: undefined figures are null."""
    return {
        "n": summary.n,
        "outcomes": summary.outcomes,
        "metrics": {name: null_for_nan(asdict(estimate)) for name, estimate in summary.metrics.items()},
        "by_type": {
            label: {name: null_for_nan(asdict(estimate)) for name, estimate in figures.items()}
            for label, figures in summary.by_type.items()
        },
    }


def _record(config: RunConfig, problems: tuple[Problem, ...]) -> dict[str, Any]:
    """What ``config.yaml`` says."""
    hashes = "".join(problem.content_hash for problem in problems)
    said = json.dumps(
        [
            (
                problem.id,
                problem.error_type,
                problem.difficulty,
                problem.extended,
                dump_truth(problem.truth),
                None if problem.specification is None else str(problem.specification),
            )
            for problem in problems
        ]
    )
    return {
        **asdict(config),
        "agent": dict(config.agent),
        "problems": len(problems),
        "benchmark_hash": hashlib.sha256(hashes.encode()).hexdigest(),
        "records_hash": hashlib.sha256(said.encode()).hexdigest(),
        "versions": {
            "ordebug_plugin": __version__,
            "gurobi": gurobi_version(),
            "python": platform.python_version(),
        },
    }


def _yaml(record: Mapping[str, Any]) -> str:
    return yaml.safe_dump(record, sort_keys=False, allow_unicode=True)
