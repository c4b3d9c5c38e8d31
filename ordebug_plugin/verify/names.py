"""What names and places say of the elements of a conflict, and what the words of their statements do: no number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

_WORD = re.compile(r"(?<![^\W\d_])[^\W\d_]++(?!\w)")  # letters, not a part of a name with digits


def name_features(names: Sequence[str], places: Sequence[float]) -> tuple[tuple[str, ...], ...]:
    """What is seen of each.

    Args:
        names: Of the rows of an IIS, or of the variables, in its order.
        places: Where each is in the model, from 0 (first) to 1 (last).
    """
    shapes = [re.sub(r"[0-9]+", "0", name) for name in names]
    count, last = Counter(shapes), len(shapes) - 1
    return tuple(
        (
            *_tokens(name),
            f"shape {shape}",
            f"shape of its own {count[shape] == 1}",
            f"length {min(len(name), 20)}",
            f"first in the list {number == 0}",
            f"last in the list {number == last}",
            f"third of the list {3 * number // (last + 1)}",
            f"fifth of the model {int(5 * min(place, 0.999))}",
            f"last in the model {place == 1}",
        )
        for number, (name, shape, place) in enumerate(zip(names, shapes, places, strict=True))
    )


def word_features(statements: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """What is seen of each where the words of its statement are all that is read."""
    return tuple(tuple(sorted(set(_WORD.findall(text.lower())))) for text in statements)


def _tokens(name: str) -> Iterator[str]:
    yield f"begins {name[:1]}"
    yield f"begins {name[:3]}"
    for run in re.findall(r"[^\W\d_]+|[0-9]+", name):
        if run.isdecimal():
            yield f"digits {len(run)}"
            yield f"number {min(int(run) // 10, 100)}"  # the tens
        else:
            yield f"word {run.lower()}"
