"""Draws problems until the solver proves one; a problem depends on its seed alone, whoever draws it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ordebug_plugin.errors import InputError
from ordebug_plugin.generate.difficulty import Difficulty, difficulty
from ordebug_plugin.generate.families import DEFAULT_FAMILIES, FAMILIES
from ordebug_plugin.generate.family import Family, Size
from ordebug_plugin.generate.faults import Fault
from ordebug_plugin.generate.instance import Instance, Names, make_instance, structure_hash
from ordebug_plugin.generate.proof import Bench, Proof, is_infeasible, optimum, prove
from ordebug_plugin.generate.themes import THEMES
from ordebug_plugin.parallel import judge_of
from ordebug_plugin.scratch import scratch_folder

# Gurobi work units for one solve: what takes longer is no model to train on, and is drawn again.
WORK_LIMIT = 0.5
# How often a size is drawn where a family has it.
_WEIGHTS: Mapping[Size, float] = {Size.SMALL: 0.55, Size.MEDIUM: 0.39, Size.LARGE: 0.06}
# Faults tried on one feasible model, and models tried for one kind of fault, before another is drawn.
_FAULTS_TRIED = 6
_MODELS_TRIED = 12
# Kinds of problems tried before what is asked for counts as not to be had: to find that out, and once one was found.
PLANS_TRIED_FIRST = 40
_PLANS_TRIED = 5000


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        families: Names of families.
        faults: Names of kinds of faults, of which some family must have one; None for all that they have.
        sizes: Sizes; of each family those count that it has.
        difficulties: Difficulties.
        themes: Names of themes.
        names: How elements are called.
    """

    families: tuple[str, ...] = DEFAULT_FAMILIES
    faults: tuple[str, ...] | None = None
    sizes: tuple[Size, ...] = tuple(Size)
    difficulties: tuple[Difficulty, ...] = tuple(Difficulty)
    themes: tuple[str, ...] = tuple(THEMES)
    names: Names = Names.NEUTRAL


@dataclass(frozen=True)
class Made:
    """A proven problem.

    Attributes:
        instance: The problem.
        proof: What the solver said of it.
        family: Name of its family.
        theme: Name of its theme.
        fault: Name of its kind of fault.
        size: Its size.
        difficulty: Its difficulty.
        structure_hash: Of the broken model.
        original_hash: Of the original.
        draws: Faults drawn until one was proven.
    """

    instance: Instance
    proof: Proof
    family: str
    theme: str
    fault: str
    size: Size
    difficulty: Difficulty
    structure_hash: str
    original_hash: str
    draws: int


@dataclass(frozen=True)
class _Plan:
    """What kind of problem is to be drawn."""

    family: Family
    fault: Fault
    size: Size
    theme: str


def draw_proven(seed: str, wanted: Wanted, first: int = 0, plans: int = _PLANS_TRIED) -> Made:
    """Draws a problem.

    Args:
        seed: What the problem depends on.
        wanted: What is asked for.
        first: Plans to pass over, each of which gives another problem.
        plans: How many are tried.

    Raises:
        InputError: No model was found with what is asked for.
        SolverError: Gurobi failed.
    """
    bench = Bench(judge_of(WORK_LIMIT), scratch_folder())
    draws = 0
    for attempt in range(first, first + plans):
        rng = random.Random(f"{seed}/{attempt}")
        plan = _plan(rng, wanted)
        for _ in range(_MODELS_TRIED):
            made, tried = _draw(bench, rng, plan, wanted, draws)
            draws += tried
            if made is not None:
                return made
    raise InputError(
        f"no problem found among {plans * _MODELS_TRIED} models of {_listed(wanted.families)}, sizes "
        f"{_listed(wanted.sizes)}, with faults {_listed(wanted.faults or ('all',))} and difficulty "
        f"{_listed(wanted.difficulties)}: allow more families, sizes, faults or difficulties"
    )


def _listed(names: Iterable[str]) -> str:
    return ",".join(map(str, names))


def _plan(rng: random.Random, wanted: Wanted) -> _Plan:
    families = [FAMILIES[name] for name in wanted.families]
    family = rng.choice([family for family in families if _sizes(family, wanted) and _faults(family, wanted)])
    fault, sizes = rng.choice(_faults(family, wanted)), _sizes(family, wanted)
    size = rng.choices(sizes, weights=[_WEIGHTS[size] for size in sizes])[0]
    return _Plan(family, fault, size, rng.choice(wanted.themes))


def _sizes(family: Family, wanted: Wanted) -> list[Size]:
    return [size for size in family.sizes if size in wanted.sizes]


def _faults(family: Family, wanted: Wanted) -> list[Fault]:
    return [fault for fault in family.faults if wanted.faults is None or fault.name in wanted.faults]


def _draw(bench: Bench, rng: random.Random, plan: _Plan, wanted: Wanted, draws: int) -> tuple[Made | None, int]:
    """Draws one model and several faults; returns the first that is proven, and how many were drawn."""
    draft = plan.family.draw(rng, plan.size, THEMES[plan.theme])
    objective = None
    for tried in range(1, _FAULTS_TRIED + 1):
        broken = plan.fault.break_(rng, draft.model)
        if broken is None or broken == draft.model or not is_infeasible(bench, broken):
            continue
        instance = make_instance(rng, draft, broken, wanted.names)
        if objective is None:
            objective = optimum(bench, draft.model)
        if objective is None:
            return None, tried
        proof = prove(bench, instance, objective, plain=plan.family.plain)
        if proof is None or not plan.fault.holds(proof.evidence):
            continue
        level = difficulty(proof)
        if level not in wanted.difficulties:
            continue
        hashes = structure_hash(broken), structure_hash(draft.model)
        fields = (plan.family.name, plan.theme, plan.fault.name, plan.size, level)
        return Made(instance, proof, *fields, *hashes, draws + tried), tried
    return None, _FAULTS_TRIED
