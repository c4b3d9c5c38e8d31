"""Checks that every extra of pyproject.toml resolves from the package registry, each in an environment of its own.

Resolving downloads metadata only, so this works without a GPU and without the disk that SGLang needs.

    python scripts/check_extras.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
# The frameworks' environments may hold DeepSpeed or Ray besides.
TOGETHER = (
    ("llamafactory", "deepspeed"),
    ("swift", "deepspeed"),
    ("llamafactory", "ray", "dev"),
    ("swift", "ray", "dev"),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--uv", default="uv", help="the uv program (default: the one on PATH)")
    parser.add_argument("--python-version", default="3.11", help="default 3.11")
    options = parser.parse_args()
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    failed = 0
    for names in [*((extra,) for extra in extras), *TOGETHER]:
        chosen = [word for name in names for word in ("--extra", name)]
        command = [options.uv, "pip", "compile", "--quiet", "--python-version", options.python_version, *chosen]
        process = subprocess.run([*command, str(PROJECT)], capture_output=True, text=True, check=False)
        pins = [line for line in process.stdout.splitlines() if "==" in line and not line.startswith(" ")]
        wanted = {
            requirement.split("=")[0].split(">")[0].split("<")[0] for name in names for requirement in extras[name]
        }
        shown = ", ".join(pin for pin in pins if pin.split("==")[0].split("[")[0] in wanted)
        if process.returncode == 0:
            print(f"ok      {'+'.join(names)}: {len(pins)} packages; {shown}")
        else:
            failed += 1
            print(f"FAILED  {'+'.join(names)}:\n{process.stderr.strip()}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
