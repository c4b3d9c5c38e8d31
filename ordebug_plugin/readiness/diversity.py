"""Whether there is something to explore: how the answers to one prompt differ, as text, as actions and in reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from ordebug_plugin.actions import parse_answer
from ordebug_plugin.episode import Reply
from ordebug_plugin.preflight import Group, share_varying
from ordebug_plugin.readiness.check import Check, Question, Side
from ordebug_plugin.readiness.thresholds import Thresholds
from ordebug_plugin.statistics import Estimate, differing_pairs, mean


def unique_ratio(group: Sequence[Hashable]) -> float:
    """Distinct answers over answers of one prompt, from 1/k to 1.

    This is distinct-n (Li et al. 2016, arXiv 1510.03055) with whole answers for n-grams.
    """
    return len(set(group)) / len(group)


def pair_diversity(group: Sequence[Hashable]) -> float:
    """Share of the unordered pairs of answers to one prompt that differ, see `statistics.differing_pairs`."""
    return differing_pairs(Counter(group).values())


def text_of(reply: Reply) -> str:
    """An answer as text, without the space around and between its words."""
    return " ".join(reply.text.split())


def action_of(reply: Reply) -> str:
    """An answer as an action; all answers that do not act are one and the same."""
    return str(parse_answer(reply.text).action or "none")


def spread(
    groups: Sequence[Group], what: Callable[[Reply], Hashable], measure: Callable[[Sequence[Hashable]], float]
) -> Estimate:
    """A measure's mean over prompts, bootstrap interval over prompts. A group with a lost answer counts nowhere."""
    values = []
    for group in groups:
        replies = [reply for reply in group.replies if reply is not None]
        if len(replies) == len(group.replies) and len(replies) > 1:
            values.append(measure([what(reply) for reply in replies]))
    return mean(values, range(len(values)))


def diversity_checks(groups: Sequence[Group], thresholds: Thresholds) -> list[Check]:
    """Unique ratio and pair diversity of texts and actions, and the share of groups whose rewards differ."""
    drawn = f"{thresholds.whole('diversity', 'samples')} answers a prompt"
    drawn += f" at T={thresholds.number('diversity', 'temperature'):g}, {len(groups)} prompts"
    alike = sum(_one(group, action_of) and not _one(group, text_of) for group in groups)
    same = f"{drawn}; in {alike} of them the texts differ and the action does not"
    checks = []
    for noun, name, what in (("texts", "text", text_of), ("actions", "action", action_of)):
        for title, key, measure in (
            (f"unique ratio of {noun}", f"{name}_unique", unique_ratio),
            (f"pair diversity of {noun}", f"{name}_pairs", pair_diversity),
        ):
            least = thresholds.number("diversity", key)
            checks.append(Question(key, title, Side.LEAST, least).held(spread(groups, what, measure), same))
    title = f"groups whose rewards differ, {thresholds.reward}"
    paid = Question("reward", title, Side.LEAST, thresholds.number("reward", "least"))
    return [*checks, paid.held(share_varying(groups), drawn)]


def _one(group: Group, what: Callable[[Reply], Hashable]) -> bool:
    return len({what(reply) for reply in group.replies if reply is not None}) == 1
