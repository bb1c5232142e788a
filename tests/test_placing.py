"""A person where a mask says: as large as it, on its lower edge, in a frame that lies in the picture."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfld_modules.errors import PoseError
from cfld_modules.poses.framing import FRAME_ASPECT, FRAME_HEIGHT, FRAME_WIDTH, Box, cut_pose, person_box
from cfld_modules.poses.garment_regions import region_mask
from cfld_modules.poses.keypoints import Pose
from cfld_modules.poses.placing import LEAST_HEIGHT, LEAST_WIDTH, MARGIN, figure_box, mask_box, place_people
from cfld_modules.poses.reading import read_pose_keypoints

POSES = Path(__file__).parent.parent / "web" / "poses"
NAMES = ("standing_front", "t_pose", "sitting_on_floor_side", "upper_body_front")
WIDTH, HEIGHT = 800, 600


def bundled(name: str) -> Pose:
    (pose,) = read_pose_keypoints(json.loads((POSES / f"{name}.json").read_text()))
    return pose


def marked(box: Box, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    mask = np.zeros((height, width), np.float32)
    mask[box.top : box.bottom, box.left : box.right] = 1
    return mask


def on_picture(pose: Pose, frame: Box) -> Pose:
    """A pose on a frame, seen on the picture."""
    return Pose(pose.points + (frame.left, frame.top), WIDTH, HEIGHT)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Anywhere in the picture, also at its border, as tall as a frame that fits into it has room for."""
    width, height = draw(st.integers(24, 250)), draw(st.integers(24, 400))
    left, top = draw(st.integers(0, WIDTH - width)), draw(st.integers(0, HEIGHT - height))
    return Box(left, top, left + width, top + height)


@given(boxes(), st.sampled_from(NAMES))
@settings(max_examples=12, deadline=None)
def test_the_figure_fills_the_box_and_stands_on_its_lower_edge(box: Box, name: str) -> None:
    (pose,), frame = place_people([bundled(name)], box, WIDTH, HEIGHT)
    left, top, right, bottom = figure_box(on_picture(pose, frame))
    error = 0.03 * max(box.width, box.height) + 2  # the figure is drawn on a grid
    assert bottom == pytest.approx(box.bottom - MARGIN * box.height, abs=error)
    assert (left + right) / 2 == pytest.approx((box.left + box.right) / 2, abs=error)
    room = 2 * MARGIN * box.height
    filled = max((right - left) / (box.width - room), (bottom - top) / (box.height - room))
    assert filled == pytest.approx(1, abs=0.06 + 2 / box.width)
    assert left > box.left - error and right < box.right + error and top > box.top - error


@given(boxes(), st.sampled_from(NAMES))
@settings(max_examples=12, deadline=None)
def test_the_frame_lies_in_the_picture_and_around_the_person(box: Box, name: str) -> None:
    (pose,), frame = place_people([bundled(name)], box, WIDTH, HEIGHT)
    assert 0 <= frame.left < frame.right <= WIDTH and 0 <= frame.top < frame.bottom <= HEIGHT
    assert frame.width / frame.height == pytest.approx(FRAME_ASPECT, abs=1 / frame.height)
    assert (pose.width, pose.height) == (frame.width, frame.height)
    points = pose.points[pose.visible]
    assert (points > -1).all() and (points < (frame.width + 1, frame.height + 1)).all()


def test_in_the_middle_of_a_picture_the_frame_is_that_of_training_photographs() -> None:
    (pose,), frame = place_people([bundled("standing_front")], Box(350, 100, 450, 420), WIDTH, HEIGHT)
    assert frame == person_box(on_picture(pose, frame))


def test_several_poses_share_one_frame() -> None:
    box = Box(300, 100, 480, 450)
    poses, frame = place_people([bundled("standing_front"), bundled("t_pose")], box, WIDTH, HEIGHT)
    for pose, name in zip(poses, ("standing_front", "t_pose"), strict=True):
        (alone,), its_frame = place_people([bundled(name)], box, WIDTH, HEIGHT)
        np.testing.assert_allclose(on_picture(pose, frame).points, on_picture(alone, its_frame).points)
    assert all(((0 <= pose.points) & (pose.points <= (frame.width, frame.height))).all() for pose in poses)


def test_the_figure_s_box_is_that_of_its_mask() -> None:
    pose = bundled("waving")
    box = person_box(pose)
    mask = region_mask(cut_pose(pose, box), "whole figure", FRAME_WIDTH * 2, FRAME_HEIGHT * 2) >= 0.5
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    scale = box.height / (FRAME_HEIGHT * 2)
    expected = (box.left + columns[0] * scale, box.top + rows[0] * scale,
                box.left + columns[-1] * scale, box.top + rows[-1] * scale)
    np.testing.assert_allclose(figure_box(pose), expected, atol=4)


@pytest.mark.parametrize("box", [Box(0, 0, 1, 1), Box(10, 10, 13, 200), Box(5, 5, 200, 5 + LEAST_HEIGHT - 1)])
def test_a_slip_of_the_brush_is_no_place(box: Box) -> None:
    with pytest.raises(PoseError, match=f"marks a box of {box.width}x{box.height} pixels, and a person needs"):
        mask_box(marked(box))


def test_the_least_box_is_a_place() -> None:
    box = Box(100, 100, 100 + LEAST_WIDTH, 100 + LEAST_HEIGHT)
    assert mask_box(marked(box)) == box
    (pose,), frame = place_people([bundled("standing_front")], box, WIDTH, HEIGHT)
    assert frame.width >= LEAST_WIDTH and pose.visible.all()


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_an_empty_mask_is_refused(value: float) -> None:
    with pytest.raises(PoseError, match="is empty: no pixel of 800x600 is marked; paint where the person goes"):
        mask_box(np.full((HEIGHT, WIDTH), value, np.float32))


def test_a_picture_too_narrow_for_the_frame_is_refused() -> None:
    with pytest.raises(PoseError, match=r"does not fit into a frame .* in a picture of 200x900, .*199x290 at most"):
        place_people([bundled("standing_front")], Box(20, 100, 180, 800), 200, 900)
