"""The public benchmark and demonstrations against figures measured independently with raw Gurobi 13.0.3."""

import json
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.verify.benchmark import check_benchmark
from ordebug_plugin.verify.dataset import replay_all
from ordebug_plugin.verify.finding import Check, Ruling
from ordebug_plugin.verify.matching import match_rows
from ordebug_plugin.verify.question import shares
from ordebug_plugin.verify.share import Share

pytestmark = pytest.mark.public


@pytest.mark.parametrize(
    ("benchmark", "agent", "rr1", "rr5"),
    [
        ("v1", "drop-first", 0.891, 0.996),
        ("v1", "relax-first", 0.337, 0.481),
        ("test_v2", "drop-first", 0.920, 1.0),
    ],
)
def test_recovery_rates(public_data: Path, tmp_path: Path, benchmark: str, agent: str, rr1: float, rr5: float) -> None:
    folder, out = public_data / "or_debug_bench" / benchmark, tmp_path / "run"
    assert main(["eval", str(folder), "--agent", agent, "--out", str(out), "--workers", "2"]) == 0
    metrics = json.loads((out / "summary.json").read_text())["metrics"]
    assert metrics["rr@1"]["value"] == pytest.approx(rr1, abs=0.005)
    assert metrics["rr@5"]["value"] == pytest.approx(rr5, abs=0.005)


@pytest.mark.parametrize(
    ("name", "rows", "recovered", "refused", "hits", "repairs", "proven", "unparsable", "first_row", "contradictory"),
    [
        ("heuristic", 1541, 1534, 0, 950, 1541, 1535, 0, 4442, (0, 0)),
        ("gpt52chat", 741, 603, 13, 180, 728, 727, 15, 131, (94, 83)),
    ],
)
def test_demonstrations_replayed(
    public_data: Path,
    name: str,
    rows: int,
    recovered: int,
    refused: int,
    hits: int,
    repairs: int,
    proven: int,
    unparsable: int,
    first_row: int,
    contradictory: tuple[int, int],
) -> None:
    matched = match_rows(public_data / "sft" / f"{name}.json", public_data / "or_debug_bench" / "full_subset")
    check = replay_all(matched)
    errors = [turn.answer.error for row in check.demonstrations for turn in row.turns if turn.answer.error is not None]
    assert len(errors) == unparsable
    assert all("UPDATE_BOUNDS needs 3 argument" in error for error in errors)
    figures = shares(check.rows)
    assert figures["judged"].count == rows
    assert figures["recovered"] == Share(recovered, rows)
    assert figures["executed"] == Share(rows - refused, rows)
    assert figures["hit"] == Share(hits, repairs)
    assert figures["proven"] == Share(proven, len(check.rows))
    assert figures["leaks"] == Share(len(check.rows), len(check.rows))
    assert figures["first_row"] == Share(first_row, len(check.rows) - unparsable)
    assert (check.contradictions.answers, check.contradictions.actions) == contradictory
    # The prompt of a first turn shows the model as loaded: ours is the same, to the byte (labels: test_prompt).
    steps = [row["metadata"]["steps"] for row in check.file.rows]
    first_turns = [row for row in check.judged if steps[row.number - 1] == 1]
    assert first_turns
    assert all(row.true_prompt for row in first_turns)


@pytest.mark.parametrize(
    ("name", "n", "objective", "problem_type", "target_type", "size"),
    [("v1", 901, 40, 184, 250, 183), ("test_v2", 88, 3, 21, 25, 18), ("full_subset", 1541, 54, 205, 301, 199)],
)
def test_public_labels(
    public_data: Path, name: str, n: int, objective: int, problem_type: int, target_type: int, size: int
) -> None:
    check = check_benchmark(public_data / "or_debug_bench" / name)
    assert len(check.proofs) == n
    counts = {label: sum(finding.check is label for _, finding in check.wrong) for label in Check}
    expected = {
        Check.OBJECTIVE: objective,
        Check.PROBLEM_TYPE: problem_type,
        Check.TARGET_TYPE: target_type,
        Check.SIZE: size,
    }
    assert {label: count for label, count in counts.items() if count} == expected
    assert check.count(Ruling.PROVEN) == n - objective
    # The published generator calls integer what was continuous.
    reasons = [finding.reason for _, finding in check.wrong if finding.check is Check.OBJECTIVE]
    assert all(reason.endswith("continuous, not INTEGER") for reason in reasons)
    assert all(proof.facts is not None and proof.facts.single_drops for proof in check.proofs)
