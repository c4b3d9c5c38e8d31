"""Files of demonstrations: they repeat to the byte, are balanced, and replay with the prompts of the evaluator."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.actions import ActionKind, parse_answer
from ordebug_plugin.cli import main
from ordebug_plugin.demonstrations import Policy, Recipe, make_demonstrations
from ordebug_plugin.demonstrations.strata import MOST, allot, place, stratum
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.generate import Wanted, make_benchmark
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.prompt import (
    EXTENDED_SYSTEM_PROMPT,
    INSTRUCTION,
    Detail,
    Style,
    join_instruction,
    render_messages,
    render_state,
)
from ordebug_plugin.solver import Judge
from tests.toys import CONFLICT, CONFLICT_SPECIFICATION

N = 24
FAULTS = ("A", "B", "C", "D", "E", "H", "unit", "duplicate")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demonstrations") / "bench"
    make_benchmark(out, n=N, seed=21, wanted=Wanted(families=("production",), faults=FAULTS))
    return out


Rows = list[dict[str, Any]]


def demos(bench: Path, folder: Path, *options: str) -> tuple[dict[str, Any], Rows, Rows]:
    """The Alpaca document, its rows, and the conversations."""
    out, chat = folder / "demos.json", folder / "demos.jsonl"
    workers = () if "--workers" in options else ("--workers", "0")
    assert main(["data", "demos", str(bench), str(out), "--chat", str(chat), "--json", *workers, *options]) == 0
    document = json.loads(out.read_text(encoding="utf-8"))
    return document, document["data"], [json.loads(line) for line in chat.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("options", [("--detail", "full"), ("--policy", "mixed"), ("--policy", "drop-first")])
def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(
    bench: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    files = []
    for name, workers, seed in (("none", "0", "1"), ("two", "2", "1"), ("other", "0", "2")):
        demos(bench, tmp_path / name, "--workers", workers, "--seed", seed, *options)
        files.append([(tmp_path / name / file).read_bytes() for file in ("demos.json", "demos.jsonl")])
    assert files[0] == files[1]
    if "drop-first" not in options:  # who leaves nothing to chance
        assert files[0] != files[2]


@pytest.mark.parametrize("policy", [policy.value for policy in Policy])
def test_conversations_replay_to_recovery_with_the_prompts_of_the_evaluator(
    bench: Path, tmp_path: Path, policy: str
) -> None:
    _, rows, chats = demos(bench, tmp_path, "--detail", "full", "--policy", policy)
    problems = {problem.content_hash: problem for problem in load_benchmark(bench).problems}
    style = Style(detail=Detail.FULL, conversation=True)
    assert len(rows) == len(chats)
    turned = 0
    with Judge() as judge:
        for row, chat in zip(rows, chats, strict=True):
            messages, metadata = chat["messages"], chat["metadata"]
            assert messages[0] == {"role": "system", "content": EXTENDED_SYSTEM_PROMPT}
            env = RepairEnv(judge, problems[metadata["problem_hash"]])
            observation, outcome, learn = env.reset(), None, []
            for number, answer in enumerate(messages[2::2], 1):
                shown = [{"role": one.role, "content": one.content} for one in render_messages(observation, style)]
                assert shown == [{k: v for k, v in one.items() if k != "loss"} for one in messages[: 2 * number]]
                if answer.get("loss", True):
                    learn.append(number)
                    assert parse_answer(answer["content"]).well_formed
                if number == row["metadata"]["turn"]:
                    assert row["input"] == render_state(observation, style)
                    assert row["output"] == answer["content"]
                    assert answer.get("loss", True)
                transition = env.step(answer["content"])
                observation, outcome = transition.observation, transition.outcome
            assert outcome is Outcome.RECOVERED
            assert metadata["learn"] == learn
            assert row["instruction"] == INSTRUCTION
            turned += len(messages) > 3
    assert turned > (0 if policy == "drop-first" else 5)


def test_rows_say_where_they_come_from(bench: Path, tmp_path: Path) -> None:
    document, rows, chats = demos(bench, tmp_path, "--detail", "full")
    assert document["metadata"]["agent"] == "expert-varied"
    records = {record["problem_id"]: record for record in json.loads((bench / "dataset.json").read_text())["problems"]}
    for row, chat in zip(rows, chats, strict=True):
        metadata = row["metadata"]
        record = records[metadata["problem_id"]]
        for name in ("error_type", "difficulty", "family", "action_set"):
            assert metadata[name] == record[name]
        assert metadata["policy"] == "expert"
        assert {k: v for k, v in metadata.items() if k != "turn"} == {
            k: v for k, v in chat["metadata"].items() if k != "learn"
        }


def test_faults_and_places_are_evened_out(
    bench: Path, judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows, _ = demos(bench, tmp_path, "--detail", "full", "--per-problem", "4")
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] == len(rows) == 4 * N
    assert report["discarded"] == {}
    assert sum(report["error_types"].values()) == sum(report["actions"].values()) == len(rows)
    assert report["error_types"] == dict(sorted(Counter(row["metadata"]["error_type"] for row in rows).items()))
    each = Counter(row["metadata"]["problem_id"] for row in rows)
    assert set(each.values()) <= set(range(1, 4 * MOST + 1))
    assert len(each) == N
    strata = {problem.id: stratum(judge, problem) for problem in load_benchmark(bench).problems}
    before, after = Counter(strata.values()), Counter(strata[row["metadata"]["problem_id"]] for row in rows)
    assert len(before) > 8
    assert spread(after) < spread(before)
    assert max(report["places"].values()) < 2 * min(report["places"].values())


def spread(counts: Mapping[Any, int]) -> float:
    """How far counts are from even: 1 where they are."""
    return sum(count**2 for count in counts.values()) * len(counts) / sum(counts.values()) ** 2


def test_shares_are_even_as_far_as_they_can_be() -> None:
    assert allot(["a", "b"], 3) == [3, 3]
    assert allot(["a", "a", "a", "b"], 4) == [3, 3, 2, 8]  # b would need 8 of 16, which is its most
    assert allot(["a", "a", "a", "a", "a", "a", "b"], 2) == [2, 2, 2, 2, 1, 1, 4]
    assert allot(["a", "a", "b"], 1) == [1, 1, 1]
    for per_problem in range(1, 6):
        shares = allot(list("abbcccddddd"), per_problem)
        assert sum(shares) == 11 * per_problem
        assert min(shares) >= 1
        assert max(shares) <= MOST * per_problem


def test_places_are_thirds() -> None:
    assert [place(position, 3) for position in range(3)] == ["first", "middle", "last"]
    assert [place(position, 6) for position in range(6)] == ["first"] * 2 + ["middle"] * 2 + ["last"] * 2
    assert place(0, 1) == "middle"


TEMPLATE = re.compile(
    r"<think>\nStep \d+: The IIS contains \d+ constraints\.\nConstraint '(.+)' is identified as problematic\.\n"
    r"Dropping this constraint should resolve the conflict\.\n</think>\n\nAction: DROP_CONSTRAINT\((.+)\)"
)


def test_drop_first_always_drops_the_first_row(bench: Path, tmp_path: Path) -> None:
    document, rows, _ = demos(bench, tmp_path, "--policy", "drop-first")
    assert document["metadata"]["agent"] == "drop-first"
    assert 0.5 * N < len(rows) <= N
    for row in rows:
        match = TEMPLATE.fullmatch(row["output"])
        assert match is not None
        first = re.search(r"Conflicting Constraints: \['(\w+)'", row["input"])
        assert first is not None
        assert match[1] == match[2] == first[1]


@pytest.mark.public
def test_drop_first_writes_what_the_public_file_has(public_data: Path, tmp_path: Path) -> None:
    public = json.loads((public_data / "sft" / "heuristic.json").read_text(encoding="utf-8"))["data"]
    outputs = {row["metadata"]["problem_id"]: row["output"] for row in public}
    index = json.loads((public_data / "or_debug_bench/full_subset/dataset.json").read_text(encoding="utf-8"))
    folder = public_data / "or_debug_bench/full_subset"
    chosen = [record for record in index["problems"] if record["problem_id"] in outputs][:100]
    (tmp_path / "models").mkdir()
    for record in chosen:
        shutil.copy(folder / record["model_file"], tmp_path / record["model_file"])
    (tmp_path / "dataset.json").write_text(json.dumps({"problems": chosen}))
    _, rows, _ = demos(tmp_path, tmp_path / "out", "--policy", "drop-first")
    same = [row["output"] == outputs[row["metadata"]["problem_id"]] for row in rows]
    assert all(TEMPLATE.fullmatch(row["output"]) for row in rows)
    assert all(TEMPLATE.fullmatch(row["output"]) for row in public)
    assert sum(same) > 0.9 * len(chosen)  # another version of Gurobi finds another IIS now and then


def test_terse_is_a_voice_of_the_expert(bench: Path, tmp_path: Path) -> None:
    document, rows, _ = demos(bench, tmp_path, "--detail", "full", "--voice", "terse")
    assert document["metadata"]["agent"] == "expert-terse"
    repairs = [row for row in rows if "RESET" not in row["output"]]
    assert all(re.search(r" (at fault|goes back)\.", row["output"]) for row in repairs)
    assert not any(ActionKind.CHECK_SLACK in row["output"] for row in rows)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--hurried", "0.5"), "--hurried is about --policy mixed"),
        (("--policy", "mixed", "--voice", "terse"), "--voice is about --policy expert"),
        (("--policy", "drop-first", "--per-problem", "2"), "1 demonstration per problem is all"),
        (("--chat", "conversations.json"), r"conversations.json: name the conversations"),
    ],
)
def test_options_that_do_not_go_together(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], reason: str
) -> None:
    assert main(["data", "demos", str(bench), str(tmp_path / "demos.json"), *options]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "demos.json").exists()


def test_targets_that_cannot_be_written_are_found_before_the_work(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "demos.json"
    assert main(["data", "demos", str(bench), str(out), "--chat", str(tmp_path / "file" / "x.jsonl")]) == 2
    assert "x.jsonl" in capsys.readouterr().err
    assert not out.exists()


def test_without_a_fix_nobody_can_say_what_the_specification_demands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A statement is prose: what it demands is known from the fix alone."""
    (tmp_path / "a.lp").write_text(CONFLICT)
    (tmp_path / "a.spec.txt").write_text(CONFLICT_SPECIFICATION)
    out = tmp_path / "demos.json"
    assert main(["data", "demos", str(tmp_path / "a.lp"), str(out), "--detail", "full"]) == 2
    assert "gave a demonstration" in capsys.readouterr().err
    assert main(["data", "demos", str(tmp_path / "a.lp"), str(out), "--detail", "algebra"]) == 0
    rows = json.loads(out.read_text())["data"]
    assert any("RELAX_CONSTRAINT(low, 3.0)" in row["output"] or "(high, 3.0)" in row["output"] for row in rows)


def test_progress_counts_problems(bench: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    recipe = Recipe(style=Style(detail=Detail.FULL))
    out = tmp_path / "demos.json"
    make_demonstrations(load_benchmark(bench), out, recipe, seed=0, per_problem=1, on_progress=seen.append)
    assert seen == list(range(1, N + 1))


def test_prompts_are_those_of_the_evaluator(bench: Path, tmp_path: Path) -> None:
    """`ordebug eval` records the state that a built-in agent was shown; a first turn shows the same."""
    _, rows, _ = demos(bench, tmp_path, "--detail", "names", "--policy", "mixed")
    run = tmp_path / "run"
    main(["eval", str(bench), "--agent", "drop-first", "--out", str(run)])
    episodes = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    shown = {episode["problem_hash"]: episode["turns"][0]["prompt"] for episode in episodes}
    first = [row for row in rows if row["metadata"]["turn"] == 1]
    assert first
    for row in first:
        prompt = shown[row["metadata"]["problem_hash"]].removeprefix(join_instruction(INSTRUCTION, ""))
        assert row["input"] == prompt.lstrip("\n")


def test_a_system_prompt_of_ones_own_stands_in_every_row(bench: Path, tmp_path: Path) -> None:
    _, rows, chats = demos(bench, tmp_path / "own", "--detail", "full", "--system", "Repair it.")
    assert {row["system"] for row in rows} == {chat["messages"][0]["content"] for chat in chats} == {"Repair it."}
    _, rows, _ = demos(bench, tmp_path / "default", "--detail", "full")
    assert not any("system" in row for row in rows)


def test_the_detail_is_what_the_benchmark_can_show(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demos.json"
    assert main(["data", "demos", str(bench), str(out), "--per-problem", "1"]) == 0
    assert "--detail full" in capsys.readouterr().out
    assert all("## Specification" in row["input"] for row in json.loads(out.read_text())["data"])
    (tmp_path / "a.lp").write_text(CONFLICT)
    assert main(["data", "demos", str(tmp_path / "a.lp"), str(out)]) == 0
    assert "--detail names" in capsys.readouterr().out


def test_problems_without_a_demonstration_are_counted_by_fault(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows, _ = demos(bench, tmp_path, "--detail", "names")
    without = json.loads(capsys.readouterr().out)["without"]
    shown = {row["metadata"]["problem_id"] for row in rows}
    missing = [problem for problem in load_benchmark(bench).problems if problem.id not in shown]
    assert without == dict(Counter(problem.error_type for problem in missing))
    assert missing
