"""Which problems are one and the same, or were one before the fault: by content, never by id.

Three hashes tell. That of the file; that of the model before it got its random names and order, and that of the model
before the fault, which the records of benchmarks made here carry. Problems that share one are kin: what is learned
from one is known of the other, so they belong on the same side of every split.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from ordebug_plugin.problem import Problem


@dataclass(frozen=True)
class Identity:
    """What a problem is, whatever it is called.

    Attributes:
        content: Hash of the uncompressed model file.
        structure: Hash of the broken model, names and order left out; None where the record has none.
        original: Hash of the model before the fault, likewise.
    """

    content: str
    structure: str | None = None
    original: str | None = None


def identify(problems: Sequence[Problem], records: Sequence[Mapping[str, object]]) -> list[Identity]:
    """The identity of each problem.

    Args:
        problems: Of a benchmark, or the first so many of them.
        records: What its index says of them, in the same order; there may be more.
    """
    return [
        Identity(problem.content_hash, _text(record, "structure_hash"), _text(record, "original_hash"))
        for problem, record in zip(problems, records, strict=False)
    ]


def kin(identities: Sequence[Identity]) -> list[str]:
    """The kin of each problem: the least content hash of all that share a hash with it, or with one that does."""
    parents = list(range(len(identities)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = place = parents[parents[place]]
        return place

    first: dict[Hashable, int] = {}
    for place, one in enumerate(identities):
        for kind, value in (("content", one.content), ("structure", one.structure), ("original", one.original)):
            if value is not None:
                parents[root(place)] = root(first.setdefault((kind, value), place))
    least: dict[int, str] = {}
    for place, one in enumerate(identities):
        least[root(place)] = min(one.content, least.get(root(place), one.content))
    return [least[root(place)] for place in range(len(identities))]


def _text(record: Mapping[str, object], key: str) -> str | None:
    value = record.get(key)
    return value if isinstance(value, str) else None
