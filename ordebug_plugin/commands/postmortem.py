"""``ordebug postmortem``: one page for a whole training."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ordebug_plugin.commands.common import DONE, FINDINGS, LOG, RESULTS, Subparsers
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import InputError
from ordebug_plugin.evaluate.compare import Paired, compare_runs
from ordebug_plugin.evaluate.records import load_episodes
from ordebug_plugin.evaluate.run import CONFIG, EPISODES, expected_episodes, load_config, lost_words
from ordebug_plugin.files import write_text
from ordebug_plugin.metrics import Summary, summarize
from ordebug_plugin.postmortem.finding import Finding, Severity
from ordebug_plugin.postmortem.report import Postmortem, postmortem, postmortem_record, render_postmortem
from ordebug_plugin.postmortem.training import Training, is_training, read_training

# What decides whether a training was worth it.
_DECIDING = ("preservation", "hit", "rr@5")


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "postmortem",
        "one page for a whole training: curves from the frameworks' logs, evaluations side by side, what went wrong "
        "and what to try next; exit 1 where something went wrong",
        "ordebug postmortem runs/demo --page postmortem.html",
    )
    parser.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="output folders of trainings and runs of `ordebug eval`, in the order in which they were made, or folders "
        "that hold such",
    )
    parser.add_argument("--page", type=Path, metavar="FILE.html", help="write one self-contained page")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures and curves")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tells what a training did.

    Returns:
        0; 1 where something went wrong.

    Raises:
        InputError: A folder holds neither a training nor a run, or a file cannot be read or written.
    """
    trainings: dict[str, Training] = {}
    summaries: dict[str, Summary] = {}
    models: dict[str, Sequence[Episode]] = {}
    missing: dict[str, int] = {}
    incomplete: list[Finding] = []
    for name, folder in _found(options.folders).items():
        if not (folder / CONFIG).exists():
            trainings[name] = read_training(folder)
            continue
        config = load_config(folder)
        # A run that was killed at once left its configuration alone.
        episodes = tuple(load_episodes(folder / EPISODES)) if (folder / EPISODES).exists() else ()
        if episodes:
            summaries[name] = summarize(episodes, int(config["max_steps"]))
        expected = expected_episodes(folder, config)
        lost = summaries[name].lost if episodes else 0
        if lost:
            incomplete.append(_lost(name, folder, lost, len(episodes)))
        if len(episodes) != expected:
            incomplete.append(_incomplete(name, folder, len(episodes), expected))
        if lost or len(episodes) != expected:
            missing[name] = expected - len(episodes) + lost
        elif "base_url" in config["agent"]:  # the others are baselines, and learned nothing
            models[name] = episodes
    told = postmortem(trainings, summaries, missing, [*incomplete, *_changes(models)])
    _print(told)
    if options.json is not None:
        write_text(
            options.json, json.dumps(postmortem_record(told), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        )
    if options.page is not None:
        write_text(options.page, render_postmortem(told))
        LOG.print(f"wrote {options.page}")
    found = [*told.changes, *(finding for one in told.trainings for finding in one.findings)]
    return FINDINGS if any(finding.severity is Severity.BAD for finding in found) else DONE


def _found(folders: Sequence[Path]) -> dict[str, Path]:
    """The trainings and runs among folders and in them, each once, by name, in the order of their files' times."""
    found: dict[Path, str] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder")
        inside = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_dir())
        here = [
            path for path in (folder, *inside) if (path / CONFIG).exists() or _is_output(path, within=folder.resolve())
        ]
        if not here:
            raise InputError(f"{folder} holds neither the output of a training nor a run of `ordebug eval`")
        for path in sorted(here, key=_age):
            found.setdefault(path, folder.resolve().name if path == folder else str(path.relative_to(folder)))
    names = list(found.values())
    return {name if names.count(name) == 1 else str(path): path for path, name in found.items()}


def _is_output(path: Path, within: Path) -> bool:
    """Whether a training wrote there; its checkpoints, and the folders of its event files, are its own."""
    path = path.resolve()
    around = [folder for folder in path.parents if folder == within or within in folder.parents]
    return is_training(path) and not path.name.startswith("checkpoint-") and not any(map(is_training, around[:2]))


def _age(path: Path) -> float:
    return min((file.stat().st_mtime for file in path.iterdir() if file.is_file()), default=0.0)


def _incomplete(name: str, folder: Path, played: int, expected: int) -> Finding:
    if played > expected:
        what = f"{name} has {played} episodes, and its configuration speaks of {expected}: some are of another run"
        return Finding(Severity.BAD, f"{what}; it is not compared", f"a look at {folder / EPISODES}")
    biased = "those that ended first are the short ones, so it is not compared" if played else "it is not compared"
    return Finding(
        Severity.BAD,
        f"{name} is incomplete, {expected - played} of {expected} episodes are missing: {biased}",
        f"`ordebug eval … --out {folder} --resume`",
    )


def _lost(name: str, folder: Path, lost: int, n: int) -> Finding:
    what = lost_words(lost, n).partition(";")[0]
    return Finding(Severity.BAD, f"{name}: {what}; it is not compared", f"`ordebug eval … --out {folder} --resume`")


def _changes(runs: Mapping[str, Sequence[Episode]]) -> Iterator[Finding]:
    """Each evaluation beside the last one before it on some of the same problems."""
    names = list(runs)
    for place, name in enumerate(names):
        for earlier in reversed(names[:place]):
            pairs = compare_runs(runs[earlier], runs[name])
            if any(pair.difference.n for pair in pairs):
                yield from _change(name, earlier, pairs)
                break


def _change(name: str, earlier: str, pairs: Sequence[Paired]) -> Iterator[Finding]:
    for pair in pairs:
        if pair.metric not in _DECIDING or pair.difference.n == 0:
            continue
        gained = f"{pair.difference.value:+.3f} [{pair.difference.low:+.3f}, {pair.difference.high:+.3f}]"
        words = f"{name} against {earlier}, {pair.metric}: {gained}, n={pair.difference.n}"
        if not pair.separable:
            yield Finding(Severity.NOTE, f"{words}: not separable", "more problems, or more training")
        elif pair.difference.value > 0:
            yield Finding(Severity.GOOD, words)
        else:
            yield Finding(Severity.BAD, f"{words}: it got worse", "`ordebug compare --page` shows where")


def _print(told: Postmortem) -> None:
    for one in told.trainings:
        training = one.training
        of = f" of {training.planned}" if training.planned else ""
        RESULTS.print(f"{one.name}: {training.stage.upper()} with {training.framework}, {training.steps}{of} steps")
        for finding in one.findings:
            _print_finding(finding)
    if told.changes:
        RESULTS.print("evaluations:")
    for finding in told.changes:
        _print_finding(finding)


def _print_finding(finding: Finding) -> None:
    RESULTS.print(f"  {finding.severity}: {finding.what}")
    if finding.next:
        RESULTS.print(f"    next: {finding.next}")
