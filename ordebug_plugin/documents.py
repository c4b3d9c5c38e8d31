"""JSON and YAML that somebody else wrote: whatever is wrong with it is one `ValueError`, and none of it blows up.

The readers of the libraries raise other exceptions for what is nested too deeply, take ``1e999`` for infinity, give
whole numbers that no float can hold, and YAML's aliases make a kilobyte into more nodes than fit into any memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import yaml

# No configuration comes near, and to walk so many takes a second.
_MOST_NODES = 1_000_000
_DEEP = "nested too deeply"
_MERGE = "tag:yaml.org,2002:merge"
_MOST_MERGED, _MOST_ENTRIES = 16, 10_000  # mappings merged into one, and entries of that one


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """What a JSON text holds.

    Args:
        text: The text; bytes are UTF-8.
        finite: Refuse ``NaN``, ``Infinity`` and numbers that no float can hold; logs of trainings have them.

    Raises:
        ValueError: It is no JSON, or nested too deeply, or has such a number.
    """
    try:
        if finite:
            return json.loads(text, parse_float=_float, parse_int=_int, parse_constant=_constant)
        return json.loads(text, parse_int=_int_or_infinity)
    except RecursionError:
        raise ValueError(_DEEP) from None


def parse_yaml(text: str) -> Any:
    """What a YAML text holds: plain values alone, no objects.

    Raises:
        ValueError: It is no YAML, is nested too deeply, has a number that no float can hold, or aliases that refer to
            themselves or stand for more than a million nodes.
    """
    try:
        content = yaml.load(text, _Loader)
    except RecursionError:
        raise ValueError(_DEEP) from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except (AttributeError, KeyError, OverflowError, TypeError) as error:
        # PyYAML's constructors trip over what their patterns let through: `!!float a`, `0x_`, a date of the year 0.
        raise ValueError(f"a value cannot be read: {error!r}") from error
    _check_nodes(content)
    return content


class _Loader(yaml.SafeLoader):
    """Merges (``<<``) copy what they name, so those of a few lines could fill any memory."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Puts the entries of what is merged into a mapping."""
        for key, value in node.value:
            if key.tag == _MERGE and isinstance(value, yaml.SequenceNode) and len(value.value) > _MOST_MERGED:
                raise ValueError(f"more than {_MOST_MERGED} mappings are merged into one")
        super().flatten_mapping(node)
        if len(node.value) > _MOST_ENTRIES:
            raise ValueError("its merges stand for too much")


def _check_nodes(content: Any) -> None:
    waiting = [content]
    nodes = 0
    while waiting:
        node = waiting.pop()
        nodes += 1
        if nodes > _MOST_NODES:
            raise ValueError("its aliases stand for too much")
        if isinstance(node, Mapping):
            waiting += [*node.keys(), *node.values()]
        elif isinstance(node, list | tuple | set):
            waiting += node
        elif isinstance(node, int):
            _checked(node)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {_shown(text)} is too large")
    return value


def _int(text: str) -> int:
    return _checked(int(text))  # int() refuses thousands of digits by itself


def _checked(value: int) -> int:
    try:
        float(value)
    except OverflowError:
        raise ValueError(f"a whole number of {value.bit_length()} bits is too large") from None
    return value


def _int_or_infinity(text: str) -> int | float:
    try:
        return _int(text)
    except ValueError:
        return -math.inf if text.startswith("-") else math.inf


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _shown(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:27]}..."
