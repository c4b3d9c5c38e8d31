"""Whether there is something to explore: how the answers to one prompt differ, as text, as actions and in reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from ordebug_plugin.episode import Reply
from ordebug_plugin.preflight import Group, share_varying
from ordebug_plugin.readiness.check import Check, Question, Side
from ordebug_plugin.readiness.thresholds import Thresholds
from ordebug_plugin.statistics import Estimate, differing_pairs, mean

# The answers to one prompt, by whatever tells one from another; None where one was lost.
Answers = Sequence[Hashable | None]


def unique_ratio(group: Answers) -> float:
    """Distinct answers over answers of one prompt, from 1/k to 1.

    This is distinct-n (Li et al. 2016, arXiv 1510.03055) with whole answers for n-grams.
    """
    return len(set(group)) / len(group)


def pair_diversity(group: Answers) -> float:
    """Share of the unordered pairs of answers to one prompt that differ, see `statistics.differing_pairs`."""
    return differing_pairs(Counter(group).values())


def text_of(reply: Reply) -> str:
    """An answer as text, without the space around and between its words."""
    return " ".join(reply.text.split())


def spread(groups: Sequence[Answers], measure: Callable[[Answers], float]) -> Estimate:
    """A measure's mean over prompts, bootstrap interval over prompts. A group with a lost answer counts nowhere."""
    values = [measure(group) for group in groups if None not in group and len(group) > 1]
    return mean(values, range(len(values)))


def diversity_checks(groups: Sequence[Group], acts: Sequence[Answers], thresholds: Thresholds) -> list[Check]:
    """Unique ratio and pair diversity of texts and actions, and the share of groups whose rewards differ.

    Args:
        groups: The answers to each prompt.
        acts: What each of them did, see `episode.Turn.acted`.
        thresholds: All of them.
    """
    drawn = f"{thresholds.whole('diversity', 'samples')} answers a prompt"
    drawn += f" at T={thresholds.number('diversity', 'temperature'):g}, {len(groups)} prompts"
    if not any(group.complete for group in groups):
        drawn = "of every group an answer was lost to the server or the solver"
    texts = [[None if reply is None else text_of(reply) for reply in group.replies] for group in groups]
    alike = sum(_one(act) and not _one(text) for act, text in zip(acts, texts, strict=True))
    same = f"{drawn}; in {alike} of them the texts differ and the action does not"
    checks = []
    for noun, name, found in (("texts", "text", texts), ("actions", "action", acts)):
        for title, key, measure in (
            (f"unique ratio of {noun}", f"{name}_unique", unique_ratio),
            (f"pair diversity of {noun}", f"{name}_pairs", pair_diversity),
        ):
            least = thresholds.number("diversity", key)
            checks.append(Question(key, title, Side.LEAST, least).held(spread(found, measure), same))
    title = f"groups whose rewards differ, {thresholds.reward}"
    paid = Question("reward", title, Side.LEAST, thresholds.number("reward", "least"))
    return [*checks, paid.held(share_varying(groups), drawn)]


def _one(group: Answers) -> bool:
    return len({one for one in group if one is not None}) == 1
