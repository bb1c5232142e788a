"""What reading one input costs, in numbers that are the same on every machine: calls made, and memory at the peak."""

import re
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PAGES = 1_000_000  # bytes below which the process's memory grows by chance


@dataclass
class Cost:
    """Of one input.

    calls: of Python functions and of those in C that Python calls.
    memory: bytes at the peak beyond those at the start; Python's own, or the process's where that grew by more.
    seconds: of CPU time, counting included; for campaigns to tell, and no test looks at it.
    """

    calls: int = 0
    memory: int = 0
    seconds: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Counts what the body costs."""
    cost = Cost()

    def count(frame: Any, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            cost.calls += 1

    process = _process_memory("VmRSS")
    if process:
        CLEAR.write_text("5")  # the peak starts anew
    tracemalloc.start()
    before = sys.getprofile()
    begun = time.process_time()
    sys.setprofile(count)
    try:
        yield cost
    finally:
        sys.setprofile(before)
        cost.seconds = time.process_time() - begun
        cost.memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        grown = _process_memory("VmHWM") - process
        if grown > max(cost.memory, PAGES):
            cost.memory = grown


def _process_memory(field: str) -> int:
    """Bytes, also of what libraries take without Python; 0 where the system does not tell."""
    return int(re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text())[1]) * 1024 if CLEAR.exists() else 0
