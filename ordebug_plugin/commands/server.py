"""What the commands share that ask a served model."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from ordebug_plugin.commands.common import nonnegative, positive, whole
from ordebug_plugin.prompt import Style

if TYPE_CHECKING:
    from ordebug_plugin.agents.chat import ChatAgent, Endpoint, Sampling


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
    from ordebug_plugin.agents.chat import ChatAgent  # noqa: PLC0415

    chat = ChatAgent(endpoint_of(options, options.base_url, options.model), style, sampling_of(options))
    chat.probe()
    return chat


def endpoint_of(options: argparse.Namespace, url: str, model: str) -> Endpoint:
    """Where a model is served, asked as ``--timeout`` and ``--retries`` have it."""
    from ordebug_plugin.agents.chat import Endpoint  # noqa: PLC0415

    key = os.environ.get("OPENAI_API_KEY", "EMPTY")
    return Endpoint(url, model, api_key=key, timeout=options.timeout, retries=options.retries)


def add_request_options(parser: argparse._ActionsContainer) -> None:
    """Adds how a server is asked: ``--max-tokens``, ``--concurrency``, ``--timeout``, ``--retries``, ``--seed``."""
    parser.add_argument("--max-tokens", type=positive, default=2048, help="token limit of one answer (default 2048)")
    parser.add_argument("--concurrency", type=positive, default=8, metavar="N", help="requests in flight (default 8)")
    parser.add_argument("--timeout", type=nonnegative, default=600.0, help="seconds for one request (default 600)")
    parser.add_argument("--retries", type=whole, default=4, help="retries of a failed request (default 4)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed sent to the server (default 0)")
