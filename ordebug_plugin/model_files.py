"""Where the content of a model file is: in the file that a problem names, or in the message that brought the problem.

A problem names a file of the machine that loaded it. Work that goes to another machine takes the content along, keyed
by its hash: what is read there is what was meant here, whatever stands under that name. The name stays what messages
say, so that they are the same on every machine.
"""

from __future__ import annotations

import io
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ordebug_plugin.problem import MODEL_SUFFIXES, Problem

# Content by hash, for the message in hand.
_BROUGHT: ContextVar[Mapping[str, bytes]] = ContextVar("models brought", default=MappingProxyType({}))


@contextmanager
def model_file(problem: Problem) -> Iterator[Path]:
    """The file to read: the problem's own, or a copy for as long as it is needed."""
    content = _BROUGHT.get().get(problem.content_hash)
    if content is None:
        yield problem.path
        return
    suffix = next(suffix for suffix in MODEL_SUFFIXES if problem.path.name.endswith(suffix))
    with tempfile.TemporaryDirectory(prefix="ordebug-model-") as folder:
        copy = Path(folder) / f"{problem.content_hash}{suffix}"
        copy.write_bytes(content)
        yield copy


def pack(message: Any) -> bytes:
    """A message for another machine, with the content of every model file that it speaks of.

    A file that cannot be read stays behind: whoever asks for it there fails as one would here.
    """
    body = io.BytesIO()
    pickler = _Pickler(body)
    pickler.dump(message)
    contents = {}
    for problem in pickler.problems.values():
        try:
            contents[problem.content_hash] = problem.path.read_bytes()
        except OSError:
            continue
    return pickle.dumps((body.getvalue(), contents))


@contextmanager
def unpacked(packed: bytes) -> Iterator[Any]:
    """What `pack` made a message of; its model files can be read inside the block."""
    body, contents = pickle.loads(packed)
    before = _BROUGHT.set(contents)
    try:
        yield pickle.loads(body)
    finally:
        _BROUGHT.reset(before)


class _Pickler(pickle.Pickler):
    """Notes every problem in what it writes."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.problems: dict[str, Problem] = {}

    def reducer_override(self, entry: Any) -> Any:
        """Called with everything that is no plain value; changes nothing."""
        if isinstance(entry, Problem):
            self.problems[entry.content_hash] = entry
        return NotImplemented
