"""``ordebug eval``: run an agent on a benchmark."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ordebug_plugin.agents import BUILT_IN, make_agent
from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_detail_option,
    add_system_option,
    add_work_limit_option,
    add_workers_option,
    detail_of,
    nonnegative,
    positive,
    print_json,
    system_prompt,
    workers,
)
from ordebug_plugin.commands.common import progress as progress_bar
from ordebug_plugin.commands.server import (
    add_body_option,
    add_max_tokens_option,
    add_timeout_options,
    connect,
    sampling_of,
)
from ordebug_plugin.env import MAX_TURNS, Outcome
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError, ServerError, SolverError
from ordebug_plugin.evaluate.engine import BuiltIn, Player, Served, Unusable
from ordebug_plugin.evaluate.records import load_episodes
from ordebug_plugin.evaluate.resume import Kept
from ordebug_plugin.evaluate.run import EPISODES, RunConfig, RunResult, run_evaluation, summary_record
from ordebug_plugin.evaluate.table import run_tables
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.prompt import Style
from ordebug_plugin.redaction import public_url


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "eval",
        "run an agent on a benchmark and let Gurobi judge every turn",
        "ordebug eval bench/ --base-url http://127.0.0.1:8000/v1 --model sft --concurrency 8 --out runs/sft",
    )
    parser.add_argument("benchmark", type=Path, metavar="BENCH", help="benchmark folder, or a single model file")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the run; must not hold one")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, however it ended: finished episodes stand, those lost to the server or the "
        "solver are run again; every option that decides figures must be the same",
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--agent", choices=BUILT_IN, help="a built-in agent")
    who.add_argument("--base-url", metavar="URL", help="an OpenAI-compatible server, up to and including /v1")
    parser.add_argument("--model", metavar="NAME", help="model name as the server knows it")
    parser.add_argument(
        "--concurrency",
        type=positive,
        default=1,
        metavar="N",
        help="requests in flight (default 1)",
    )
    parser.add_argument(
        "--samples", type=positive, default=1, metavar="K", help="episodes per problem, each with a seed of its own"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N problems")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the agent (default 0)")
    parser.add_argument("--max-steps", type=positive, default=MAX_TURNS, metavar="N", help="turns (default 20)")
    parser.add_argument("--json", action="store_true", help="print summary.json instead of the table")
    more = parser.add_argument_group("options of agents")
    more.add_argument("--amount", type=nonnegative, default=1.0, help="relax-first: how much (default 1.0)")
    more.add_argument("--temperature", type=nonnegative, default=0.0, help="sampling temperature (default 0, greedy)")
    add_max_tokens_option(more)
    add_timeout_options(more)
    more.add_argument(
        "--episode-timeout",
        type=nonnegative,
        metavar="S",
        help="seconds for an episode of a served model from its first request, judging included, after which it counts "
        "as lost, not as wrong",
    )
    add_body_option(more)
    add_system_option(more)
    more.add_argument("--labels", action="store_true", help="show ID and Type as the public prompts do: leaks")
    more.add_argument(
        "--conversation", action="store_true", help="send the turns so far as a conversation, as multi-turn GRPO does"
    )
    add_detail_option(more)
    more.add_argument("--no-history", action="store_true", help="leave out the previous actions, as public data does")
    add_work_limit_option(parser)
    add_workers_option(parser, "of built-in agents: ")
    parser.set_defaults(run=run, default_of=parser.get_default)


def run(options: argparse.Namespace) -> int:
    """Runs the evaluation.

    Returns:
        0 when every episode was judged; 1 when some were lost to infrastructure or problems were unusable.

    Raises:
        InputError: The benchmark, an option or the output folder cannot be used.
        ServerError: The server cannot be reached, or every episode was lost.
    """
    benchmark = load_benchmark(options.benchmark)
    problems = benchmark.problems[: options.limit]
    player, record = _player(options, problems)
    if options.samples > 1 and isinstance(player, Served) and not options.temperature:
        LOG.print("note: at --temperature 0 most servers give every sample the same answers")
    if options.samples > 1 and options.agent and "seed" not in record:
        LOG.print(f"note: {options.agent} draws nothing at random: every sample of a problem is the same episode again")
    config = RunConfig(
        benchmark=str(options.benchmark),
        agent=record,
        concurrency=options.concurrency,
        max_steps=options.max_steps,
        seed=options.seed,
        work_limit=options.work_limit,
        limit=options.limit,
        samples=options.samples,
    )
    name = record["name"]
    recovered = renamed = 0
    with progress_bar(name, len(problems) * options.samples) as advance:

        def on_result(result: Episode | Unusable) -> None:
            nonlocal recovered, renamed
            renamed += isinstance(result, Episode) and bool(result.aliases)
            recovered += isinstance(result, Episode) and result.repair is not None
            advance(f"{recovered} recovered")

        try:
            result = run_evaluation(
                config,
                player,
                problems,
                options.out,
                resume=options.resume,
                workers=workers(options) if options.agent else 0,
                on_result=on_result,
                on_kept=lambda kept: _print_kept(kept, len(problems) * options.samples),
            )
        except KeyboardInterrupt:
            if (options.out / EPISODES).exists():  # removed where no episode had ended
                LOG.print("the episodes that had ended are on disk; the same command with --resume goes on from here")
            else:
                LOG.print("no episode had ended: there is nothing to go on from, and the same command starts again")
            raise
    if options.json:
        print_json(summary_record(result.summary))
    else:
        for table in run_tables(f"{name} on {benchmark.name}", result.summary, RESULTS.width):
            RESULTS.print(table)
        if len(problems) * options.samples == 1:
            _print_turns(options.out)
    if renamed:
        LOG.print(f"{renamed} models have rows or variables that share a name; see 'aliases' in episodes.jsonl")
    LOG.print(f"wrote {options.out}/config.yaml, episodes.jsonl and summary.json")
    return _exit_code(result, options.out)


def _print_kept(kept: Kept, total: int) -> None:
    again = f", {kept.lost} lost to infrastructure run again" if kept.lost else ""
    torn = ", the last line was cut short and is run again" if kept.torn else ""
    LOG.print(f"resuming: {len(kept.episodes)} of {total} episodes stand{again}{torn}")


def _print_turns(out: Path) -> None:
    """What was done, where there is a single problem: nobody wants statistics of one."""
    (episode,) = load_episodes(out / EPISODES)
    for number, turn in enumerate(episode.turns, 1):
        step = turn.step
        value = "" if step.objective is None else f", objective {step.objective:g}"
        RESULTS.print(f"{number}. {step.action or 'no action'}: {step.note}{value}")


def _exit_code(result: RunResult, out: Path) -> int:
    n, lost = result.summary.n, len(result.lost)
    if lost:
        LOG.print(
            f"{lost} of {n} episodes were lost to the server or the solver and are in no figure but 'infra', the first "
            f"to {result.lost[0]}. Mend the cause; the same command with --resume runs them again"
        )
    cut = result.summary.outcomes.get(Outcome.TRUNCATED, 0)
    if cut:
        LOG.print(f"{cut} of {n} episodes ended with an answer cut by the token limit: see --max-tokens")
    if result.unusable:
        LOG.print(f"{len(result.unusable)} problems are unusable and were not judged: see {out}/unusable.jsonl")
    if lost == n:
        error = ServerError if any(text.startswith(ServerError.__name__) for text in result.lost) else SolverError
        raise error("every episode was lost to infrastructure: there is no result")
    return FINDINGS if lost or result.unusable else DONE


# Options that would be ignored with a built-in agent.
_OF_MODELS = (
    *("model", "temperature", "max_tokens", "timeout", "episode_timeout", "retries", "body", "system", "labels"),
    *("conversation", "detail", "no_history", "concurrency"),
)
# Likewise with a served model.
_OF_AGENTS = ("workers", "ray")


def _check_ignored(options: argparse.Namespace) -> None:
    """Refuses what would be ignored: whoever set it believes that it counts."""

    def changed(name: str) -> bool:
        return bool(getattr(options, name) != options.default_of(name))

    others = _OF_MODELS if options.agent else _OF_AGENTS
    ignored = [f"--{name.replace('_', '-')}" for name in others if changed(name)]
    if ignored:
        verb = "goes" if len(ignored) == 1 else "go"
        if not options.agent:
            raise InputError(
                f"{', '.join(ignored)} {verb} with a built-in --agent. Episodes of a served model wait for its server "
                "and not for cores: they have a judge for each core of this machine anyway, 8 at most. For more at "
                "once, take --concurrency N"
            )
        instead = "; --workers says how many episodes at once" if "--concurrency" in ignored else ""
        raise InputError(f"{', '.join(ignored)} {verb} with --base-url, not with a built-in --agent{instead}")
    if changed("amount") and options.agent != "relax-first":
        raise InputError("--amount goes with --agent relax-first alone: leave it out")


def _player(options: argparse.Namespace, problems: Sequence[Problem]) -> tuple[Player, dict[str, Any]]:
    """Who plays, and what to write about it into the configuration."""
    _check_ignored(options)
    if options.agent:
        seeds = range(options.seed, options.seed + options.samples)
        agents = [make_agent(options.agent, seed=seed, amount=options.amount) for seed in seeds]
        return BuiltIn(agents), asdict(agents[0])  # type: ignore[call-overload]  # built-in agents are dataclasses
    if not options.model:
        raise InputError("--base-url needs --model: the name under which the server knows the model")
    detail = detail_of(options, problems)
    if options.detail is None:
        LOG.print(f"prompts: --detail {detail}; a model must be evaluated on what it was trained on")
    style = Style(
        labels=options.labels,
        history=not options.no_history,
        detail=detail,
        conversation=options.conversation,
        system=system_prompt(options),
    )
    chat = connect(options, style)
    sampling = asdict(sampling_of(options))
    shown = {**asdict(style), "detail": style.detail.value}  # YAML knows no enums
    record = {
        "name": options.model,
        "base_url": public_url(options.base_url),
        "style": shown,
        "sampling": sampling,
        "timeout": options.timeout,
        "retries": options.retries,
        "episode_timeout": options.episode_timeout,
    }
    return Served(chat, options.episode_timeout), record
