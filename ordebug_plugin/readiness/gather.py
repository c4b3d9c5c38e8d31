"""What is asked of a served checkpoint: a greedy evaluation, groups of answers, the user's prompts, cut reasoning.

Everything lands in one folder as it comes and is found there again, so that an interrupted command goes on, and one
that is repeated with other thresholds asks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordebug_plugin.documents import parse_json
from ordebug_plugin.episode import Episode, Turn
from ordebug_plugin.errors import InputError, ServerError, SolverError
from ordebug_plugin.evaluate.engine import Served, Unusable
from ordebug_plugin.evaluate.host import Job
from ordebug_plugin.evaluate.resume import read_kept
from ordebug_plugin.evaluate.run import CONFIG, EPISODES, UNUSABLE, RunConfig, check_resumable, load_run, run_evaluation
from ordebug_plugin.futures import ask_all
from ordebug_plugin.grading import Task
from ordebug_plugin.preflight import Group, Prompt, judge_replies
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Message, Style
from ordebug_plugin.readiness.faithfulness import Cut, cuts_of
from ordebug_plugin.readiness.retention import Item
from ordebug_plugin.readiness.store import Store, key_of
from ordebug_plugin.readiness.thresholds import Thresholds
from ordebug_plugin.reward_functions import REWARDS
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT

if TYPE_CHECKING:  # the openai client takes a second to import
    from ordebug_plugin.agents.chat import ChatAgent, Sampling

EVALUATION, SAMPLES, RETENTION, CUTS = "eval", "samples", "retention.jsonl", "cuts.jsonl"

Advance = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is to be asked.

    Attributes:
        benchmark: Its path, as given.
        problems: Unseen problems, already limited.
        sampled: How many of them groups are sampled for.
        who: What tells the model from others: name, and address or fingerprint; ready for YAML.
        style: How prompts are rendered.
        thresholds: Turns, samples, temperature and cuts are taken from there.
        items: The user's prompts.
        max_tokens: Token limit of one answer.
        seed: Sent to the server.
        body: More fields of every request.
        concurrency: Requests in flight.
        out: Where everything lands.
    """

    benchmark: str
    problems: tuple[Problem, ...]
    sampled: int
    who: Mapping[str, Any]
    style: Style
    thresholds: Thresholds
    items: tuple[Item, ...]
    max_tokens: int
    seed: int
    body: Mapping[str, Any]
    concurrency: int
    out: Path

    @property
    def samples(self) -> int:
        """Answers in a group."""
        return self.thresholds.whole("diversity", "samples")

    @property
    def temperature(self) -> float:
        """Of the groups; everything else is greedy."""
        return self.thresholds.number("diversity", "temperature")

    def is_complete(self) -> bool:
        """Whether nothing is left to ask, but for what follows from answers that are still to come."""
        jobs = [Job(problem, 0) for problem in self.problems]
        groups = [Job(problem, sample) for problem in self.problems[: self.sampled] for sample in range(self.samples)]
        runs = ((EVALUATION, jobs), (SAMPLES, groups))
        if not all(_is_whole(self.out / name, wanted) for name, wanted in runs):
            return False
        known = Store(self.out / RETENTION).answers
        if not all(_retention_key(self, item) in known for item in self.items):
            return False
        known = Store(self.out / CUTS).answers
        episodes = load_run(self.out / EVALUATION)[1]
        return all(_cut_key(self, cut) in known for cut in cuts_of(episodes, self.thresholds.cuts, self.style))


@dataclass(frozen=True)
class Evidence:
    """What was answered.

    Attributes:
        episodes: The greedy evaluation.
        groups: Groups of answers, rewarded.
        acts: What each answer of each group did; None where it was lost.
        retention: Answers to the user's prompts; None where one was lost; None altogether where there are no prompts.
        cuts: Answers that were begun.
        said: What was added to them; None where the server gave nothing.
        failure: Why it gave nothing, the last time.
    """

    episodes: tuple[Episode, ...]
    groups: tuple[Group, ...]
    acts: tuple[tuple[str | None, ...], ...]
    retention: tuple[str | None, ...] | None
    cuts: tuple[Cut, ...]
    said: tuple[str | None, ...]
    failure: str | None

    @property
    def lost(self) -> int:
        """Answers and episodes that were lost to the server or the solver, and count in no figure."""
        single = [*(self.retention or ()), *self.said].count(None)
        grouped = sum(reward is None for group in self.groups for reward in group.rewards)
        return single + grouped + sum(episode.outcome is None for episode in self.episodes)

    @property
    def lost_share(self) -> float:
        """Share of the episodes, or of the groups, that are in no figure, whichever is larger."""
        episodes = sum(episode.outcome is None for episode in self.episodes) / max(1, len(self.episodes))
        return max(episodes, sum(not group.complete for group in self.groups) / max(1, len(self.groups)))


def gather(plan: Plan, chat: Callable[[Sampling], ChatAgent], progress: Callable[[str, int], Any]) -> Evidence:
    """Asks what is left to ask.

    Args:
        plan: What.
        chat: The served model, for a sampling.
        progress: A context that gives a function to call once per answer; takes what it is about, and how many.

    Raises:
        InputError: The folder holds the answers of another model, or to other questions.
        ServerError: The server gave nothing.
        SolverError: Every episode was lost to the solver.
    """
    evaluation, samples = _rounds(plan)
    greedy, sampled = evaluation.sampling, samples.problems
    episodes = _play(plan, evaluation, chat, progress)
    answers = _play(plan, samples, chat, progress)
    one = chat(greedy)  # for all: a client reads the certificates of the machine, which takes longer than an answer may
    asked = [_Request(_retention_key(plan, item), item.messages, partial(_text, one)) for item in plan.items]
    retention, _ = _ask(plan.out / RETENTION, asked, plan.concurrency, partial(progress, "retention"))
    cuts = cuts_of(episodes, plan.thresholds.cuts, plan.style)
    begun = [_Request(_cut_key(plan, cut), cut.whole, partial(_went_on, one)) for cut in cuts]
    said, failure = _ask(plan.out / CUTS, begun, plan.concurrency, partial(progress, "cut reasoning"))
    groups, acts = _groups(sampled, answers, plan)
    return Evidence(episodes, groups, acts, retention if plan.items else None, tuple(cuts), said, failure)


@dataclass(frozen=True)
class _Round:
    """One evaluation: its folder, on what, how often, how many turns, how answers are drawn."""

    name: str
    problems: tuple[Problem, ...]
    samples: int
    turns: int
    sampling: Sampling


def check_folder(plan: Plan) -> None:
    """Checks that the folder holds no answers of another model, or to other questions: before a server is started.

    Raises:
        InputError: It does; names what differs.
    """
    for one in _rounds(plan):
        check_resumable(_config(plan, one), one.problems, plan.out / one.name)


def _rounds(plan: Plan) -> tuple[_Round, _Round]:
    """The greedy evaluation, and the samples."""
    from ordebug_plugin.agents.chat import Sampling  # noqa: PLC0415

    greedy = Sampling(0.0, plan.max_tokens, plan.seed, plan.body)
    drawn = Sampling(plan.temperature, plan.max_tokens, plan.seed, plan.body)
    return (
        _Round(EVALUATION, plan.problems, 1, plan.thresholds.whole("task", "turns"), greedy),
        _Round(SAMPLES, plan.problems[: plan.sampled], plan.samples, 1, drawn),
    )


def _config(plan: Plan, one: _Round) -> RunConfig:
    shown = {**asdict(plan.style), "detail": plan.style.detail.value}  # YAML knows no enums
    return RunConfig(
        benchmark=plan.benchmark,
        agent={**plan.who, "style": shown, "sampling": asdict(one.sampling)},
        concurrency=plan.concurrency,
        max_steps=one.turns,
        seed=plan.seed,
        work_limit=DEFAULT_WORK_LIMIT,
        limit=len(one.problems),
        samples=one.samples,
    )


def _play(
    plan: Plan, one: _Round, chat: Callable[[Sampling], ChatAgent], progress: Callable[[str, int], Any]
) -> tuple[Episode, ...]:
    """An evaluation as `ordebug eval` does it, in a folder that `ordebug compare` and `replay` read."""
    config = _config(plan, one)
    with progress(one.name, len(one.problems) * one.samples) as advance:

        def on_result(_: Episode | Unusable) -> None:
            advance("")

        player = Served(chat(one.sampling))
        result = run_evaluation(config, player, one.problems, plan.out / one.name, resume=True, on_result=on_result)
    if len(result.lost) == result.summary.n:
        error = ServerError if any(text.startswith(ServerError.__name__) for text in result.lost) else SolverError
        raise error(f"every episode was lost to infrastructure, the first to {result.lost[0]}")
    return load_run(plan.out / one.name)[1]


def _groups(
    problems: Sequence[Problem], episodes: Sequence[Episode], plan: Plan
) -> tuple[tuple[Group, ...], tuple[tuple[str | None, ...], ...]]:
    """The sampled answers as the groups that GRPO would have, rewarded as it would reward them, and what each did."""
    by_problem: dict[tuple[str, str], dict[int, Turn]] = {}
    for episode in episodes:
        found = by_problem.setdefault((episode.problem_id, episode.problem_hash), {})
        if episode.turns:
            found[episode.sample] = episode.turns[0]
    asked = [problem for problem in problems if (problem.id, problem.content_hash) in by_problem]
    turns = [
        [by_problem[problem.id, problem.content_hash].get(sample) for sample in range(plan.samples)]
        for problem in asked
    ]
    replies = [[None if turn is None else turn.reply for turn in group] for group in turns]
    prompts = [Prompt("", (), Task(problem)) for problem in asked]
    acts = tuple(tuple(None if turn is None else turn.acted for turn in group) for group in turns)
    return tuple(judge_replies(prompts, replies, REWARDS[plan.thresholds.reward])), acts


@dataclass(frozen=True)
class _Request:
    """One request: its key, the messages, and what sends them."""

    key: str
    messages: tuple[Message, ...]
    send: Callable[[tuple[Message, ...]], str]


def _ask(
    path: Path, requests: Sequence[_Request], concurrency: int, progress: Callable[[int], Any]
) -> tuple[tuple[str | None, ...], str | None]:
    """The answers, from the file or the server, and why the server gave none, the last time."""
    store = Store(path)
    left = [request for request in requests if request.key not in store.answers]
    failure = None
    if left:
        with progress(len(left)) as advance:
            for place, answer in ask_all([partial(one.send, one.messages) for one in left], concurrency):
                if isinstance(answer, ServerError):
                    failure = str(answer)
                else:
                    store.add(left[place].key, answer, left[place].messages)
                advance("")
    return tuple(store.answers.get(request.key) for request in requests), failure


def _text(chat: ChatAgent, messages: tuple[Message, ...]) -> str:
    return chat.ask(messages).text


def _went_on(chat: ChatAgent, messages: tuple[Message, ...]) -> str:
    return chat.go_on(messages)


def _retention_key(plan: Plan, item: Item) -> str:
    return _key(plan, item.messages)


def _cut_key(plan: Plan, cut: Cut) -> str:
    return _key(plan, cut.whole)


def _key(plan: Plan, messages: Sequence[Message]) -> str:
    """All that decides a greedy answer. Where the model is served does not, as with a run that goes on elsewhere."""
    who = {name: value for name, value in plan.who.items() if name != "base_url"}
    return key_of([who, plan.max_tokens, plan.seed, dict(plan.body), [asdict(one) for one in messages]])


def _is_whole(folder: Path, jobs: Sequence[Job]) -> bool:
    """Whether a run holds all its episodes; unusable problems have none, and are found so without the model."""
    if not (folder / CONFIG).exists() or not (folder / EPISODES).exists():
        return False
    unusable = (folder / UNUSABLE).read_text(encoding="utf-8") if (folder / UNUSABLE).exists() else ""
    apart = {parse_json(line)["problem_id"] for line in unusable.split("\n") if line}
    wanted = [job for job in jobs if job.problem.id not in apart]
    try:
        return len(read_kept(folder / EPISODES, wanted).episodes) == len(wanted)
    except InputError:
        return False  # of other problems; `run_evaluation` says so in words
