"""Seconds of the same work done by both, and what is made of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Pair:
    """Seconds of the same work done by both: wall and CPU."""

    ours: tuple[float, float]
    naive: tuple[float, float]


@contextmanager
def timed(into: list[tuple[float, float]]) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    into.append((time.perf_counter() - wall, time.process_time() - cpu))


def alternate(repeats: int, ours: Callable[[], object], naive: Callable[[], object]) -> list[Pair]:
    """Both in turn; each returns something that closes, or nothing, which is not timed."""
    mine: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for _ in range(repeats):
        with timed(mine):
            ours()
        with timed(theirs):
            naive()
    return [Pair(*pair) for pair in zip(mine, theirs, strict=True)]


def summary(pairs: list[Pair], n: int, unit: str) -> dict[str, Any]:
    """Rates and ratios: medians, and the range of the ratio."""
    wall = [pair.naive[0] / pair.ours[0] for pair in pairs]
    cpu = [pair.naive[1] / pair.ours[1] for pair in pairs]
    return {
        unit: n,
        f"ours_{unit}_per_s": n / statistics.median(pair.ours[0] for pair in pairs),
        f"naive_{unit}_per_s": n / statistics.median(pair.naive[0] for pair in pairs),
        "ratio_wall": statistics.median(wall),
        "ratio_cpu": statistics.median(cpu),
        "ratio_cpu_range": [min(cpu), max(cpu)],
        "ours_cpu_us": 1e6 * statistics.median(pair.ours[1] for pair in pairs) / n,
        "naive_cpu_us": 1e6 * statistics.median(pair.naive[1] for pair in pairs) / n,
    }


def show(title: str, figures: dict[str, Any]) -> None:
    low, high = figures["ratio_cpu_range"]
    print(
        f"{title:28} ours {figures['ours_cpu_us']:9.1f} µs   naive {figures['naive_cpu_us']:9.1f} µs   "
        f"ratio CPU {figures['ratio_cpu']:7.2f} ({low:.2f} to {high:.2f})   wall {figures['ratio_wall']:7.2f}",
        flush=True,
    )
