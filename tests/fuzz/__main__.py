"""`make fuzz`: the campaign. `python -m tests.fuzz [TARGET ...] [--seconds S] [--count N] [--seed N]`.

An input that finds something is shrunk and kept below output/fuzz/; mended, it belongs into tests/data/fuzz/<target>/.
"""

import argparse
import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

FOUND = Path(__file__).parents[2] / "output" / "fuzz"
CHUNK = 50  # inputs a run of hypothesis, which remembers them all
CHEAP_COUNT, OTHER_SECONDS = 100_000, 600.0


@dataclass
class Campaign:
    """What became of a target's inputs: how many, the most calls and bytes of any, and the most that a refusal took."""

    inputs: int = 0
    refused: int = 0
    most_calls: int = 0
    most_memory: int = 0
    slowest_refusal: float = 0.0
    largest_refusal: int = 0
    last: bytes = b""

    def try_chunk(self, target: Target, number: int) -> None:
        """Raises whatever an input finds; the input, shrunk, is `last`."""

        @seed(number)
        @settings(
            max_examples=CHUNK, database=None, deadline=None, suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False,
        )  # fmt: skip
        @given(target.inputs)
        def chunk(content: bytes) -> None:
            self.last = content
            cost, refused = target.try_one(content)
            self.inputs += 1
            self.refused += refused
            self.most_calls = max(self.most_calls, cost.calls)
            self.most_memory = max(self.most_memory, cost.memory)
            if refused:
                self.slowest_refusal = max(self.slowest_refusal, cost.seconds)
                self.largest_refusal = max(self.largest_refusal, cost.memory)

        chunk()

    def row(self, name: str, seconds: float) -> str:
        refusal = f"{self.slowest_refusal:.2f} s, {self.largest_refusal / 1e6:.1f} MB"
        memory = f"{self.most_memory / 1e6:.1f} MB"
        return (
            f"| {name} | {self.inputs} | {self.refused} | {self.most_calls} | {memory} | {refusal} | {seconds:.0f} s |"
        )


def run(name: str, target: Target, count: int, seconds: float, first_seed: int) -> str | None:
    """Prints the target's row; what was found, if something was."""
    campaign, begun, number = Campaign(), time.monotonic(), first_seed
    found = None
    while found is None and campaign.inputs < count and time.monotonic() - begun < seconds:
        try:
            campaign.try_chunk(target, number)
        except Exception as error:
            file = FOUND / name / hashlib.sha256(campaign.last).hexdigest()[:12]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(campaign.last)
            found = f"{file}: {type(error).__name__}: {str(error)[:600]}"
        number += 1
    sys.stdout.write(f"{campaign.row(name, time.monotonic() - begun)}\n")
    sys.stdout.flush()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", default=list(TARGETS), metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, help=f"inputs a target ({CHEAP_COUNT} of the cheap ones)")
    parser.add_argument("--seconds", type=float, help=f"at most ({OTHER_SECONDS:g} for those that are not)")
    arguments = parser.parse_args()
    sys.stdout.write("| target | inputs | refused | calls, at most | memory, at most | a refusal, at most | time |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|\n")
    found = []
    for name in arguments.targets:
        target = TARGETS[name]
        unbounded = 10**9
        count = arguments.count or (CHEAP_COUNT if target.is_cheap else unbounded)
        seconds = arguments.seconds or (unbounded if target.is_cheap else OTHER_SECONDS)
        found.append(run(name, target, count, seconds, arguments.seed))
    for one in filter(None, found):
        sys.stderr.write(f"{one}\n")
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
