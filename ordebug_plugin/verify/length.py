"""How long training examples are, in tokens of the model that is to learn them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordebug_plugin.errors import InputError
from ordebug_plugin.prompt import system_for
from ordebug_plugin.verify.demonstration import Demonstration, Turn

# As in recipes/sft.yaml.
DEFAULT_CUTOFF = 4096


@dataclass(frozen=True)
class Lengths:
    """The lengths of the examples of a file, at least one.

    Attributes:
        tokenizer: Name of the folder that the tokenizer is from.
        cutoff: Tokens after which training cuts an example (``cutoff_len``).
        tokens: Length of every example, in tokens, ascending.
    """

    tokenizer: str
    cutoff: int
    tokens: tuple[int, ...]

    @property
    def truncated(self) -> int:
        """Examples that are cut."""
        return sum(length > self.cutoff for length in self.tokens)

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return self.tokens[-1]

    def percentile(self, percent: int) -> int:
        """The least length that at least so many percent of the examples do not exceed."""
        return self.tokens[max(0, -(-percent * len(self.tokens) // 100) - 1)]


class Ruler:
    """Measures examples with the tokenizer and the chat template of a model folder; nothing is downloaded.

    Args:
        folder: A folder with a tokenizer, as ``save_pretrained`` writes it.
        system: System prompt of Alpaca rows, which have none of their own; None for none.

    Raises:
        InputError: transformers is not installed, or the folder holds no tokenizer with a chat template.
    """

    def __init__(self, folder: Path, *, system: str | None) -> None:
        self._folder, self._system = folder, system
        self._tokenizer = _load_tokenizer(folder)

    def measure(self, row: Demonstration) -> int:
        """Tokens of a whole training example, as the chat template makes it, without the lines that leak the label.

        The reasoning of earlier turns counts: the recipes train with it, though templates drop it.

        Raises:
            InputError: The template refuses the conversation.
        """
        from jinja2 import TemplateError  # noqa: PLC0415  # with transformers, for its own templates

        system = row.system or (system_for(self._system, extended=row.extended) if row.alpaca else None)
        messages = [] if system is None else [{"role": "system", "content": system}]
        *earlier, last = row.turns
        for turn in row.turns:
            messages.append({"role": "user", "content": turn.unlabelled})
            messages.append({"role": "assistant", "content": turn.output if turn is last else _stand_in(turn)})
        try:
            text = self._tokenizer.apply_chat_template(messages, tokenize=False)
        except TemplateError as error:
            raise InputError(f"row {row.number}: the chat template of {self._folder} refuses it: {error}") from error
        for turn in earlier:
            text = text.replace(_stand_in(turn), turn.output, 1)
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _stand_in(turn: Turn) -> str:
    """What stands for an earlier answer in a template, which would cut the reasoning out of the answer itself.

    The marks are characters for private use, so that no prompt holds it.
    """
    return f"\ue000{turn.number}\ue001"


def summarize(tokenizer: str, cutoff: int, lengths: Iterable[int]) -> Lengths:
    """The lengths of a file."""
    return Lengths(tokenizer, cutoff, tuple(sorted(lengths)))


def _load_tokenizer(folder: Path) -> Any:
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder: --tokenizer takes a model's folder on this machine, nothing is fetched"
        )
    try:
        from transformers import AutoTokenizer  # noqa: PLC0415  # takes seconds, and the core does without
    except ImportError as error:
        raise InputError(
            f"--tokenizer needs transformers, which is not installed here ({error}): install the extra of a framework, "
            "pip install 'ordebug-plugin[llamafactory]' or '…[swift]'"
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: no tokenizer can be read from it: {str(error).splitlines()[0]}") from error
    if not tokenizer.chat_template:
        raise InputError(f"{folder}: its tokenizer has no chat template, so the length of an example is not known")
    return tokenizer
