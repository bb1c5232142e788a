"""The people of a data set, each with their photographs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .pairs import Pairs, Photograph
from .reid import person_of


@dataclass(frozen=True)
class Person:
    """One person in one outfit, which is what data sets of pairs call a person."""

    name: str
    photographs: Sequence[Photograph]


def people_of_pairs(pairs: Pairs) -> list[Person]:
    """Whoever pairs connect, in the order of their first photographs; photographs in no pair are nobody's.

    Where all photographs have a person's number in their names, as in Market-1501, it says who they show.
    """
    numbers = [person_of(photograph.name) for photograph in pairs.photographs]
    if None not in numbers:
        return _people_by_number(pairs, numbers)
    sources, targets = np.array(pairs.pairs).T
    size = len(pairs.photographs)
    graph = coo_array((np.ones(len(sources), bool), (sources, targets)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, list[Photograph]] = {}
    for place in sorted({*sources.tolist(), *targets.tolist()}):
        groups.setdefault(int(labels[place]), []).append(pairs.photographs[place])
    return [Person(photographs[0].name, photographs) for photographs in groups.values()]


def _people_by_number(pairs: Pairs, numbers: Sequence[int | None]) -> list[Person]:
    """Numbers of 0 and below are nobody's."""
    groups: dict[int, list[Photograph]] = {}
    for place in sorted({place for pair in pairs.pairs for place in pair}):
        number = numbers[place]
        if number is not None and number > 0:
            groups.setdefault(number, []).append(pairs.photographs[place])
    return [Person(photographs[0].name, photographs) for photographs in groups.values()]
