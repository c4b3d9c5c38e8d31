"""Pass@k against closed forms, against brute force, and from real runs."""

from __future__ import annotations

import itertools
import json
import math
import random
import tracemalloc
from fractions import Fraction
from pathlib import Path

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.evaluate.samples import SUCCESSES, count_samples
from ordebug_plugin.pass_at_k import KS, Count, mean_pass_at_k, pass_at_k


@pytest.mark.parametrize("n", [1, 2, 7, 10])
def test_agrees_with_all_choices_of_k_samples(n: int) -> None:
    for c in range(n + 1):
        samples = [True] * c + [False] * (n - c)
        for k in range(1, n + 1):
            choices = list(itertools.combinations(samples, k))
            assert pass_at_k(Count(n, c), k) == pytest.approx(sum(map(any, choices)) / len(choices), abs=1e-15)


def test_closed_forms_up_to_256() -> None:
    for n in (256, 300):
        for c in (0, 1, 2, 5, 128, n - 1, n):
            assert pass_at_k(Count(n, c), 1) == c / n
            for k in (k for k in KS if k <= n):
                value = pass_at_k(Count(n, c), k)
                product = Fraction(1)
                for place in range(k):
                    product *= Fraction(max(0, n - c - place), n - place)
                assert value == float(1 - product)  # to the last digit
        assert pass_at_k(Count(n, 1), 256) == 256 / n


def test_a_rare_success_is_not_lost_to_rounding() -> None:
    count = Count(10**6, 1)
    assert pass_at_k(count, 64) == 64e-6
    naive = 1 - math.comb(count.n - 1, 64) / math.comb(count.n, 64)
    assert naive != 64e-6


def test_unbiased_on_samples_of_a_known_chance() -> None:
    rng = random.Random(0)
    chance, k = 0.07, 8
    counts = {str(i): Count(32, sum(rng.random() < chance for _ in range(32))) for i in range(4000)}
    truth = 1 - (1 - chance) ** k
    estimate = mean_pass_at_k(counts, k)
    assert estimate.low < truth < estimate.high
    naive = sum(1 - (1 - count.c / count.n) ** k for count in counts.values()) / len(counts)
    assert naive < estimate.low


def test_too_few_samples_are_undefined() -> None:
    assert math.isnan(pass_at_k(Count(4, 4), 5))
    assert mean_pass_at_k({"a": Count(4, 4), "b": Count(8, 0)}, 8).n == 1
    with pytest.raises(ValueError, match="at least 1"):
        pass_at_k(Count(4, 1), 0)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run: six problems, sixteen samples of a turn each."""
    folder = tmp_path_factory.mktemp("sampled")
    assert main(["bench", "make", str(folder / "bench"), "--families", "plans", "--n", "6", "--seed", "4"]) == 0
    evaluation = ["eval", str(folder / "bench"), "--agent", "random", "--max-steps", "1", "--samples", "16"]
    assert main([*evaluation, "--out", str(folder / "run"), "--resume"]) == 0
    return folder / "run"


def test_pass_at_1_of_a_run_is_its_own_figure(sampled: Path) -> None:
    samples = count_samples(sampled)
    assert (samples.least, samples.most) == (16, 16)
    assert set(samples.counts) == set(SUCCESSES)
    metrics = json.loads((sampled / "summary.json").read_text())["metrics"]
    assert samples.estimate("rr@1", 1).value == pytest.approx(metrics["rr@1"]["value"])
    assert samples.estimate("hit", 1).value == pytest.approx(metrics["hit"]["value"])
    assert samples.estimate("preserved", 16).value <= samples.estimate("rr@1", 16).value


def test_the_command_prints_every_k_that_there_is(sampled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["passk", str(sampled), "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert list(record["pass"]["rr@1"]) == ["1", "2", "4", "8", "16"]
    shares = [entry["value"] for entry in record["pass"]["rr@1"].values()]
    assert shares == sorted(shares)
    assert main(["passk", str(sampled), "--k", "17"]) == 2
    assert "has 16 samples of a problem: pass@17 needs more" in capsys.readouterr().err


def test_lost_samples_are_said(sampled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text((sampled / "config.yaml").read_text())
    lines = (sampled / "episodes.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "episodes.jsonl").write_text("".join(lines[:-1]))
    assert main(["passk", str(tmp_path), "--json"]) == 1
    (record,) = json.loads(capsys.readouterr().out)
    assert record["samples"] == [15, 16]
    assert record["pass"]["rr@1"]["16"]["n"] == 5


def test_problems_without_any_sample_are_missing(
    sampled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text((sampled / "config.yaml").read_text())
    lines = (sampled / "episodes.jsonl").read_text().splitlines(keepends=True)
    last = json.loads(lines[-1])["problem_hash"]
    (tmp_path / "episodes.jsonl").write_text("".join(line for line in lines if last not in line))
    assert main(["passk", str(tmp_path)]) == 1
    assert "is incomplete, 16 samples are missing" in capsys.readouterr().err.replace("\n", " ")
    assert count_samples(sampled).missing == 0


def test_samples_are_not_kept_in_memory(sampled: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((sampled / "config.yaml").read_text())
    (tmp_path / "episodes.jsonl").write_text((sampled / "episodes.jsonl").read_text() * 40)
    tracemalloc.start()
    try:
        count_samples(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.1 * (tmp_path / "episodes.jsonl").stat().st_size
