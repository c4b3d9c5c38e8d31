"""``ordebug repair``: repair one infeasible model file, and say what was wrong with it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from ordebug_plugin.agents import BUILT_IN, Agent, Oracle, make_agent
from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_detail_option,
    add_system_option,
    add_work_limit_option,
    detail_of,
    nonnegative,
    positive,
    print_json,
    print_warnings,
    progress,
    system_prompt,
    whole,
)
from ordebug_plugin.commands.server import add_body_option, add_max_tokens_option, add_timeout_options, connect
from ordebug_plugin.edits import NO_EDITS, Edits
from ordebug_plugin.env import MAX_TURNS
from ordebug_plugin.errors import InputError, OrdebugError, SolverError
from ordebug_plugin.files import check_new_file, write_new
from ordebug_plugin.guarded import make_judge
from ordebug_plugin.problem import Problem, load_problem
from ordebug_plugin.prompt import Style
from ordebug_plugin.repairs.account import repair
from ordebug_plugin.repairs.alternatives import MAX_TRIED
from ordebug_plugin.repairs.report import account_lines, account_record, conflict_lines
from ordebug_plugin.solver import FORMATS

DEFAULT_AGENT = "relax-minimal"


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "repair",
        "repair an infeasible model file, explain the conflict, and write the repaired model",
        "ordebug repair plan.lp --out plan.repaired.lp",
    )
    parser.add_argument("path", type=Path, metavar="MODEL", help=".lp or .mps; MODEL.spec.txt beside it is read too")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the repaired model, .lp or .mps; must not exist"
    )
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--agent", choices=BUILT_IN, help=f"a built-in agent (default {DEFAULT_AGENT})")
    who.add_argument("--base-url", metavar="URL", help="an OpenAI-compatible server, up to and including /v1")
    parser.add_argument("--model", metavar="NAME", help="model name as the server knows it")
    parser.add_argument("--extended", action="store_true", help="the agent may also rewrite rows")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the agent (default 0)")
    parser.add_argument(
        "--max-steps",
        type=positive,
        metavar="N",
        help=f"turns (default: {MAX_TURNS} for a served model, for built-in agents as many as it takes)",
    )
    parser.add_argument(
        "--alternatives",
        type=whole,
        default=MAX_TRIED,
        metavar="N",
        help=f"elements of the conflict to try letting go (default {MAX_TRIED}; 0: look for no other repair)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    more = parser.add_argument_group("options of served models, as for `ordebug eval`")
    more.add_argument("--temperature", type=nonnegative, default=0.0, help="sampling temperature (default 0, greedy)")
    add_max_tokens_option(more)
    add_timeout_options(more)
    add_body_option(more)
    add_system_option(more)
    more.add_argument("--conversation", action="store_true", help="send the turns so far as a conversation")
    add_detail_option(more, one=True)
    more.add_argument("--no-history", action="store_true", help="leave out the previous actions, as public data does")
    add_work_limit_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Repairs a model.

    Returns:
        0 when it is repaired and written, 1 when it is not.

    Raises:
        InputError: The model, an option or the output file cannot be used, or the format cannot hold the result.
        SolverError: Gurobi failed.
        ServerError: The server cannot be reached.
    """
    out: Path = options.out
    if out.suffix not in FORMATS:
        raise InputError(f"--out {out}: its name must end in {' or '.join(FORMATS)}, which says how it is written")
    check_new_file(out)
    problem = load_problem(options.path, extended=options.extended)
    agent = _agent(options, problem)
    with make_judge(work_limit=options.work_limit) as judge:
        shape = judge.shape(problem)
        print_warnings(options.path)
        judge.written(problem, NO_EDITS, out.suffix)  # a format that cannot hold the model is no news for the end
        most = MAX_TURNS if options.base_url else max(MAX_TURNS, len(shape.rows) + len(shape.variables))
        failures: list[OrdebugError] = []

        def write(edits: Edits) -> None:
            try:
                write_new(out, judge.written(problem, edits, out.suffix))
                status = judge.solve(load_problem(out)).status
            except OrdebugError as failure:  # raised once all that was found out is told
                failures.append(failure)
                return
            if not status.is_repaired:  # the same model in another order of rows, on the edge of a tolerance
                failures.append(
                    SolverError(f"{out} was written, but as a file Gurobi finds it {status}: give way by more")
                )

        account = repair(
            judge,
            problem,
            agent,
            max_turns=options.max_steps or most,
            most_tried=options.alternatives,
            on_repaired=write,
            on_conflict=lambda conflict: None if options.json else _print(conflict_lines(conflict)),
            bar=progress,
        )
    if options.json:
        written = account.repaired and not failures
        print_json({**account_record(account), "agent": agent.name, "out": str(out) if written else None})
    else:
        _print(account_lines(account))
    if failures:
        raise failures[0]
    if account.episode.aliases:
        LOG.print(f"rows or variables that share a name were given another: {', '.join(account.episode.aliases)}")
    LOG.print(f"wrote {out}" if account.repaired else f"{out} was not written: the model is not repaired")
    return DONE if account.repaired else FINDINGS


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        RESULTS.print(line)


def _agent(options: argparse.Namespace, problem: Problem) -> Agent:
    """The agent that was asked for; where none was, the one that needs nothing but the solver."""
    if not options.base_url:
        if options.model:
            raise InputError("--model goes with --base-url, not with a built-in --agent")
        if not options.agent:
            LOG.print(
                f"agent: {DEFAULT_AGENT}, which carries out the cheapest repair; --base-url or --agent name another"
            )
        if options.agent == Oracle.name and not problem.truth.fix:
            raise InputError(
                f"--agent {Oracle.name} undoes the fault that a benchmark records, and nothing is recorded of "
                f"{problem.path}: leave --agent out ({DEFAULT_AGENT} needs the solver alone)"
            )
        return make_agent(options.agent or DEFAULT_AGENT, seed=options.seed)
    if not options.model:
        raise InputError("--base-url needs --model: the name under which the server knows the model")
    detail = detail_of(options, [problem])
    if options.detail is None:
        LOG.print(f"prompts: --detail {detail}; a model must be asked as it was trained")
    style = Style(
        history=not options.no_history,
        detail=detail,
        conversation=options.conversation,
        system=system_prompt(options),
    )
    return connect(options, style)
