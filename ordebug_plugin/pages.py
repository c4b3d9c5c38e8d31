"""Pages that can be sent: one HTML file each, nothing loaded from elsewhere, light and dark, every text escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_ENVIRONMENT = Environment(
    loader=PackageLoader("ordebug_plugin"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """A page from a template of this package; names and texts in the values are untrusted, and escaped."""
    return _ENVIRONMENT.get_template(template).render(**values)


def script(name: str) -> Markup:
    """A script of this package, to be put inline."""
    text, _, _ = PackageLoader("ordebug_plugin").get_source(_ENVIRONMENT, name)
    return Markup(text)


def policy(*scripts: str) -> str:
    """A content security policy that runs these inline scripts, and loads nothing, whatever a text may hold."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"


def embedded_json(record: Any) -> Markup:
    """JSON for a ``<script type="application/json">``: no text in it can end the element."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
