"""The one renderer: states to prompts, answers to text. SFT data, GRPO prompts and evaluation all come through here.

The compact public form of OR-Debug-Bench is kept byte for byte (`Style(labels=True)`), less what leaks the answer by
default: the public prompts name the fault (``Type: B``) and the problem id repeats it (``mip_typeB_480``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin.actions import (
    ACTION_PREFIX,
    EXTENDED_ACTIONS,
    PUBLIC_ACTIONS,
    SIGNATURES,
    THINK_CLOSE,
    THINK_OPEN,
    Action,
)
from ordebug_plugin.env import Observation
from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import render_sides as _render_sides
from ordebug_plugin.linear import render_sum, short
from ordebug_plugin.verdict import IIS

INSTRUCTION = "Debug the infeasible optimization model and provide the action to fix it."
_ROLE = (
    "You repair infeasible optimization models. Find the culprit in the IIS and change as little as possible.\n"
    f"Reason inside {THINK_OPEN} tags, then give exactly one action on a line that starts with '{ACTION_PREFIX}'.\n"
    "Actions: "
)
SPECIFICATION_HEADING = "## Specification"
SYSTEM_PROMPT = _ROLE + ", ".join(f"{kind}({SIGNATURES[kind].text})" for kind in PUBLIC_ACTIONS)
EXTENDED_SYSTEM_PROMPT = _ROLE + ", ".join(f"{kind}({SIGNATURES[kind].text})" for kind in EXTENDED_ACTIONS)
# The public prompts list the row names up to this many rows, and only count them beyond.
MAX_LISTED_ROWS = 15
# A row's algebra is shown up to this many terms, and only counted beyond; its sides are always shown.
MAX_TERMS = 12
# Likewise in full detail: who is to write a row anew needs all of it.
MAX_TERMS_FULL = 40


class Detail(StrEnum):
    """How much of the conflict a prompt shows; each shows what the one before it does.

    NAMES: the rows and bounds of the IIS by name, as public prompts do. ALGEBRA: written out as they stand.
    FULL: also what the specification says of them, where the problem has one.
    """

    NAMES = "names"
    ALGEBRA = "algebra"
    FULL = "full"


@dataclass(frozen=True)
class Style:
    """What a prompt shows.

    Attributes:
        labels: Keep the public ``ID:`` and ``Type:`` lines, which leak the answer.
        history: List the actions taken so far. Public demonstrations have none.
        detail: How much of the conflict to show.
        conversation: Send the turns so far as a conversation, the whole state in each, as multi-turn GRPO trains it;
            else every turn is a conversation of its own, as the demonstrations are.
        system: The system prompt, or None for none.
    """

    labels: bool = False
    history: bool = True
    detail: Detail = Detail.NAMES
    conversation: bool = False
    system: str | None = SYSTEM_PROMPT


@dataclass(frozen=True)
class Message:
    """One chat message, as every OpenAI-compatible server takes it."""

    role: str
    content: str


def render_messages(observation: Observation, style: Style) -> tuple[Message, ...]:
    """The chat messages for one turn: the system prompt, where there is one, and the whole state."""
    messages = [Message("user", render_user(observation, style))]
    while style.conversation and observation.previous is not None:
        answer = observation.history[-1].answer
        observation = observation.previous
        messages[:0] = [Message("user", render_user(observation, style)), Message("assistant", answer)]
    system = system_for(style.system, extended=observation.extended)
    if system is not None:
        messages.insert(0, Message("system", system))
    return tuple(messages)


def system_for(system: str | None, *, extended: bool) -> str | None:
    """The system prompt of a problem: the default one names the actions, so it is another with the extended set."""
    return EXTENDED_SYSTEM_PROMPT if extended and system == SYSTEM_PROMPT else system


def render_user(observation: Observation, style: Style) -> str:
    """The user message of one turn."""
    return join_instruction(INSTRUCTION, render_state(observation, style))


def render_state(observation: Observation, style: Style) -> str:
    """The state in the public compact form: solver status, IIS, model structure, then what was done so far.

    In full detail the specification follows the status, without what it says of elements outside the IIS: large models
    must fit into a prompt. An element of the IIS that is not in it is none that the model should have.
    """
    sections = []
    if style.labels:
        sections.append(f"## Problem\nID: {observation.problem_id}\nType: {observation.error_type or 'unknown'}")
    sections.append(f"## Current State\nStatus: {observation.status}")
    iis, specification = observation.iis, observation.specification
    if style.detail is Detail.FULL and specification is not None:
        statements = specification.about(() if iis is None else (*iis.rows, *iis.bounds))
        lines = [f"{name}: {text}" for name, text in statements.items()]
        sections.append("\n".join([SPECIFICATION_HEADING, specification.overview, *lines]))
    if iis is not None:
        lines = ["## IIS (Irreducible Infeasible Subsystem)", f"Conflicting Constraints: {list(iis.rows)!r}"]
        if iis.bounds:
            lines.append(f"Conflicting Bounds: {list(iis.bounds)!r}")
        if iis.others:
            lines.append(f"Conflicting Others: {list(iis.others)!r}")
        sections.append("\n".join(lines))
        if style.detail is not Detail.NAMES:
            most_terms = MAX_TERMS_FULL if style.detail is Detail.FULL else MAX_TERMS
            sections.append("\n".join(["## IIS in Full", *_algebra(observation, iis, most_terms)]))
    structure = [
        "## Model Structure",
        f"Constraints: {len(observation.rows)}",
        f"Variables: {len(observation.shape.variables)}",
    ]
    if len(observation.rows) <= MAX_LISTED_ROWS:
        structure.append(f"Constraint Names: {list(observation.rows)!r}")
    sections.append("\n".join(structure))
    if style.history and observation.history:
        past = [
            f"{turn}. {step.action or 'no action'}: {step.note}" for turn, step in enumerate(observation.history, 1)
        ]
        sections.append("\n".join(["## Previous Actions", *past]))
    return "\n\n".join(sections)


def render_sides(interval: Interval) -> str:
    """What an interval asks of a row or a variable: ``<= 40``, ``>= 4``, ``= 3`` or ``in [4, 40]``."""
    return _render_sides(interval.lower, interval.upper, short)


def render_bounds(observation: Observation, variable: str) -> str:
    """What a variable may be: ``binary``, ``integer in [0, 9]`` or, where any number will do, as `render_sides`."""
    shape, bounds = observation.shape, observation.edits.variable(observation.shape, variable)
    if variable in shape.binaries and bounds == Interval(0.0, 1.0):
        return "binary"
    return f"{'integer ' if variable in shape.binaries | shape.integers else ''}{render_sides(bounds)}"


def _algebra(observation: Observation, iis: IIS, most_terms: int) -> list[str]:
    """The rows and bounds of the IIS as they stand. A row's name comes last, as a label in brackets."""
    shape, edits = observation.shape, observation.edits
    terms = observation.terms
    rows = [
        f"{render_sum(terms[name], short, most_terms)} {render_sides(edits.row(shape, name))} ({name})"
        for name in iis.rows
    ]
    return rows + [f"{name} {render_bounds(observation, name)}" for name in iis.bounds]


def render_answer(think: str, action: Action) -> str:
    """An answer in the canonical form that `actions.parse_answer` calls well-formed."""
    return f"{THINK_OPEN}\n{think}\n{THINK_CLOSE}\n\n{ACTION_PREFIX} {action}"


def canonical_answer(
    content: str | None, reasoning: str | None = None, *, truncated: bool = False, opened: bool = False
) -> str:
    """Rebuilds the canonical text wherever a server put the reasoning.

    Args:
        content: The message's content; None where the server sent null.
        reasoning: The message's ``reasoning_content`` or ``reasoning``, where the server moved the think text there.
        truncated: Whether the token limit cut the answer. Without a think tag it was cut while reasoning, after an
            opener in the prompt, and nothing in it may act.
        opened: Whether the server's prompts are known to end in an opener. An answer without any tag never left its
            reasoning then.
    """
    # Half of a UTF-16 pair is no text that could be sent back in the next prompt.
    content = (content or "").encode("utf-8", "backslashreplace").decode()
    reasoning = (reasoning or "").encode("utf-8", "backslashreplace").decode()
    if reasoning and THINK_CLOSE not in content:
        return f"{THINK_OPEN}\n{reasoning.strip(chr(10))}\n{THINK_CLOSE}\n\n{content.lstrip(chr(10))}"
    opened_in_prompt = THINK_CLOSE in content or truncated or opened
    if opened_in_prompt and THINK_OPEN not in content:
        return f"{THINK_OPEN}\n{content.lstrip(chr(10))}"
    return content


def join_instruction(instruction: str, state: str) -> str:
    """The user message from the two Alpaca columns, one blank line between, as the published chat files have it."""
    return f"{instruction}\n\n{state}" if state else instruction


_LABEL = re.compile(r"(?:ID|Type): ")


def strip_labels(state: str) -> str:
    """Removes what leaks the answer from a public state: the ``ID:`` and ``Type:`` lines of its problem section.

    A section that held nothing else goes too, so the result equals what `render_state` writes without labels.
    """
    section, gap, rest = state.partition("\n\n")
    heading, *lines = section.split("\n")
    kept = [line for line in lines if not _LABEL.match(line)]
    if heading != "## Problem" or len(kept) == len(lines):
        return state
    return "\n".join([heading, *kept]) + gap + rest if kept else rest


def strip_specification(state: str) -> str:
    """Removes the specification from a rendered state."""
    before, heading, rest = state.partition(f"\n\n{SPECIFICATION_HEADING}\n")
    _, gap, after = rest.partition("\n\n")
    return before + gap + after if heading else state
