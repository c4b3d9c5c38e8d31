"""The evaluation of the base model: what it scored, and how it was asked, for the checkpoint is asked alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.recorded import style_of
from ordebug_plugin.evaluate.run import load_run
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Style


@dataclass(frozen=True)
class Base:
    """A run of `ordebug eval`.

    Attributes:
        folder: Where it is.
        episodes: As they would have ended in as many turns as the checkpoint gets.
        style: How its prompts were rendered; None where a built-in agent played.
        max_tokens: Its token limit of one answer, likewise.
    """

    folder: Path
    episodes: tuple[Episode, ...]
    style: Style | None
    max_tokens: int | None

    def check_style(self, style: Style) -> None:
        """Checks that the checkpoint is shown what the base model was shown.

        Raises:
            InputError: It is not; names what differs.
        """
        if self.style is None:
            return
        if style.detail is not self.style.detail:
            raise InputError(
                f"{self.folder} was asked with --detail {self.style.detail}, and the checkpoint is to be with --detail "
                f"{style.detail}: leave it out, or evaluate the base model again"
            )
        if style.system != self.style.system:
            raise InputError(
                f"{self.folder} was asked with another system prompt: give that as --system, or evaluate the base "
                "model again"
            )


def read_base(folder: Path, turns: int, problems: Sequence[Problem]) -> Base:
    """Reads the run, cut to as many turns as ours: more would be help that the checkpoint does not get.

    Args:
        folder: Of the run.
        turns: Of the checkpoint's episodes.
        problems: On which it is evaluated.

    Raises:
        InputError: The folder holds no run, one of fewer turns than ours, or one of other problems.
    """
    config, episodes = load_run(folder)
    if int(config["max_steps"]) < turns:
        raise InputError(
            f"{folder} allowed {config['max_steps']} turns, and RR@{turns} needs {turns}: "
            f"`ordebug eval … --max-steps {turns}`"
        )
    if not {episode.problem_hash for episode in episodes} & {problem.content_hash for problem in problems}:
        raise InputError(
            f"{folder} has none of these problems, so nothing can be compared: give `ordebug eval` of the base model "
            "on the problems of --bench"
        )
    sampling = config["agent"].get("sampling") or {}
    within = tuple(episode.within(turns) for episode in episodes)
    return Base(folder, within, style_of(config), sampling.get("max_tokens"))
