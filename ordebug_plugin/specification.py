"""What a model should say: its written specification, one statement for each row and each variable.

A specification is a text file beside the model. The first paragraph describes the problem as a whole. After an empty
line comes one line for each element, ``name: statement``, where the name is that of a row or a variable in the model:

    A bakery plans one day. Cost is to be as low as possible.

    r17: The oven is available for at most 340 minutes. A loaf (v4) takes 4 minutes, a cake (v7) takes 3.
    v4: Loaves baked, at least 0.

It states the true data, so a row or a bound that says something else is at fault, and so is a row without a statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ordebug_plugin.errors import ProblemError


@dataclass(frozen=True)
class Specification:
    """A specification, taken apart.

    Attributes:
        overview: The first paragraph, without line breaks.
        statements: Name of a row or a variable to what is said of it, in the order of the file.
    """

    overview: str
    statements: Mapping[str, str] = field(hash=False)  # a mapping has no hash

    def __str__(self) -> str:
        """The text of the file; `read_specification` reads it back unchanged."""
        lines = [f"{name}: {text}" for name, text in self.statements.items()]
        return "\n".join([self.overview, "", *lines, ""])

    def about(self, names: Iterable[str]) -> dict[str, str]:
        """The statements about some elements, in the order of the file; those without one are left out."""
        wanted = set(names)
        return {name: text for name, text in self.statements.items() if name in wanted}


def read_specification(text: str) -> Specification:
    """Reads the text of a specification.

    Raises:
        ProblemError: It is empty, a line is no statement, or two are about the same element; names the line.
    """
    overview, _, rest = text.strip().partition("\n\n")
    if not overview:
        raise ProblemError("the specification is empty: begin it with a paragraph about the problem as a whole")
    statements: dict[str, str] = {}
    first = overview.count("\n") + 3
    for number, line in enumerate(rest.split("\n") if rest else [], first):
        if not line.strip():
            continue
        name, colon, statement = line.partition(": ")
        if not colon or not name or not statement:
            raise ProblemError(f"line {number} of the specification is no statement: write 'name: statement'")
        if name in statements:
            raise ProblemError(f"line {number} of the specification: a second statement about {name!r}")
        statements[name] = statement
    return Specification(" ".join(overview.split()), statements)
