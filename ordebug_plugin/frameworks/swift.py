"""Our rewards inside ms-swift. Call `register` from a file given to ``--external_plugins``: recipes/plugin/ does."""

from __future__ import annotations

from typing import Any

from swift.rewards import ORM, orms

from ordebug_plugin.reward_functions import REWARDS, RewardFunction


def register() -> None:
    """Puts every reward of `reward_functions.REWARDS` into ms-swift's registry, under its own name; idempotent."""
    for name, function in REWARDS.items():
        orms[name] = _orm(function)


def _orm(function: RewardFunction) -> type[ORM]:
    """A reward class: ms-swift makes one object of it per run, and logs it under the class's name."""

    def call(self: ORM, completions: list[Any], **columns: Any) -> list[float]:
        return function(completions, **columns)

    return type(function.name, (ORM,), {"__call__": call, "__doc__": f"The reward {function.name}."})
