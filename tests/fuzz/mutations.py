"""Inputs near valid ones: bytes that are changed, and JSON documents of which parts are.

Hypothesis draws a number for each change, and all else about it hangs on that number: a hundred times faster than
drawing every choice, and what an input found still shrinks to the changes that it needs.
"""

import copy
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st

SCALARS = (
    0, -1, 1, 2, 3, 4, 16, 17, 18, 54, 256, 10**6, 10**7, 2**31, 2**63, 10**400, 0.5, 0.02, -0.0, 1e-9, 1e300,
    float("nan"), float("-inf"), None, True, False, "", "x", "1", "0", "pad", "nan", "\ud800", "\0", "\ufeff", "é",
)  # fmt: skip
CHANGES = st.lists(st.integers(0, 2**32 - 1), max_size=4)


def changed_documents(documents: Sequence[Any], keys: Sequence[str]) -> st.SearchStrategy[Any]:
    """One of the JSON documents with up to four of its parts replaced, removed, repeated or put elsewhere."""

    def changed(document: Any, changes: list[int]) -> Any:
        root = {"root": copy.deepcopy(document)}
        for change in changes:
            _change_document(Random(change), root, keys)
        return root["root"]

    return st.builds(changed, st.sampled_from(documents), CHANGES)


def changed_bytes(contents: Sequence[bytes], pieces: Sequence[bytes] = (b"",)) -> st.SearchStrategy[bytes]:
    """One of the contents with up to four places overwritten, cut out, repeated, filled with a piece, or its end cut.

    The first and the last bytes are changed as often as all between them: tables and directories are there.
    """
    return st.builds(change_bytes, st.sampled_from(contents), CHANGES, st.just(pieces))


def change_bytes(content: bytes, changes: Sequence[int], pieces: Sequence[bytes] = (b"",)) -> bytes:
    changed = bytearray(content)
    for change in changes:
        random = Random(change)
        place = random.randint(0, min(len(changed), random.choice((len(changed), 200, 3000))))
        place = random.choice((place, len(changed) - place))
        length = random.choice((0, 1, 1, 2, 4, 8, 100))
        match random.randrange(6):
            case 0:
                changed[place : place + length] = random.randbytes(random.randint(0, 8))
            case 1:
                changed[place : place + length] = random.choice(pieces)
            case 2:
                changed[place:place] = changed[place : place + length] * random.randint(1, 50)
            case 3:
                del changed[place : place + length]
            case 4:
                bit = random.randrange(8)
                changed[place : place + 1] = bytes(byte ^ 1 << bit for byte in changed[place : place + 1])
            case 5 if random.random() < 0.3:
                del changed[place:]
    return bytes(changed)


def _change_document(random: Random, root: dict, keys: Sequence[str]) -> None:
    parent, key = _place(random, root)
    match random.randrange(7):
        case 0 if parent is not root:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent[key:key] = parent[key : key + 1] * random.randint(1, 9)
        case 2:
            source, place = _place(random, root)
            parent[key] = copy.deepcopy(source[place])
        case 3 if isinstance(parent, dict) and parent is not root:
            parent[random.choice(keys)] = parent.pop(key)
        case 4 if isinstance(parent[key], dict):
            parent[key][random.choice(keys)] = _value(random, keys)
        case _:
            if parent is not root or random.random() < 0.1:
                parent[key] = _value(random, keys)


def _place(random: Random, root: dict) -> tuple[Any, Any]:
    """A container in the document, and a key or place in it."""
    parent, key = root, "root"
    while isinstance(parent[key], dict | list) and parent[key] and random.random() < 0.85:
        parent = parent[key]
        key = random.choice(list(parent)) if isinstance(parent, dict) else random.randrange(len(parent))
    return parent, key


def _value(random: Random, keys: Sequence[str], depth: int = 0) -> Any:
    """A small JSON value, objects in it with `keys`."""
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: random.choice(SCALARS), lambda: random.choice(SCALARS), lambda: random.randint(-300, 300),
        lambda: random.uniform(-400, 400),
        lambda: [_value(random, keys, depth + 1) for _ in range(random.randint(0, 4))],
        lambda: {random.choice(keys): _value(random, keys, depth + 1) for _ in range(random.randint(0, 3))},
    )  # fmt: skip
    return random.choice(kinds[: 4 if depth > 3 else 6])()
