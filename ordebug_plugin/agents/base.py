"""What an agent is: something that answers an observation with text."""

from __future__ import annotations

from typing import Protocol

from ordebug_plugin.env import Observation, RepairEnv
from ordebug_plugin.episode import Reply


class Agent(Protocol):
    """A policy. One agent serves many threads at once, so it keeps no state between turns."""

    @property
    def name(self) -> str:
        """As it is shown in tables."""
        ...

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Answers one observation.

        Args:
            env: The running environment. Built-in agents may ask its judge; a language model sees the prompt alone.
            observation: The state.

        Raises:
            ServerError: A served model cannot be reached; the episode is lost, not wrong.
        """
        ...
