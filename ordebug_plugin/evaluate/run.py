"""A run: one agent on one benchmark, written to a folder.

The folder holds ``config.yaml`` (everything that went in), ``episodes.jsonl`` (one line per episode, in benchmark
order, appended as they finish) and ``summary.json`` (the figures, replaced atomically).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from ordebug_plugin import __version__
from ordebug_plugin.agents import Agent
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError, LicenseLimitError, OrdebugError, ProblemError
from ordebug_plugin.evaluate.records import dump_episode, load_episodes
from ordebug_plugin.evaluate.rollout import roll_out
from ordebug_plugin.metrics import Summary, summarize
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, Judge, gurobi_version
from ordebug_plugin.statistics import Estimate

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
    error: str


@dataclass(frozen=True)
class RunResult:
    """What came out of a run."""

    summary: Summary
    unusable: tuple[Unusable, ...]


def run_evaluation(
    config: RunConfig,
    agent: Agent,
    problems: tuple[Problem, ...],
    out: Path,
    on_episode: Callable[[Episode | Unusable], None] = lambda _: None,
) -> RunResult:
    """Runs every episode and writes the run folder.

    Args:
        config: Written to ``config.yaml``, with the versions in use and the hash of the benchmark.
        agent: The policy, shared by all threads.
        problems: What to run on, already limited.
        out: The folder; must not hold a run yet.
        on_episode: Called after each episode, in benchmark order.

    Raises:
        InputError: `out` already holds a run.
        ProblemError: Not one problem is usable.
    """
    _prepare(out, config, problems)
    episodes: list[Episode] = []
    unusable: list[Unusable] = []
    last: OrdebugError | None = None
    with (out / EPISODES).open("w", encoding="utf-8") as lines, _judges(config) as judge_of_this_thread:

        def run_one(problem: Problem) -> Episode | tuple[Unusable, OrdebugError]:
            try:
                return roll_out(judge_of_this_thread(), agent, problem, max_turns=config.max_steps)
            except (ProblemError, LicenseLimitError) as error:
                return Unusable(problem.id, str(problem.path), str(error)), error

        pool = ThreadPoolExecutor(config.concurrency, thread_name_prefix="episode")
        try:
            for result in pool.map(run_one, problems):
                if isinstance(result, Episode):
                    episodes.append(result)
                    lines.write(dump_episode(result) + "\n")
                    lines.flush()
                    on_episode(result)
                else:
                    unusable.append(result[0])
                    last = result[1]
                    on_episode(result[0])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    if unusable:
        text = "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in unusable)
        _replace_text(out / UNUSABLE, text)
    if last is not None and not episodes:
        raise last
    summary = summarize(episodes, config.max_steps)
    _replace_text(out / SUMMARY, json.dumps(summary_record(summary), indent=2, ensure_ascii=False) + "\n")
    return RunResult(summary, tuple(unusable))


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


def summary_record(summary: Summary) -> dict[str, Any]:
    """A summary as JSON: undefined figures are null."""
    return {
        "n": summary.n,
        "outcomes": summary.outcomes,
        "metrics": {name: _estimate_record(estimate) for name, estimate in summary.metrics.items()},
        "by_type": {
            label: {name: _estimate_record(estimate) for name, estimate in figures.items()}
            for label, figures in summary.by_type.items()
        },
    }


def _estimate_record(estimate: Estimate) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in asdict(estimate).items()
    }


def _prepare(out: Path, config: RunConfig, problems: tuple[Problem, ...]) -> None:
    if (out / EPISODES).exists():
        raise InputError(f"{out} already holds a run: give another --out, or remove it first")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made a run folder: {error}") from error
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
    _replace_text(out / CONFIG, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))


@contextmanager
def _judges(config: RunConfig) -> Iterator[Callable[[], Judge]]:
    """One judge per thread, made when first asked for; all closed at the end."""
    local = threading.local()
    made: list[Judge] = []

    def judge_of_this_thread() -> Judge:
        if not hasattr(local, "judge"):
            # A problem is run by one thread once, so a thread needs no more than the model at hand.
            local.judge = Judge(work_limit=config.work_limit, models_kept=1)
            made.append(local.judge)
        return local.judge  # type: ignore[no-any-return]  # threading.local is untyped

    try:
        yield judge_of_this_thread
    finally:
        for judge in made:
            judge.close()


def _replace_text(path: Path, text: str) -> None:
    """Writes a file so that a reader, or a crash, sees the old one or the new one, whole."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
