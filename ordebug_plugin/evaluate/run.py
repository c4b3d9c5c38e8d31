"""A run: one agent on one benchmark, written to a folder.

The folder holds ``config.yaml`` (everything that went in), ``episodes.jsonl`` (one line per episode, appended as they
end, and put into benchmark order when all have) and ``summary.json`` (the figures).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from ordebug_plugin import __version__
from ordebug_plugin.agents import Agent
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError, LicenseLimitError, ProblemError
from ordebug_plugin.evaluate.records import dump_episode, load_episodes
from ordebug_plugin.files import make_folder, write_text
from ordebug_plugin.futures import as_done
from ordebug_plugin.metrics import Summary, summarize
from ordebug_plugin.problem import Problem
from ordebug_plugin.rollout import play
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, Judge, gurobi_version
from ordebug_plugin.statistics import null_for_nan

CONFIG, EPISODES, SUMMARY, UNUSABLE = "config.yaml", "episodes.jsonl", "summary.json", "unusable.jsonl"


@dataclass(frozen=True)
class RunConfig:
    """What decides the figures of a run; `agent` holds the options of the agent.

    Attributes:
        benchmark: Path as given.
        agent: Its name and options, ready for YAML. Never holds an API key.
        concurrency: Episodes in flight.
        max_steps: Turns per episode.
        seed: Seed of the agent.
        work_limit: Gurobi work units per call.
        limit: Only the first so many problems; None for all.
    """

    benchmark: str
    agent: Mapping[str, Any]
    concurrency: int = 1
    max_steps: int = 20
    seed: int = 0
    work_limit: float = DEFAULT_WORK_LIMIT
    limit: int | None = None


@dataclass(frozen=True)
class Unusable:
    """A problem that cannot be judged at all: unreadable, not infeasible, or beyond the licence."""

    problem_id: str
    path: str
    error: ProblemError | LicenseLimitError


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


def run_evaluation(
    config: RunConfig,
    agent: Agent,
    problems: tuple[Problem, ...],
    out: Path,
    on_result: Callable[[Episode | Unusable], None] = lambda _: None,
) -> RunResult:
    """Runs every episode and writes the run folder.

    Args:
        config: Written to ``config.yaml``, with the versions in use and the hash of the benchmark.
        agent: The policy, shared by all threads.
        problems: What to run on, already limited.
        out: The folder; must not hold a run yet.
        on_result: Called after each episode, as they end.

    Raises:
        InputError: `out` already holds a run.
        ProblemError: Not one problem is usable.
    """
    _prepare(out, config, problems)
    results: dict[int, Episode | Unusable] = {}
    stop = threading.Event()
    try:
        with (out / EPISODES).open("w", encoding="utf-8", errors="backslashreplace") as lines, _judges(config) as judge:

            def run_one(problem: Problem) -> Episode | Unusable:
                try:
                    return play(RepairEnv(judge(), problem, config.max_steps), agent, stopped=stop.is_set)
                except (ProblemError, LicenseLimitError) as error:
                    return Unusable(problem.id, str(problem.path), error)

            pool = ThreadPoolExecutor(config.concurrency, thread_name_prefix="episode")
            try:
                running = {pool.submit(run_one, problem): number for number, problem in enumerate(problems)}
                for future in as_done(running):
                    result = results[running[future]] = future.result()
                    if isinstance(result, Episode):
                        lines.write(dump_episode(result) + "\n")
                        lines.flush()
                    on_result(result)
            except BaseException:
                stop.set()  # episodes under way end before their next turn
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            pool.shutdown()
    finally:
        if not any(isinstance(result, Episode) for result in results.values()):
            (out / EPISODES).unlink()  # an empty run must not be in the way of the next try
    return _finish(out, [results[number] for number in range(len(problems))], config.max_steps)


def _finish(out: Path, results: Sequence[Episode | Unusable], max_steps: int) -> RunResult:
    """Writes what can only be written at the end; episodes go into benchmark order, whatever order they ended in."""
    episodes = [result for result in results if isinstance(result, Episode)]
    unusable = [result for result in results if isinstance(result, Unusable)]
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
        InputError: The folder holds no run, or a file of it cannot be read.
    """
    try:
        config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{folder} holds no run (`ordebug eval … --out {folder}` makes one): {error}") from error
    if not isinstance(config, dict):
        raise InputError(f"{folder / CONFIG} is not the configuration of a run")
    return config, tuple(load_episodes(folder / EPISODES))


def missing_episodes(folder: Path, config: Mapping[str, Any], episodes: Sequence[Episode]) -> int:
    """How many problems of a run have neither an episode nor an entry among the unusable: it was interrupted."""
    unusable = folder / UNUSABLE
    apart = len(unusable.read_text(encoding="utf-8").splitlines()) if unusable.exists() else 0
    return int(config["problems"]) - len(episodes) - apart


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


def _prepare(out: Path, config: RunConfig, problems: tuple[Problem, ...]) -> None:
    if (out / EPISODES).exists():
        raise InputError(f"{out} already holds a run: give another --out, or remove it first")
    make_folder(out)
    hashes = "".join(problem.content_hash for problem in problems)
    record = {
        **asdict(config),
        "agent": dict(config.agent),
        "problems": len(problems),
        "benchmark_hash": hashlib.sha256(hashes.encode()).hexdigest(),
        "versions": {
            "ordebug_plugin": __version__,
            "gurobi": gurobi_version(),
            "python": platform.python_version(),
        },
    }
    write_text(out / CONFIG, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))


@contextlib.contextmanager
def _judges(config: RunConfig) -> Iterator[Callable[[], Judge]]:
    """One judge per thread, made when first asked for; closed at the end of a run that was not interrupted.

    After an interrupt a thread may still be inside Gurobi: its environment must not be taken away under it.
    """
    local = threading.local()
    made: list[Judge] = []

    def judge_of_this_thread() -> Judge:
        if not hasattr(local, "judge"):
            # A problem is run by one thread once, so a thread needs no more than the model at hand.
            local.judge = Judge(work_limit=config.work_limit, models_kept=1)
            made.append(local.judge)
        return local.judge  # type: ignore[no-any-return]  # threading.local is untyped

    yield judge_of_this_thread
    for judge in made:
        judge.close()
