"""Runs work that needs no neural network in worker processes, beside the process that has the network."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

Run = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@contextmanager
def workers(count: int) -> Iterator[Run]:
    """A `map` over so many processes, which begins at once; over this one, if there are none.

    They are not forked: whoever has begun to use a GPU cannot be.
    """
    if not count:
        yield lambda function, values: iter([function(value) for value in values])
        return
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        yield pool.map
