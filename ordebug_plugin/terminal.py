"""What a terminal is shown: names and answers are somebody else's, and may hold signs that steer it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# The control characters but for tab and line feed, and those that turn the direction of writing, by which a line reads
# as another than it is. A terminal takes some as commands: to change its title, write files, or hide what stands there.
_STEERING = [*range(9), *range(11, 32), *range(127, 160), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F)]
_STEERING += [0x2028, 0x2029, *range(0x2066, 0x206A), *range(0xD800, 0xE000)]
_HARMLESS = str.maketrans(dict.fromkeys(_STEERING, "\N{REPLACEMENT CHARACTER}"))
_ESCAPED = str.maketrans({code: f"\\u{code:04x}" for code in _STEERING if code != 13})


def harmless(text: str) -> str:
    """A text whose signs that steer a terminal, and those that no file can hold, are replaced, each by one other."""
    return text.translate(_HARMLESS)


def harmless_json(text: str) -> str:
    """JSON that says the same without any sign that steers a terminal."""
    return text.translate(_ESCAPED)


class SafeConsole(Console):
    """A console on which a text is only a text: no markup, and no control character but those of rich itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Renders, as the base class does."""
        for segment in super().render(renderable, options):
            if segment.control or (segment.text.isascii() and segment.text.isprintable()):
                yield segment
            else:
                yield Segment(harmless(segment.text), segment.style)
