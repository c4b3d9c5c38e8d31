"""What to change before the next SFT, derived from which checks failed.

Causes come before their consequences: a model whose answers are malformed has no diversity worth a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ordebug_plugin.postmortem.training import Training
from ordebug_plugin.readiness.answers import TASK, cut, without_thinking
from ordebug_plugin.readiness.check import Check, State
from ordebug_plugin.readiness.gather import Evidence
from ordebug_plugin.readiness.loss import EVALUATION, least_point

# From this share of the answers on, a habit is what a model does.
_MOST = 0.5
# One kind of action in nearly every answer.
_NEARLY_ALL = 0.95


@dataclass(frozen=True)
class Advice:
    """One thing to change.

    Attributes:
        lever: What it is about: ``epochs``, ``dropout``, ``data``, ``template``, ``temperature``, ``tokens``, ``log``.
        why: What it follows from.
        change: What to do.
    """

    lever: str
    why: str
    change: str


def advise(checks: Sequence[Check], evidence: Evidence, training: Training | None) -> list[Advice]:
    """All there is to change, the causes first."""
    by_name = {check.name: check for check in checks}
    failed = {name for name, check in by_name.items() if check.state is State.FAILED}
    formed = not failed & {"format", "action"}
    found = [*_form(failed, evidence), *_loss(by_name, training)]
    if formed:
        found += [*_task(failed), *_diversity(failed, evidence), *_also(failed)]
    elif failed & {*TASK, "action_unique", "action_pairs", "reward"}:
        found.append(
            Advice("epochs", "most else fails with the form of the answers", "measure again once the answers have it")
        )
    return [*found, *_missing(by_name)]


def _form(failed: set[str], evidence: Evidence) -> Iterator[Advice]:
    if not failed & {"format", "action"}:
        return
    missing, truncated = without_thinking(evidence.episodes).value, cut(evidence.episodes).value
    if missing >= _MOST > truncated:
        yield Advice(
            "template",
            f"{missing:.0%} of the answers have no think text",
            "the reasoning was stripped from the labels: train and serve with enable_thinking: true, and look for rows "
            "without <think> (`ordebug data verify`)",
        )
    elif truncated >= _MOST and evidence.episodes:
        yield Advice(
            "epochs",
            f"{truncated:.0%} of the answers were cut by the token limit: the model does not end them",
            "more epochs, or SFT at all if this is a base model; --max-tokens where the demonstrations are longer",
        )
    else:
        yield Advice(
            "epochs",
            f"answers fail in {' and '.join(sorted(failed & {'format', 'action'}))}",
            "more epochs or more rows; the same template, system prompt and --detail in training, serving and here",
        )


def _loss(checks: Mapping[str, Check], training: Training | None) -> Iterator[Advice]:
    failed = {name for name, check in checks.items() if check.state is State.FAILED}
    if training is not None and "convergence" in failed:
        step, _ = least_point(training.curves[EVALUATION])
        if checks["convergence"].estimate.value < 0:  # it rose again
            yield Advice(
                "epochs",
                f"the evaluation loss is least at step {step} and rises after it: over-trained",
                f"the checkpoint at step {step}: fewer epochs, or early stopping (load_best_model_at_end)",
            )
        else:
            yield Advice(
                "epochs", "the evaluation loss is still falling", "a later checkpoint, or more epochs, until it stops"
            )
    if "gap" in failed:
        yield Advice(
            "dropout",
            "the training loss is far below the evaluation loss: the rows are learnt by heart",
            "more different rows, fewer epochs, a lora_dropout of 0.1",
        )


def _task(failed: set[str]) -> Iterator[Advice]:
    names = [name for name in TASK if name in failed]
    if names:
        yield Advice(
            "data",
            f"not above the base model in {', '.join(names)}",
            "demonstrations that are right (`ordebug data verify`) and of the same kind as --bench; more problems "
            "where the difference is only not separable",
        )


def _diversity(failed: set[str], evidence: Evidence) -> Iterator[Advice]:
    if failed & {"action_unique", "action_pairs"}:
        kind, share = _habit(evidence)
        alone = f"; {share:.0%} of them are {kind}" if share >= _NEARLY_ALL else ""
        yield Advice(
            "data",
            f"the answers to one prompt are nearly always the same action{alone}",
            "demonstrations by more than one policy (`ordebug data demos --policy mixed`, or several answers a "
            "problem), not one rule for all; then fewer epochs, and more dropout",
        )
        yield Advice(
            "temperature", "the same", "for GRPO, a temperature of 1 or above shows whether anything else is left"
        )
    elif "reward" in failed:
        yield Advice(
            "data",
            "the actions differ and their rewards do not",
            "other prompts: `ordebug preflight --out` keeps those that teach; harder or easier problems",
        )


def _also(failed: set[str]) -> Iterator[Advice]:
    if "retention" in failed:
        yield Advice(
            "data", "general abilities were lost", "general rows among the demonstrations, fewer epochs, a lower rate"
        )
    if "faithfulness" in failed:
        yield Advice(
            "data",
            "the action hardly depends on the reasoning",
            "demonstrations whose reasoning leads to the action (`--policy expert`); no reason against GRPO by itself",
        )


def _missing(checks: Mapping[str, Check]) -> Iterator[Advice]:
    reasons = dict.fromkeys(
        check.note
        for name, check in checks.items()
        if check.state is State.NOT_MEASURED and name in ("convergence", "gap", *TASK)
    )
    for reason in reasons:
        yield Advice("log", "a check was not measured", reason)


def _habit(evidence: Evidence) -> tuple[str, float]:
    """The most frequent kind of action in the groups, and its share."""
    kinds = Counter(act.partition("(")[0] for group in evidence.acts for act in group if act is not None)
    if not kinds:
        return "none", 0.0
    kind, count = kinds.most_common(1)[0]
    return kind, count / kinds.total()
