"""Every command line of the shipped sweeps through the frameworks' own parsers, each in its environment."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from tests.conftest import REPO, free_port

SWEEPS = [path.stem for path in sorted((REPO / "recipes" / "sweeps").glob("*.yaml"))]


def without(framework: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(framework) is None, reason=f"{framework} is not installed here")


def commands(sweep: str, out: Path, capsys: pytest.CaptureFixture[str], *stages: str) -> list[list[str]]:
    """The different command lines of some stages of all points, without the program."""
    path = REPO / "recipes/sweeps" / f"{sweep}.yaml"
    here = ("--llamafactory", sys.executable, "--swift", sys.executable)
    assert main(["sweep", str(path), "--out", str(out), "--dry-run", "--json", *here]) == 0
    groups = json.loads(capsys.readouterr().out)
    return [one["command"][1:] for group in groups.values() for one in group if one["stage"] in stages]


@without("llamafactory")
@pytest.mark.llamafactory
@pytest.mark.parametrize("sweep", SWEEPS)
def test_trainings_and_merges_are_accepted_by_llamafactory(
    sweep: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from llamafactory.hparams import get_infer_args, get_train_args  # noqa: PLC0415
    from llamafactory.hparams.parser import read_args  # noqa: PLC0415

    monkeypatch.chdir(REPO)
    found = commands(sweep, tmp_path, capsys, "sft", "merge", "base")
    assert found
    for command in found:
        monkeypatch.setattr(sys, "argv", command)
        options: dict[str, Any] = read_args()  # type: ignore[assignment]
        if command[0] == "export":
            model_args, _, _, _ = get_infer_args(options)
            assert str(tmp_path) in str(model_args.export_dir)
            continue
        # These are refused on a machine without the GPUs the recipe is for.
        options.pop("deepspeed", None)
        options.update(bf16=False, output_dir=str(tmp_path / "nothing"))
        _, data_args, training_args, _, _ = get_train_args(options)
        if "dataset=demos" in command:
            assert data_args.eval_dataset == ["held_out"]
            assert training_args.do_eval  # so the final model is evaluated, and eval_results.json written
            assert training_args.max_steps == -1
            assert not training_args.load_best_model_at_end
            assert training_args.save_strategy == "no"


@without("swift")
@pytest.mark.swift
@pytest.mark.usefixtures("own_environment")
@pytest.mark.parametrize("sweep", SWEEPS)
def test_grpo_and_merges_are_accepted_by_swift(
    sweep: str, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch  # noqa: PLC0415
    from swift.arguments import ExportArguments, RLHFArguments  # noqa: PLC0415
    from swift.cli.main import parse_yaml_args  # noqa: PLC0415
    from swift.utils import parse_args  # noqa: PLC0415

    monkeypatch.chdir(REPO)
    found = {tuple(command) for command in commands(sweep, tmp_path, capsys, "grpo", "merge-grpo")}
    bench = tmp_path / "bench"
    assert main(["bench", "make", str(bench), "--families", "plans", "--n", "2"]) == 0
    (tmp_path / "shared").mkdir()
    assert main(["data", "grpo", str(bench), str(tmp_path / "shared/prompts.jsonl"), "--detail", "algebra"]) == 0
    monkeypatch.setattr(sys, "argv", ["swift"])
    for kind, *given in sorted(found)[:2]:  # points differ in their folders alone
        if kind == "rlhf":
            parse_yaml_args(given)
        # Refused on a machine without the GPUs that a sweep is for.
        argv = ["float32" if word == "bfloat16" else word for word in given]
        if "--deepspeed" in argv:
            at = argv.index("--deepspeed")
            del argv[at : at + 2]
        place = Path(argv[len(argv) - 1 - argv[::-1].index("--adapters" if kind == "export" else "--model") + 1])
        if not place.exists():
            shutil.copytree(tiny_model, place)
        if kind == "export":
            record = {"base_model_name_or_path": str(tiny_model), "peft_type": "LORA", "r": 2, "lora_alpha": 4}
            (place / "adapter_config.json").write_text(json.dumps(record))
            argv += ["--model", str(tiny_model), "--model_type", "qwen3", "--template", "qwen3"]
        monkeypatch.setenv("MASTER_PORT", str(free_port()))
        try:
            known, unknown = parse_args(ExportArguments if kind == "export" else RLHFArguments, argv)
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
        assert unknown == []
        assert str(tmp_path) in known.output_dir
        if kind == "rlhf":
            assert known.max_steps in (40, 100)
            assert known.seed == known.data_seed
