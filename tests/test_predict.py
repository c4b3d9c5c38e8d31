"""Prediction of what comes after reinforcement learning: fits against NumPy and SciPy, and real runs."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import linregress, spearmanr

from ordebug_plugin.cli import main
from ordebug_plugin.errors import InputError
from ordebug_plugin.predict.checkpoint import Checkpoint, Measured
from ordebug_plugin.predict.fit import error_of_the_mean, fit_predictor
from ordebug_plugin.predict.prediction import predict
from ordebug_plugin.predict.report import render_page
from ordebug_plugin.predict.sources import find_checkpoints
from ordebug_plugin.statistics import Estimate

RNG = np.random.default_rng(5)
X = RNG.normal(size=12)
Y = 0.4 + 0.2 * X + RNG.normal(scale=0.05, size=12)
RIVAL = X + RNG.normal(scale=0.7, size=12)


def test_a_fit_is_that_of_scipy() -> None:
    fit = fit_predictor("x", X.tolist(), Y.tolist())
    assert fit is not None
    line = linregress(X, Y)
    assert (fit.slope, fit.intercept) == (pytest.approx(line.slope), pytest.approx(line.intercept))
    assert fit.r2.value == pytest.approx(line.rvalue**2)
    assert fit.spearman.value == pytest.approx(spearmanr(X, Y).statistic)
    assert fit.spearman.low < fit.spearman.value <= fit.spearman.high <= 1
    left_out = []
    for out in range(len(X)):
        others = linregress(np.delete(X, out), np.delete(Y, out))
        left_out.append(abs(Y[out] - others.intercept - others.slope * X[out]))
    assert fit.error.value == pytest.approx(np.mean(left_out))
    assert math.isnan(error_of_the_mean([0.5]))
    assert error_of_the_mean(Y.tolist()) == pytest.approx(
        np.mean([abs(Y[out] - np.delete(Y, out).mean()) for out in range(len(Y))])
    )


def test_seeds_of_a_setting_are_one_piece_of_evidence() -> None:
    """Every point twice: nothing is known that was not known before."""
    alone = fit_predictor("x", X.tolist(), Y.tolist(), scores=RIVAL.tolist())
    values, outcomes, rival = (np.repeat(one, 2).tolist() for one in (X, Y, RIVAL))
    settings = [str(place // 2) for place in range(2 * len(X))]
    twice = fit_predictor("x", values, outcomes, scores=rival, settings=settings)
    apart = fit_predictor("x", values, outcomes, scores=rival)
    assert alone is not None
    assert twice is not None
    assert apart is not None
    assert (twice.n, twice.settings) == (24, 12)
    for name in ("spearman", "r2", "error", "against_score", "error_against_score"):
        one, two, many = (getattr(fit, name) for fit in (alone, twice, apart))
        assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high))
        assert many.high - many.low < two.high - two.low
    assert error_of_the_mean(outcomes, settings) == pytest.approx(error_of_the_mean(Y.tolist()))


def test_settings_with_unequal_seeds() -> None:
    settings = [*"aabbccddeef", "f"]
    fit = fit_predictor("x", [*X[:11].tolist(), math.nan], Y.tolist(), settings=settings)
    assert fit is not None
    assert (fit.n, fit.settings) == (11, 6)
    assert fit.spearman.low < fit.spearman.value == pytest.approx(spearmanr(X[:11], Y[:11]).statistic)
    errors = []
    for out in range(11):
        others = [place for place in range(11) if settings[place] != settings[out]]
        line = linregress(X[others], Y[others])
        errors.append(abs(Y[out] - line.intercept - line.slope * X[out]))
    assert fit.error.value == pytest.approx(np.mean(errors))
    few = fit_predictor("x", X[:8].tolist(), Y[:8].tolist(), scores=Y[:8].tolist(), settings=[*"aabbccdd"])
    assert few is not None
    assert few.verdict == "8 checkpoints of 4 settings are too few to tell it from the SFT score"


def test_less_is_better_turns_the_sign_of_the_rank_alone() -> None:
    fit = fit_predictor("loss", (-X).tolist(), Y.tolist(), less_is_better=True)
    assert fit is not None
    assert fit.spearman.value == pytest.approx(spearmanr(X, Y).statistic)
    assert fit.slope == pytest.approx(-linregress(X, Y).slope)


def test_a_good_predictor_is_told_from_a_useless_score_and_two_good_ones_are_not() -> None:
    noise = RNG.permutation(X).tolist()
    good = fit_predictor("x", X.tolist(), Y.tolist(), scores=noise)
    assert good is not None
    assert good.against_score is not None
    assert good.against_score.low > 0
    assert good.verdict == "rank: better than the SFT score; error: better than the SFT score"
    twin = fit_predictor("x", X.tolist(), Y.tolist(), scores=(X + 0.01 * np.array(noise)).tolist())
    assert twin is not None
    assert twin.verdict.startswith("rank: not separable from the SFT score")


def test_four_checkpoints_tell_nothing_from_the_score() -> None:
    fit = fit_predictor("x", X[:4].tolist(), Y[:4].tolist(), scores=[0.0, 3.0, 1.0, 2.0])
    assert fit is not None
    assert fit.verdict == "4 checkpoints are too few to tell it from the SFT score"
    assert math.isnan(fit.spearman.low)


def test_ties_and_gaps() -> None:
    tied = fit_predictor("x", [1.0, 1.0, 2.0, 2.0], [0.0, 0.1, 0.2, 0.2])
    assert tied is not None
    assert tied.spearman.value == pytest.approx(spearmanr([1, 1, 2, 2], [0, 0.1, 0.2, 0.2]).statistic)
    constant = fit_predictor("x", [0.1] * 5, [0.0, 0.1, 0.2, 0.3, 0.4])
    assert constant is not None
    assert all(math.isnan(value) for value in (constant.slope, constant.r2.value, constant.spearman.value))
    assert fit_predictor("x", [1.0, math.nan, 2.0, 3.0], [1.0, 2.0, math.nan, 3.0]) is None
    gap = fit_predictor("x", [1.0, 2.0, 4.0, 3.0], [1.0, 2.0, 3.0, 3.5], scores=[1.0, math.nan, 2.0, 3.0])
    assert gap is not None
    assert gap.against_score is None  # other checkpoints: no comparison


def test_an_outlier_far_from_the_rest_is_undefined_when_left_out() -> None:
    fit = fit_predictor("x", [0.0, 0.0, 0.0, 1.0], [0.1, 0.2, 0.3, 0.9])
    assert fit is not None
    assert math.isnan(fit.error.value)  # without the last, all are equal, and there is no line


def checkpoint(name: str, loss: float, outcome: float | None, share: float = 0.5, problems: int = 40) -> Checkpoint:
    by_problem = {str(i): float(i < share * problems) for i in range(problems)}
    estimate = Estimate(share, max(0.0, share - 0.1), min(1.0, share + 0.1), problems)
    after = None if outcome is None else Measured(Estimate(outcome, outcome - 0.1, outcome + 0.1, problems))
    predictors = {"preservation": Measured(estimate, by_problem)}
    return Checkpoint(name, predictors | {"loss": Measured(Estimate(loss, math.nan, math.nan, 1))}, after, {}, name)


def test_ranks_say_who_is_not_separable_from_the_first() -> None:
    told = predict([checkpoint("a", 0.3, None, 0.9), checkpoint("b", 0.2, None, 0.875), checkpoint("c", 0.1, None)],
                   target="preservation", by="preservation")  # fmt: skip
    assert told.rankings["preservation"].order == ("a", "b", "c")
    assert told.rankings["preservation"].tied == ("b",)
    assert told.recommendation == "by preservation: a, not separable from b"
    assert told.rankings["loss"].order == ("c", "b", "a")
    assert told.rankings["loss"].tied is None
    assert told.fits == ()
    assert "nothing is fitted" in told.notes[0]


def test_small_n_is_said() -> None:
    told = predict([checkpoint(str(i), i / 10, 0.5 - i / 20) for i in range(5)], target="preservation")
    assert told.by == "loss"
    assert told.fits[0].predictor == "loss"
    assert told.fits[0].spearman.value == pytest.approx(1.0)
    assert told.notes[0].startswith("only 5 checkpoints have an outcome")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real runs of agents in place of checkpoints: before and after."""
    folder = tmp_path_factory.mktemp("runs")
    bench = folder / "bench"
    assert main(["bench", "make", str(bench), "--families", "plans", "--n", "8", "--seed", "2"]) == 0
    agents = {"drop-first": "oracle", "random": "drop-first", "relax-first": "random", "drop-random": "drop-random"}
    for name, after in agents.items():
        for agent, place, options in (
            (name, "eval/sft", []),
            (name, "samples", ["--samples", "4"]),
            (after, "eval/grpo", []),
        ):
            out = folder / "points" / name / place
            assert main(["eval", str(bench), "--agent", agent, "--max-steps", "1", *options, "--out", str(out)]) == 0
        training = folder / "points" / name / "sft"
        training.mkdir()
        (training / "all_results.json").write_text(json.dumps({"eval_loss": len(name) / 10}))
    return folder


def test_folders_of_checkpoints(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, markdown = tmp_path / "p.html", tmp_path / "p.md"
    assert main(["predict", str(runs), "--json", "--page", str(page), "--md", str(markdown)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in record["checkpoints"]] == ["drop-first", "drop-random", "random", "relax-first"]
    assert record["measured"] == 4
    assert set(record["rankings"]) == {"preservation", "rr@1", "hit", "pass@1", "pass@4", "diversity", "loss"}
    drop_first = record["checkpoints"][0]["predictors"]
    assert drop_first["diversity"]["value"] == 0.0  # all its answers to a problem are the same
    assert record["checkpoints"][2]["predictors"]["diversity"]["value"] > 0.3
    assert record["by"] == "pass@1"
    assert record["rankings"]["loss"]["order"][0] == "random"
    best = record["rankings"]["pass@1"]["order"][0]
    summary = json.loads((runs / "points/drop-first/eval/sft/summary.json").read_text())
    first = record["checkpoints"][0]
    assert first["predictors"]["preservation"] == summary["metrics"]["preservation"]
    after = json.loads((runs / "points/drop-first/eval/grpo/summary.json").read_text())
    assert first["outcome"] == after["metrics"]["preservation"]
    assert {fit["n"] for fit in record["fits"]} == {4}
    assert "<script" not in page.read_text()
    assert page.read_text().count('<svg class="plot"') == len(record["fits"]) + 1
    assert markdown.read_text().startswith(f"# Which SFT checkpoint for RL\n\nBy pass@1: {best}")


def test_other_samples_within_a_checkpoint_are_no_checkpoint(runs: Path) -> None:
    point = runs / "points" / "random"
    inner = point / "graduate" / "samples"
    inner.mkdir(parents=True)
    (inner / "config.yaml").touch()
    try:
        assert [one.name for one in find_checkpoints([point])] == ["random"]
        assert len(find_checkpoints([runs / "points"])) == 4
    finally:
        shutil.rmtree(point / "graduate")


def test_seeds_are_known_by_their_folders_and_in_tables(tmp_path: Path) -> None:
    for name in ("e1-s0", "e1-s12", "half-e2-s0", "mine"):
        (tmp_path / "points" / name / "samples").mkdir(parents=True)
        (tmp_path / "points" / name / "samples" / "config.yaml").touch()
    assert [one.setting for one in find_checkpoints([tmp_path])] == ["e1", "e1", "half-e2", "mine"]
    (tmp_path / "t.yaml").write_text("checkpoints: [{name: a, setting: x, loss: 1}, {name: b, loss: 1}]")
    assert [one.setting for one in find_checkpoints([tmp_path / "t.yaml"])] == ["x", ""]


def test_a_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"name": "a", "eval": "points/random/eval/sft", "loss": 0.5, "other": {"diversity": 0.3}},
        {"name": "b", "eval": "points/drop-first/eval/sft", "loss": 0.4, "other": {"diversity": 0.2}},
    ]
    table = runs / "table.yaml"
    table.write_text(yaml.safe_dump({"checkpoints": rows}))
    assert main(["predict", str(table), "--by", "diversity", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rankings"]["diversity"]["order"] == ["a", "b"]
    assert record["rankings"]["loss"]["order"] == ["b", "a"]
    assert main(["predict", str(table)]) == 0
    assert "nothing is fitted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"eval": "x"}, "checkpoint 1 needs a name"),
        ({"name": "a", "eval": "nowhere"}, "nowhere is not there"),
        ({"name": "a", "evil": 1}, "has no key 'evil'"),
        ({"name": "a", "loss": "low"}, "must be a finite number, not 'low'"),
        ({"name": "a"}, "nothing was measured before"),
    ],
)
def test_bad_tables_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: dict[str, object], reason: str
) -> None:
    (tmp_path / "t.json").write_text(json.dumps([row]))
    assert main(["predict", str(tmp_path / "t.json")]) == 2
    assert reason in capsys.readouterr().err


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tmp_path)]) == 2
    assert "holds no checkpoint" in capsys.readouterr().err


def test_an_undefined_figure_is_none() -> None:
    spread = {"reward_spread": Measured(Estimate(math.nan, math.nan, math.nan, 0))}
    bare = [checkpoint("a", 0.2, None), checkpoint("b", 0.3, None)]
    both = [replace(one, predictors={**spread, **one.predictors}) for one in bare]
    with pytest.raises(InputError, match="no checkpoint has reward_spread: there are preservation, loss"):
        predict(both, target="preservation", by="reward_spread")
    worthless = [replace(one, predictors={**one.predictors, "pass@256": spread["reward_spread"]}) for one in bare]
    assert predict(worthless, target="preservation").by == "loss"
    assert predict(worthless, target="preservation").recommendation.startswith("by loss: a")
    apart = [replace(bare[0], predictors={"loss": bare[0].predictors["loss"]}), replace(bare[1], predictors={})]
    assert predict(apart, target="preservation").recommendation == "by loss: a, the only one that has it"


def test_what_is_undefined_is_in_no_plot() -> None:
    nothing = Measured(Estimate(math.nan, math.nan, math.nan, 0))
    some = [checkpoint(str(i), i / 10, 0.5 - i / 20) for i in range(6)]
    some[2] = replace(some[2], predictors={**some[2].predictors, "loss": nothing})
    some[3] = replace(some[3], outcome=nothing)
    told = predict(some, target="preservation")
    assert told.measured == 5
    assert next(fit for fit in told.fits if fit.predictor == "loss").n == 4
    page = render_page(told)
    assert page.count('<svg class="plot"') == 3
    assert not re.search(r"\bnan\b", page)


def test_figures_of_other_problems_are_said_to_be_such() -> None:
    same = [checkpoint("a", 0.2, 0.5), checkpoint("b", 0.3, 0.4)]
    other = checkpoint("c", 0.1, 0.6, problems=30)
    assert not any("other problems" in note for note in predict(same, target="preservation", by="preservation").notes)
    told = predict([*same, other], target="preservation", by="preservation")
    assert "preservation rests on other problems than that of a: c; not comparable" in told.notes


def test_missing_figures_are_findings(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"name": "a", "eval": "points/random/eval/sft", "loss": 0.5},
        {"name": "b", "eval": "points/drop-first/eval/sft"},
    ]
    (runs / "gap.json").write_text(json.dumps(rows))
    assert main(["predict", str(runs / "gap.json"), "--by", "loss"]) == 1
    assert "without loss, so not ranked by it: b" in capsys.readouterr().out
