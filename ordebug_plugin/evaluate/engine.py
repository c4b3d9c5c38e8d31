"""The episodes of a run: many in flight on one event loop, the solver beside it.

A served model is asked from the loop, and its answers are judged at the seats. A built-in agent asks the solver itself,
so its whole episode is one piece of work (`parallel`), and there is no loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ordebug_plugin.agents import Agent
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import LicenseLimitError, ProblemError, ServerError
from ordebug_plugin.evaluate.host import Job, JudgeLostError, State
from ordebug_plugin.evaluate.seats import ProcessSeat, Seats, make_seats, seated
from ordebug_plugin.guarded import check_gurobi, hang_limit
from ordebug_plugin.parallel import Crew, judge_of, run_each
from ordebug_plugin.rollout import lost_episode, play
from ordebug_plugin.workers import Lost

if TYPE_CHECKING:  # the openai client takes a second to import
    from ordebug_plugin.agents.chat import ChatAgent, Connection
    from ordebug_plugin.agents.completion import ThinkText

# Seconds. After Gurobi has run in a thread, SIGINT does not end a wait any more (`futures`): the loop wakes by itself.
_NAP = 0.2
# More episodes under way than requests, for each judge: while it judges one, another fills the server's slot.
_AHEAD = 2
_KEYS = itertools.count()


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
        episode_timeout: Seconds for an episode from its first request, judging included, after which it is lost; None
            for no limit. Time is the machine's and the server's, so an episode that takes too long is no wrong one.
        think: Where the server puts think text; None finds out with the first answers.
    """

    chat: ChatAgent
    episode_timeout: float | None = None
    think: ThinkText | None = None


Player = BuiltIn | Served


@dataclass(frozen=True)
class Course:
    """How episodes are played; see `evaluate.run.RunConfig`.

    Attributes:
        concurrency: Requests in flight at most.
        max_steps: Turns allowed.
        work_limit: Of the judges.
        workers: Who plays the episodes of a built-in agent.
    """

    concurrency: int
    max_steps: int
    work_limit: float
    workers: Crew = 0


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
        on_think: Called with where the server puts think text, before any result, and again where a later answer
            shows more.

    Raises:
        SolverError: No judge can be made, or the Ray cluster cannot do the work.
        InputError: There is no such Ray cluster.
        KeyboardInterrupt: Ctrl-C. Episodes under way are given up.
    """
    if not jobs:
        return
    if isinstance(player, Served):
        asyncio.run(_play_jobs(jobs, player, course, on_result, on_think))
        return
    check_gurobi(work_limit=course.work_limit)
    calls = [(player.agents[job.sample], job, course.max_steps, course.work_limit) for job in jobs]

    def on_end(number: int, result: Episode | Unusable | Lost) -> None:
        if isinstance(result, Lost):
            result = lost_episode(jobs[number].problem, jobs[number].sample, JudgeLostError(result.reason))
        on_result(number, result)

    hang = hang_limit(course.work_limit) * (course.max_steps + 1)  # each turn has the limit of a question
    run_each(play_whole, calls, workers=course.workers, on_end=on_end, hang=hang)


def play_whole(agent: Agent, job: Job, max_steps: int, work_limit: float) -> Episode | Unusable:
    """What a worker does: plays an episode of a built-in agent."""
    try:
        return play(RepairEnv(judge_of(work_limit), job.problem, max_steps), agent, sample=job.sample)
    except (ProblemError, LicenseLimitError) as error:
        return Unusable(job.problem.id, str(job.problem.path), error)


async def _play_jobs(
    jobs: Sequence[Job],
    player: Served,
    course: Course,
    on_result: Callable[[int, Episode | Unusable], None],
    on_think: Callable[[ThinkText], None],
) -> None:
    n = min(course.concurrency, len(jobs))
    async with player.chat.connected(n, player.think, on_think) as connection:
        with seated(make_seats(n, course.work_limit, _AHEAD)) as seats:
            await asyncio.gather(*(seat.ready() for seat in seats.all))
            under_way = n if n == 1 else n + _AHEAD * len(seats.all)
            await _work(jobs, under_way, seats, partial(_play_served, player, course, connection), on_result)


async def _work(
    jobs: Sequence[Job],
    n: int,
    seats: Seats,
    play_one: Callable[[Job, ProcessSeat], Awaitable[Episode]],
    on_result: Callable[[int, Episode | Unusable], None],
) -> None:
    """Keeps `n` episodes under way until all jobs are done."""
    waiting = iter(enumerate(jobs))

    async def worker() -> None:
        for number, job in waiting:  # shared by all workers: each takes the next job
            result: Episode | Unusable
            with seats.take(job.problem.content_hash) as seat:
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


class _Clock:
    """The limit of an episode. It stands still while a request waits for its turn, or for others to find things out."""

    def __init__(self, limit: float | None) -> None:
        self._left = limit
        self.timeout = asyncio.timeout(None)

    def stop(self) -> None:
        """Before a request, which may have to wait."""
        until = self.timeout.when()
        if until is not None:
            self._left = until - asyncio.get_running_loop().time()
            self.timeout.reschedule(None)

    def run(self) -> None:
        """When the request is sent."""
        if self._left is not None:
            self.timeout.reschedule(asyncio.get_running_loop().time() + self._left)


async def _play_served(player: Served, course: Course, connection: Connection, job: Job, seat: ProcessSeat) -> Episode:
    key = next(_KEYS)
    clock = _Clock(player.episode_timeout)
    judging = True
    lost: Episode
    try:
        state: State = await seat.call("begin", key, job, course.max_steps, player.chat.style)
        try:
            async with clock.timeout:
                while not isinstance(state, Episode):
                    clock.stop()
                    judging = False
                    reply = await connection.ask(state, job.sample, clock.run)
                    judging = True
                    state = await seat.call("take", key, reply)
        except TimeoutError:
            late = ServerError(f"the episode took more than {player.episode_timeout:g} s (--episode-timeout)")
            if judging:  # its judge is busy, or hangs: nobody waits for what it knew of the episode
                _leave(seat, key, late)
                return lost_episode(job.problem, job.sample, late)
            lost = await seat.call("give_up", key, late)
            return lost
        except ServerError as failure:
            lost = await seat.call("give_up", key, failure)
            return lost
    except JudgeLostError as failure:  # with what it knew of the episode
        return lost_episode(job.problem, job.sample, failure)
    return state


# The loop itself holds no task that nobody waits for.
_LEFT: set[asyncio.Task[None]] = set()


def _leave(seat: ProcessSeat, key: int, late: ServerError) -> None:
    """Gives up an episode that is being judged; until the judge has heard of it, its seat counts as taken."""
    seat.taken += 1

    async def tell() -> None:
        try:
            with contextlib.suppress(JudgeLostError):  # it ended with that last answer, or its process did
                await seat.call("give_up", key, late)
        finally:
            seat.taken -= 1

    task = asyncio.create_task(tell())
    _LEFT.add(task)
    task.add_done_callback(_LEFT.discard)
