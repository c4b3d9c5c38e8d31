"""A benchmark in parts that share no content, each of them a benchmark.

Problems that are kin (`kinship`) stay together. What is left of chance is spent evenly: every part gets its share of
each family, fault type and size, as far as the records name them. Whole families, and whole themes of names, can be
held out, to test on what was never trained on.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError, ProblemError
from ordebug_plugin.files import check_new_folder, make_folder, write_text
from ordebug_plugin.kinship import Identity, identify, kin
from ordebug_plugin.problem import INDEX_NAME, Problem, load_benchmark, load_records

TRAIN, VAL, TEST = "train", "val", "test"
HELD_OUT_FAMILIES, HELD_OUT_NAMES = "held_out_families", "held_out_names"
STRATA = ("family", "error_type", "size")
# Fields of a record that name a file, relative to its folder.
_FILES = ("model_file", "specification_file")

Record = Mapping[str, object]


@dataclass(frozen=True)
class Plan:
    """How to split.

    Attributes:
        test: Share of the problems that are not held out.
        val: Likewise.
        families: Families held out of all other parts.
        themes: Themes of names held out likewise.
        seed: Of the draw.
    """

    test: float = 0.2
    val: float = 0.1
    families: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Part:
    """One part as it was written.

    Attributes:
        path: Its folder.
        n: Problems.
        kin: Groups of problems that share no content with one another.
        strata: Field of the records to value to problems; fields that no record has are left out.
    """

    path: Path
    n: int
    kin: int
    strata: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class _Item:
    """A problem to be put somewhere."""

    problem: Problem
    record: Record
    identity: Identity
    kin: str


def split_benchmark(
    bench: Path, out: Path, plan: Plan, on_progress: Callable[[], None] = lambda: None
) -> dict[str, Part]:
    """Writes each part as a benchmark folder of its own below `out`; the same plan gives the same bytes.

    Args:
        bench: A benchmark folder, or its index.
        out: A folder that does not exist yet, or is empty.
        plan: How to split.
        on_progress: Called after each problem.

    Returns:
        Name of the part to what is in it.

    Raises:
        InputError: `out` holds files; the shares leave nothing to train on; there is no such family or theme; or a
            part would be empty.
        ProblemError: The benchmark cannot be loaded, names a file outside its folder, or changed while it was copied.
    """
    check_new_folder(out)
    if plan.test + plan.val >= 1:
        raise InputError(
            f"--test {plan.test:g} and --val {plan.val:g} leave nothing to train on: their sum must be below 1"
        )
    items, source = _read(bench)
    _check_values(items, "family", plan.families)
    _check_values(items, "theme", plan.themes)
    parts = _assign(items, plan)
    empty = [name for name, members in parts.items() if not members]
    if empty:
        raise InputError(
            f"{bench}: {' and '.join(empty)} would be empty: of {len(items)} problems there are "
            f"{len({item.kin for item in items})} groups without common content; choose other shares"
        )
    root = _index(bench).parent
    make_folder(out)
    for name, members in parts.items():
        _write(root, out / name, {**source, "part": name, "seed": plan.seed}, members, on_progress)
    _check_written(out, parts)
    return {name: _part(out / name, members) for name, members in parts.items()}


def _index(bench: Path) -> Path:
    return bench / INDEX_NAME if bench.is_dir() else bench


def _read(bench: Path) -> tuple[list[_Item], dict[str, object]]:
    """The problems of a benchmark, and what its index says of all of them."""
    index = _index(bench)
    benchmark, records = load_benchmark(bench), load_records(bench)
    if index.suffix != ".json":
        raise InputError(f"{bench} is one model file: only a benchmark folder can be split")
    for number, record in enumerate(records):
        for key, name in _files(record):
            file = PurePosixPath(name)
            if file.is_absolute() or ".." in file.parts:
                raise ProblemError(f"{index}, problems[{number}]: {key} {name!r} is outside the folder: move it inside")
    identities = identify(benchmark.problems, records)
    entries = zip(benchmark.problems, records, identities, kin(identities), strict=True)
    document = parse_json(index.read_text(encoding="utf-8"))
    # What the index says of all, such as how many there are, is not true of a part: it is kept as said of the source.
    return [_Item(*entry) for entry in entries], {"source": {k: v for k, v in document.items() if k != "problems"}}


def _files(record: Record) -> list[tuple[str, str]]:
    return [(key, value) for key in _FILES if isinstance(value := record.get(key), str)]


def _value(record: Record, key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _check_values(items: Iterable[_Item], key: str, wanted: Sequence[str]) -> None:
    there = sorted({_value(item.record, key) for item in items} - {""})
    unknown = [name for name in wanted if name not in there]
    if unknown:
        known = f"there are {', '.join(there)}" if there else f"its records have no field '{key}'"
        raise InputError(f"no problem of the benchmark has the {key} {', '.join(map(repr, unknown))}: {known}")


def _assign(items: Sequence[_Item], plan: Plan) -> dict[str, list[_Item]]:
    """Part to its problems, in the order of the benchmark. Kin are held out where one of them is, families first."""
    groups: dict[str, list[_Item]] = defaultdict(list)
    for item in items:
        groups[item.kin].append(item)
    shares = {TRAIN: 1 - plan.test - plan.val, VAL: plan.val, TEST: plan.test}
    names = [name for name, share in shares.items() if share > 0]
    names += [HELD_OUT_FAMILIES] if plan.families else []
    names += [HELD_OUT_NAMES] if plan.themes else []
    where: dict[str, str] = {}
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for group in sorted(groups):  # by content, so that the order of the index decides nothing
        members = groups[group]
        if any(_value(item.record, "family") in plan.families for item in members):
            where[group] = HELD_OUT_FAMILIES
        elif any(_value(item.record, "theme") in plan.themes for item in members):
            where[group] = HELD_OUT_NAMES
        else:
            strata[min(tuple(_value(item.record, key) for key in STRATA) for item in members)].append(group)
    where |= _deal(strata, {group: len(members) for group, members in groups.items()}, shares, plan.seed)
    return {name: [item for item in items if where[item.kin] == name] for name in names}


def _deal(
    strata: Mapping[tuple[str, ...], list[str]], sizes: Mapping[str, int], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Group to part. Each goes where most is missing, so parts have their shares of every stretch of strata."""
    where: dict[str, str] = {}
    missing = dict.fromkeys(shares, 0.0)
    for stratum in sorted(strata):
        groups = strata[stratum]
        random.Random(f"{seed}/{'/'.join(stratum)}").shuffle(groups)
        for group in groups:
            missing = {name: lack + shares[name] * sizes[group] for name, lack in missing.items()}
            part = max(missing, key=lambda name: round(missing[name], 9))
            missing[part] -= sizes[group]
            where[group] = part
    return where


def _write(
    root: Path, folder: Path, about: Mapping[str, object], members: Sequence[_Item], on_progress: Callable[[], None]
) -> None:
    """Writes one part; its index last, so that a folder with an index is whole."""
    make_folder(folder)
    for item in members:
        for _, name in _files(item.record):
            make_folder((folder / name).parent)
            try:
                shutil.copyfile(root / name, folder / name)
            except OSError as error:
                raise InputError(f"{folder / name}: cannot be copied: {error.strerror}") from error
        on_progress()
    document = {**about, "num_problems": len(members), "problems": [item.record for item in members]}
    write_text(folder / INDEX_NAME, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _check_written(out: Path, parts: Mapping[str, Sequence[_Item]]) -> None:
    """Reads the parts back: each holds what was meant for it, and no two share content."""
    written = {name: identify(load_benchmark(out / name).problems, load_records(out / name)) for name in parts}
    for name, members in parts.items():
        if written[name] != [item.identity for item in members]:
            raise ProblemError(f"{out / name} is not what was to be copied: did the benchmark change meanwhile?")
    everything = [(name, one) for name, identities in written.items() for one in identities]
    sides: dict[str, set[str]] = defaultdict(set)
    for (name, _), group in zip(everything, kin([one for _, one in everything]), strict=True):
        sides[group].add(name)
    shared = [names for names in sides.values() if len(names) > 1]
    if shared:
        raise ProblemError(f"{out}: {' and '.join(sorted(shared[0]))} share content: do not use them")


def _part(path: Path, members: Sequence[_Item]) -> Part:
    strata = {key: Counter(_value(item.record, key) for item in members) for key in (*STRATA, "theme")}
    return Part(
        path,
        n=len(members),
        kin=len({item.kin for item in members}),
        strata={key: dict(sorted(counts.items())) for key, counts in strata.items() if set(counts) != {""}},
    )
