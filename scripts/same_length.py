#!/usr/bin/env python3
"""Cuts Alpaca files to the rows of the shortest, so that trainings on them can be compared."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python scripts/same_length.py verified.json public.json"
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.json", help='{"metadata": …, "data": [rows]}')
    files = {path: json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args().files}
    shortest = min(len(content["data"]) for content in files.values())
    for path, content in files.items():
        print(f"{path}: {shortest} of {len(content['data'])} rows")
        content["data"] = content["data"][:shortest]
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
