"""Whom the rules mean."""

from dataclasses import replace

import numpy as np
import pytest

from cfld_modules.poses.choosing import RULES, choose_person, choose_through_time
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
def test_each_rule_chooses_its_person(rule, number, index):
    assert choose_person(PEOPLE, rule, number) == index


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("people", [[], [NOBODY]])
def test_without_a_visible_person_every_rule_chooses_nobody(rule, people):
    assert choose_person(people, rule) is None


def test_central_person_is_chosen_by_height_as_well():
    assert choose_person([person(200, 20), person(230, 100)], "central") == 1


def test_the_rule_id_means_the_one_with_that_number():
    people = [replace(pose, person_id=index) for index, pose in enumerate(PEOPLE)]
    assert choose_person(people, "id", 4) == 4 and choose_person(people, "id", 0) == 0
    assert choose_person(people, "id", 2) is None, "who has no point is nowhere"
    assert choose_through_time([people, people[::-1], people[:3]], "id", 4) == [4, 0, None]


def whole(x, size):
    """Somebody with all eighteen joints, standing at x, as tall as twice the size."""
    joints = np.array([(0, -9), (0, -7), (-2, -7), (-3, -4), (-3, -1), (2, -7), (3, -4), (3, -1), (-1, 0), (-1, 4),
                       (-1, 9), (1, 0), (1, 4), (1, 9), (-0.5, -9.5), (0.5, -9.5), (-1, -9), (1, -9)])  # fmt: skip
    return Pose(joints * size / 9 + (x, 100), WIDTH, HEIGHT)


def test_one_stray_joint_does_not_make_the_small_person_the_large_one():
    small = whole(100, 30)
    for joint in (0, 4, 10):
        small.points[joint] = (390, 190)
        assert choose_person([whole(300, 50), small], "largest") == 0
        assert choose_person([small, whole(300, 50)], "largest") == 1


def test_the_one_who_was_taken_first_is_followed_while_sizes_cross():
    """Nobody has a number: one walks away, the other comes near, and they pass each other."""
    frames = [
        [whole(100 + 12 * step, 80 - 4 * step), whole(300 - 12 * step, 40 + 4 * step)][:: 1 if step % 2 else -1]
        for step in range(15)
    ]
    chosen = choose_through_time(frames, "largest")
    assert [frame[index].points[1, 0] for frame, index in zip(frames, chosen, strict=True)] == pytest.approx(
        [100 + 12 * step for step in range(15)]
    )
    assert choose_through_time(frames, "rightmost")[1:] != chosen[1:]


def test_a_person_who_jumps_is_followed_where_the_other_one_stays():
    here, there, other = whole(60, 80), whole(250, 30), whole(330, 60)
    assert choose_through_time([[here, other], [other, there]], "largest") == [0, 1]


def test_numbers_of_a_tracker_come_before_places():
    first, second = (replace(whole(x, size), person_id=number) for x, size, number in ((100, 80, 5), (300, 40, 6)))
    swapped = [replace(first, person_id=6), replace(second, person_id=5)]
    assert choose_through_time([[first, second], swapped], "largest") == [0, 1]
    assert choose_through_time([[first, second], [replace(whole(330, 90), person_id=6)]], "largest") == [0, None]


def test_pictures_of_other_people_are_looked_at_anew():
    frames = [[whole(60, 80), whole(350, 30)], [whole(330, 35), whole(200, 90)], [], [whole(20, 20), whole(250, 60)]]
    assert choose_through_time(frames, "largest") == [0, 1, None, 1]


def test_a_crowd_is_followed_in_no_time():
    crowd = [[whole(x + step, 20) for x in range(0, 390, 2)] for step in range(20)]
    assert choose_through_time(crowd, "leftmost") == [0] * 20
