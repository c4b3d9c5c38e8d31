"""Which answers of a conversation are to be learned: the one reading of the two ways in which a row says so."""

from __future__ import annotations

from collections.abc import Sequence

from ordebug_plugin.errors import InputError


class MarkError(InputError):
    """A row says nothing that makes sense; the message is the reason."""


def learned_turns(numbers: object, marks: Sequence[bool | None]) -> list[bool] | None:
    """Whether each answer is learned; None where the row does not say, and all are.

    Args:
        numbers: ``metadata.learn``, a list of turns from 1; None where there is none.
        marks: The ``loss`` of each answer, None where it has none.

    Raises:
        MarkError: The numbers are not those of turns, the two ways contradict each other, or no answer is left.
    """
    chosen = None if all(mark is None for mark in marks) else [mark is not False for mark in marks]
    if numbers is not None:
        places = range(1, len(marks) + 1)
        if not isinstance(numbers, list) or not all(type(number) is int and number in places for number in numbers):
            raise MarkError(f"metadata.learn must list turns from 1 to {len(marks)}, not {numbers!r}")
        by_number = [place in numbers for place in places]
        if chosen is not None and chosen != by_number:
            raise MarkError("metadata.learn and the 'loss' of its messages contradict each other")
        chosen = by_number
    if chosen is not None and not any(chosen):
        raise MarkError("not one of its answers is to be learned")
    return chosen
