"""Whatever an expert says is so: names and numbers stand in the prompt, comparisons are true, arithmetic adds up."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator

import pytest
from scipy.optimize import linprog

from ordebug_plugin.actions import Action, ActionKind, parse_answer
from ordebug_plugin.demonstrations import Recipe
from ordebug_plugin.demonstrations.policies import MAX_TURNS, Turn, play
from ordebug_plugin.edits import apply_all
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.experts.argument import chain_of
from ordebug_plugin.experts.chain import Chain, find_chain
from ordebug_plugin.experts.situation import Situation, Voice
from ordebug_plugin.experts.words import number, sides
from ordebug_plugin.generate import Size, Wanted, make_benchmark
from ordebug_plugin.generate.families import FAMILIES
from ordebug_plugin.generate.faults import FAULTS
from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import Terms, render_sum
from ordebug_plugin.problem import Benchmark, Problem, load_benchmark
from ordebug_plugin.prompt import Detail, Style, render_bounds, render_sides, render_user
from ordebug_plugin.rollout import audit
from ordebug_plugin.scoring import optimality_preservation
from ordebug_plugin.solver import Judge
from ordebug_plugin.verify.reasoning import names_decision

N = 40
WRITTEN = tuple(name for name, family in FAMILIES.items() if not family.plain)
NAME = re.compile(r"\b[rv]\d+\b")
AGREEMENT = re.compile(r"correct\.|is right:|as stated|so the specification has it|agrees with|nothing wrong")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
# ``(185 - 3 * (-13)) / 2 = 112``
SUM = re.compile(r"(?<![\w.])([-\d.()*/+ ]*\d\)* [*/+-] [-\d.()*/+ ]*) = (-?[\d.]*\d)")
PHRASE = re.compile(r"(?:at most|at least|exactly) -?[\d.e+]*\d|between -?[\d.e+]+ and -?[\d.e+]*\d")
Played = list[tuple[Problem, tuple[Turn, ...]]]


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    out = tmp_path_factory.mktemp("experts") / "bench"
    make_benchmark(out, n=N, seed=11, wanted=Wanted(WRITTEN, tuple(FAULTS), sizes=(Size.SMALL, Size.MEDIUM)))
    return load_benchmark(out)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Faults of several elements, which stand in one conflict or in several."""
    out = tmp_path_factory.mktemp("experts") / "several"
    make_benchmark(out, n=N, seed=7, wanted=Wanted(WRITTEN, ("E", "G"), sizes=(Size.SMALL,)))
    return load_benchmark(out)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge() as judge:
        yield judge


def episodes(benchmark: Benchmark, judge: Judge, recipe: Recipe, each: int = 3) -> Played:
    found = []
    for problem in benchmark.problems:
        for attempt in range(each):
            env = RepairEnv(judge, problem, MAX_TURNS)
            played = play(env, recipe, random.Random(f"{problem.id}/{attempt}"))
            assert bool(played.turns) == (played.reason is None)
            if played.turns:
                found.append((problem, played.turns))
    return found


RECIPES = [Recipe(voice=voice, style=Style(detail=detail)) for voice in Voice for detail in Detail]


@pytest.fixture(scope="module", params=RECIPES, ids=lambda recipe: f"{recipe.voice}-{recipe.style.detail}")
def played(request: pytest.FixtureRequest, benchmark: Benchmark, judge: Judge) -> tuple[Recipe, Played]:
    recipe: Recipe = request.param
    return recipe, episodes(benchmark, judge, recipe)


def thought(turn: Turn) -> str:
    answer = parse_answer(turn.answer)
    assert answer.well_formed
    assert answer.think is not None
    return answer.think


def test_every_episode_recovers_with_the_objective_of_the_original(played: tuple[Recipe, Played], judge: Judge) -> None:
    recipe, found = played
    assert len(found) > {Detail.FULL: 3 * N - 1, Detail.ALGEBRA: N, Detail.NAMES: 5}[recipe.style.detail]
    for problem, turns in found:
        env = RepairEnv(judge, problem, MAX_TURNS)
        env.reset()
        for turn in turns:
            transition = env.step(turn.answer)
        assert transition.outcome is Outcome.RECOVERED
        objective, original = audit(env).objective, problem.truth.objective
        assert objective is not None
        assert original is not None
        assert optimality_preservation(objective, original) >= 0.999


def test_with_a_specification_nothing_but_the_fault_is_changed(benchmark: Benchmark, judge: Judge) -> None:
    for problem, turns in episodes(benchmark, judge, Recipe(style=Style(detail=Detail.FULL))):
        env = RepairEnv(judge, problem, MAX_TURNS)
        env.reset()
        for turn in turns:
            env.step(turn.answer)
        shape, exact = judge.shape(problem), apply_all(judge.shape(problem), problem.truth.fix)
        assert exact is not None
        for name in shape.rows:  # a fault of several parts need not be undone whole before the model is feasible
            assert env.edits.row(shape, name) in (shape.rows[name], exact.row(shape, name))
        for name in shape.variables:
            assert env.edits.variable(shape, name) in (shape.variables[name], exact.variable(shape, name))


def test_wrong_steps_are_never_learnt_and_what_follows_is(
    played: tuple[Recipe, Played],
) -> None:
    _, found = played
    stumbled = [turns for _, turns in found if not all(turn.learn for turn in turns)]
    assert 0.1 * len(found) < len(stumbled) < 0.5 * len(found)
    for turns in stumbled:
        assert [turn.learn for turn in turns] == [False] + [True] * (len(turns) - 1)
        assert len(turns) > 1


def facts(problem: Problem, judge: Judge, turn: Turn, style: Style) -> tuple[Chain | None, set[str]]:
    """The chain of a turn, and every number that may be said there."""
    observation = turn.observation
    situation = Situation(judge, problem, observation, style, Voice.VARIED, random.Random(0))
    chain = chain_of(situation)
    shown = NUMBER.findall(render_user(observation, style))
    numbers = {*shown, *(f"{float(number):.12g}" for number in shown)}  # actions are listed as `55.0`
    if turn.action is not None:
        numbers |= {f"{number:.12g}" for number in turn.action.numbers}
        numbers |= set(NUMBER.findall(turn.action.expression or ""))
    if chain is not None:
        told = [chain.reach, chain.side, chain.gap]
        told += [number for link in chain.links for number in (link.value, link.side, abs(link.coefficient))]
        parts = [*chain.parts, *(part for link in chain.links for part in link.others)]
        told += [number for _, coefficient, value in parts for number in (abs(coefficient), coefficient, value)]
        numbers |= {f"{number:.12g}" for number in told}
    for name in observation.iis.rows if observation.iis else ():  # a coefficient of one is not written in a row
        numbers |= {f"{value:.12g}" for _, value in observation.terms[name]}
    true = apply_all(observation.shape, problem.truth.fix)
    assert true is not None
    for name in problem.truth.rows:
        numbers |= {f"{value:.12g}" for _, value in true.terms(observation.shape, name)}
    return chain, numbers | {number.removeprefix("-") for number in numbers}


def test_names_and_numbers_stand_in_the_prompt(played: tuple[Recipe, Played], judge: Judge) -> None:
    recipe, found = played
    for problem, turns in found:
        for turn in (turn for turn in turns if turn.learn):
            think, shown = thought(turn), render_user(turn.observation, recipe.style)
            assert set(NAME.findall(think)) <= set(NAME.findall(shown)) | set(NAME.findall(str(turn.action)))
            _, allowed = facts(problem, judge, turn, recipe.style)
            said = set(NUMBER.findall(NAME.sub("", think)))
            counts = {str(len(names)) for names in (turn.observation.iis.rows, turn.observation.iis.bounds)}
            assert {number.removeprefix("-") for number in said - counts} <= allowed, (think, said - allowed)
            for left, right in SUM.findall(think):
                assert eval(left) == pytest.approx(float(right), rel=1e-6)  # digits and signs


def test_the_reasoning_names_what_is_done(played: tuple[Recipe, Played]) -> None:
    recipe, found = played
    for _, turns in found:
        for turn in (turn for turn in turns if turn.learn):
            assert turn.action is not None
            iis = turn.observation.iis
            assert iis is not None
            if turn.action.kind is ActionKind.RESET:
                assert turn.observation.edits.rows or turn.observation.edits.variables
                continue
            assert turn.action.target in (*iis.rows, *iis.bounds)
            # Without a specification the terse voice says nothing of what is new.
            kept = turn.action.numbers if recipe.voice is Voice.TERSE and recipe.style.detail is not Detail.FULL else ()
            assert names_decision(thought(turn), turn.action, kept), turn.answer


def test_what_is_said_of_an_element_and_its_statement_is_so(benchmark: Benchmark, judge: Judge) -> None:
    style = Style(detail=Detail.FULL)
    agreed = differed = 0
    for problem, turns in episodes(benchmark, judge, Recipe(style=style)):
        for turn in (turn for turn in turns if turn.learn):
            situation = Situation(judge, problem, turn.observation, style, Voice.VARIED, random.Random(0))
            elements = {element.name: element for element in situation.elements}
            chain, _ = facts(problem, judge, turn, style)
            derived = {f"{link.value:.12g}" for link in chain.links} | {f"{chain.side:.12g}"} if chain else set()
            for sentence in re.split(r"(?<=\.) ", thought(turn)):
                names = set(NAME.findall(sentence)) & set(elements)
                if AGREEMENT.search(sentence):
                    assert not any(elements[name].differs for name in names), sentence
                    agreed += 1
                if re.search(r"no statement|Nothing in the spec|does not know|nobody asked|No statement", sentence):
                    (name,) = names
                    assert elements[name].stated is None, sentence
                    assert name not in problem.specification.statements  # type: ignore[union-attr]
                    differed += 1
                if len(names) != 1:
                    continue
                element = elements[names.pop()]
                right = {sides(element.now)} | ({sides(element.stated)} if element.stated is not None else set())
                for phrase in PHRASE.findall(sentence):
                    assert phrase in right or phrase.split()[-1] in derived, sentence
                if " is stated." in sentence or " but the spec" in sentence:
                    assert element.differs, sentence
                    differed += 1
    assert agreed > N
    assert differed > N


def test_stated_sides_stand_in_the_statement(benchmark: Benchmark, judge: Judge) -> None:
    """Whoever reads the prompt can find the number that the expert sets, but for 0: "must equal v45" has none."""
    for _, turns in episodes(benchmark, judge, Recipe(style=Style(detail=Detail.FULL))):
        for turn in (turn for turn in turns if turn.learn):
            specification, action = turn.observation.specification, turn.action
            assert specification is not None
            assert action is not None
            if action.kind is ActionKind.UPDATE_RHS and action.numbers[0]:
                statement = specification.statements[action.target or ""]
                assert f"{action.numbers[0]:.12g}" in NUMBER.findall(NAME.sub("", statement)), (statement, action)


def test_the_terse_form_sets_the_model_beside_the_specification(benchmark: Benchmark, judge: Judge) -> None:
    style = Style(detail=Detail.FULL)
    for problem, turns in episodes(benchmark, judge, Recipe(voice=Voice.TERSE, style=style)):
        true = apply_all(judge.shape(problem), problem.truth.fix)
        assert true is not None
        for turn in (turn for turn in turns if turn.learn and turn.action is not None):
            if turn.action is None or turn.action.kind is ActionKind.RESET:
                continue
            observation, think = turn.observation, thought(turn)
            listed, _, verdict = think.partition(". ")
            parts = listed.split("; ")
            iis = observation.iis
            assert iis is not None
            assert [part.split()[0] for part in parts] == [*iis.rows, *iis.bounds]
            own = turn.action.target not in {action.target for action in problem.truth.fix}
            assert verdict == f"{turn.action.target} {'goes back' if own else 'is at fault'}."
            differing = [part.split()[0] for part in parts if not part.endswith(" same")]
            assert turn.action.target in differing
            if not observation.history:
                assert turn.action.target == differing[0]
            shape, added = observation.shape, problem.truth.added_rows
            for part in parts:
                name = part.split()[0]
                is_row = name in shape.rows
                now = observation.edits.row(shape, name) if is_row else observation.edits.variable(shape, name)
                stated = true.row(shape, name) if is_row else true.variable(shape, name)
                shown = f"{render_sides(now)} ({name})" if is_row else f"{name} {render_bounds(observation, name)}"
                assert shown in render_user(observation, style)
                terms = is_row and observation.terms[name] != true.terms(shape, name)
                if name in added:
                    assert part == f"{name} {render_sides(now)} not stated"
                    continue
                both = not is_row and now != stated
                asked = f"in [{stated.lower:.12g}, {stated.upper:.12g}]" if both else render_sides(stated)
                assert part.startswith(f"{name} {render_sides(now)} stated {asked} ".replace("in [0, 1]", "binary", 0))
                assert part.endswith(" differs" if terms or now != stated else " same")


def test_rewritten_rows_are_spelled_as_prompts_spell_rows(benchmark: Benchmark, judge: Judge) -> None:
    rewritten = 0
    for problem, turns in episodes(benchmark, judge, Recipe(style=Style(detail=Detail.FULL))):
        for turn in turns:
            if turn.learn and turn.action is not None and turn.action.kind is ActionKind.REWRITE_CONSTRAINT:
                true = apply_all(judge.shape(problem), problem.truth.fix)
                assert true is not None
                row = turn.action.target or ""
                terms, interval = true.terms(judge.shape(problem), row), true.row(judge.shape(problem), row)
                assert turn.action.expression == f"{render_sum(terms)} {render_sides(interval)}"
                rewritten += 1
    assert rewritten > 10


def test_experts_say_the_same_thing_in_many_ways(benchmark: Benchmark, judge: Judge) -> None:
    turns = [
        turn
        for _, turns in episodes(benchmark, judge, Recipe(style=Style(detail=Detail.FULL)))
        for turn in turns
        if turn.learn
    ]
    skeletons = {NUMBER.sub("#", NAME.sub("N", thought(turn))) for turn in turns}
    lengths = [len(thought(turn).split()) for turn in turns]
    assert len(skeletons) > 0.7 * len(turns)
    assert min(lengths) < 15
    assert max(lengths) > 80


def implied(chain: Chain, rows: dict[str, tuple[Terms, Interval]], bounds: dict[str, Interval]) -> None:
    """Every link, and the contradiction at the end, against a linear program over what was used until then."""
    names = sorted({name for terms, _ in rows.values() for name, _ in terms})

    def least(objective: dict[str, float], used: list[str]) -> float:
        a, b = [], []
        for row in used:
            terms, interval = rows[row]
            line = [dict(terms).get(name, 0.0) for name in names]
            if interval.upper < float("inf"):
                a.append(line)
                b.append(interval.upper)
            if interval.lower > -float("inf"):
                a.append([-value for value in line])
                b.append(-interval.lower)
        box = [bounds.get(name, Interval(-float("inf"), float("inf"))) for name in names]
        limits = [(one.lower, one.upper) for one in box]
        costs = [objective.get(name, 0.0) for name in names]
        found = linprog(costs, A_ub=a or None, b_ub=b or None, bounds=limits)
        assert found.status == 0, found.message
        return float(found.fun)

    used: list[str] = []
    for link in chain.links:
        used.append(link.row)
        sign = 1.0 if link.is_lower else -1.0
        assert least({link.variable: sign}, used) >= sign * link.value - 1e-6
    assert chain.row not in used or len(rows) == 1
    sign = 1.0 if chain.is_above else -1.0
    reach = least({name: sign * value for name, value in rows[chain.row][0]}, used)
    assert reach >= sign * chain.reach - 1e-6
    assert sign * chain.reach > sign * chain.side


def test_chains_hold_and_explain_many_conflicts(benchmark: Benchmark, judge: Judge) -> None:
    explained = 0
    for problem in benchmark.problems:
        observation = RepairEnv(judge, problem).reset()
        assert observation.iis is not None
        shape = observation.shape
        rows = {name: (observation.terms[name], shape.rows[name]) for name in observation.iis.rows}
        bounds = {name: shape.variables[name] for name in observation.iis.bounds}
        chain = find_chain(rows, bounds, most=99)
        if chain is not None and chain.row not in {link.row for link in chain.links}:
            implied(chain, rows, bounds)
            explained += 1
    assert explained > 0.25 * N


def test_a_chain_by_hand() -> None:
    at_least, at_most = (lambda side: Interval(side, float("inf"))), (lambda side: Interval(-float("inf"), side))
    rows: dict[str, tuple[Terms, Interval]] = {
        "hours": ((("x", 4.0), ("y", 3.0), ("over", -1.0)), at_most(340.0)),
        "bread": ((("x", 1.0),), at_least(90.0)),
        "cake": ((("y", 1.0),), at_least(40.0)),
    }
    chain = find_chain(rows, {"over": Interval(0.0, 60.0)})
    assert chain is not None
    assert [(link.row, link.variable, link.value, link.is_lower) for link in chain.links] == [
        ("bread", "x", 90.0, True),
        ("cake", "y", 40.0, True),
    ]
    assert (chain.row, chain.reach, chain.side, chain.is_above, chain.gap) == ("hours", 420.0, 340.0, True, 80.0)
    assert find_chain(rows, {"over": Interval(0.0, 160.0)}) is None
    circle: dict[str, tuple[Terms, Interval]] = {
        "one": ((("x", 1.0), ("y", -1.0)), at_least(1.0)),
        "two": ((("y", 1.0), ("x", -1.0)), at_least(1.0)),
    }
    assert find_chain(circle, {}) is None  # a sum of both rows, no chain


def test_slack_of_a_row_that_holds_is_no_violation(benchmark: Benchmark, judge: Judge) -> None:
    """Gurobi's values are off by 1e-14: that is no evidence."""
    for problem in benchmark.problems[:10]:
        env = RepairEnv(judge, problem)
        rows = env.reset().rows
        for row in rows[:5]:
            env.reset()
            note = env.step(f"<think>\nx\n</think>\n\nAction: {Action(ActionKind.CHECK_SLACK, row)}").step.note
            number = float(re.findall(r"(?:by|slack) (\S+) at", note)[0])
            assert number == 0 or number > 1e-7, note
            assert number >= 0


def test_alpaca_and_json_are_free_of_nan(benchmark: Benchmark, judge: Judge) -> None:
    for _, turns in episodes(benchmark, judge, Recipe(style=Style(detail=Detail.ALGEBRA)), each=1):
        assert "nan" not in json.dumps([turn.answer for turn in turns])


SPECIFIED = Recipe(style=Style(detail=Detail.FULL))
READ = Recipe(style=Style(detail=Detail.ALGEBRA))
ALL_OTHERS = re.compile(
    r"Everything else|All the others|The rest of the conflict|The other elements|no other difference"
)
THE_ONE = re.compile(r"at fault|the culprit|the mistake is|The fault is in|the one to repair|It is \w+ that departs")
# What nobody can know who reads the algebra alone, and what does not follow from a step that helped nothing.
NOT_IN_THE_ALGEBRA = re.compile(
    r"was not what kept|the fault is not|that does not fit|looks like|stands out|what is missing"
)
NOT_OF_A_WRONG_STEP = re.compile(r"more than one fault|Another conflict|not enough|too little|still wrong|was not all")


def learnt(played: Played) -> Iterator[tuple[Problem, tuple[Turn, ...], Turn]]:
    for problem, turns in played:
        yield from ((problem, turns, turn) for turn in turns if turn.learn)


def faults(problem: Problem) -> set[str | None]:
    return {action.target for action in problem.truth.fix}


def test_a_right_repair_is_not_thrown_away(several: Benchmark, judge: Judge) -> None:
    resets = 0
    for problem, _, turn in learnt(episodes(several, judge, SPECIFIED, each=6)):
        if turn.action is None or turn.action.kind is not ActionKind.RESET:
            continue
        observation, true = turn.observation, apply_all(turn.observation.shape, problem.truth.fix)
        assert true is not None
        shape, edits = observation.shape, observation.edits
        for name in shape.rows:
            if edits.row(shape, name) != shape.rows[name]:
                assert edits.row(shape, name) != true.row(shape, name), turn.answer
        resets += 1
    assert resets


def test_one_fault_is_called_the_only_one_only_if_it_is(several: Benchmark, judge: Judge) -> None:
    claims = others = 0
    for problem, _, turn in learnt(episodes(several, judge, SPECIFIED)):
        situation = Situation(judge, problem, turn.observation, SPECIFIED.style, Voice.VARIED, random.Random(0))
        differing = {element.name for element in situation.elements if element.differs}
        think = thought(turn)
        if ALL_OTHERS.search(think):
            told, _, _ = think.partition(ALL_OTHERS.findall(think)[0])
            assert differing <= set(NAME.findall(told)), think
            claims += 1
        if THE_ONE.search(think):
            assert len(differing) == 1, think
            assert differing <= faults(problem), think
        others += len(differing) > 1
    assert claims
    assert others


@pytest.mark.parametrize("recipe", [SPECIFIED, READ], ids=["full", "algebra"])
def test_nothing_follows_from_a_wrong_step(
    several: Benchmark, benchmark: Benchmark, judge: Judge, recipe: Recipe
) -> None:
    after = 0
    played = [*episodes(several, judge, recipe), *episodes(benchmark, judge, recipe)]
    for problem, turns, turn in learnt(played):
        last = turn.observation.history[-1] if turn.observation.history else None
        if last is None or last.action is None or last.refused or not last.action.is_repair:
            continue
        after += not turns[0].learn
        actions = [step.action for step in turn.observation.history if step.action is not None]
        changed = [action.target for action in actions if action.is_repair]
        if NOT_OF_A_WRONG_STEP.search(thought(turn)):  # what was repaired was a fault, and no wrong step
            assert last.action.target in faults(problem), turn.answer
            assert changed.count(last.action.target) == 1, turn.answer
            assert turns[turn.observation.turn - 1].learn, turn.answer
    assert after


def test_the_algebra_is_not_read_as_if_it_said_what_is_wrong(
    several: Benchmark, benchmark: Benchmark, judge: Judge
) -> None:
    for _, _, turn in learnt([*episodes(several, judge, READ), *episodes(benchmark, judge, READ)]):
        assert not NOT_IN_THE_ALGEBRA.search(thought(turn)), turn.answer


def test_who_measures_does_not_call_shown_rows_names_alone(played: tuple[Recipe, Played]) -> None:
    recipe, found = played
    for _, _, turn in learnt(found):
        assert "So not that one" not in thought(turn)
        if recipe.style.detail is not Detail.NAMES:
            assert "Names alone" not in thought(turn)


def test_zero_has_no_sign(benchmark: Benchmark, judge: Judge) -> None:
    assert number(-0.0) == "0"
    for _, _, turn in learnt(episodes(benchmark, judge, READ, each=6)):
        assert not re.search(r"-0(?![\d.])", thought(turn)), turn.answer


def test_the_terse_voice_calls_its_own_step_no_fault(several: Benchmark, judge: Judge) -> None:
    back = 0
    style = Style(detail=Detail.FULL)
    for problem, _, turn in learnt(episodes(several, judge, Recipe(voice=Voice.TERSE, style=style))):
        if turn.action is not None and turn.action.kind is not ActionKind.RESET:
            real = turn.action.target in faults(problem)
            assert thought(turn).endswith(" is at fault." if real else " goes back."), turn.answer
            back += not real
    assert back
