"""The episodes of a run: many in flight on one event loop, the solver in threads beside it.

A served model is asked from the loop, and only its answers are judged in the threads. A built-in agent is a solver's
client itself, so its whole episode is played there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ordebug_plugin.agents import Agent
from ordebug_plugin.env import Observation, RepairEnv
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import LicenseLimitError, ProblemError, ServerError
from ordebug_plugin.evaluate.judges import Judges, Seat
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Message
from ordebug_plugin.rollout import Rollout, play
from ordebug_plugin.solver import Judge

if TYPE_CHECKING:  # the openai client takes a second to import
    from ordebug_plugin.agents.chat import ChatAgent, Connection
    from ordebug_plugin.agents.completion import ThinkText

# Seconds. After Gurobi has run in a thread, SIGINT does not end a wait any more (`futures`): the loop wakes by itself.
_NAP = 0.2


@dataclass(frozen=True)
class Job:
    """An episode to be played.

    Attributes:
        problem: On what.
        sample: Number of the repetition, from 0.
    """

    problem: Problem
    sample: int


@dataclass(frozen=True)
class Unusable:
    """A problem that cannot be judged at all: unreadable, not infeasible, or beyond the licence."""

    problem_id: str
    path: str
    error: ProblemError | LicenseLimitError


@dataclass(frozen=True)
class BuiltIn:
    """Built-in agents, one for each sample: their seeds differ."""

    agents: Sequence[Agent]


@dataclass(frozen=True)
class Served:
    """A served model.

    Attributes:
        chat: The model.
        episode_timeout: Seconds for an episode, after which it is lost; None for no limit. Time is the machine's and
            the server's, so an episode that takes too long is no wrong one.
        think: Where the server puts think text; None finds out with the first answer.
    """

    chat: ChatAgent
    episode_timeout: float | None = None
    think: ThinkText | None = None


Player = BuiltIn | Served


@dataclass(frozen=True)
class Course:
    """How episodes are played; see `evaluate.run.RunConfig`."""

    concurrency: int
    max_steps: int
    work_limit: float


def play_jobs(
    jobs: Sequence[Job],
    player: Player,
    course: Course,
    on_result: Callable[[int, Episode | Unusable], None],
    on_think: Callable[[ThinkText], None] = lambda _: None,
) -> None:
    """Plays every job; they start in order, and end as they do.

    Args:
        jobs: What to play.
        player: Who plays.
        course: How.
        on_result: Called with a job's number and what came of it, as they end; its exceptions end the run.
        on_think: Called once where the server was found to put think text, before any result.

    Raises:
        SolverError: No judge can be made.
        KeyboardInterrupt: Ctrl-C. Episodes under way are given up; threads may still be inside Gurobi for a while.
    """
    if jobs:
        asyncio.run(_play_jobs(jobs, player, course, on_result, on_think))


async def _play_jobs(
    jobs: Sequence[Job],
    player: Player,
    course: Course,
    on_result: Callable[[int, Episode | Unusable], None],
    on_think: Callable[[ThinkText], None],
) -> None:
    n = min(course.concurrency, len(jobs))
    stop = threading.Event()
    with Judges(n, course.work_limit, apart=isinstance(player, BuiltIn)) as judges:
        try:
            if isinstance(player, BuiltIn):
                await _work(n, jobs, judges, partial(_play_built_in, player, course, stop), on_result)
            else:
                async with player.chat.connected(player.think, on_think) as connection:
                    await _work(n, jobs, judges, partial(_play_served, player, course, connection), on_result)
        except BaseException:
            stop.set()  # episodes that threads play end before their next turn
            raise


async def _work(
    n: int,
    jobs: Sequence[Job],
    judges: Judges,
    play_one: Callable[[Job, Seat], Awaitable[Episode]],
    on_result: Callable[[int, Episode | Unusable], None],
) -> None:
    """Keeps `n` episodes in flight until all jobs are done."""
    waiting = iter(enumerate(jobs))

    async def worker() -> None:
        for number, job in waiting:  # shared by all workers: each takes the next job
            result: Episode | Unusable
            with judges.seat(job.problem.content_hash) as seat:
                try:
                    result = await play_one(job, seat)
                except (ProblemError, LicenseLimitError) as error:
                    result = Unusable(job.problem.id, str(job.problem.path), error)
            on_result(number, result)

    async def wake() -> None:
        while True:
            await asyncio.sleep(_NAP)

    alarm = asyncio.create_task(wake())
    workers = [asyncio.create_task(worker()) for _ in range(n)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in (alarm, *workers):
            task.cancel()


async def _play_built_in(player: BuiltIn, course: Course, stop: threading.Event, job: Job, seat: Seat) -> Episode:
    def whole(judge: Judge) -> Episode:
        env = RepairEnv(judge, job.problem, course.max_steps)
        return play(env, player.agents[job.sample], sample=job.sample, stopped=stop.is_set)

    return await seat.run(whole)


async def _play_served(player: Served, course: Course, connection: Connection, job: Job, seat: Seat) -> Episode:
    def begin(judge: Judge) -> tuple[Rollout, _State]:
        rollout = Rollout(RepairEnv(judge, job.problem, course.max_steps), job.sample)
        return rollout, _told(player, rollout.start())

    limit = player.episode_timeout
    deadline = None if limit is None else asyncio.get_running_loop().time() + limit
    rollout, state = await seat.run(begin)
    while not isinstance(state, Episode):
        try:
            async with asyncio.timeout_at(deadline):
                reply = await connection.ask(state, job.sample)
        except TimeoutError:
            return rollout.give_up(ServerError(f"the episode took more than {limit:g} s (--episode-timeout)"))
        except ServerError as failure:
            return rollout.give_up(failure)
        state = await seat.run(lambda _, reply=reply: _told(player, rollout.take(reply)))  # type: ignore[misc]
    return state


# What a model is asked, or the episode as it ended.
_State = tuple[Message, ...] | Episode


def _told(player: Served, state: Observation | Episode) -> _State:
    """The prompt of a state, rendered in the judge's thread as well: long ones take as long as a solve."""
    return state if isinstance(state, Episode) else player.chat.messages(state)
