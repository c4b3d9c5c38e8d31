"""What only shows beside the other rows of a file: repetitions and contradictions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from ordebug_plugin.verify.demonstration import Demonstration, Turn


@dataclass(frozen=True)
class Contradictions:
    """Prompts that are shown with more than one answer, after the lines that leak the problem are gone.

    A prompt is all that a model sees before an answer that it learns: of a conversation, the turns before it too.

    Attributes:
        prompts: Distinct prompts of the file.
        answers: Prompts with several answers, reasoning included: what a model cannot learn by heart.
        actions: Prompts with several actions.
        rows: Rows with such a prompt, by answer.
    """

    prompts: int
    answers: int
    actions: int
    rows: int


def contradictory(rows: Iterable[Demonstration]) -> list[list[tuple[Demonstration, Turn]]]:
    """The rows and turns with the same prompt and several answers, prompt by prompt."""
    return [group for group in _by_prompt(rows) if len({turn.output for _, turn in group}) > 1]


def contradictions(rows: Iterable[Demonstration]) -> Contradictions:
    """Counts them."""
    groups = _by_prompt(rows)
    several = [group for group in groups if len({turn.output for _, turn in group}) > 1]
    actions = sum(len({turn.answer.action for _, turn in group}) > 1 for group in groups)
    return Contradictions(len(groups), len(several), actions, sum(map(len, several)))


def repeats(rows: Sequence[Demonstration], *, labels: bool = True) -> list[Demonstration]:
    """Rows that repeat an earlier one, with the lines that leak the problem or without them."""
    seen: set[Hashable] = set()
    repeated = []
    for row in rows:
        key = row.text if labels else (*row.context(row.turns[-1]), row.turns[-1].output)
        if key in seen:
            repeated.append(row)
        seen.add(key)
    return repeated


def commonest(texts: Iterable[str]) -> list[tuple[str, int]]:
    """Texts with their number, the most frequent first, in alphabetical order where numbers are the same."""
    return sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0]))


def _by_prompt(rows: Iterable[Demonstration]) -> list[list[tuple[Demonstration, Turn]]]:
    groups: dict[tuple[str, ...], list[tuple[Demonstration, Turn]]] = defaultdict(list)
    for row in rows:
        for turn in row.learned:
            groups[row.context(turn)].append((row, turn))
    return list(groups.values())
