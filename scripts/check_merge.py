"""Checks that a merged model differs from its base: `python scripts/check_merge.py BASE MERGED`.

An export can copy the base unchanged without a word (LLaMA-Factory issue 9051). Fails (exit 1) if every tensor is
equal, or if the two do not hold the same tensors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from safetensors import safe_open


@dataclass(frozen=True)
class Comparison:
    """How many tensors two models share, and how many of these differ."""

    shared: int
    changed: int
    only_one: tuple[str, ...]


def compare(base: Path, merged: Path) -> Comparison:
    """Compares tensor by tensor, in the merged model's precision: a cast alone is no change."""
    before, after = _files(base), _files(merged)
    shared = sorted(before.keys() & after.keys())
    changed = sum(_differs(_load(before, name), _load(after, name)) for name in shared)
    return Comparison(len(shared), changed, tuple(sorted(before.keys() ^ after.keys())))


def _files(folder: Path) -> Mapping[str, Path]:
    """Which safetensors file holds which tensor."""
    return {name: path for path in sorted(folder.glob("*.safetensors")) for name in _names(path)}


def _names(path: Path) -> Iterator[str]:
    with safe_open(path, framework="pt") as file:
        yield from file.keys()


def _load(files: Mapping[str, Path], name: str) -> torch.Tensor:
    with safe_open(files[name], framework="pt") as file:
        tensor: torch.Tensor = file.get_tensor(name)
        return tensor


def _differs(before: torch.Tensor, after: torch.Tensor) -> bool:
    return before.shape != after.shape or not torch.equal(before.to(after.dtype), after)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", maxsplit=1)[0],
        epilog="example: python scripts/check_merge.py Qwen/Qwen3-8B saves/qwen3-8b/merged",
    )
    parser.add_argument("base", help="folder, or hub id of a model in the local cache")
    parser.add_argument("merged", type=Path, help="folder that `llamafactory-cli export` wrote")
    options = parser.parse_args()
    base = Path(options.base)
    if not base.is_dir():
        try:
            base = Path(snapshot_download(options.base, local_files_only=True))
        except (HFValidationError, LocalEntryNotFoundError):
            print(f"{options.base} is neither a folder nor a model in the local cache", file=sys.stderr)
            return 2
    if not options.merged.is_dir():
        print(f"{options.merged} not found: `llamafactory-cli export` writes it (export_dir)", file=sys.stderr)
        return 2
    result = compare(base, options.merged)
    # Tied embeddings are stored once or twice, so lm_head alone may be missing on one side.
    missing = [name for name in result.only_one if name != "lm_head.weight"]
    if not result.shared or missing:
        found = f"{missing[0]} is in one of them only" if missing else "no common tensor"
        print(f"{options.base} and {options.merged} are not the same architecture: {found}", file=sys.stderr)
        return 1
    if not result.changed:
        print(
            f"{options.merged} equals {options.base} in all {result.shared} tensors: the adapter was not merged. "
            "Check adapter_name_or_path and finetuning_type: lora in the export recipe.",
            file=sys.stderr,
        )
        return 1
    print(f"{result.changed} of {result.shared} tensors differ from {options.base}: the adapter is merged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
