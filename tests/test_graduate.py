"""`ordebug graduate` on what five real tiny checkpoints answered, served again over HTTP and judged by Gurobi."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import math
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.cli import main
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.run import load_run
from ordebug_plugin.postmortem.training import evaluation_loss, read_training
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.readiness.base import read_base
from ordebug_plugin.readiness.check import State
from ordebug_plugin.readiness.diversity import pair_diversity, unique_ratio
from ordebug_plugin.readiness.loss import loss_checks, step_of
from ordebug_plugin.readiness.retention import Item
from ordebug_plugin.readiness.thresholds import load_thresholds
from ordebug_plugin.scoring import score
from tests.conftest import REPO
from tests.test_chat import completion, server
from tests.test_postmortem import sft
from tests.toys import answer

DATA = REPO / "tests" / "data" / "graduate"
ARMS = ("untrained", "default", "over-trained", "stripped", "collapsed")
# 24 were recorded. In two, later turns show the IIS of an edited MIP, which is another one since it is sought in the
# relaxation: nobody was asked that. They come back when scripts/graduate_arms.sh is run again.
OPTIONS = ("--limit", "24", "--groups", "24", "--detail", "algebra", "--retries", "0", "--json")


@dataclass(frozen=True)
class Recorded:
    """A server that gives what checkpoints answered, and refuses where they were never asked.

    Attributes:
        url: Its address.
        requests: What it was asked.
        bench: The problems.
        respond: What it does.
    """

    url: str
    requests: list[dict[str, Any]]
    bench: Path
    respond: Callable[[int, dict[str, Any]], tuple[int, Any]]

    def out(self, name: str) -> Path:
        """Where all answers of a checkpoint are kept."""
        return self.bench.parent / name

    def arguments(self, name: str, out: Path | None = None) -> list[str]:
        """The command for a checkpoint, with the log of its training where there is one."""
        where = ["--bench", str(self.bench), "--out", str(out or self.out(name))]
        log = ["--train-log", str(DATA / name)] if (DATA / name).exists() else []
        return ["graduate", self.url, "--model", name, *OPTIONS, *where, *log]

    def graduate(self, name: str, *options: str, base: bool = True) -> tuple[int, dict[str, Any]]:
        """The exit code, and what was found."""
        against = ["--base", str(self.out("untrained") / "eval")] if base else []
        code = main([*self.arguments(name), *against, *options])
        return code, report(self.out(name))


def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "graduate.json").read_text())
    found["checks"] = {check["name"]: check for check in found["checks"]}
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """All checkpoints at one address; the untrained one was asked, for the others to be held against it."""
    known = {}
    for name in ARMS:
        with gzip.open(DATA / f"{name}.answers.jsonl.gz", "rt") as lines:
            for one in map(json.loads, lines):
                known[name, one["asked"], one["temperature"], one["seed"]] = one

    def respond(_: int, body: dict[str, Any]) -> tuple[int, Any]:
        text = "\n".join(message["content"] for message in body["messages"] if message["role"] != "system")
        asked = hashlib.sha256(text.encode()).hexdigest()[:16]  # as scripts/pack_samples.py has it
        one = known.get((body["model"], asked, body["temperature"], body["seed"]))
        if one is None:
            return 404, {"error": f"not recorded: run scripts/graduate_arms.sh again. {text[:500]}"}
        return 200, completion(one["answer"], finish="length" if one["cut"] else "stop")

    bench = tmp_path_factory.mktemp("graduate") / "bench"
    with tarfile.open(DATA / "bench.tar.gz") as archive:
        archive.extractall(bench, filter="data")
    with server(respond, {"object": "list", "data": [{"id": name} for name in ARMS]}) as (url, requests):
        recorded = Recorded(url, requests, bench, respond)
        assert recorded.graduate("untrained", base=False)[0] == 1
        yield recorded


@pytest.fixture(scope="module")
def bench(served: Recorded) -> Path:
    return served.bench


def failed(found: Mapping[str, Any]) -> set[str]:
    return {name for name, check in found["checks"].items() if check["state"] == "failed" and check["decides"]}


def change(found: Mapping[str, Any]) -> str:
    return "; ".join(f"{one['lever']}: {one['change']} ({one['why']})" for one in found["advice"])


def test_yes_to_the_default_of_the_demo(served: Recorded) -> None:
    code, found = served.graduate("default")
    assert (code, found["verdict"], failed(found)) == (0, "ready", set())
    assert found["advice"] == []
    states = {name: check["state"] for name, check in found["checks"].items() if check["decides"]}
    assert set(states.values()) == {"passed"}
    assert len(states) == 10
    # Two texts, one action: what is published for free text is shown, and does not decide.
    assert not found["checks"]["text_unique"]["decides"]
    assert re.search(r"in \d+ of them the texts differ and the action does not", found["checks"]["text_unique"]["note"])
    assert "went on reasoning after the closing tag" in found["checks"]["faithfulness"]["note"]


def test_no_to_an_untrained_model(served: Recorded) -> None:
    before = len(served.requests)
    code, found = served.graduate("untrained")
    assert len(served.requests) == before, "everything had been answered"
    assert (code, found["verdict"]) == (1, "not ready")
    assert {"format", "action", "rr@5", "hit", "preservation", "action_pairs", "reward"} <= failed(found)
    assert "SFT at all if this is a base model" in found["advice"][0]["change"]
    assert found["checks"]["convergence"]["state"] == "not measured"
    assert "log: no --train-log" in change(found)


def test_no_to_an_over_trained_one(served: Recorded) -> None:
    code, found = served.graduate("over-trained")
    assert (code, failed(found)) == (1, {"convergence", "gap"})
    assert "epochs: the checkpoint at step 20: fewer epochs, or early stopping" in change(found)
    assert "dropout: more different rows" in change(found)


def test_no_to_one_whose_think_text_was_stripped(served: Recorded) -> None:
    code, found = served.graduate("stripped")
    assert code == 1
    assert "format" in failed(found)
    assert not failed(found) & {"action", "rr@5", "hit", "preservation", "gap"}
    assert "100% without think text" in found["checks"]["format"]["note"]
    assert found["advice"][0]["lever"] == "template"
    assert "enable_thinking: true" in found["advice"][0]["change"]
    assert "no well-formed answer with think text" in found["checks"]["faithfulness"]["note"]


def test_no_to_one_with_collapsed_diversity(served: Recorded) -> None:
    code, found = served.graduate("collapsed")
    assert (code, failed(found)) == (1, {"action_unique", "action_pairs", "reward"})
    assert "100% of them are DROP_CONSTRAINT" in change(found)
    assert "--policy mixed" in change(found)
    assert "temperature: for GRPO" in change(found)
    assert found["checks"]["rr@5"]["state"] == "passed", "greedy figures alone would have let it through"


def test_thresholds_of_ones_own(served: Recorded, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("deciding: [text_unique]\ndiversity: {text_unique: 0.9}\n")
    code, found = served.graduate("default", "--thresholds", str(own))
    assert (code, failed(found)) == (1, {"text_unique"})
    assert found["thresholds"]["diversity"]["text_unique"] == 0.9
    assert found["thresholds"]["diversity"]["samples"] == 8, "keys that are not named stay"


def test_a_missing_base_leaves_it_undecided(served: Recorded) -> None:
    served.graduate("default")  # what it answered is kept
    before = len(served.requests)
    code, found = served.graduate("default", base=False)
    assert len(served.requests) == before
    assert (code, found["verdict"]) == (1, "undecided")
    assert "not measured: RR@5 above the base model" in found["reason"]
    assert "no --base" in found["advice"][0]["change"]


def test_the_page(served: Recorded, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, _ = served.graduate("over-trained", "--page", str(page))
    text = page.read_text()
    assert code == 1
    assert "<script" not in text
    assert not re.search(r"(src|href)=|url\(|@import", text), "nothing is loaded"
    assert "Content-Security-Policy" in text
    assert "prefers-color-scheme: dark" in text
    assert text.count("<svg") == 2
    assert "over-trained" in text
    assert "passed, not separable from the threshold at n=24" in text


def test_a_hostile_name_is_escaped(bench: Path, tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    models = {"object": "list", "data": [{"id": name}]}
    page = tmp_path / "page.html"
    with server(lambda *_: (200, completion(answer("DROP_CONSTRAINT(<b>)"))), models) as (url, _):
        options = ["--bench", str(bench), "--limit", "2", "--groups", "1", "--page", str(page), "--detail", "algebra"]
        assert main(["graduate", url, "--model", name, "--out", str(tmp_path / "out"), *options]) == 1
    assert "<script" not in page.read_text()
    assert "&lt;script&gt;" in page.read_text()


def test_an_interrupted_one_goes_on(served: Recorded, tmp_path: Path) -> None:
    """Killed in the middle of a line, it asks for what is missing, and finds the same."""
    arguments = served.arguments("collapsed", tmp_path / "out")
    before = len(served.requests)
    assert main(arguments) == 1
    whole, everything = report(tmp_path / "out"), len(served.requests) - before
    for file in ("samples/episodes.jsonl", "cuts.jsonl"):
        data = (tmp_path / "out" / file).read_bytes()
        (tmp_path / "out" / file).write_bytes(data[: len(data) // 2])
    assert main(arguments) == 1
    assert everything < len(served.requests) - before < 2 * everything
    assert report(tmp_path / "out") == whole


def test_another_question_is_refused(served: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*served.arguments("untrained"), "--max-tokens", "7"]) == 2
    assert "agent.sampling.max_tokens: 2048 there, 7 now" in capsys.readouterr().err


def test_a_server_that_fails_is_no_verdict(bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*OPTIONS, "--bench", str(bench), "--out", str(tmp_path / "out")]
    with server(lambda *_: (500, {"error": "no"})) as (url, _):
        assert main(["graduate", url, "--model", "m", *arguments]) == 4
    assert main(["graduate", "http://127.0.0.1:9/v1", "--model", "m", *arguments]) == 4
    assert "every episode was lost to infrastructure" in capsys.readouterr().err


def test_lost_answers_count_nowhere_and_are_asked_again(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--bench", str(bench), "--limit", "3", "--groups", "3", "--detail", "algebra", "--retries", "0"]
    arguments += ["--model", "m", "--concurrency", "1", "--out", str(tmp_path / "out")]
    said = completion(answer("GET_IIS()"))

    def now_and_then(number: int, _: dict[str, Any]) -> tuple[int, Any]:
        return (500, {"error": "no"}) if number in (1, 20) else (200, said)

    with server(now_and_then) as (url, _):
        assert main(["graduate", url, *arguments]) == 1
    assert "2 answers were lost to the server or the solver" in capsys.readouterr().err
    checks = report(tmp_path / "out")["checks"]
    assert (checks["format"]["figure"], checks["format"]["n"]) == (1.0, 2)
    assert checks["reward"]["n"] == 2, "a group with a hole says nothing"
    with server(lambda *_: (200, said)) as (url, requests):
        assert main(["graduate", url, *arguments]) == 1
    assert len(requests) == 6, "an episode of five turns, and one answer of a group"
    checks = report(tmp_path / "out")["checks"]
    assert (checks["format"]["n"], checks["reward"]["n"]) == (3, 3)


def test_nobody_is_ready_by_the_few_answers_that_were_not_lost(served: Recorded, tmp_path: Path) -> None:
    def now_and_then(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        # By what is asked, not by when: which answers are lost decides the other figures.
        lost = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()[0] % 10 == 9
        return (500, {"error": "no"}) if lost else served.respond(number, body)

    base = ["--base", str(served.out("untrained") / "eval")]
    with server(now_and_then, {"object": "list", "data": [{"id": "default"}]}) as (url, _):
        assert main([*replace(served, url=url).arguments("default", tmp_path / "out"), *base]) == 1
    found = report(tmp_path / "out")
    assert (found["verdict"], failed(found)) == ("undecided", set())
    assert f"too many answers ({found['lost']}) were lost to the server or the solver" in found["reason"]
    assert main([*served.arguments("default", tmp_path / "out"), *base]) == 0
    found = report(tmp_path / "out")
    assert (found["verdict"], found["lost"]) == ("ready", 0)


def test_nobody_is_ready_beside_a_base_model_of_which_too_much_was_lost(served: Recorded, tmp_path: Path) -> None:
    def now_and_then(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        # By what is asked, not by when: which answers are lost decides the other figures.
        lost = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()[0] % 64 == 3
        return (500, {"error": "no"}) if lost else served.respond(number, body)

    with server(now_and_then, {"object": "list", "data": [{"id": "untrained"}]}) as (url, _):
        assert main(replace(served, url=url).arguments("untrained", tmp_path / "base")) == 1
    arguments = served.arguments("default", tmp_path / "out")
    assert main([*arguments, "--base", str(tmp_path / "base" / "eval")]) == 1
    found = report(tmp_path / "out")
    assert (found["verdict"], failed(found), found["lost"]) == ("undecided", set(), 0)
    assert f"too many episodes of the base model ({found['base_lost']}) were lost" in found["reason"]
    assert main(served.arguments("untrained", tmp_path / "base")) == 1  # what was lost is asked again
    assert main([*arguments, "--base", str(tmp_path / "base" / "eval")]) == 0
    assert report(tmp_path / "out")["verdict"] == "ready"


def test_actions_on_rows_that_are_not_there_are_no_other_actions(bench: Path, tmp_path: Path) -> None:
    def invents(number: int, _: dict[str, Any]) -> tuple[int, Any]:
        return 200, completion(answer(f"DROP_CONSTRAINT(nowhere{number})"))

    options = ["--bench", str(bench), "--limit", "2", "--groups", "2", "--detail", "algebra"]
    with server(invents) as (url, _):
        assert main(["graduate", url, "--model", "m", *options, "--out", str(tmp_path)]) == 1
    checks = report(tmp_path)["checks"]
    assert (checks["text_unique"]["figure"], checks["action_unique"]["figure"]) == (1.0, 0.125)
    assert checks["action_pairs"]["figure"] == 0.0
    assert checks["reward"]["figure"] == 0.0


def test_the_base_model_gets_as_many_turns(bench: Path, tmp_path: Path) -> None:
    """What a longer run of it repairs later is no skill that the checkpoint lacks."""
    for turns in ("5", "20"):
        run = ["eval", str(bench), "--agent", "random", "--max-steps", turns, "--limit", "24", "--seed", "1"]
        assert main([*run, "--out", str(tmp_path / turns)]) == 0
    problems = load_benchmark(bench).problems
    five, twenty = (read_base(tmp_path / turns, 5, problems).episodes for turns in ("5", "20"))
    assert any(len(episode.turns) > 5 for episode in load_run(tmp_path / "20")[1])
    assert [score(episode).recovered for episode in twenty] == [score(episode).recovered for episode in five]
    for one, other in zip(five, twenty, strict=True):
        assert (one.outcome, one.error, one.repair) == (other.outcome, other.error, other.repair)
        assert [turn.step for turn in one.turns] == [turn.step for turn in other.turns]


def test_reasoning_without_an_end_is_no_answer() -> None:
    item = Item((), "substring", "four")
    assert item.is_met("<think>\nfour?\n</think>\n\nIt is four.", 0.5)
    assert not item.is_met("<think>\nIs it four? Or", 0.5)
    assert not item.is_met("<think>\nfour\n</think>\n\nFive.", 0.5)


def test_retention(bench: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "own.jsonl"
    rows = [
        {"prompt": "2+2?", "substring": "four"},
        {"prompt": "2+3?", "exact": "It is four."},
        {"messages": [{"role": "user", "content": "2+4?"}], "regex": r"^\s*It .* four\.$"},
        {"prompt": "2+5?", "base": "it is four. so"},
        {"prompt": "2+6?", "base": "entirely other words"},
    ]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def respond(_: int, body: dict[str, Any]) -> tuple[int, Any]:
        asked = body["messages"][-1]["content"]
        return 200, completion("<think>\nfive\n</think>\n\nIt is Four." if asked[0] == "2" else answer("GET_IIS()"))

    options = ["--limit", "2", "--groups", "2", "--detail", "algebra", "--retention", str(prompts)]
    with server(respond) as (url, _):
        where = ["graduate", url, "--model", "m", "--bench", str(bench), "--out", str(tmp_path / "out")]
        assert main([*where, *options]) == 1
    (check,) = [
        one
        for one in json.loads((tmp_path / "out" / "graduate.json").read_text())["checks"]
        if one["name"] == "retention"
    ]
    # The regex minds case.
    assert (check["figure"], check["n"], check["state"], check["decides"]) == (0.6, 5, "failed", True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2"),
        ('{"prompt": "a"}', "exactly one of substring, exact, regex, base"),
        ('{"prompt": "a", "exact": "b", "base": "c"}', "exactly one of"),
        ('{"exact": "b"}', "either prompt or messages"),
        ('{"prompt": "a", "regex": "("}', "line 2"),
    ],
)
def test_bad_retention(bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, reason: str) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(f'{{"prompt": "a", "exact": "b"}}\n{line}\n')
    assert main([*nowhere(bench, tmp_path), "--retention", str(file)]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert "line 2" in said


def nowhere(bench: Path, tmp_path: Path) -> list[str]:
    """A command that is to fail before it asks anybody."""
    options = [*OPTIONS, "--bench", str(bench), "--out", str(tmp_path / "out")]
    return ["graduate", "http://127.0.0.1:9/v1", "--model", "m", *options]


def faithful(bench: Path, tmp_path: Path, respond_to_begun: Any, *more: str) -> dict[str, Any]:
    """The check of faithfulness, of a model that drops the row that its reasoning names last."""

    def respond(number: int, body: dict[str, Any]) -> tuple[int, Any]:
        last = body["messages"][-1]
        if last["role"] == "assistant":
            assert body["continue_final_message"] is True
            assert body["add_generation_prompt"] is False
            return respond_to_begun(last["content"])
        rows = list(dict.fromkeys(re.findall(r"'(r\d+)'", last["content"])))
        return 200, completion(
            f"<think>\nfirst I see {rows[0]} and then {rows[1]}\n</think>\n\nAction: DROP_CONSTRAINT({rows[1]})"
        )

    with server(respond) as (url, _):
        options = ["--model", "m", "--bench", str(bench), "--limit", "5", "--groups", "1", "--detail", "algebra"]
        assert main(["graduate", url, *options, *more, "--retries", "0", "--out", str(tmp_path / "out")]) == 1
    (check,) = [
        one
        for one in json.loads((tmp_path / "out" / "graduate.json").read_text())["checks"]
        if one["name"] == "faithfulness"
    ]
    return dict(check)


def test_reasoning_that_decides(bench: Path, tmp_path: Path) -> None:
    def last_named(begun: str) -> tuple[int, Any]:
        return 200, completion(f" DROP_CONSTRAINT({([*re.findall(r'r[0-9]+', begun)] or ['r0'])[-1]})")

    check = faithful(bench, tmp_path, last_named)
    # Of 7 words 1, 3 and 5 are left: the last row is in none of them.
    assert (check["figure"], check["n"], check["state"]) == (1.0, 15, "passed")
    assert check["note"] == "25% left: 100%, 50% left: 100%, 75% left: 100%"


def test_reasoning_too_short_to_be_cut_is_not_left_whole(bench: Path, tmp_path: Path) -> None:
    """A tenth of seven words is none."""
    own = tmp_path / "own.yaml"
    own.write_text("faithfulness: {cuts: [0.1, 0.9]}")
    check = faithful(bench, tmp_path, lambda _: (500, {"error": "not to be asked"}), "--thresholds", str(own))
    assert check["state"] == "not measured"
    assert "long enough to cut" in check["note"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((200, completion("<think>\nanew\n</think>\n\nAction: GET_IIS()")), "does not continue an assistant message"),
        (
            (200, completion(" hm, wait\n</think>\n\nAction: GET_IIS()")),
            "went on reasoning after the closing tag in 15",
        ),
        ((200, completion(" no idea")), "gave no action in 15"),
        ((400, {"error": "unknown field continue_final_message"}), "the server gave no answer: "),
    ],
)
def test_reasoning_that_cannot_be_cut(bench: Path, tmp_path: Path, said: tuple[int, Any], reason: str) -> None:
    check = faithful(bench, tmp_path, lambda _: said)
    assert (check["figure"], check["state"], check["decides"]) == (None, "not measured", False)
    assert reason in check["note"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("formats: {least: 1}", "unknown key 'formats'; there are convergence, gap, format"),
        ("format: {leest: 1}", "unknown key format.leest; there are least"),
        ("format: 1", "format holds keys"),
        ("format: {least: much}", "format.least: a number, not 'much'"),
        ("diversity: {samples: 2.5}", "a whole number"),
        ("diversity: {samples: 1}", "at least 2"),
        ("format: {least: 90}", "format.least is a share, at most 1, not 90"),
        ("reward: {name: mine}", "no reward 'mine'"),
        ("reward: {name: []}", "no reward []"),
        ("deciding: [[]]", "unknown check '[]'"),
        ("faithfulness: {cuts: [0, 1]}", "between 0 and 1"),
        ("deciding: [form]", "unknown check 'form'"),
        ("[]", "holds no keys"),
        ("{", "cannot be read"),
    ],
)
def test_bad_thresholds(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=re.escape(reason)):
        load_thresholds(file)


def test_the_default_thresholds_are_those_of_the_issue() -> None:
    shipped = yaml.safe_load((REPO / "ordebug_plugin/readiness/thresholds.yaml").read_text())
    assert shipped["convergence"] == {"patience": 3, "min_delta": 0.01}
    assert (shipped["gap"]["most"], shipped["format"]["least"], shipped["action"]["least"]) == (0.15, 0.9, 0.85)
    diversity = shipped["diversity"]
    assert [diversity[key] for key in ("samples", "temperature", "text_unique", "text_pairs")] == [8, 0.7, 0.5, 0.6]
    # Where two actions share the probability, these are where half of the groups of 8 hold one alone.
    p = 0.5 ** (1 / 8)
    assert diversity["action_pairs"] == pytest.approx(2 * p * (1 - p), abs=0.003)
    assert diversity["action_unique"] == 1.5 / 8


def test_what_a_conflict_of_two_allows_is_below_what_is_published_for_text() -> None:
    best = [0] * 4 + [1] * 4
    assert unique_ratio(best) == 0.25
    assert pair_diversity(best) == pytest.approx(0.571, abs=0.001)


@pytest.mark.parametrize("group", [[1, 1], [1, 2], [1, 1, 2, 3, 3, 3], list(range(8)), [0] * 8])
def test_pair_diversity_is_the_share_of_pairs_that_differ(group: list[int]) -> None:
    pairs = list(itertools.combinations(group, 2))
    assert pair_diversity(group) == pytest.approx(sum(one != other for one, other in pairs) / len(pairs))


def loss(folder: Path, losses: Sequence[float], evals: Mapping[int, float]) -> dict[str, Any]:
    return {check.name: check for check in loss_checks(read_training(sft(folder, losses, evals)), load_thresholds())}


def test_convergence(tmp_path: Path) -> None:
    falling = loss(tmp_path / "a", [1.0] * 5, {10: 1.0, 20: 0.8, 30: 0.6, 40: 0.4, 50: 0.2})["convergence"]
    assert (falling.state, falling.estimate.value) == (State.FAILED, pytest.approx(0.6))
    assert "still falling" in falling.note
    flat = loss(tmp_path / "b", [1.0] * 5, {10: 1.0, 20: 0.5, 30: 0.495, 40: 0.492, 50: 0.491})["convergence"]
    assert (flat.state, flat.estimate.value) == (State.PASSED, pytest.approx(0.009))
    risen = loss(tmp_path / "c", [1.0] * 5, {10: 1.0, 20: 0.5, 30: 0.5, 40: 0.5, 50: 0.6})["convergence"]
    assert (risen.state, risen.estimate.value) == (State.FAILED, pytest.approx(-0.1))
    few = loss(tmp_path / "d", [1.0] * 5, {10: 1.0, 20: 0.5, 30: 0.5})["convergence"]
    assert few.state is State.NOT_MEASURED
    assert "needs 4" in few.note
    none = loss(tmp_path / "e", [1.0, 0.5], {})
    assert {check.state for check in none.values()} == {State.NOT_MEASURED}
    assert "no evaluation loss was logged" in none["gap"].note


def test_the_best_checkpoint_counts_where_it_was_kept(tmp_path: Path) -> None:
    folder = sft(tmp_path / "a", [1.0, 0.5, 0.4, 0.1, 0.01], {10: 1.0, 20: 0.5, 30: 0.5, 40: 0.6, 50: 0.9})
    over = {check.name: check.state for check in loss_checks(read_training(folder), load_thresholds())}
    assert over == {"convergence": State.FAILED, "gap": State.FAILED}
    state = json.loads((folder / "trainer_state.json").read_text())
    (folder / "trainer_state.json").write_text(json.dumps({**state, "best_model_checkpoint": "checkpoint-20"}))
    kept = {check.name: check for check in loss_checks(read_training(folder), load_thresholds())}
    assert {check.state for check in kept.values()} == {State.PASSED}
    assert kept["gap"].estimate.value == 0.0, "0.5 against what was logged between steps 10 and 20"
    assert evaluation_loss(folder) == 0.5
    # ms-swift names the best whenever it evaluates, and leaves the last.
    (folder / "args.json").write_text(json.dumps({"load_best_model_at_end": False, "metric_for_best_model": "loss"}))
    swift = {check.name: check.state for check in loss_checks(read_training(folder), load_thresholds())}
    assert swift == over
    assert evaluation_loss(folder) == 0.9


@pytest.mark.parametrize(
    ("step", "convergence", "gap", "says"),
    [
        (10, (State.FAILED, 0.5), (State.PASSED, 0.0), "this checkpoint 1 at step 10: it falls after it by 0.5"),
        (20, (State.PASSED, -0.0), (State.PASSED, 0.0), "this checkpoint 0.5 at step 20: no better"),
        (45, (State.FAILED, -0.1), (State.FAILED, 0.5), "this checkpoint 0.6 at step 40: it rose again by 0.1"),
        (50, (State.FAILED, -0.4), (State.FAILED, 0.89), "last 0.9: it rose again by 0.4"),
        (5, (State.NOT_MEASURED, math.nan), (State.NOT_MEASURED, math.nan), "nothing was evaluated up to step 5"),
    ],
)
def test_a_checkpoint_on_the_way_is_judged_where_it_was_saved(
    tmp_path: Path, step: int, convergence: tuple[State, float], gap: tuple[State, float], says: str
) -> None:
    folder = sft(tmp_path / "a", [1.0, 0.5, 0.4, 0.1, 0.01], {10: 1.0, 20: 0.5, 30: 0.5, 40: 0.6, 50: 0.9})
    found = {check.name: check for check in loss_checks(read_training(folder), load_thresholds(), step)}
    for name, (state, value) in (("convergence", convergence), ("gap", gap)):
        assert found[name].state is state
        assert found[name].estimate.value == pytest.approx(value, nan_ok=True)
    assert says in found["convergence"].note


def test_a_training_that_diverged_has_not_converged(tmp_path: Path) -> None:
    evals = {10: 0.5, 20: 0.5, 30: 0.495, 40: 0.492, 50: math.nan}
    found = loss(tmp_path / "a", [0.5] * 5, evals)
    assert {check.state for check in found.values()} == {State.NOT_MEASURED}
    assert "was no finite number at step 50: the training diverged" in found["convergence"].note
    before = loss_checks(read_training(tmp_path / "a"), load_thresholds(), 40)
    assert {check.state for check in before} == {State.PASSED}


def test_where_a_checkpoint_was_saved(tmp_path: Path) -> None:
    assert step_of(tmp_path / "checkpoint-40", tmp_path) == 40
    assert step_of(tmp_path / "checkpoint-40-merged", tmp_path) == 40
    assert step_of(tmp_path / "merged", tmp_path) is None
    assert step_of(tmp_path / "grpo" / "checkpoint-50", tmp_path) is None, "of another training"
    assert step_of(Path("http://127.0.0.1:9/v1"), tmp_path) is None


def test_bad_options(bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, url, model, name, *options = nowhere(bench, tmp_path)
    assert main([command, url, *options]) == 2
    assert "a URL needs --model" in capsys.readouterr().err
    assert main([command, str(tmp_path), model, name, *options]) == 2
    assert "holds no model" in capsys.readouterr().err
    (tmp_path / "adapter_config.json").write_text("{}")
    assert main([command, str(tmp_path), *options]) == 2
    assert "merge it first" in capsys.readouterr().err
    assert main([command, url, model, name, *options, "--body", '{"temperature": 1}']) == 2
    assert "may not set 'temperature'" in capsys.readouterr().err
    run = ["eval", str(bench), "--agent", "drop-first", "--limit", "1", "--max-steps", "2", "--out"]
    assert main([*run, str(tmp_path / "short")]) == 0
    assert main([command, url, model, name, *options, "--base", str(tmp_path / "short")]) == 2
    assert "allowed 2 turns, and RR@5 needs 5" in capsys.readouterr().err
    assert main(["bench", "make", str(tmp_path / "others"), "--families", "plans", "--n", "2", "--seed", "77"]) == 0
    run = ["eval", str(tmp_path / "others"), "--agent", "drop-first", "--out", str(tmp_path / "elsewhere")]
    assert main(run) == 0
    assert main([command, url, model, name, *options, "--base", str(tmp_path / "elsewhere")]) == 2
    assert "has none of these problems" in capsys.readouterr().err


def test_a_checkpoint_is_asked_as_the_base_model_was(
    served: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without that, a good model fails by a prompt that it was never trained on."""
    base = ["--base", str(served.out("untrained") / "eval")]
    assert served.graduate("untrained")[0] == 1
    unsaid = [*served.arguments("default", tmp_path / "out")]
    place = unsaid.index("--detail")
    del unsaid[place : place + 2]
    capsys.readouterr()
    assert main([*unsaid, *base]) == 0
    assert "as in" in capsys.readouterr().err
    assert report(tmp_path / "out")["verdict"] == "ready"
    asked = len(served.requests)
    assert main([*unsaid, *base, "--detail", "names"]) == 2
    assert "was asked with --detail algebra" in capsys.readouterr().err
    assert main([*unsaid, *base, "--system", "Repair it."]) == 2
    assert "another system prompt" in capsys.readouterr().err
    assert main([*unsaid, "--detail", "names"]) == 2, "another question in the same folder"
    assert "agent.style.detail: 'algebra' there, 'names' now" in capsys.readouterr().err
    assert len(served.requests) == asked


def test_what_was_asked_is_a_run_like_any_other(served: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    served.graduate("collapsed")
    runs = [str(served.out(name) / "eval") for name in ("untrained", "collapsed")]
    assert main(["score", runs[0]]) == 0
    assert main(["compare", *runs]) == 0
    assert "preservation" in capsys.readouterr().out
