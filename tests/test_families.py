"""Families of models: what each promises, whatever it draws."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from ordebug_plugin.generate.drawing import Wanted, draw_proven
from ordebug_plugin.generate.families import DEFAULT_FAMILIES, FAMILIES
from ordebug_plugin.generate.family import Size
from ordebug_plugin.generate.faults import FAULTS
from ordebug_plugin.solver import Judge
from tests.families import assert_has_an_optimum, assert_sound, draw

CASES = [(name, size, seed) for name in DEFAULT_FAMILIES for size in FAMILIES[name].sizes for seed in range(6)]


@pytest.mark.parametrize(("name", "size", "seed"), CASES)
def test_a_draft_is_sound_and_has_an_optimum(judge: Judge, tmp_path: Path, name: str, size: Size, seed: int) -> None:
    draft = draw(FAMILIES[name], size, seed)
    assert_sound(draft, size)
    assert_has_an_optimum(judge, draft, tmp_path)


@pytest.mark.parametrize("name", DEFAULT_FAMILIES)
def test_a_seed_is_a_draft(name: str) -> None:
    family = FAMILIES[name]
    for size in family.sizes:
        drafts = [draw(family, size, seed) for seed in (0, 0, 6)]
        assert drafts[0] == drafts[1]
        assert drafts[0].model != drafts[2].model


@pytest.mark.parametrize("name", DEFAULT_FAMILIES)
def test_every_kind_of_fault_that_a_family_has_can_be_drawn(name: str) -> None:
    family = FAMILIES[name]
    for fault in family.faults:
        made = draw_proven("kinds", Wanted(families=(name,), faults=(fault.name,), sizes=family.sizes[:2]))
        assert (made.family, made.fault) == (name, fault.name)


def test_what_faults_do_to_bounds_is_done_to_innocent_ones_too() -> None:
    """Fixed, with a minimum, with a maximum of their own, close together: none is a sign of a fault."""
    seen: Counter[str] = Counter()
    for name in DEFAULT_FAMILIES:
        for seed in range(30):
            draft = draw(FAMILIES[name], Size.SMALL, seed)
            for column in draft.model.columns:
                kind = "binary" if column.integer and column.upper <= 1 else "other"
                seen[f"{kind} fixed"] += column.lower == column.upper
                seen[f"{kind} close"] += 0 < 0.85 * column.upper < column.lower < column.upper
                seen[f"{kind} minimum"] += 0 < column.lower < column.upper
                statement = draft.statements[column.name]
                assert (column.lower == column.upper) <= bool(re.search("exactly|no more and no less", statement)), (
                    statement
                )
    assert {name for name, count in seen.items() if count >= 10} == {
        *("binary fixed", "other fixed", "other close", "other minimum")
    }


@pytest.mark.parametrize("fault", ["B", "H"])
def test_no_fault_fixes_a_variable_that_can_be_split(fault: str) -> None:
    broken = 0
    for name in DEFAULT_FAMILIES:
        for seed in range(30):
            model = draw(FAMILIES[name], Size.SMALL, seed).model
            other = FAULTS[fault].break_(random.Random(seed), model)
            for old, new in zip(model.columns, other.columns if other else (), strict=False):
                broken += old != new
                assert old == new or new.lower < new.upper or new.upper in (0.0, 1.0), (old, new)
    assert broken > 100
