"""Choosing one of the people in a picture."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from .keypoints import Pose, box_area

Rule = Literal["largest", "leftmost", "rightmost", "central", "number"]
RULES: tuple[str, ...] = get_args(Rule)


def choose_person(people: Sequence[Pose], rule: Rule, number: int = 1) -> int | None:
    """The index of the person that a rule means, None where there is nobody of that kind.

    People without a visible point do not count. Where somebody stands is the middle of the box around the visible
    points: `leftmost` and `rightmost` go by its x, `central` by its distance from the middle of the canvas, `number`
    counts from left to right, from 1, since the order of a detector cannot be seen. `largest` is the one with the
    largest box, as everywhere where one person is wanted.
    """
    there = [index for index, pose in enumerate(people) if pose.visible.any()]
    from_left = sorted(there, key=lambda index: _middle(people[index])[0])
    match rule:
        case "largest":
            return max(there, key=lambda index: box_area(people[index]), default=None)
        case "central":
            return min(there, key=lambda index: _distance_from_centre(people[index]), default=None)
        case "rightmost":
            number = len(from_left)
        case "leftmost":
            number = 1
    return from_left[number - 1] if 1 <= number <= len(from_left) else None


def _middle(pose: Pose) -> np.ndarray:
    return (np.nanmin(pose.points, axis=0) + np.nanmax(pose.points, axis=0)) / 2


def _distance_from_centre(pose: Pose) -> float:
    return float(np.linalg.norm(_middle(pose) - (pose.width / 2, pose.height / 2)))
