"""What reasoning says, held against its prompt and its action: text alone, without a solver.

These checks read words, so each answers None where it has nothing to go by, and says yes wherever a reader could.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

from ordebug_plugin.actions import SIGNATURES, Action, ActionKind
from ordebug_plugin.shown import read_names

# Not the digits of a name.
_NUMBER = re.compile(r"(?<![\w.])(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w)", re.ASCII)
# How people say that a bound is gone.
_INFINITE = re.compile(r"∞|\b(?:inf|infinity|infinite|unbounded|free|no (?:upper |lower )?bounds?)\b", re.IGNORECASE)
# What can only be a name: letters with a digit or an underscore in them, or an index after them.
_INDEX = r"\[[^\]\n]{0,300}\]"  # names have 255 characters at most; without a limit a line of brackets takes hours
_NAME = re.compile(rf"(?<![\w.])(?:(?=[^\W\d]*[\d_])[^\W\d]\w*(?:{_INDEX}|\([^()\s]*\))?|[^\W\d]\w*{_INDEX})")
# Any word, where it stands in quotes after what it is said to be.
_QUOTED = re.compile(r"\b(?:constraint|row|variable|bound)s?\s+(['\"`])([^'\"`\s]{1,100})\1", re.IGNORECASE)
# A list of names as prompts write it.
_LIST = re.compile(r"^[^\n:]+: (\[.*\])$", re.MULTILINE)
# Numbers that count the steps of the reasoning itself.
_ENUMERATION = re.compile(r"^[^\S\n]*+(?:step\s+\d+|\d+[.)](?!\d))|\bstep\s+\d+", re.IGNORECASE | re.MULTILINE)
# The result of a calculation that is written out: the number after ``3 * 4 + 2 =``.
_RESULT = re.compile(r"\d\s*[-+*/×·−]\s*+[^=\n]{0,300}?=\s*-?(\d++\.?\d*+(?:[eE][+-]?\d+)?)", re.ASCII)
# How far two numbers of the same sentence are apart, or what they come to.
_APART = re.compile(
    r"(?<![\w.])(\d+(?:\.\d+)?)\s+(?:apart|in all|altogether|together|too (?:much|many|little|few))\b", re.ASCII
)
# Where a sentence ends; the point of a number ends none.
_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)|\n")
_DROPS = re.compile(r"\b(?:drop|remov|delet|eliminat)\w*|\bgoes\s*$", re.IGNORECASE)
_RELAXES = re.compile(r"\b(?:relax|loosen)\w*", re.IGNORECASE)
# Sets a side or bounds, or writes a row anew; "becomes" and the like say so only of a number.
_SETS = re.compile(
    r"\b(?:I|I['’]ll|I will|let me)\s+(?:(?:now|then|therefore|only|just)\s+)?"
    r"(?:set|give|put|write|rewrite|change|correct|restore|move|update)\b"
    r"|\b(?:becomes?|gets|(?:is|goes|go) (?:set |put |moved )?(?:back )?to)\s+(?:-?\d|-?∞|no\b)"
    r"|\b(?:is|has to be|must be) (?:rewritten|written)\b",
    re.IGNORECASE,
)
# A sentence that weighs or recalls an action does not announce one.
_WEIGHS = re.compile(
    r"\b(?:not|no|never|instead|rather|without|than|would|could|might|may|if|whether|or|but|before|after|was|were|too)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
# Of a sentence that is held against its own numbers two by two.
_MOST_NUMBERS = 50
_LISTED_TWICE = re.compile(r"·(?:[ ,;:]+(?:and )?·)+")


def listed_names(prompt: str) -> tuple[str, ...]:
    """The names that a prompt lists, each once: rows and bounds of the IIS, and the rows of the model."""
    names: dict[str, None] = {}
    for match in _LIST.finditer(prompt):
        names |= dict.fromkeys(name for name in read_names(match[1]) or () if name)
    return tuple(names)


def names_target(think: str, action: Action) -> bool | None:
    """Whether reasoning names what an action acts on; None for actions without a target."""
    return None if action.target is None else _names(think, action.target)


def names_decision(think: str, action: Action, kept: Collection[float] = ()) -> bool:
    """Whether reasoning names what an action acts on, and each number that it decides on.

    Args:
        think: The reasoning.
        action: The action that follows it.
        kept: Numbers that are as they were, such as the other bound of a variable: they need no reason.
    """
    if action.target is None:
        return bool(think.strip())
    decided = [number for number in action.numbers if number not in kept]
    return _names(think, action.target) and all(_says(think, action.target, number) for number in decided)


def unknown_names(think: str, prompt: str) -> tuple[str, ...] | None:
    """The names in reasoning that its prompt does not show; None where it holds nothing that can only be a name."""
    found = dict.fromkeys(_candidates(think))
    if not found:
        return None
    return tuple(name for name in found if not _names(prompt, name) and not _names(prompt, name.split("(")[0]))


def unsourced_numbers(think: str, prompt: str, names: Sequence[str], action: Action | None) -> tuple[str, ...] | None:
    """The numbers in reasoning that come from nowhere; None where it has none.

    A number may stand in the prompt or in the action, count what the prompt lists, be the result of a calculation that
    the reasoning writes out, or say how far two others of its sentence are apart, or what they come to. The numbering
    of its own steps does not count.
    """
    rest = _ENUMERATION.sub(" ", _without(think, names))
    said = [match[0] for match in _NUMBER.finditer(rest)]
    if not said:
        return None
    sources = {abs(float(match[0])) for match in _NUMBER.finditer(prompt)}
    sources |= {float(match[1]) for match in _RESULT.finditer(rest)}
    sources |= {number for sentence in _SENTENCE_END.split(rest) for number in _apart(sentence)}
    sources |= {abs(float(match[0])) for match in _NUMBER.finditer(str(action))} if action is not None else set()
    counts = [prompt.count(",", *match.span(1)) + 1 for match in _LIST.finditer(prompt)]
    sources |= {0.0, 1.0, float(sum(counts[:2])), *map(float, counts)}
    return tuple(text for text in said if not any(math.isclose(float(text), one, rel_tol=1e-6) for one in sources))


def agrees(think: str, names: Sequence[str], action: Action) -> bool | None:
    """Whether the action is the one that the reasoning announces; None where it announces none.

    The last sentence that announces a repair decides: it must not drop where the action relaxes or moves a side, nor
    relax or set where the action drops, nor name other rows and variables alone.
    """
    if not action.is_repair:
        return None
    for sentence in reversed(_SENTENCE_END.split(think)):
        drops, relaxes = _DROPS.search(sentence) is not None, _RELAXES.search(sentence) is not None
        weighs = _WEIGHS.search(_INFINITE.sub(" ", sentence)) is not None  # "no upper bound" weighs nothing
        if not drops and not relaxes and (weighs or _SETS.search(sentence) is None):
            continue
        if weighs:
            return None
        if drops and not relaxes and action.kind in (ActionKind.RELAX_CONSTRAINT, ActionKind.UPDATE_RHS):
            return False
        if not drops and action.kind is ActionKind.DROP_CONSTRAINT:
            return False
        named = [name for name in names if _names(sentence, name)]
        return not named or action.target in named
    return None


def masked(think: str, names: Iterable[str]) -> str:
    """Reasoning without its names and numbers, so that what differs in these alone is the same."""
    text = _NUMBER.sub("#", _NAME.sub("·", _without(think, names, "·")))
    return _LISTED_TWICE.sub("·…", text)


def _apart(sentence: str) -> Iterable[float]:
    """The numbers that a sentence calls the difference or the sum of two others in it; of signs words may tell."""
    for match in _APART.finditer(sentence):
        rest = sentence[: match.start()] + sentence[match.end() :]
        others = [float(found[0]) for found in _NUMBER.finditer(rest)]
        number = float(match[1])
        if len(others) > _MOST_NUMBERS:
            return
        if any(
            math.isclose(number, total, rel_tol=1e-6)
            for one, other in combinations(others, 2)
            for total in (abs(one - other), one + other)
        ):
            yield number


def _candidates(think: str) -> Iterable[str]:
    """What can only be names; those of actions are none."""
    for match in _NAME.finditer(think):
        if match[0].partition("(")[0].upper() not in SIGNATURES:
            yield match[0]
    for match in _QUOTED.finditer(think):
        yield match[2]


def _without(text: str, names: Iterable[str], mark: str = " ") -> str:
    """A text with names replaced, the longest first: one may be a part of another."""
    present = sorted({name for name in names if name in text}, key=lambda name: (-len(name), name))
    if not present:
        return text
    return re.sub("|".join(_bounded(name) for name in present), mark, text)


def _names(text: str, name: str) -> bool:
    """Whether a name stands in a text, not as a part of a longer one."""
    return name in text and re.search(_bounded(name), text) is not None


def _bounded(name: str) -> str:
    """A pattern for a name that is no part of a longer one."""
    start = r"(?<![\w.])" if name[:1].isalnum() or name[:1] == "_" else ""
    end = r"(?!\w)" if name[-1:].isalnum() or name[-1:] == "_" else ""
    return start + re.escape(name) + end


def _says(think: str, target: str, number: float) -> bool:
    """Whether a number stands in a text, in any spelling; the digits of the target do not count."""
    rest = think.replace(target, " ")
    if math.isinf(number):
        return _INFINITE.search(rest) is not None
    found = (float(match[0]) for match in _NUMBER.finditer(rest))
    return any(math.isclose(value, abs(number), rel_tol=1e-6) for value in found)  # of a sign words may tell
