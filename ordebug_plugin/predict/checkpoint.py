"""One SFT checkpoint: what was measured before reinforcement learning, and what came out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.documents import parse_json
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.compare import per_problem
from ordebug_plugin.evaluate.run import load_run, missing_episodes
from ordebug_plugin.evaluate.samples import count_samples
from ordebug_plugin.metrics import measure
from ordebug_plugin.pass_at_k import pass_at_k
from ordebug_plugin.postmortem.training import evaluation_loss
from ordebug_plugin.predict.sources import Sources
from ordebug_plugin.scoring import YES_NO, Scores
from ordebug_plugin.statistics import Estimate, mean

# Names of predictors.
LOSS, SPREAD, DIVERSITY = "loss", "reward_spread", "diversity"
PASS_KS = (1, 4, 16, 64, 256)
# Of these less is better.
LESS_IS_BETTER = frozenset({LOSS})
# What may be predicted. The same measure of the SFT model, its score, is the predictor that the others have to beat.
TARGETS = ("preservation", "rr@1", "hit")


@dataclass(frozen=True)
class Measured:
    """A figure of a checkpoint.

    Attributes:
        estimate: With its interval over problems; without one where it is a single number, as a loss is.
        by_problem: Its value for each problem (content hash), where it is a mean over problems: two checkpoints are
            then compared problem by problem.
    """

    estimate: Estimate
    by_problem: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint.

    Attributes:
        name: Of it.
        predictors: Name to figure: the `TARGETS` of the SFT model, ``pass@k``, ``loss`` on held-out
            demonstrations, ``diversity`` of the samples' actions, ``reward_spread`` within GRPO's groups, and whatever
            else was given.
        outcome: The target after reinforcement learning; None where that was not measured.
        incomplete: Runs that were interrupted or lost episodes to infrastructure, with the episodes that they lack.
        setting: What it shares with other seeds of the same training; its name where that is unknown.
    """

    name: str
    predictors: Mapping[str, Measured]
    outcome: Measured | None
    incomplete: Mapping[str, int]
    setting: str

    @property
    def measured(self) -> bool:
        """Whether there is an outcome: a run that lost everything has none."""
        return self.outcome is not None and not math.isnan(self.outcome.estimate.value)


def read_checkpoint(sources: Sources, *, target: str = TARGETS[0], success: str = "preserved") -> Checkpoint:
    """Reads all figures of a checkpoint.

    Args:
        sources: Where they are.
        target: Which measure of the run after reinforcement learning is to be predicted, one of `TARGETS`.
        success: What pass@k counts, one of `evaluate.samples.SUCCESSES`.

    Raises:
        InputError: A file cannot be read, or a run is no run.
    """
    predictors: dict[str, Measured] = {}
    incomplete: dict[str, int] = {}
    if sources.eval is not None:
        for name in TARGETS:
            predictors[name] = _of_run(sources.eval, name, incomplete)
    if sources.samples is not None:
        samples = count_samples(sources.samples)
        if samples.missing or samples.least < samples.most:
            incomplete[str(sources.samples)] = samples.missing or samples.most - samples.least
        for k in PASS_KS:
            if k <= samples.most:
                values = {problem: pass_at_k(count, k) for problem, count in samples.counts[success].items()}
                predictors[f"pass@{k}"] = Measured(samples.estimate(success, k), values)
        if samples.most > 1:
            figure = mean(list(samples.diversity.values()), list(samples.diversity))
            predictors[DIVERSITY] = Measured(figure, samples.diversity)
    loss = sources.loss if sources.loss is not None or sources.training is None else evaluation_loss(sources.training)
    if loss is not None:
        predictors[LOSS] = _single(loss)
    if sources.preflight is not None:
        predictors[SPREAD] = _single(_reward_spread(sources.preflight))
    predictors |= {name: _single(value) for name, value in sources.other.items()}
    if not predictors:
        raise InputError(f"{sources.name}: nothing was measured before reinforcement learning")
    outcome = None if sources.rl is None else _of_run(sources.rl, target, incomplete)
    return Checkpoint(sources.name, predictors, outcome, incomplete, sources.setting or sources.name)


def _of_run(folder: Path, name: str, incomplete: dict[str, int]) -> Measured:
    config, episodes = load_run(folder)
    missing = missing_episodes(folder, config, episodes) + sum(episode.outcome is None for episode in episodes)
    if missing:
        incomplete[str(folder)] = missing
    return Measured(measure(episodes, int(config["max_steps"]))[name], per_problem(episodes, _VALUES[name]))


def _preservation(scores: Scores) -> float:
    return scores.preservation


_VALUES = {**YES_NO, "preservation": _preservation}


def _single(value: float) -> Measured:
    return Measured(Estimate(value, math.nan, math.nan, 1))


def _reward_spread(path: Path) -> float:
    """The mean standard deviation of reward within a group, as `ordebug preflight --json` prints it."""
    try:
        within = parse_json(path.read_text(encoding="utf-8"))["rewards"]["within"]
        return math.nan if within is None else float(within)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no output of `ordebug preflight … --json`: {error!r}") from error
