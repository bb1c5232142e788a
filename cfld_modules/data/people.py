"""Groups a data set's photographs by person, for commands that take people instead of pairs."""

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
    labels = np.array(numbers)
    if None in numbers:
        sources, targets = np.array(pairs.pairs).T
        size = len(pairs.photographs)
        graph = coo_array((np.ones(len(sources), bool), (sources, targets)), shape=(size, size))
        labels = 1 + connected_components(graph, directed=False)[1]
    groups: dict[int, list[Photograph]] = {}
    for place in sorted({place for pair in pairs.pairs for place in pair}):
        if (label := int(labels[place])) > 0:  # numbers of 0 and below are nobody's
            groups.setdefault(label, []).append(pairs.photographs[place])
    return [Person(photographs[0].name, photographs) for photographs in groups.values()]
