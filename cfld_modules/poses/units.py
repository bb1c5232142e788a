"""Units and axes of key points: pixels or normalised, y downwards; other units and axes are refused with the reason.

* Units are decided for each body alone: 0-1 if no coordinate exceeds `NORMALISED_REACH` in absolute value, pixels
  otherwise. Points outside the canvas are normal in both units, and a skeleton in pixels that fits into so few pixels
  of the top left corner is of no use to anybody.
* The canvas size is checked: a person who is mostly outside was found in a picture of another size. But a close-up,
  with head and shoulders in the picture, may have any number of joints below it.
* A face that is seen has the left eye to the right of the right one, as seen with the head up. Where it has not and
  the person lies or stands on the head, the axes are not x to the right and y down.
"""

import logging

import numpy as np

from ..errors import PoseError
from .keypoints import FACE, HIPS, NECK, NOSE, SHOULDERS, Pose
from .layouts import fits

NORMALISED_REACH = 4.0
_MOST_NEGATIVE = 1 / 3  # of a person's points in shares of the canvas

PERCENT = 100
MIN_CANVAS_FOR_PERCENT = 2 * PERCENT
MIN_EXTENT_OF_PERCENT = 0.4
"""Of the canvas if these are percent: who is smaller may well stand in the corner."""

MIN_POINTS_TO_JUDGE = 8
MIN_SLOPE = 0.5
"""Of the eyes' distance across the head and of the head's height: less is a profile, whose eyes tell no side."""

_HEAD_AND_SHOULDERS = [NECK, *SHOULDERS, *FACE]
_RIGHT_EYE, _LEFT_EYE = 14, 15


def in_pixels(points: np.ndarray, canvas: tuple[int, int], where: str) -> np.ndarray:
    """Points (18, 2) in pixels or shares of the canvas -> in pixels. Raises PoseError where they are from -1 to 1."""
    if np.nanmax(np.abs(points), initial=0.0) > NORMALISED_REACH:
        return points
    present = points[~np.isnan(points).any(axis=1)]
    if (np.abs(present) <= 1).all() and (present < 0).any(axis=1).sum() > _MOST_NEGATIVE * len(present):
        raise PoseError(
            f"Key points, {where}: coordinates run from {present.min():.2g} to {present.max():.2g}, so they seem to "
            "be from -1 to 1. Give pixels, or shares of the canvas from 0 to 1: (coordinate + 1) / 2."
        )
    return points * canvas


def check_pose(pose: Pose, where: str) -> None:
    """Raises PoseError where the unit, the axes or the canvas of a person who is taken cannot be right."""
    _check_percent(pose, where)
    _check_axes(pose, where)
    _check_place(pose, where)


def _check_percent(pose: Pose, where: str) -> None:
    points = pose.points[pose.visible]
    if len(points) < MIN_POINTS_TO_JUDGE or min(pose.width, pose.height) < MIN_CANVAS_FOR_PERCENT:
        return
    extent = np.ptp(points, axis=0).max()
    if points.min() < 0 or points.max() > PERCENT or extent < MIN_EXTENT_OF_PERCENT * PERCENT:
        return
    if fits(pose.points * (pose.width / PERCENT, pose.height / PERCENT)):
        raise PoseError(
            f"Key points, {where}: no coordinate is above {PERCENT} on a canvas of {pose.width}x{pose.height}, so they "
            "seem to be in percent, or the person is as small as that and in the corner. Give pixels, or shares from "
            "0 to 1; crop the picture to a person who is that small."
        )


def _check_axes(pose: Pose, where: str) -> None:
    """See the module. Nothing is said of whom the bones do not show to be a person, or whose face is not seen."""
    up = pose.points[NECK] - pose.points[HIPS].mean(axis=0)
    if pose.visible.sum() < MIN_POINTS_TO_JUDGE or np.isnan(up).any():
        return
    lies, is_upside_down = abs(up[0]) > 2 * abs(up[1]), up[1] > 2 * abs(up[0])
    is_mirrored = _is_mirrored(pose.points, up)
    if not (lies or is_upside_down or is_mirrored) or not fits(pose.points):
        return
    if is_mirrored and (lies or is_upside_down):
        what = "lies, so y seems to stand before x" if lies else "stands on the head, so y seems to run upwards"
        raise PoseError(
            f"Key points, {where}: left and right of the face are the wrong way round and the person {what}. Give "
            "x, y with x to the right of the picture and y down."
        )
    reason = (
        "the person lies. If not so in the picture, y stands before x in the file" if lies
        else "the person stands on the head. If not so in the picture, y runs upwards in the file" if is_upside_down
        else "left and right of the face are the wrong way round; is the file of a mirrored picture?"
    )
    logging.getLogger("cfld").warning(f"Key points, {where}: {reason}")


def _is_mirrored(points: np.ndarray, up: np.ndarray) -> bool:
    across, head = points[_LEFT_EYE] - points[_RIGHT_EYE], points[NOSE] - points[NECK]
    turns = [vector[0] * across[1] - vector[1] * across[0] for vector in (head, up)]
    sizes = [np.linalg.norm(vector) * np.linalg.norm(across) for vector in (head, up)]
    # From the front the eyes are to the left and right of the line from the neck to the nose, the nose between them.
    eyes_over_nose = (points[_LEFT_EYE] - points[NOSE]) @ (points[_RIGHT_EYE] - points[NOSE])
    is_seen = np.linalg.norm(across) > 0.1 * np.linalg.norm(head) and not np.isnan(eyes_over_nose)
    return is_seen and all(turn < -MIN_SLOPE * size for turn, size in zip(turns, sizes, strict=True))


def _check_place(pose: Pose, where: str) -> None:
    is_inside = np.all((pose.points >= 0) & (pose.points <= (pose.width, pose.height)), axis=1)
    head = pose.visible[_HEAD_AND_SHOULDERS]
    is_close_up = 2 * head.sum() >= len(head) and not (head & ~is_inside[_HEAD_AND_SHOULDERS]).any()
    if 2 * is_inside.sum() < pose.visible.sum() and not is_close_up:
        (left, top), (right, bottom) = np.nanmin(pose.points, axis=0), np.nanmax(pose.points, axis=0)
        raise PoseError(
            f"Key points, {where}: {(pose.visible & ~is_inside).sum()} of the person's {pose.visible.sum()} points lie "
            f"outside the canvas of {pose.width}x{pose.height} (x {left:g} to {right:g}, y {top:g} to {bottom:g}). "
            "canvas_width and canvas_height must be the size in pixels of the picture the pose was taken from; "
            "thousandths have to be made pixels."
        )
