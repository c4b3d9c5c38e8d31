"""Why the rows contradict each other, in words."""

from __future__ import annotations

from dataclasses import dataclass

from ordebug_plugin.experts.chain import Chain, find_chain
from ordebug_plugin.experts.situation import Situation
from ordebug_plugin.experts.words import number, pick, text

# A sum of more terms is not written out.
_TERMS = 5


@dataclass(frozen=True)
class Argument:
    """A contradiction, and how it is told."""

    chain: Chain
    words: str


def argue(situation: Situation) -> Argument | None:
    """Tells why the conflict cannot hold; None where that takes more than a few steps, or too many digits."""
    chain = chain_of(situation)
    if chain is None or not all(map(_is_short, _numbers(chain))):
        return None
    return Argument(chain, text(*_steps(situation, chain), _last(situation, chain)))


def chain_of(situation: Situation) -> Chain | None:
    """The contradiction in numbers."""
    observation = situation.observation
    shape, edits = observation.shape, observation.edits
    if observation.iis is None or observation.iis.others:
        return None
    rows = {name: (observation.terms[name], edits.row(shape, name)) for name in situation.rows}
    return find_chain(rows, {name: edits.variable(shape, name) for name in situation.bounds})


def _numbers(chain: Chain) -> list[float]:
    return [chain.reach, chain.gap, *(link.value for link in chain.links), *(part[2] for part in chain.parts)]


def _is_short(value: float) -> bool:
    """Numbers of many digits are no help to who reads them, and get models caught in repeating them."""
    return len(number(value)) <= 8


def _steps(situation: Situation, chain: Chain) -> list[str]:
    told: list[str] = []
    for link in chain.links:
        how = f"{'at least' if link.is_lower else 'at most'} {number(link.value)}"
        if len(situation.observation.terms[link.row]) == 1 or not told:
            options = (
                f"{link.row} keeps {link.variable} {how}.",
                f"By {link.row}, {link.variable} is {how}.",
                f"{link.row} means {link.variable} {how}.",
            )
        else:
            options = (
                f"With that, {link.row} leaves {link.variable} {how}.",
                f"{link.row} then makes {link.variable} {how}.",
                f"So by {link.row}, {link.variable} has to be {how}.",
            )
        told.append(pick(situation.rng, *options))
    return told


def _last(situation: Situation, chain: Chain) -> str:
    reach, side = number(chain.reach), number(chain.side)
    least = "least" if chain.is_above else "most"
    bound = "at most" if chain.is_above else "at least"
    amount = f"{_sum(chain)} = {reach}" if 1 < len(chain.parts) <= _TERMS and situation.rng.random() < 0.7 else reach
    then = " then" if chain.links else ""
    return pick(
        situation.rng,
        f"{chain.row}{then} comes to {amount} at {least}, but {'may' if chain.is_above else 'must'} be {bound} {side}.",
        f"The {least} that {chain.row} can be is {amount}, against {bound} {side}.",
        f"That puts {chain.row} at {amount} at {least}, where {bound} {side} is asked: {number(chain.gap)} apart.",
    )


def _sum(chain: Chain) -> str:
    """``4 * 90 + 3 * 40 - 60``."""
    written = ""
    for _, coefficient, value in chain.parts:
        size = f"{number(abs(coefficient))} * " if abs(coefficient) != 1 else ""
        factor = number(value) if value >= 0 else f"({number(value)})"
        sign = "-" if coefficient < 0 else "+"
        first = "-" if coefficient < 0 and (size or value) else ""
        written += f" {sign} {size}{factor}" if written else f"{first}{size}{factor}"
    return written
