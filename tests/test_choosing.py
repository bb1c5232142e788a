"""Whom the rules mean."""

import numpy as np
import pytest

from cfld_modules.poses.choosing import RULES, choose_person
from cfld_modules.poses.keypoints import Pose

WIDTH, HEIGHT = 400, 200
NOBODY = Pose(np.full((18, 2), np.nan), WIDTH, HEIGHT)


def person(x, y=100.0, size=20.0):
    points = np.full((18, 2), np.nan)
    points[0], points[10] = (x - size / 2, y - size), (x + size / 2, y + size)
    return Pose(points, WIDTH, HEIGHT)


PEOPLE = [person(210), person(350, size=50), NOBODY, person(40), person(120)]


@pytest.mark.parametrize(
    ("rule", "number", "index"),
    [("largest", 1, 1), ("leftmost", 9, 3), ("rightmost", 9, 1), ("central", 1, 0), ("number", 1, 3), ("number", 2, 4),
     ("number", 3, 0), ("number", 4, 1), ("number", 5, None)],
)  # fmt: skip
def test_the_rules(rule, number, index):
    assert choose_person(PEOPLE, rule, number) == index


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("people", [[], [NOBODY]])
def test_nobody(rule, people):
    assert choose_person(people, rule) is None


def test_central_heeds_the_height():
    assert choose_person([person(200, 20), person(230, 100)], "central") == 1
