"""Policies that repair: heuristics, the oracle, and in `chat` a client for any OpenAI-compatible server."""

from ordebug_plugin.agents.base import Agent
from ordebug_plugin.agents.heuristic import DropFirst, DropRandom, Oracle, RandomElement, RelaxFirst, RelaxMinimal

BUILT_IN = ("drop-first", "drop-random", "relax-first", "relax-minimal", "random", "oracle")


def make_agent(name: str, *, seed: int = 0, amount: float = 1.0) -> Agent:
    """A built-in agent by name.

    Args:
        name: One of `BUILT_IN`.
        seed: For ``random`` and ``drop-random``.
        amount: For ``relax-first``.
    """
    agents: dict[str, Agent] = {
        "drop-first": DropFirst(),
        "drop-random": DropRandom(seed),
        "relax-first": RelaxFirst(amount),
        "relax-minimal": RelaxMinimal(),
        "random": RandomElement(seed),
        "oracle": Oracle(),
    }
    return agents[name]


__all__ = ["BUILT_IN", "Agent", "Oracle", "make_agent"]
