"""Reads tables of a FlatBuffers file by field number, as far as TensorFlow Lite's files need it.

The format ("FlatBuffers Internals", google.github.io/flatbuffers): a table begins with the distance back to a list of
16-bit distances, one a field, 0 where the field has its default. Tables, vectors and texts lie elsewhere, by their
distance from where they are mentioned. All of it is little-endian. Every read is checked against the end of the file,
and no memory is taken for what a file only says it has.
"""

import struct
from dataclasses import dataclass

import numpy as np

MOST_TABLES = 5_000  # in one vector; BlazePose's longest has 535


@dataclass(frozen=True)
class Table:
    """A table at a place in a file; a field is known by its number. Raises ValueError where the file ends too early."""

    content: bytes
    place: int

    @classmethod
    def root(cls, content: bytes) -> "Table":
        return cls(content, _read(content, "<I", 0))

    def number(self, field: int, struct_format: str = "<i", default: int = 0) -> int:
        place = self._place_of(field)
        return default if place is None else _read(self.content, struct_format, place)

    def table(self, field: int) -> "Table | None":
        place = self._place_of(field)
        return None if place is None else self._mentioned_at(place)

    def tables(self, field: int) -> list["Table"]:
        """A vector of tables; empty where there is none."""
        count, begin = self._vector(field)
        if count > MOST_TABLES:
            raise ValueError(f"a vector of {count} tables")
        return [self._mentioned_at(begin + 4 * number) for number in range(count)]

    def array(self, field: int, dtype: str) -> np.ndarray:
        """A vector of numbers, as a view of the content; empty where there is none."""
        count, begin = self._vector(field)
        return np.frombuffer(self.content, dtype, count, begin) if count else np.empty(0, dtype)

    def _place_of(self, field: int) -> int | None:
        fields = self.place - _read(self.content, "<i", self.place)
        if 4 + 2 * field >= _read(self.content, "<H", fields):
            return None
        distance = _read(self.content, "<H", fields + 4 + 2 * field)
        return self.place + distance if distance else None

    def _vector(self, field: int) -> tuple[int, int]:
        """Of how many elements it is, and where they begin."""
        place = self._place_of(field)
        if place is None:
            return 0, 0
        begin = self._mentioned_at(place).place
        return _read(self.content, "<I", begin), begin + 4

    def _mentioned_at(self, place: int) -> "Table":
        return Table(self.content, place + _read(self.content, "<I", place))


def _read(content: bytes, struct_format: str, place: int) -> int:
    if not 0 <= place <= len(content) - struct.calcsize(struct_format):
        raise ValueError(f"it ends before byte {place}")
    return struct.unpack_from(struct_format, content, place)[0]
