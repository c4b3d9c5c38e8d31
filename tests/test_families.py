"""Families of models: what each promises, whatever it draws."""

from __future__ import annotations

from pathlib import Path

import pytest

from ordebug_plugin.generate.drawing import Wanted, draw_proven
from ordebug_plugin.generate.families import DEFAULT_FAMILIES, FAMILIES
from ordebug_plugin.generate.family import Size
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
def test_every_kind_of_fault_that_a_family_has_can_be_drawn_and_no_other(name: str) -> None:
    family = FAMILIES[name]
    for fault in family.faults:
        made = draw_proven("kinds", Wanted(families=(name,), faults=(fault.name,), sizes=family.sizes[:2]))
        assert (made.family, made.fault) == (name, fault.name)
