"""What must not be read in a file, on a page or in a log: keys, and what addresses hold of them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "***"
# Whoever has one of these can spend somebody's money; only what asks a server needs them.
KEY_VARIABLES = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY")
# A shorter one may well be a part of an ordinary word, and words must stay what they are.
_SHORTEST = 8
_LOGIN = re.compile(r"(?:(?<=//)|\A)[^/?#\s]*@")


def public_url(url: str) -> str:
    """An address without user, password and the values of its query."""
    address, mark, query = _LOGIN.sub(f"{HIDDEN}@", url).partition("?")
    return address + mark + re.sub(r"=[^&#]*", f"={HIDDEN}", query)


def keyless(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for a program that asks no server."""
    return {name: value for name, value in environment.items() if name not in KEY_VARIABLES}


@dataclass(frozen=True)
class Secrets:
    """Texts that nobody may see.

    Attributes:
        texts: The longest first, since one may be a part of another.
    """

    texts: tuple[str, ...]

    @classmethod
    def of(cls, url: str, key: str) -> Secrets:
        """The secrets of a server: its key, what its address holds, and these as they are sent."""
        found = {key}
        try:
            parts = urlsplit(url)
            login = [unquote(text or "") for text in (parts.username, parts.password)]
            found |= {parts.password or "", login[1], base64.b64encode(":".join(login).encode()).decode()}
            found |= {value for _, value in parse_qsl(parts.query)}
            found |= {text.partition("=")[2] for text in parts.query.split("&")}
        except ValueError:
            pass  # no address; whoever asks it says so
        return cls(
            tuple(sorted((text for text in found if len(text) >= _SHORTEST), key=lambda text: (-len(text), text)))
        )

    def hide(self, text: str) -> str:
        """A text without them, wherever it came from: a server may send back what it was sent."""
        for secret in self.texts:
            text = text.replace(secret, HIDDEN)
        return text
