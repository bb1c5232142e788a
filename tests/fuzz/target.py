"""What a target is, and what holds for every input of it."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.fuzz.meter import Cost, measured

MOST_MEMORY = 20_000_000
"""Bytes that any input may take beside those that go with its size: more than twice what the costliest of a campaign
took, since the next seed draws a costlier one, and less than half of what nobody should take to be refused.
"""

LONGEST_MESSAGE = 700  # with a file's whole path in it; nodes and commands shorten it to 500


@dataclass(frozen=True)
class Target:
    """A reader of what strangers hand in.

    Attributes:
        inputs: what it is tried with.
        read: reads one; whatever it returns beside what it read is of no interest.
        errors: the pack's own, the only ones that may come out.
        most_calls, calls_a_byte: no more calls are made than `most_calls` and so many a byte.
        most_memory, memory_a_byte: no more bytes are taken at the peak.
        size: the bytes by which an input may cost.
        check: looks at a reading further, outside of what is measured.
        is_cheap: under a millisecond an input, so that a campaign is 100,000 inputs instead of ten minutes.
    """

    inputs: st.SearchStrategy[bytes]
    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    most_calls: int
    calls_a_byte: int
    most_memory: int
    memory_a_byte: int
    size: Callable[[bytes], int] = len
    check: Callable[[bytes, object, Exception | None], None] = lambda content, read, error: None
    is_cheap: bool = False

    def try_one(self, content: bytes) -> tuple[Cost, bool]:
        """What reading cost, and whether the input was refused.

        Raises:
            AssertionError: an input costs more than it may, or is refused in words that are no message.
            Exception: any other than the pack's own came out.
        """
        read, error, cost = self._read(content)
        if not self._affordable(cost, self.size(content)):
            read, error, cost = self._read(content)  # what is made or imported once is not this input's
        assert self._affordable(cost, self.size(content)), f"{cost} for {self.size(content)} bytes"
        message = "" if error is None else str(error)
        assert error is None or message.strip(), "an error without words"
        assert len(message) <= LONGEST_MESSAGE, f"a message of {len(message)} letters: {message[:200]}"
        self.check(content, read, error)
        return cost, error is not None

    def _read(self, content: bytes) -> tuple[object, Exception | None, Cost]:
        read, error = None, None
        with measured() as cost:
            try:
                read = self.read(content)
            except self.errors as own:
                error = own
        return read, error, cost

    def _affordable(self, cost: Cost, size: int) -> bool:
        return (
            cost.calls <= self.most_calls + self.calls_a_byte * size
            and cost.memory <= self.most_memory + self.memory_a_byte * size
        )
