"""The data format ``or_debug`` inside LLaMA-Factory: raw Alpaca files, converted row by row while it loads them.

One of two importers of LLaMA-Factory in this package; `autoload` calls `register` when the time has come. Rows go
through `convert.convert_row`, so training sees what ``ordebug data convert`` writes and what the evaluator asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from llamafactory.data import converter, loader
from llamafactory.data.converter import DatasetConverter, register_dataset_converter
from llamafactory.extras.logging import get_logger

from ordebug_plugin.data.alpaca import ROWS_KEY, is_document
from ordebug_plugin.data.convert import Conversation, RowError, convert_row
from ordebug_plugin.prompt import SYSTEM_PROMPT

FORMATTING = "or_debug"

logger = get_logger("llamafactory.or_debug")  # below theirs, so that warnings reach the training log


@dataclass
class OrDebugConverter(DatasetConverter):  # type: ignore[misc]
    """Converts one raw Alpaca row to LLaMA-Factory's aligned form.

    The system prompt is the row's own (``columns: {system: …}`` in dataset_info.json names the column), else
    ``default_system`` of the recipe (empty for none), else `prompt.SYSTEM_PROMPT`, or `prompt.EXTENDED_SYSTEM_PROMPT`
    where the row's ``metadata.action_set`` is ``extended``.

    A row that cannot be used is logged and made such that LLaMA-Factory drops it, see `_refused`.
    """

    def __call__(self, example: dict[str, Any]) -> dict[str, Any]:
        """Returns ``_prompt``, ``_response``, ``_system`` and the empty columns of a text-only row."""
        # An empty `_system` lets the template fill in `default_system`, which is what the recipe asked for.
        default = SYSTEM_PROMPT if self.data_args.default_system is None else None
        try:
            conversation = convert_row(self._alpaca(example), system=default, keep_labels=False)
        except RowError as error:
            logger.warning_rank0(f"or_debug: row {_row_id(example)} is refused: {error}")
            return _refused(str(error))
        return _aligned(*_turns(conversation), conversation.system or "")

    def _alpaca(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """The row under our column names; dataset_info.json may give it others."""
        names = {
            self.dataset_attr.prompt or "instruction": "instruction",
            self.dataset_attr.query or "input": "input",
            self.dataset_attr.response or "output": "output",
            self.dataset_attr.history or "history": "history",
            self.dataset_attr.system or "system": "system",
        }
        return {names.get(name, name): value for name, value in example.items()}


def register() -> None:
    """Makes LLaMA-Factory know `FORMATTING` and read the public ``{"metadata": …, "data": […]}`` files; idempotent."""
    if FORMATTING in converter.DATASET_CONVERTERS:
        return
    register_dataset_converter(FORMATTING, OrDebugConverter)
    loader.load_dataset = _with_document_field(loader.load_dataset)


def _with_document_field(load_dataset: Callable[..., Any]) -> Callable[..., Any]:
    """Has the JSON loader of `datasets` read the rows under ``data``; without ``field`` it fails on such a file."""

    @wraps(load_dataset)
    def load(*args: Any, **kwargs: Any) -> Any:
        files = kwargs.get("data_files")
        if kwargs.get("path") == "json" and files and all(is_document(Path(file)) for file in files):
            kwargs["field"] = ROWS_KEY
        return load_dataset(*args, **kwargs)

    return load


def _turns(conversation: Conversation) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    return (
        [{"role": "user", "content": conversation.user}],
        [{"role": "assistant", "content": conversation.assistant}],
    )


def _aligned(prompt: list[dict[str, str]], response: list[dict[str, str]], system: str) -> dict[str, Any]:
    return {
        "_prompt": prompt,
        "_response": response,
        "_system": system,
        "_tools": "",
        "_images": None,
        "_videos": None,
        "_audios": None,
    }


def _refused(reason: str) -> dict[str, Any]:
    """A row that every processor of LLaMA-Factory drops ("Dropped invalid example"), having an even prompt.

    Its own converters write empty lists instead, but these have no element type: a preprocessing worker whose whole
    share is refused then makes a table that cannot be joined with the others', and training stops.
    """
    prompt = [{"role": "user", "content": "refused"}, {"role": "assistant", "content": reason}]
    return _aligned(prompt, [{"role": "assistant", "content": ""}], "")


def _row_id(example: Mapping[str, Any]) -> str:
    metadata = example.get("metadata")
    problem_id = metadata.get("problem_id") if isinstance(metadata, Mapping) else None
    return repr(problem_id) if problem_id else "without a problem_id"
