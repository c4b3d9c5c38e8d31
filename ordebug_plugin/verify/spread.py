"""What a file covers, and how hard it is: the dimensions of quality that ask how its rows are spread."""

from __future__ import annotations

from collections.abc import Sequence

from ordebug_plugin.verify.dataset import DatasetCheck
from ordebug_plugin.verify.dimension import ALMOST_ALL, MOSTLY, Chart, Dimension, Figure, Level, asked, chart
from ordebug_plugin.verify.question import BY_NAME, COVERAGE
from ordebug_plugin.verify.row import Row
from ordebug_plugin.verify.share import Share

DIFFICULTY = "difficulty"
_DIFFICULTIES = ("easy", "medium", "hard")
# Upper ends of the classes of sizes.
_IIS_SIZES = (1, 2, 3, 4, 5, 10, 20, 50)
_MODEL_SIZES = (10, 20, 50, 100, 500, 1000)


def coverage(check: DatasetCheck) -> Dimension:
    """Fault types, families, actions, places and turns."""
    answers = [answer for row in check.rows for answer in row.learned]
    kinds = chart("kind", "actions", (answer.kind or "none" for answer in answers))
    types = chart("error_type", "fault types", (row.error_type for row in check.rows if row.error_type), str)
    families = chart("family", "families of models", (row.family for row in check.rows if row.family))
    places = chart("place", "place of the row acted on in the IIS as listed", _places(check.rows), _by_number)
    lengths = chart("turns", "turns of a row", (str(len(row.answers)) for row in check.rows if row.answers), int)
    turns = chart("turn", "turn of the episode that is learned", _turns(check.rows), int)
    first = BY_NAME["first_row"].ask(check.rows)
    commonest_kind = Share(max((count for _, count in kinds.bars), default=0), len(answers))
    known = {problem.error_type for problem in check.benchmark.problems if problem.error_type is not None}
    absent = sorted(known - {label for label, _ in types.bars}) if types.bars else []
    problems = Share(len({row.problem for row in check.judged}), len(check.benchmark.problems))
    one_sided = max(commonest_kind.value or 0, first.value or 0)
    level = Level.POOR if one_sided >= ALMOST_ALL else Level.FLAWED if one_sided >= MOSTLY or absent else Level.SOUND
    words = [f"{_count(len(types.bars), 'fault type')}, {_count(len(kinds.bars), 'kind of action', 'kinds of action')}"]
    words += [f"{kinds.bars[0][0]} is {commonest_kind.percent} of the answers"] if kinds.bars else []
    if (first.value or 0) >= MOSTLY:
        words.append(f"{first.percent} act on the first row listed: copying it is all there is to learn")
    words += [f"no row for {', '.join(absent)}, which the benchmark has"] if absent else []
    figures = [
        Figure("problems", "problems of the benchmark with a replayed row", problems),
        Figure("error_types", "fault types", len(types.bars)),
        Figure("families", "families of models", len(families.bars)),
        Figure("kinds", "kinds of action", len(kinds.bars)),
        Figure("commonest_kind", "answers with the commonest kind of action", commonest_kind),
        *asked(check.rows, COVERAGE),
    ]
    charts = (types, families, kinds, places, lengths, turns)
    return Dimension(
        COVERAGE,
        "Coverage",
        level if answers else Level.UNKNOWN,
        "; ".join(words),
        tuple(figures),
        tuple(one for one in charts if one.bars),
    )


def difficulty(check: DatasetCheck) -> Dimension:
    """Labels, conflicts and models by their size."""
    labels = [row.difficulty for row in check.rows if row.difficulty is not None]
    replayed = [row.replayed for row in check.rows if row.replayed is not None]
    sizes = [one.iis_size for one in replayed if one.iis_size is not None]
    by_label = chart("difficulty", "difficulty as labelled", labels, _by_difficulty)
    charts = (
        by_label,
        _classes("iis_size", "rows and bounds in the IIS", sizes, _IIS_SIZES),
        _classes("n_rows", "rows of the model", [one.n_rows for one in replayed], _MODEL_SIZES),
        _classes("n_variables", "variables of the model", [one.n_variables for one in replayed], _MODEL_SIZES),
    )
    most = Share(max((count for _, count in by_label.bars), default=0), len(labels))
    known = {problem.difficulty for problem in check.benchmark.problems if problem.difficulty is not None}
    absent = sorted(known - set(labels), key=_by_difficulty) if labels else []
    one_sided = most.value or 0
    level = Level.POOR if one_sided >= ALMOST_ALL else Level.FLAWED if one_sided >= MOSTLY or absent else Level.SOUND
    words = [", ".join(f"{label} {Share(count, len(labels)).percent}" for label, count in by_label.bars)]
    words += [f"no row that is {', '.join(absent)}, which the benchmark has"] if absent else []
    words += [f"conflicts of {_range(sizes)} rows and bounds"] if sizes else []
    words += [f"models of {_range([one.n_rows for one in replayed])} rows"] if replayed else []
    figures = (
        Figure("labelled", "rows with a difficulty", Share(len(labels), len(check.rows))),
        Figure("commonest_difficulty", "rows of the commonest difficulty", most),
        Figure("iis_size_median", "rows and bounds in the IIS, median", _median(sizes)),
        Figure("n_rows_median", "rows of the model, median", _median([one.n_rows for one in replayed])),
    )
    return Dimension(
        DIFFICULTY,
        "Difficulty distribution",
        level if labels else Level.UNKNOWN,
        "; ".join(filter(None, words)) or "no difficulty is labelled, and no row was replayed",
        figures,
        tuple(one for one in charts if one.bars),
    )


def _places(rows: Sequence[Row]) -> list[str]:
    found = [answer.place for row in rows for answer in row.learned]
    return [str(place) if place else "none of them" for place in found if place is not None]


def _turns(rows: Sequence[Row]) -> list[str]:
    """The turn of the episode in which each learned answer stands, the ones that its prompt lists counted."""
    before = ((len(row.answers[0].turn.shown.history or ()), answer) for row in rows for answer in row.learned)
    return [str(earlier + answer.turn.number) for earlier, answer in before]


def _classes(name: str, heading: str, sizes: Sequence[int], ends: Sequence[int]) -> Chart:
    """Sizes in classes, those without any between the least and the largest included."""
    bounds = [(low + 1, high) for low, high in zip((0, *ends), ends, strict=False)]
    counts = [(_span(low, high), sum(low <= size <= high for size in sizes)) for low, high in bounds]
    counts.append((f"over {ends[-1]}", sum(size > ends[-1] for size in sizes)))
    used = [place for place, (_, count) in enumerate(counts) if count]
    return Chart(name, heading, tuple(counts[used[0] : used[-1] + 1]) if used else ())


def _range(sizes: Sequence[int]) -> str:
    return str(min(sizes)) if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"


def _span(low: int, high: int) -> str:
    return str(high) if low == high else f"{low}–{high}"


def _median(sizes: Sequence[int]) -> int | None:
    return sorted(sizes)[(len(sizes) - 1) // 2] if sizes else None


def _by_number(label: str) -> tuple[bool, int]:
    return not label.isdecimal(), int(label) if label.isdecimal() else 0


def _by_difficulty(label: str) -> tuple[int, str]:
    return _DIFFICULTIES.index(label) if label in _DIFFICULTIES else len(_DIFFICULTIES), label


def _count(number: int, noun: str, nouns: str | None = None) -> str:
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"
