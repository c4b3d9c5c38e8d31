"""The fields of a JSON object by their kind: a file may say anything, and what reads it is promised a type."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TypeGuard


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number that a float can hold: not true or false, not infinite, not a whole one of 400 digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


class Fields:
    """An object of a JSON text, read field by field.

    Every method raises ValueError where the field is not there or is of another kind, and names it.

    Args:
        value: What should be an object.
        where: Its name, for messages.
    """

    def __init__(self, value: object, where: str = "the record") -> None:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where} must be an object, not {_shown(value)}")
        self._value: Mapping[str, Any] = value
        self._where = where

    def has(self, key: str) -> bool:
        """Whether there is such a field, and it is not null."""
        return self._value.get(key) is not None

    def text(self, key: str) -> str:
        """A text."""
        value = self._at(key)
        return value if isinstance(value, str) else self._refuse(key, "a text")

    def text_or_none(self, key: str) -> str | None:
        """A text or null."""
        return None if self._at(key) is None else self.text(key)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._at(key)
        return value if isinstance(value, bool) else self._refuse(key, "true or false")

    def count(self, key: str) -> int:
        """A whole number of at least 0."""
        value = self._at(key)
        return value if type(value) is int and value >= 0 else self._refuse(key, "a whole number of at least 0")

    def count_or_none(self, key: str) -> int | None:
        """Such a number or null."""
        return None if self._at(key) is None else self.count(key)

    def number(self, key: str) -> float:
        """A finite number."""
        value: Any = self._at(key)
        found: float = value if is_number(value) else self._refuse(key, "a number")
        return found  # a whole one stays one

    def number_or_none(self, key: str) -> float | None:
        """A finite number or null."""
        return None if self._at(key) is None else self.number(key)

    def items(self, key: str) -> list[Any]:
        """A list of anything."""
        value = self._at(key)
        return value if isinstance(value, list) else self._refuse(key, "a list")

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        items = self.items(key)
        return tuple(items) if all(isinstance(item, str) for item in items) else self._refuse(key, "a list of texts")

    def names(self, key: str) -> dict[str, str]:
        """An object of texts."""
        value = self._at(key)
        plain = isinstance(value, Mapping) and all(isinstance(item, str) for pair in value.items() for item in pair)
        return dict(value) if plain else self._refuse(key, "an object of texts")

    def fields(self, key: str) -> Fields:
        """An object."""
        return Fields(self._at(key), self._named(key))

    def each(self, key: str) -> list[Fields]:
        """A list of objects."""
        return [Fields(item, f"{self._named(key)}[{place}]") for place, item in enumerate(self.items(key))]

    def _at(self, key: str) -> Any:
        if key not in self._value:
            raise ValueError(f"{self._named(key)} is missing")
        return self._value[key]

    def _named(self, key: str) -> str:
        return key if self._where == "the record" else f"{self._where}.{key}"

    def _refuse(self, key: str, kind: str) -> Any:
        raise ValueError(f"{self._named(key)} must be {kind}, not {_shown(self._value[key])}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
