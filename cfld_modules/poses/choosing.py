"""Choosing one of the people in a picture, and following them from frame to frame."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from .keypoints import Pose

Rule = Literal["largest", "leftmost", "rightmost", "central", "number", "id"]
RULES: tuple[str, ...] = get_args(Rule)

STRAY, MIN_POINTS_FOR_STRAYS = 4.0, 6
"""A joint that is this many times as far from the middle of the person as half of them is a detector's mistake."""

SAME_PLACE, SAME_SCENE = 0.25, 0.06
"""Mean distance of two skeletons, in heights of the larger one: of one person in two frames, and of anybody who shows
that the frames follow each other. The people of pictures that have nothing to do with each other are further
apart."""

MOST_NEIGHBOURS = 16


def choose_through_time(frames: Sequence[Sequence[Pose]], rule: Rule, number: int = 1) -> list[int | None]:
    """For each frame the index of the person that a rule means, None where it shows nobody of that kind.

    Whom the rule means in the first frame is followed from there: by `person_id` where a tracker gave them, else by
    place, also when others become larger or pass by. Only where frames have nothing to do with each other, as pictures
    of different people, the rule means somebody anew. With the rule `id` it is always the one with that `person_id`.
    """
    indices: list[int | None] = []
    last: Sequence[Pose] = ()
    person: Pose | None = None
    for people in frames:
        index = None if person is None or rule == "id" else _find(person, last, people)
        if index is None and not (rule != "id" and person is not None and _has_left(person, people)):
            index = choose_person(people, rule, number)
        indices.append(index)
        if index is not None:
            person, last = people[index], people
    return indices


def choose_person(people: Sequence[Pose], rule: Rule, number: int = 1) -> int | None:
    """The index of the person that a rule means, None where there is nobody of that kind.

    People without a visible point do not count. Where somebody stands is the middle of the box around the visible
    points: `leftmost` and `rightmost` go by its x, `central` by its distance from the middle of the canvas, `number`
    counts from left to right, from 1, since the order of a detector cannot be seen. `largest` is the one with the
    largest box, as everywhere where one person is wanted. `id` is the one whose `person_id` is `number`.
    """
    visible_people = [index for index, pose in enumerate(people) if pose.visible.any()]
    match rule:
        case "largest":
            return max(visible_people, key=lambda index: box_area(people[index]), default=None)
        case "central":
            from_centre = {i: middle(people[i]) - (people[i].width / 2, people[i].height / 2) for i in visible_people}
            return min(visible_people, key=lambda index: np.linalg.norm(from_centre[index]), default=None)
        case "id":
            return next((index for index in visible_people if people[index].person_id == number), None)
        case "rightmost":
            number = len(visible_people)
        case "leftmost":
            number = 1
    left_to_right = sorted(visible_people, key=lambda index: middle(people[index])[0])
    return left_to_right[number - 1] if 1 <= number <= len(left_to_right) else None


def box_area(pose: Pose) -> float:
    """Area in pixels of the box around the visible points, of which there must be one; stray joints do not count."""
    points = pose.points[pose.visible]
    if len(points) >= MIN_POINTS_FOR_STRAYS:
        distances = np.linalg.norm(points - np.median(points, axis=0), axis=1)
        points = points[distances <= STRAY * np.median(distances)]
    return float(np.prod(np.maximum(np.ptp(points, axis=0), 1.0)))  # at least a pixel wide: they may lie on one line


def _find(person: Pose, last_people: Sequence[Pose], people: Sequence[Pose]) -> int | None:
    """Where a person of the frame before is in this one: by number, else whoever is nearest and nobody else's."""
    by_id = [index for index, other in enumerate(people) if other.person_id == person.person_id and other.visible.any()]
    if person.person_id is not None and len(by_id) == 1:
        return by_id[0]
    candidates = [index for index, other in enumerate(people) if other.visible.any()]
    candidates = _nearest(person, candidates, [people[index] for index in candidates])
    known_people = [pose for pose in last_people if pose is not person and pose.visible.any()]
    known_people = [person, *_nearest(person, known_people, known_people)]
    distances = np.array([_distances(pose, [people[index] for index in candidates]) for pose in known_people])
    least = distances.min(initial=np.inf)
    while np.isfinite(distances).any():
        row, column = np.unravel_index(distances.argmin(), distances.shape)
        if row == 0:
            return candidates[column] if distances[row, column] < SAME_PLACE or least < SAME_SCENE else None
        distances[row], distances[:, column] = np.inf, np.inf  # these two are one
    return None


def _nearest(pose: Pose, values: list, others: list[Pose]) -> list:
    """Those of `values` whose poses, in `others`, are nearest: of a crowd the few who may be taken for the person."""
    if len(values) <= MOST_NEIGHBOURS:
        return values
    return [values[place] for place in np.argsort(_distances(pose, others))[:MOST_NEIGHBOURS]]


def _has_left(person: Pose, people: Sequence[Pose]) -> bool:
    """Whether a tracker says that none of the people is this one."""
    ids = {other.person_id for other in people if other.visible.any()}
    return person.person_id is not None and None not in ids and len(ids) == len(people) and person.person_id not in ids


def _distances(pose: Pose, others: Sequence[Pose]) -> np.ndarray:
    """(n,) mean distances of the joints that both show, in heights of the larger one; infinite without any."""
    if not others:
        return np.empty(0)
    points = np.stack([pose.points, *(other.points for other in others)])
    sides = (np.nanmax(points, axis=1) - np.nanmin(points, axis=1)).max(axis=1).clip(1.0)
    joint_distances = np.linalg.norm(points[1:] - points[0], axis=2)  # NaN where missing
    in_both = ~np.isnan(joint_distances)
    means = np.nansum(joint_distances, axis=1) / np.maximum(in_both.sum(axis=1), 1) / np.maximum(sides[1:], sides[0])
    return np.where(in_both.any(axis=1), means, np.inf)


def middle(pose: Pose) -> np.ndarray:
    return (np.nanmin(pose.points, axis=0) + np.nanmax(pose.points, axis=0)) / 2
