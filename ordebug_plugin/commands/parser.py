"""The parser of every command: whole options only, and a typo answered by the command it was typed to."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import Any


class Parser(argparse.ArgumentParser):
    """A parser that knows no abbreviations, and tells an unknown option itself.

    argparse takes ``--sample 3`` for ``--samples 3``, and lets the parser at the top speak of what a command does not
    know, with a usage that names neither the command nor its options.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def parse_known_args(  # type: ignore[override]  # its overloads are of namespaces that nobody passes here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As of argparse, but nothing is left over, and a mistyped option is no missing one."""
        given = list(sys.argv[1:] if args is None else args)
        if self._subparsers is None and not {"-h", "--help"} & set(given):
            self._refuse(
                [text for text in _options(given) if text.partition("=")[0] not in self._option_string_actions]
            )
        options, left = super().parse_known_args(given, namespace)
        self._refuse([text for text in left if text.startswith("-") and text.lstrip("-")[:1].isalpha()])  # -1 is none
        if left:
            self.error(f"unexpected: {' '.join(left)}")
        return options, left

    def _refuse(self, unknown: Sequence[str]) -> None:
        if unknown:
            self.error("; ".join(f"unknown option {text}{self._hint(text)}" for text in unknown))

    def _hint(self, text: str) -> str:
        """The option that may have been meant: one spelled alike, else one that takes what was named (``--html``)."""
        word = text.partition("=")[0].lstrip("-").lower()
        known = {
            option.removeprefix("--"): action
            for action in self._actions
            for option in action.option_strings
            if option.startswith("--") and option != "--help"
        }
        near = difflib.get_close_matches(word, known, n=1)
        near += [option for option, action in known.items() if f".{word}" in str(action.metavar).lower()]
        return f": did you mean --{near[0]}?" if near else ""


def _options(given: Sequence[str]) -> list[str]:
    """What argparse takes for options with long names: a text with a space in it is a value."""
    end = given.index("--") if "--" in given else len(given)
    return [text for text in given[:end] if text.startswith("--") and " " not in text]
