"""What others may write, drawn: damaged JSON, damaged text, odd values; and the promise that it meets only our errors.

`ORDEBUG_FUZZ=5000 pytest tests/test_fuzz_*.py` draws so many examples of each, others every time; without it a test
draws few and always the same.
"""

from __future__ import annotations

import copy
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ordebug_plugin.errors import OrdebugError

T = TypeVar("T")

EXAMPLES = int(os.environ.get("ORDEBUG_FUZZ", "0"))
fuzz = settings(
    max_examples=EXAMPLES or 25,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
_PATIENCE = 60  # seconds; what takes a second on a busy machine is not meant
DEEP = 20_000

# Texts with what breaks readers: line ends of all kinds, marks of byte order, NUL, escapes, halves of pairs, digits of
# other scripts, and what our own grammars know.
WORDS = st.sampled_from(
    (
        *("\r\n", "\ufeff", "\0", "\x1b[31m", "\ud800", "\u2028", "٣", "Ⅷ", "é", "{", "}", "[[", "]]", ", ", "(", ")"),
        *(
            "<think>",
            "</think>",
            "Action:",
            "DROP_CONSTRAINT(",
            "RELAX_CONSTRAINT(a, ",
            "GET_IIS()",
            "REWRITE_CONSTRAINT(",
        ),
        *("inf", "nan", "1e999", "-0", "<=", "3 x", "a" * 300),
    )
)
TEXTS = st.lists(st.text(max_size=12) | WORDS, max_size=8).map("".join)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**4000), 2**63, -1, 0]),
    st.floats(),
    TEXTS,
    st.sampled_from([[], {}, [[]], [{}], {"": None}, [None], ["a", 1]]),
)


@contextmanager
def within_patience() -> Iterator[None]:
    """Fails where something hangs."""

    def late(*_: object) -> None:
        raise AssertionError(f"took more than {_PATIENCE} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ours(function: Callable[[], T], *named: str) -> T | None:
    """What a function gives, or None where it raises one of our errors, which must name these things."""
    with within_patience():
        try:
            return function()
        except OrdebugError as error:
            said = str(error)
    for name in named:
        assert name in said
    return None


@st.composite
def damaged_records(draw: st.DrawFn, record: Any) -> Any:
    """A value with one to three of its parts replaced, removed or doubled."""
    record = json.loads(json.dumps(record))
    for _ in range(draw(st.integers(1, 3))):
        record = _damaged(draw, record)
    return record


def _damaged(draw: st.DrawFn, node: Any) -> Any:
    places = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    if not places or draw(st.integers(0, 5)) == 0:
        return copy.deepcopy(draw(ODD))  # it may be damaged further
    place = draw(st.sampled_from(places))
    match draw(st.sampled_from(["within", "within", "within", "remove", "replace", "add"])):
        case "within":
            node[place] = _damaged(draw, node[place])
        case "remove":
            del node[place]
        case "replace":
            node[place] = copy.deepcopy(draw(ODD))
        case "add" if isinstance(node, dict):
            node[draw(st.text(max_size=5))] = copy.deepcopy(draw(ODD))
        case _:
            node.append(node[place])
    return node


@st.composite
def damaged_texts(draw: st.DrawFn, text: str) -> bytes:
    """The bytes of a text with parts cut, doubled, moved, or replaced by something odd."""
    data = text.encode("utf-8", errors="surrogatepass")
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 2, 5, 20, 200])))
        piece = draw(
            st.one_of(
                st.binary(max_size=8),
                TEXTS.map(lambda one: one.encode("utf-8", errors="surrogatepass")),
                st.sampled_from(
                    [b"", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b"\0", b"NaN", b"-Infinity", b"1e999", b"9" * 5000]
                ),
                st.sampled_from(
                    [b"[" * DEEP, b'{"a":' * DEEP, b"&a [*a, *a]", b"!!python/object/apply:os.system [ls]"]
                ),
                st.just(data[start : start + 200]),
            )
        )
        data = data[:start] + piece + data[end:]
    return data
