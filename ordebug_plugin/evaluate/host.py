"""The judge's side of the episodes of a run: what an answer did, and what to ask next.

Built-in agents are asked here, since they ask the judge; a served model is asked by the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ordebug_plugin.agents import Agent
from ordebug_plugin.env import Observation, RepairEnv
from ordebug_plugin.episode import Episode, Reply
from ordebug_plugin.errors import OrdebugError, SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Message, Style, render_messages
from ordebug_plugin.rollout import Rollout
from ordebug_plugin.solver import Judge

LOST = "the process that judged the episode died"


class JudgeLostError(SolverError):
    """The process of a judge died or hung, and its episodes with it."""


@dataclass(frozen=True)
class Job:
    """An episode to be played.

    Attributes:
        problem: On what.
        sample: Number of the repetition, from 0.
    """

    problem: Problem
    sample: int


# What a model is asked next, or the episode as it ended.
State = tuple[Message, ...] | Episode


class Host:
    """One judge, and the episodes that it judges at the same time; used by one thread alone.

    Args:
        work_limit: See `Judge`.
        models_kept: See `Judge`; as many as there are episodes at the same time.
    """

    def __init__(self, work_limit: float, models_kept: int) -> None:
        self._work_limit, self._models_kept = work_limit, models_kept
        self._episodes: dict[int, tuple[Rollout, Style]] = {}
        self._played: dict[int, tuple[Rollout, Agent, Observation]] = {}

    @cached_property
    def judge(self) -> Judge:
        """The judge, made when first asked for.

        Raises:
            SolverError: It cannot be made.
        """
        return Judge(work_limit=self._work_limit, models_kept=self._models_kept)

    def ready(self) -> None:
        """Makes the judge."""
        _ = self.judge

    def begin(self, key: int, job: Job, max_steps: int, style: Style) -> State:
        """Starts an episode.

        Args:
            key: Its number, by which the other calls name it.
            job: What to play.
            max_steps: Turns allowed.
            style: What prompts show.

        Raises:
            ProblemError: The problem cannot be used at all.
            LicenseLimitError: The model is larger than the licence allows.
        """
        rollout = Rollout(RepairEnv(self.judge, job.problem, max_steps), job.sample)
        self._episodes[key] = rollout, style
        try:
            return self._next(key, rollout.start())
        except OrdebugError:
            del self._episodes[key]
            raise

    def take(self, key: int, reply: Reply) -> State:
        """Judges an answer.

        Raises:
            JudgeLostError: The episode was begun in a process that is no more, before this one took its place.
        """
        return self._next(key, self._rollout(key).take(reply))

    def give_up(self, key: int, failure: OrdebugError) -> State:
        """Ends an episode that infrastructure has lost.

        Raises:
            JudgeLostError: As in `take`.
        """
        return self._next(key, self._rollout(key).give_up(failure))

    def begin_played(self, key: int, job: Job, max_steps: int, agent: Agent) -> Episode | None:
        """Starts an episode of a built-in agent; arguments and exceptions as of `begin`.

        Returns:
            The episode where the solver failed; None where it goes on.
        """
        rollout = Rollout(RepairEnv(self.judge, job.problem, max_steps), job.sample)
        return self._keep(key, rollout, agent, rollout.start())

    def play_turn(self, key: int) -> Episode | None:
        """Lets the agent of an episode take a turn.

        One turn and not the whole episode: what takes long is a turn, and so each has the limit of a question.

        Returns:
            The episode as it ended; None where it goes on.

        Raises:
            JudgeLostError: As in `take`.
        """
        if key not in self._played:
            raise JudgeLostError(LOST)
        rollout, agent, observation = self._played.pop(key)
        return self._keep(key, rollout, agent, rollout.turn(agent, observation))

    def _keep(self, key: int, rollout: Rollout, agent: Agent, state: Observation | Episode) -> Episode | None:
        if isinstance(state, Episode):
            return state
        self._played[key] = rollout, agent, state
        return None

    def close(self) -> None:
        """Frees the judge."""
        if "judge" in self.__dict__:
            self.judge.close()

    def _rollout(self, key: int) -> Rollout:
        if key not in self._episodes:
            raise JudgeLostError(LOST)
        return self._episodes[key][0]

    def _next(self, key: int, state: Observation | Episode) -> State:
        if isinstance(state, Episode):
            del self._episodes[key]
            return state
        return render_messages(state, self._episodes[key][1])
