"""The programs that a sweep calls, and command lines made of settings."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordebug_plugin.documents import parse_yaml
from ordebug_plugin.errors import InputError
from ordebug_plugin.serving import find_program


@dataclass(frozen=True)
class Programs:
    """Where the programs are.

    Attributes:
        llamafactory: ``llamafactory-cli`` of its environment.
        swift: ``swift`` of its environment.
    """

    llamafactory: Path
    swift: Path

    def resolve(self, line: str, where: str) -> list[str]:
        """A command line of a sweep's file as arguments, without any shell.

        Raises:
            InputError: It cannot be split, or calls something else than the four programs.
        """
        try:
            name, *arguments = shlex.split(line)
        except ValueError as error:
            raise InputError(f"{where}: {line!r} is no command line: {error}") from error
        return [*self.start(name, where), *arguments]

    def start(self, name: str, where: str) -> list[str]:
        """How one of the four programs is started."""
        match name:
            case "ordebug":
                return [sys.executable, "-m", "ordebug_plugin.cli"]
            case "llamafactory-cli":
                return [str(self.llamafactory)]
            case "python":  # LLaMA-Factory's, which has transformers and tokenizers
                return [str(self.llamafactory.parent / "python")]
            case "swift":
                return [str(self.swift)]
        raise InputError(f"{where}: a sweep calls ordebug, llamafactory-cli, swift and python, not {name!r}")


def find_programs(llamafactory: Path | None, swift: Path | None) -> Programs:
    """Finds both frameworks.

    Args:
        llamafactory: ``llamafactory-cli``, where it was named.
        swift: ``swift``, likewise.

    Raises:
        InputError: One of them is not there.
    """
    return Programs(
        find_program("llamafactory-cli", "llamafactory", llamafactory), find_program("swift", "swift", swift)
    )


def beside(program: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables under which a program finds those of its own environment first: both frameworks call others by name."""
    path = environment.get("PATH", os.environ.get("PATH", ""))
    return {**environment, "PATH": f"{Path(program).parent}{os.pathsep}{path}"}


def options(settings: Mapping[str, Any]) -> list[str]:
    """``--key value`` for each setting; a list gives several values, true the key alone, false and null nothing."""
    found: list[str] = []
    for key, value in settings.items():
        if value is None or value is False:
            continue
        found.append(f"--{key}")
        if value is not True:
            found += (
                [str(one) for one in value]
                if isinstance(value, Sequence) and not isinstance(value, str)
                else [str(value)]
            )
    return found


def swift_options(settings: Mapping[str, Any]) -> list[str]:
    """The same for ms-swift, whose switches take ``true`` and ``false``."""
    return options({key: str(value).lower() if isinstance(value, bool) else value for key, value in settings.items()})


def assignments(settings: Mapping[str, Any]) -> list[str]:
    """``key=value`` for each setting, as LLaMA-Factory takes them; null unsets what the recipe says."""
    return [f"{key}={_yaml_word(value)}" for key, value in settings.items()]


def _yaml_word(value: Any) -> str:
    """A value as its parser reads it, which is YAML's: a bare ``no`` would be false."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = str(value)
    return json.dumps(text) if isinstance(value, str) and not _is_itself(text) else text


def _is_itself(text: str) -> bool:
    """Whether YAML reads a text as that text."""
    try:
        return bool(parse_yaml(text) == text)
    except ValueError:
        return False
