"""Before anyone pays for GRPO: groups of answers from a served checkpoint, and what the reward makes of them.

GRPO learns from differences within a group of answers to one prompt. A prompt whose answers all earn the same teaches
nothing and costs as much as any other, so what is worth knowing is how many such prompts there are, and which.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordebug_plugin.actions import parse_answer
from ordebug_plugin.documents import parse_json
from ordebug_plugin.episode import Reply
from ordebug_plugin.errors import InputError, ProblemError, ServerError
from ordebug_plugin.futures import ask_all
from ordebug_plugin.grading import Task
from ordebug_plugin.prompt import Message
from ordebug_plugin.reward import Components
from ordebug_plugin.reward_functions import RewardFunction, pool
from ordebug_plugin.statistics import Estimate, mean, proportion
from ordebug_plugin.tasks import COLUMN, load_task

if TYPE_CHECKING:  # the openai client takes a second to import
    from ordebug_plugin.agents.chat import ChatAgent

# Rewards this near to each other are equal for the trainer: torch.isclose's absolute tolerance.
EQUAL = 1e-8


@dataclass(frozen=True)
class Prompt:
    """One row of a GRPO dataset.

    Attributes:
        line: The row as it stands in the file.
        messages: What the model is sent.
        task: What its answers are judged by.
    """

    line: str
    messages: tuple[Message, ...]
    task: Task


@dataclass(frozen=True)
class Group:
    """A prompt, and the answers to it.

    Attributes:
        prompt: The prompt.
        replies: The answers; None where the server gave none.
        parts: Components of their rewards; None where there is no answer, or it could not be judged.
        rewards: The reward of each answer, likewise.
    """

    prompt: Prompt
    replies: tuple[Reply | None, ...]
    parts: tuple[Components | None, ...]
    rewards: tuple[float | None, ...]

    @property
    def judged(self) -> list[float]:
        """The rewards that there are."""
        return [reward for reward in self.rewards if reward is not None]

    @property
    def complete(self) -> bool:
        """Whether every answer could be judged."""
        return len(self.judged) == len(self.rewards)

    @property
    def varies(self) -> bool:
        """Whether the group teaches anything."""
        return bool(self.judged) and max(self.judged) - min(self.judged) > EQUAL


@dataclass(frozen=True)
class Spread:
    """A reward or a component over groups.

    Attributes:
        mean: Its mean, with a bootstrap interval clustered by prompt.
        within: Mean standard deviation within a group: what GRPO learns from.
        between: Standard deviation of the groups' means: how prompts differ in difficulty.
    """

    mean: Estimate
    within: float
    between: float


@dataclass(frozen=True)
class Preflight:
    """What there is to know before GRPO.

    Attributes:
        reward: Name of the reward.
        prompts: Prompts sampled.
        answers: Answers judged.
        lost: Answers that the server did not give, or that could not be judged: in no figure.
        zero_variance: Share of prompts whose answers all earn the same.
        rewards: The reward.
        components: Its components by name.
        by_type: Per fault label: the share without variance, and the reward.
        format: Share of well-formed answers.
        truncated: Share of answers cut by the token limit.
        actions: Answers per action kind, ``none`` where there is no action.
    """

    reward: str
    prompts: int
    answers: int
    lost: int
    zero_variance: Estimate
    rewards: Spread
    components: Mapping[str, Spread]
    by_type: Mapping[str, tuple[Estimate, Spread]]
    format: Estimate
    truncated: Estimate
    actions: Mapping[str, int]


def read_prompts(path: Path) -> list[Prompt]:
    """Reads a file of `ordebug data grpo`.

    Raises:
        InputError: The file cannot be read, or holds a line that is no such row; names the line.
        ProblemError: A model is missing, or not the one that the file was made from.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")  # names may hold other line ends
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    prompts = []
    for number, line in enumerate(lines, 1):
        try:
            row: dict[str, Any] = parse_json(line)
            messages = tuple(Message(str(one["role"]), str(one["content"])) for one in row["messages"])
            task = load_task(str(row[COLUMN]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: no GRPO prompt ({error!r}): write it with `ordebug data grpo`"
            ) from error
        except ProblemError as error:
            raise ProblemError(f"{path}, line {number}: {error}") from error
        prompts.append(Prompt(line, messages, task))
    return prompts


def sample_groups(  # noqa: PLR0913  # all but two by keyword
    chat: ChatAgent,
    prompts: Sequence[Prompt],
    *,
    samples: int,
    concurrency: int,
    reward: RewardFunction,
    on_group: Callable[[int], None] = lambda _: None,
) -> list[Group]:
    """Samples every prompt and judges the answers.

    Args:
        chat: The served model; every answer of a group is drawn with a seed of its own.
        prompts: What to send.
        samples: Answers per prompt: the trainer's ``num_generations``.
        concurrency: Requests in flight.
        reward: The reward that GRPO will use.
        on_group: Called with the number of prompts done, after each.

    Raises:
        ServerError: The server gave not one answer.
    """
    replies: list[list[Reply | None]] = [[None] * samples for _ in prompts]
    left = [samples] * len(prompts)
    failure: ServerError | None = None
    places = [(number, offset) for number in range(len(prompts)) for offset in range(samples)]
    requests = [partial(chat.ask, prompts[number].messages, offset) for number, offset in places]
    for place, reply in ask_all(requests, concurrency):
        number, offset = places[place]
        if isinstance(reply, ServerError):
            failure = reply
        else:
            replies[number][offset] = reply
        left[number] -= 1
        if left[number] == 0:
            on_group(left.count(0))
    if failure is not None and not any(reply for group in replies for reply in group):
        raise failure
    return judge_replies(prompts, replies, reward)


def judge_replies(
    prompts: Sequence[Prompt], replies: Sequence[Sequence[Reply | None]], reward: RewardFunction
) -> list[Group]:
    """Rewards answers that there are already.

    Args:
        prompts: What was asked.
        replies: The answers to each; None where there is none.
        reward: The reward that GRPO will use.
    """
    given = [(number, offset) for number, group in enumerate(replies) for offset, reply in enumerate(group) if reply]
    answers = [[reply.text] for group in replies for reply in group if reply]
    found = dict(zip(given, pool().components([prompts[number].task for number, _ in given], answers), strict=True))
    groups = []
    for number, (prompt, own) in enumerate(zip(prompts, replies, strict=True)):
        parts = tuple(found.get((number, offset)) for offset in range(len(own)))
        rewards = tuple(None if part is None else reward.value(part) for part in parts)
        groups.append(Group(prompt, tuple(own), parts, rewards))
    return groups


def assess(groups: Sequence[Group], reward: RewardFunction) -> Preflight:
    """All figures of sampled groups."""
    judged = [
        (reply, part)
        for group in groups
        for reply, part in zip(group.replies, group.parts, strict=True)
        if reply is not None and part is not None
    ]
    labels = sorted({group.prompt.task.problem.error_type or "unknown" for group in groups})
    by_type = {
        label: [group for group in groups if (group.prompt.task.problem.error_type or "unknown") == label]
        for label in labels
    }
    kinds = Counter(str(action.kind) if (action := parse_answer(reply.text).action) else "none" for reply, _ in judged)
    return Preflight(
        reward=reward.name,
        prompts=len(groups),
        answers=len(judged),
        lost=sum(len(group.rewards) for group in groups) - len(judged),
        zero_variance=_zero_variance(groups),
        rewards=_spread(groups, lambda group: group.judged),
        components={
            field.name: _spread(groups, lambda group, name=field.name: _values(group, name))  # type: ignore[misc]
            for field in fields(Components)
        },
        by_type={
            label: (_zero_variance(own), _spread(own, lambda group: group.judged)) for label, own in by_type.items()
        },
        format=proportion(sum(part.format == 1.0 for _, part in judged), len(judged)),
        truncated=proportion(sum(reply.truncated for reply, _ in judged), len(judged)),
        actions=dict(kinds.most_common()),
    )


def worth_training(groups: Sequence[Group]) -> list[Prompt]:
    """The prompts whose answers differ in reward, in order."""
    return [group.prompt for group in groups if group.varies]


def share_varying(groups: Sequence[Group]) -> Estimate:
    """Share of the complete groups that teach something, Wilson interval."""
    complete = [group for group in groups if group.complete]
    return proportion(sum(group.varies for group in complete), len(complete))


def _zero_variance(groups: Sequence[Group]) -> Estimate:
    complete = [group for group in groups if group.complete]
    return proportion(sum(not group.varies for group in complete), len(complete))


def _spread(groups: Sequence[Group], values: Callable[[Group], list[float]]) -> Spread:
    per_group = [own for own in map(values, groups) if own]
    flat = [value for own in per_group for value in own]
    clusters = [number for number, own in enumerate(per_group) for _ in own]
    if not flat:
        return Spread(mean(flat, clusters), math.nan, math.nan)
    within = statistics.fmean(statistics.pstdev(own) for own in per_group)
    return Spread(mean(flat, clusters), within, statistics.pstdev([statistics.fmean(own) for own in per_group]))


def _values(group: Group, component: str) -> list[float]:
    return [float(getattr(part, component)) for part in group.parts if part is not None]
