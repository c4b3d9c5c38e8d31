"""Why the rows contradict each other, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ordebug_plugin.experts.chain import Chain, Link, find_chain
from ordebug_plugin.experts.situation import Situation
from ordebug_plugin.experts.words import number, pick, text

# A sum of more terms is not written out, and a number that comes from nowhere not told.
_TERMS = 7
# (variable, coefficient, value)
Part = tuple[str, float, float]


@dataclass(frozen=True)
class Argument:
    """A contradiction, and how it is told."""

    chain: Chain
    words: str


def argue(situation: Situation) -> Argument | None:
    """Tells why the conflict cannot hold; None where that takes many steps, long sums, or too many digits."""
    chain = chain_of(situation)
    if chain is None or not all(map(_is_short, _numbers(chain))):
        return None
    if any(len(_counting(parts)) > _TERMS for parts in (chain.parts, *(link.others for link in chain.links))):
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
        how = f"{'at least' if link.is_lower else 'at most'} {_solved(link)}"
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
    written = _sum(chain.parts)
    amount = reach if written == reach else f"{written} = {reach}"
    then = " then" if chain.links else ""
    return pick(
        situation.rng,
        f"{chain.row}{then} comes to {amount} at {least}, but {'may' if chain.is_above else 'must'} be {bound} {side}.",
        f"The {least} that {chain.row} can be is {amount}, against {bound} {side}.",
        f"That puts {chain.row} at {amount} at {least}, where {bound} {side} is asked: {number(chain.gap)} apart.",
    )


def _solved(link: Link) -> str:
    """``32.5, as (185 - 3 * 40) / 2 = 32.5``; the number alone where it is the side."""
    moved = [(name, -coefficient, value) for name, coefficient, value in link.others]
    rest = f"{number(link.side)}{_sum(moved, first=False)}" if link.side else _sum(moved)
    if link.coefficient != 1:
        rest = f"({rest})" if " " in rest else rest
        divisor = number(link.coefficient) if link.coefficient > 0 else f"({number(link.coefficient)})"
        rest = f"{rest} / {divisor}"
    value = number(link.value)
    return value if rest == value else f"{value}, as {rest} = {value}"


def _counting(parts: Sequence[Part]) -> list[Part]:
    """Those that contribute something."""
    return [part for part in parts if part[2]]


def _sum(parts: Sequence[Part], *, first: bool = True) -> str:
    """``4 * 90 + 3 * 40 - 60``; where it goes on from something else, with a sign before it."""
    counting = _counting(parts)
    if not counting:
        return "0" if first else ""
    written = "" if first else " "
    for _, coefficient, value in counting:
        size = f"{number(abs(coefficient))} * " if abs(coefficient) != 1 else ""
        factor = number(value) if value >= 0 else f"({number(value)})"
        sign = "-" if coefficient < 0 else "+"
        if not written:
            written = f"{'-' if coefficient < 0 else ''}{size}{factor}"
        else:
            written = f"{written.rstrip()} {sign} {size}{factor}"
    return written
