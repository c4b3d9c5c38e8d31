"""Alpaca rows to conversations: ShareGPT for LLaMA-Factory, messages for ms-swift.

`convert_row` is the one place where a row becomes a conversation: `convert_file` calls it offline, and so does the
``or_debug`` converter inside LLaMA-Factory. The answer, reasoning included, is never touched; the prompt loses what
leaks the answer (`prompt.strip_labels`); the id stays in the metadata. A row that cannot be used is refused with a
reason, never repaired and never dropped in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ordebug_plugin.actions import EXTENDED_ACTIONS, PUBLIC_ACTIONS, parse_answer
from ordebug_plugin.data.alpaca import read_alpaca
from ordebug_plugin.data.chat import ChatError, read_chat
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import write_text
from ordebug_plugin.prompt import join_instruction, strip_labels, system_for

Target = Literal["sharegpt", "messages"]

# Columns with a meaning here; any other column of a row is kept in the metadata.
_COLUMNS = frozenset({"instruction", "input", "output", "system", "history", "metadata"})


class RowError(InputError):
    """One row cannot be converted; the message is the reason, the caller knows file and row number."""


@dataclass(frozen=True)
class Conversation:
    """One demonstration: a prompt and the answer to learn.

    Attributes:
        system: System prompt, or None for none.
        user: The whole state, as `prompt.render_messages` writes it.
        assistant: The answer, byte for byte the row's ``output``.
        changed: Whether labels that leak the answer were removed from the prompt.
        metadata: The row's metadata (the problem id is in here), plus any column without a meaning to us.
    """

    system: str | None
    user: str
    assistant: str
    changed: bool
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ConvertReport:
    """What `convert_file` did: ``rows == written + rejected``.

    Attributes:
        rows: Rows read.
        written: Rows that are in the target.
        made: Rows of the target: of a conversation, ShareGPT has one for each answer to learn (`chat`).
        changed: Written rows whose prompt lost its labels.
        rejected: Rows refused.
        rejects: Where the refused rows and the reasons are, or None where every row was written.
    """

    rows: int
    written: int
    made: int
    changed: int
    rejected: int
    rejects: Path | None


@dataclass(frozen=True)
class _Reject:
    number: int
    reason: str
    data: object


def convert_row(row: Mapping[str, object], *, system: str | None, keep_labels: bool) -> Conversation:
    """Makes the conversation of one Alpaca row.

    Args:
        row: ``instruction``, ``input`` and ``output``; optionally ``metadata``, and a ``system`` prompt of its own.
        system: System prompt of rows that have none of their own; None or empty for none. The default one names the
            extended actions where the metadata says that these are the action set.
        keep_labels: Keep the public ``ID:`` and ``Type:`` lines, which leak the answer.

    Raises:
        RowError: A column is missing or not text, the answer is empty or carries no action that can be executed,
            or the row has earlier turns, which a single turn cannot hold.
    """
    if "conversations" in row or "messages" in row:
        raise RowError("already a conversation, and no row with an instruction: train on the file as it is")
    instruction, state, output = (_text(row, name) for name in ("instruction", "input", "output"))
    if not (instruction.strip() or state.strip()):
        raise RowError("'instruction' and 'input' are both empty")
    if not output.strip():
        raise RowError("'output' is empty")
    if row.get("history"):
        raise RowError("'history' holds earlier turns: write one row for each turn, with its own state in 'input'")
    metadata = _metadata(row)
    extended = metadata.get("action_set") == "extended"
    error = parse_answer(output, EXTENDED_ACTIONS if extended else PUBLIC_ACTIONS).error
    if error is not None:
        raise RowError(f"the action in 'output' cannot be executed: {error}")
    shown = state if keep_labels else strip_labels(state)
    own_system = _text(row, "system") if row.get("system") is not None else ""
    conversation = Conversation(
        system=own_system or system_for(system, extended=extended) or None,
        user=join_instruction(instruction, shown),
        assistant=output,
        changed=shown != state,
        metadata=metadata,
    )
    _check_encodable(conversation)
    return conversation


def convert_file(source: Path, target: Path, *, to: Target, system: str | None, keep_labels: bool) -> ConvertReport:
    """Converts a whole file; refused rows go to ``<target stem>.rejects.jsonl``, one ``{row, reason, data}`` a line.

    Args:
        source: Alpaca file, see `alpaca.read_alpaca`, or conversations (`chat`). Never written to.
        target: ``*.json`` (one list) or ``*.jsonl``; replaced if it exists, and left alone if anything fails.
        to: ``sharegpt`` for LLaMA-Factory, ``messages`` for ms-swift.
        system: See `convert_row`.
        keep_labels: See `convert_row`.

    Raises:
        InputError: The source cannot be read, or the target cannot be written or is the source.
    """
    if target.suffix not in {".json", ".jsonl"}:
        raise InputError(f"{target}: name the target *.json or *.jsonl")
    rejects_path = target.with_name(f"{target.stem}.rejects.jsonl")
    if source.resolve() in {target.resolve(), rejects_path.resolve()}:
        raise InputError(f"{target}: would overwrite the input {source}: choose another target")
    converted: list[list[dict[str, object]]] = []
    changed = 0
    rejects: list[_Reject] = []
    rows = read_alpaca(source).rows
    for number, row in enumerate(rows, 1):
        try:
            if not isinstance(row, dict):
                raise RowError(f"a row must be an object, not {type(row).__name__}")
            if "messages" in row:
                chat = read_chat(row, system=system, keep_labels=keep_labels)
                changed += chat.changed
                converted.append(chat.as_sharegpt() if to == "sharegpt" else [chat.as_messages()])
                continue
            conversation = convert_row(row, system=system, keep_labels=keep_labels)
            changed += conversation.changed
            converted.append([_sharegpt(conversation) if to == "sharegpt" else _messages(conversation)])
        except (RowError, ChatError) as error:
            rejects.append(_Reject(number, str(error), row))
    if not converted:
        raise InputError(f"{source}: not one of {len(rows)} rows can be converted; row 1: {rejects[0].reason}")
    made = [row for rows_of_one in converted for row in rows_of_one]
    _write(target, made)
    if rejects:
        _write(rejects_path, [{"row": r.number, "reason": r.reason, "data": r.data} for r in rejects])
    else:
        rejects_path.unlink(missing_ok=True)  # of an earlier run: it would contradict this one
    kept = rejects_path if rejects else None
    return ConvertReport(len(rows), len(converted), len(made), changed, len(rejects), kept)


def _sharegpt(conversation: Conversation) -> dict[str, object]:
    """ShareGPT row; ``system`` is always there, because a column named in dataset_info.json must exist."""
    turns = (("human", conversation.user), ("gpt", conversation.assistant))
    return {
        "conversations": [{"from": speaker, "value": text} for speaker, text in turns],
        "system": conversation.system or "",
        "metadata": dict(conversation.metadata),
    }


def _messages(conversation: Conversation) -> dict[str, object]:
    turns = [("system", conversation.system)] if conversation.system else []
    turns += [("user", conversation.user), ("assistant", conversation.assistant)]
    return {
        "messages": [{"role": role, "content": text} for role, text in turns],
        "metadata": dict(conversation.metadata),
    }


def _text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    if value is None:
        raise RowError(f"{name!r} is missing")
    if not isinstance(value, str):
        raise RowError(f"{name!r} must be text, not {type(value).__name__}")
    return value


def _metadata(row: Mapping[str, object]) -> dict[str, object]:
    metadata = row.get("metadata")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, Mapping):
        raise RowError(f"'metadata' must be an object, not {type(metadata).__name__}")
    extra = {name: value for name, value in row.items() if name not in _COLUMNS}
    for name, value in extra.items():  # a null column may only mean that other rows have it
        if name in metadata and value is not None:
            raise RowError(f"{name!r} is a column and a key of 'metadata' at once: rename one")
    return {**extra, **metadata}


def _check_encodable(conversation: Conversation) -> None:
    # JSON can spell half of a UTF-16 pair ("\ud800"); no UTF-8 file and no tokenizer takes it.
    try:
        "".join((conversation.system or "", conversation.user, conversation.assistant)).encode()
    except UnicodeEncodeError as error:
        raise RowError(f"holds a lone surrogate, {error.object[error.start]!r}, which is not a character") from error


def _write(path: Path, rows: Iterable[object]) -> None:
    """Writes one row a line, as JSONL or as one JSON list by the suffix; whole or not at all."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    write_text(
        path, "".join(f"{line}\n" for line in lines) if path.suffix == ".jsonl" else "[\n" + ",\n".join(lines) + "\n]\n"
    )
