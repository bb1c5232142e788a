"""Converts key points of any dialect to the JSON that the Pose Editor reads in the page.

A canonical text is a JSON list of frames with `canvas_width`, `canvas_height` and `people`. A person has
`pose_keypoints_2d`, 54 numbers in pixels, confidence 1, or 0, 0, 0 where missing; where they are known
`pose_keypoints_3d`; and whatever else came along, hands, face and feet in pixels, too. Of several people one is marked
as `chosen`.
"""

import json
from collections.abc import Sequence

import numpy as np

from ..errors import PoseError
from .keypoints import KEYPOINTS_3D, Pose, write_person
from .reading import CHOSEN_KEY, Person, read_chosen
from .units import NORMALISED_REACH

BODY_KEY = "pose_keypoints_2d"
HAND_POINTS = 21
HAND_KEYS = ("hand_left_keypoints_2d", "hand_right_keypoints_2d")


def canonical_frames(pose: object, canvas: tuple[int, int] | None = None) -> list[dict]:
    """POSE_KEYPOINT in any dialect, its text or the bytes of a file -> frames with everybody, in the canonical form.

    canvas: (width, height) for frames that have no size of their own; without it they are an error. Raises PoseError as
        `read_pose_keypoints` does, also where nobody is in a frame or mostly outside its canvas.
    """
    return [_frame(people, chosen) for people, chosen in read_chosen(pose, canvas)]


def read_hands(pose: object, is_ours: bool = False) -> list[dict[str, np.ndarray]]:
    """POSE_KEYPOINT in any dialect -> for each frame the hands of its chosen person, by key, where it has them.

    A hand is (21, 3): x, y in pixels of the canvas and the score, 0 where missing. CFLD does not read them; an OpenPose
    ControlNet beside it does. `is_ours` is that of `read_pose_keypoints`.
    """
    hands = []
    for _, chosen in read_chosen(pose, is_ours=is_ours):
        person = _entry(chosen, chosen.pose())
        rows = {key: np.reshape(person[key], (-1, 3)) for key in HAND_KEYS if key in person}
        hands.append({key: hand for key, hand in rows.items() if len(hand) == HAND_POINTS and hand[:, 2].any()})
    return hands


def _frame(people: Sequence[Person], chosen: Person) -> dict:
    pose = chosen.pose()
    entries = [_entry(person, pose if person is chosen else _beside(person)) for person in people]
    if len(entries) > 1:
        entries[[person is chosen for person in people].index(True)][CHOSEN_KEY] = True
    return {"canvas_width": pose.width, "canvas_height": pose.height, "people": entries}


def _beside(person: Person) -> Pose:
    """Somebody who is not chosen may be mostly outside the canvas, or written without a third dimension that fits."""
    try:
        return person.pose()
    except PoseError:
        if person.layout is None:
            raise
        return person.flat


def _entry(person: Person, pose: Pose) -> dict:
    written = person.body.written
    canonical_person = write_person(pose)
    entry = {key: canonical_person[key] for key in (BODY_KEY, KEYPOINTS_3D, "person_id") if key in canonical_person}
    if BODY_KEY not in written:
        return entry  # what else another form than OpenPose's holds is its own
    extra_keys = {
        key: _in_pixels(value, pose) if str(key).endswith("keypoints_2d") else value
        for key, value in written.items() if key not in (*entry, KEYPOINTS_3D, CHOSEN_KEY)
    }
    return entry | {key: value for key, value in extra_keys.items() if _is_json(value)}


def _in_pixels(numbers: object, pose: Pose) -> list[float] | None:
    """x, y, score one after another, 0, 0, 0 where missing; from pixels or shares of the canvas; None of others."""
    try:
        rows = np.array(numbers, dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError):
        return None
    rows[~np.isfinite(rows).all(axis=1)] = 0.0
    if np.abs(rows[:, :2]).max(initial=0.0) <= NORMALISED_REACH:
        rows *= (pose.width, pose.height, 1)
    return rows.ravel().tolist()


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return value is not None
