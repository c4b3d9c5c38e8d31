"""What the commands share that ask a served model."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordebug_plugin.commands.common import nonnegative, positive, whole
from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError
from ordebug_plugin.prompt import Style
from ordebug_plugin.redaction import public_url

if TYPE_CHECKING:
    from ordebug_plugin.agents.chat import ChatAgent, Endpoint, Sampling


DEFAULT_MAX_TOKENS = 2048
_BARE_ADDRESS = re.compile(r"[\w.-]+:\d+(/.*)?|[^/]+/v1/?")
# What decides which answer to which prompt is judged; never an option of a server.
_OURS = ("messages", "model", "stream", "n")


def add_body_option(parser: argparse._ActionsContainer) -> None:
    """Adds ``--body``."""
    parser.add_argument(
        "--body",
        metavar="JSON",
        help="more fields of every request, as an object; null leaves one of ours out. A vendor's reasoning model: "
        """{"max_tokens": null, "max_completion_tokens": 8192, "temperature": null, "seed": null}""",
    )


def body_of(options: argparse.Namespace) -> dict[str, Any]:
    """What ``--body`` says.

    Raises:
        InputError: It is no JSON object, or names a field that is not the user's to set.
    """
    if options.body is None:
        return {}
    try:
        body = parse_json(options.body)
    except ValueError as error:
        raise InputError(f"--body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise InputError(f'--body must be an object, such as {{"top_p": 0.9}}, not {options.body}')
    for name in _OURS:
        if name in body:
            raise InputError(f"--body may not set {name!r}: prompts and answers are ours, one answer a request")
    return body


def sampling_of(options: argparse.Namespace) -> Sampling:
    """The sampling chosen by ``--temperature``, ``--max-tokens``, ``--seed`` and ``--body``.

    Raises:
        InputError: ``--body`` cannot be used.
    """
    # Imported here, as below: the openai client takes a second to import, and --help should not.
    from ordebug_plugin.agents.chat import Sampling  # noqa: PLC0415

    return Sampling(options.temperature, options.max_tokens, options.seed, body_of(options))


def connect(options: argparse.Namespace, style: Style) -> ChatAgent:
    """The model chosen by ``--base-url`` and ``--model``, found alive.

    Raises:
        InputError: ``--body`` cannot be used.
        ServerError: It cannot be reached, or does not know the model.
    """
    from ordebug_plugin.agents.chat import ChatAgent  # noqa: PLC0415

    chat = ChatAgent(endpoint_of(options, options.base_url, options.model), style, sampling_of(options))
    chat.probe()
    return chat


def is_url(text: str) -> bool:
    """Whether a text is an address of the web as it should be."""
    return text.startswith(("http://", "https://"))


def check_scheme(url: str) -> None:
    """Finds an address out that was given as host and port.

    Raises:
        InputError: It does not begin with a scheme; with the whole address.
    """
    if not is_url(url):
        shown = public_url(url)
        rest = shown.rpartition("://")[2]
        raise InputError(f"{shown}: the address must begin with http:// or https://: give http://{rest}")


def is_bare_address(text: str) -> bool:
    """Whether a text that may be a folder's name is an address without its scheme: a host with a port, or a /v1."""
    return not Path(text).exists() and _BARE_ADDRESS.fullmatch(text) is not None


def endpoint_of(options: argparse.Namespace, url: str, model: str) -> Endpoint:
    """Where a model is served, asked as ``--timeout`` and ``--retries`` have it.

    Raises:
        InputError: The address does not say how to reach it, or the key cannot be one.
    """
    check_scheme(url)
    from ordebug_plugin.agents.chat import Endpoint  # noqa: PLC0415

    key = os.environ.get("OPENAI_API_KEY", "EMPTY")
    if not key.isascii() or not key.isprintable() or key != key.strip():  # and no library quotes it in its own words
        raise InputError("OPENAI_API_KEY holds a blank at its ends, a line end or another sign that no key has")
    return Endpoint(url, model, api_key=key, timeout=options.timeout, retries=options.retries)


def add_timeout_options(parser: argparse._ActionsContainer) -> None:
    """Adds ``--timeout`` (see `agents.chat.Endpoint`) and ``--retries``."""
    parser.add_argument(
        "--timeout",
        type=nonnegative,
        default=600.0,
        metavar="S",
        help="seconds for one attempt of a request, up to the last byte of the answer (default 600); with its retries "
        "and the pauses between them a request may take longer",
    )
    parser.add_argument("--retries", type=whole, default=4, help="retries of a failed request (default 4)")


def add_max_tokens_option(parser: argparse._ActionsContainer, otherwise: str | None = None) -> None:
    """Adds ``--max-tokens``.

    Args:
        parser: To which.
        otherwise: The default in words, where it is not a number but None.
    """
    parser.add_argument(
        "--max-tokens",
        type=positive,
        default=None if otherwise else DEFAULT_MAX_TOKENS,
        help=f"token limit of one answer (default {otherwise or DEFAULT_MAX_TOKENS})",
    )


def add_request_options(parser: argparse._ActionsContainer, *, max_tokens: str | None = None) -> None:
    """Adds how a server is asked, but for the temperature.

    Args:
        parser: To which.
        max_tokens: See `add_max_tokens_option`.
    """
    add_max_tokens_option(parser, max_tokens)
    parser.add_argument("--concurrency", type=positive, default=8, metavar="N", help="requests in flight (default 8)")
    add_timeout_options(parser)
    add_body_option(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed sent to the server (default 0)")
