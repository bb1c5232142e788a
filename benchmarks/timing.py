"""Seconds of functions that take turns, so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each function in each round; who begins changes every round, and a first round is not counted."""
    names = list(functions)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            functions[name]()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ratio(seconds: list[float], to: list[float]) -> float:
    """Of times taken in the same rounds."""
    return statistics.median(a / b for a, b in zip(seconds, to, strict=True))
