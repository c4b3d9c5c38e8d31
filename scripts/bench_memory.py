"""Peak memory of a judge that is asked about many models, beside how many it keeps.

Every model is a copy of one of the benchmark with a comment of its own, so that none is known before. It is asked for
its status, IIS and cheapest repair, which leaves all in memory that an episode does.

    python scripts/bench_memory.py $ORDEBUG_DATA/or_debug_bench/v1 --problems 5000 --kept 256
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.problem import load_benchmark, load_problem
from ordebug_plugin.solver import Judge


def peak() -> float:
    """Peak resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(bench: Path, n: int, kept: int, scratch: Path) -> None:
    """Asks, and prints the peak a few times on the way."""
    problems = [problem for problem in load_benchmark(bench).problems if problem.path.suffix == ".mps"]
    if not problems:
        raise OrdebugError(f"{bench} has no .mps model")
    copy = scratch / "copy.mps"
    with Judge(models_kept=kept, stored=False) as judge:
        print(f"{peak():8.1f} MiB before the first model")
        for number in range(1, n + 1):
            copy.write_bytes(b"* %d\n" % number + problems[number % len(problems)].path.read_bytes())
            problem = load_problem(copy)
            judge.solve(problem)
            judge.iis(problem)
            judge.infeasibility(problem)
            if number in {kept, n // 4, n // 2, n}:
                print(f"{peak():8.1f} MiB after {number} models, {min(number, kept)} of them kept", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path)
    parser.add_argument("--problems", type=int, default=5000, metavar="N")
    parser.add_argument("--kept", type=int, default=256, metavar="N", help="models kept (default 256, as the judge's)")
    options = parser.parse_args()
    if min(options.problems, options.kept) < 1:
        parser.error("--problems and --kept must be at least 1")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            measure(options.bench, options.problems, options.kept, Path(scratch))
        except OrdebugError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
