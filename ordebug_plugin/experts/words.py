"""Words for numbers, sides and names. Numbers are written as prompts write them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from ordebug_plugin.interval import Interval

# How many times too much, in words.
_TIMES = {
    10.0: "ten times",
    100.0: "a hundred times",
    1000.0: "a thousand times",
    2.0: "twice",
    0.1: "a tenth of",
    0.01: "a hundredth of",
    0.001: "a thousandth of",
    0.5: "half of",
}


def number(value: float) -> str:
    """A number, in the digits of the prompt."""
    return f"{value + 0.0:.12g}"  # a zero without sign


def joined(names: Sequence[str], word: str = "and") -> str:
    """``r1, r2 and r3``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}" if names else ""


def sides(interval: Interval) -> str:
    """What an interval asks for: ``at most 40``, ``at least 3``, ``exactly 5``, ``between 0 and 60``, ``anything``."""
    if interval.is_free:
        return "anything"
    if interval.lower == interval.upper:
        return f"exactly {number(interval.lower)}"
    if interval.sense == "in":
        return f"between {number(interval.lower)} and {number(interval.upper)}"
    return f"at most {number(interval.upper)}" if math.isinf(interval.lower) else f"at least {number(interval.lower)}"


def ends(lower: float, upper: float) -> tuple[str, str]:
    """Two bounds, each as a number or as none."""
    low = "no lower bound" if math.isinf(lower) else number(lower)
    high = "no upper bound" if math.isinf(upper) else number(upper)
    return low, high


def times(now: float, stated: float) -> str | None:
    """How one number relates to another, in words, where people make such mistakes; None elsewhere."""
    if not stated:
        return None
    ratio = now / stated
    return next((word for factor, word in _TIMES.items() if math.isclose(ratio, factor, rel_tol=1e-6)), None)


def pick(rng: random.Random, *options: str) -> str:
    """One of several phrasings."""
    return rng.choice(options)


def text(*sentences: str | None) -> str:
    """Sentences to a paragraph; empty ones are left out."""
    return " ".join(sentence for sentence in sentences if sentence)
