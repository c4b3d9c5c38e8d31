"""What the commands share that ask a served model."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from ordebug_plugin.prompt import Style

if TYPE_CHECKING:
    from ordebug_plugin.agents.chat import ChatAgent, Sampling


def sampling_of(options: argparse.Namespace) -> Sampling:
    """The sampling chosen by ``--temperature``, ``--max-tokens`` and ``--seed``."""
    # Imported here, as below: the openai client takes a second to import, and --help should not.
    from ordebug_plugin.agents.chat import Sampling  # noqa: PLC0415

    return Sampling(options.temperature, options.max_tokens, options.seed)


def connect(options: argparse.Namespace, style: Style) -> ChatAgent:
    """The model chosen by ``--base-url`` and ``--model``, found alive.

    Raises:
        ServerError: It cannot be reached, or does not know the model.
    """
    from ordebug_plugin.agents.chat import ChatAgent, Endpoint  # noqa: PLC0415

    endpoint = Endpoint(
        options.base_url,
        options.model,
        api_key=os.environ.get("OPENAI_API_KEY", "EMPTY"),
        timeout=options.timeout,
        retries=options.retries,
    )
    chat = ChatAgent(endpoint, style, sampling_of(options))
    chat.probe()
    return chat
