"""Pictures and poses are brought to 176:256 by the same rule, and the training photographs' aspects are left alone."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from cfld_modules.errors import PoseError
from cfld_modules.poses.framing import (
    FITS,
    FRAME_ASPECT,
    Box,
    Fit,
    cut_picture,
    cut_pose,
    fit_box,
    frame_pose,
    person_box,
    prepare_picture,
    squashed_pixels,
)
from cfld_modules.poses.keypoints import Pose
from tests.fuzz.meter import measured

sizes = st.integers(1, 2000)
small_sizes = st.integers(1, 60)
fits = st.sampled_from(FITS)


def numbered(width: int, height: int) -> np.ndarray:
    """A picture (height, width, 3) whose pixels hold their own x and y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, x * 0], axis=-1).astype(np.int32)


def one_joint(x: float, y: float, width: int, height: int) -> Pose:
    points = np.full((18, 2), np.nan)
    points[0] = x, y
    return Pose(points, width, height)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(176, 256), (352, 512), (750, 1101), (11, 16)])
def test_the_training_photographs_aspects_are_taken_whole(size: tuple[int, int], fit: str) -> None:
    assert fit_box(*size, fit) == Box(0, 0, *size)


@pytest.mark.parametrize(
    ("size", "fit", "expected"),
    [
        ((512, 512), "pad", Box(0, -117, 512, 628)),
        ((512, 512), "crop", Box(80, 0, 432, 512)),
        ((512, 512), "stretch", Box(0, 0, 512, 512)),
        ((101, 333), "pad", Box(-64, 0, 165, 333)),
        ((101, 333), "crop", Box(0, 93, 101, 240)),
        ((333, 101), "pad", Box(0, -192, 333, 292)),
        ((333, 101), "crop", Box(132, 0, 201, 101)),
        ((333, 101), "stretch", Box(0, 0, 333, 101)),
        ((1, 1), "pad", Box(0, 0, 1, 1)),
        ((1, 1), "crop", Box(0, 0, 1, 1)),
        ((1, 9), "crop", Box(0, 4, 1, 5)),
    ],
)
def test_fit_box_of_odd_sizes_is_exact(size: tuple[int, int], fit: str, expected: Box) -> None:
    assert fit_box(*size, fit) == expected


@given(width=sizes, height=sizes, fit=fits)
def test_boxes_have_the_frames_aspect_and_lie_as_promised(width: int, height: int, fit: str) -> None:
    box = fit_box(width, height, fit)
    assert box.width >= 1 and box.height >= 1
    # Off the middle by half a pixel at most, as whole pixels are.
    assert abs(box.left + box.right - width) <= 1 and abs(box.top + box.bottom - height) <= 1
    contains = box.left <= 0 and box.top <= 0 and box.right >= width and box.bottom >= height
    contained = box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height
    if fit == "stretch":
        assert box == Box(0, 0, width, height)
    else:
        assert contains if fit == "pad" else contained
        ideal = box.height * FRAME_ASPECT
        assert abs(box.width - ideal) <= max(0.5 + 0.5 * FRAME_ASPECT, 0.0101 * ideal)


@given(width=small_sizes, height=small_sizes, fit=fits, data=st.data())
def test_a_joint_stays_on_its_pixel(width: int, height: int, fit: str, data: st.DataObject) -> None:
    """What a joint lies on in the picture, it lies on in the cut picture."""
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = fit_box(width, height, fit)
    assume(box.left <= x < box.right and box.top <= y < box.bottom)
    cut = cut_picture(numbered(width, height), box)
    pose = frame_pose(one_joint(x, y, width, height), fit)
    assert (pose.width, pose.height) == (box.width, box.height) == cut.shape[1::-1]
    cut_x, cut_y = pose.points[0]
    assert cut[int(cut_y), int(cut_x), :2].tolist() == [x, y]
    assert np.isnan(pose.points[1:]).all()


@given(width=small_sizes, height=small_sizes, data=st.data())
def test_what_lies_beyond_the_picture_repeats_its_border(width: int, height: int, data: st.DataObject) -> None:
    left, top = data.draw(st.integers(-80, 80)), data.draw(st.integers(-80, 80))
    box = Box(left, top, left + data.draw(small_sizes), top + data.draw(small_sizes))
    cut = cut_picture(numbered(width, height), box)
    y, x = np.mgrid[box.top : box.bottom, box.left : box.right]
    assert np.array_equal(cut[..., 0], x.clip(0, width - 1))
    assert np.array_equal(cut[..., 1], y.clip(0, height - 1))


@pytest.mark.parametrize("fit", FITS)
def test_an_untouched_picture_is_bit_for_bit_the_picture(fit: str) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (256, 176, 3), np.uint8)
    assert np.array_equal(cut_picture(picture, fit_box(176, 256, fit)), picture)


CANVAS = 1000


def standing(left: float, top: float, right: float, bottom: float) -> Pose:
    points = np.full((18, 2), np.nan)
    points[[0, 10]] = (left, top), (right, bottom)
    return Pose(points, CANVAS, CANVAS)


person_sides = st.tuples(*[st.floats(-200, 1200)] * 2, *[st.floats(0, 1000)] * 2)


@given(sides=person_sides)
def test_a_person_is_framed_with_room_around(sides: tuple[float, float, float, float]) -> None:
    left, top, width, height = sides
    # Of two points one has to lie in the picture; the other counts as at its border at the latest.
    assume(0 <= left <= CANVAS and 0 <= top <= CANVAS)
    person = standing(left, top, left + width, top + height)
    width, height = min(width, CANVAS - left), min(height, CANVAS - top)
    assume(width + height > 10)
    box = person_box(person)
    assert abs(box.width - box.height * FRAME_ASPECT) <= 1
    assert box.left - 1 <= left and left + width <= box.right + 1
    assert box.top - 1 <= top and top + height <= box.bottom + 1
    # No larger than the larger of its sides asks for.
    assert box.height <= max(height / (1 - 0.15 - 0.06), width / (1 - 2 * 0.08) / FRAME_ASPECT) + 2


def test_the_room_above_is_for_the_top_of_the_head() -> None:
    box = person_box(standing(500, 100, 520, 890))
    assert (box.top, box.bottom) == (-50, 950)
    assert (box.left + box.right) / 2 == pytest.approx(510, abs=0.5)


@given(points=st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=18, max_size=18))
def test_no_stray_joint_makes_the_box_larger_than_the_picture_asks_for(points: list[tuple[float, float]]) -> None:
    spread = np.array(points)
    spread[::2] = spread[::2] % (640, 480)
    box = person_box(Pose(spread, 640, 480))
    assert box.height <= 640 / (1 - 2 * 0.08) / FRAME_ASPECT + 2
    assert -box.width <= box.left <= 640 and -box.height <= box.top <= 480


def test_a_person_who_is_not_in_the_picture_is_refused_with_the_numbers() -> None:
    points = np.full((18, 2), 50.0)
    points[:10] += 100
    assert person_box(Pose(points, 150, 150)).height > 100
    with pytest.raises(PoseError, match="only 8 of the person's 18 key points lie in the picture of 149x150"):
        person_box(Pose(points, 149, 150))


def test_a_person_of_one_point_cannot_be_framed() -> None:
    with pytest.raises(PoseError, match="fewer than two visible"):
        person_box(one_joint(5, 5, 10, 10))


def test_cutting_a_pose_keeps_what_is_missing_and_what_lies_outside() -> None:
    pose = cut_pose(standing(10, 20, 990, 980), Box(100, 100, 276, 356))
    assert (pose.width, pose.height) == (176, 256)
    assert pose.points[0].tolist() == [-90, -80]
    assert pose.visible.tolist() == standing(10, 20, 990, 980).visible.tolist()


def squashed_at_once(picture: np.ndarray, box: Box, size: int) -> np.ndarray:
    cut = Image.fromarray(cut_picture(picture, box)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(cut).astype(int)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("width", "height"), [(900, 700), (3000, 2100), (40, 2500), (5000, 1), (2500, 300)])
def test_large_pictures_are_squashed_in_bands_to_what_they_are_at_once(width: int, height: int, fit: Fit) -> None:
    small = np.random.default_rng(0).integers(0, 256, (max(height // 20, 2), max(width // 20, 2), 3), np.uint8)
    picture = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    for box in (fit_box(width, height, fit), Box(width // 3, -height // 2, width, 2 * height)):
        expected = squashed_at_once(picture, box, 256)
        pixels = ((prepare_picture(picture, box, 256) + 1) * 127.5).permute(1, 2, 0).numpy()
        difference = np.abs(pixels - expected)
        assert difference.max() < (0.01 if max(box.width, box.height) < 2048 else 5) and difference.mean() < 0.5


def test_a_box_beyond_a_very_wide_picture_costs_its_pixels() -> None:
    """Each band was gathered pixel by pixel where the box's blocks end a few pixels beyond the picture."""
    picture = np.ones((60, 60_000, 3), np.uint8)
    with measured() as cost:
        pixels = squashed_pixels(lambda *part: picture[part], 60, 60_000, fit_box(60_000, 60, "pad"), 256)
    assert (pixels == 1).all() and cost.memory < 45_000_000


@pytest.mark.parametrize(
    ("width", "height"), [(12_000, 2_000), (20_000, 20), (20, 20_000), (65_535, 100), (10_000, 5_000)]
)
def test_a_wide_or_tall_picture_takes_no_more_memory_than_a_band(width: int, height: int) -> None:
    """The last is a whole sphere's, of the width at which its viewer froze (ComfyUI_preview360panorama 4)."""
    picture = np.ones((height, width, 3), np.uint8)
    with measured() as cost:
        prepare_picture(picture, fit_box(width, height, "pad"), 256)
    assert cost.memory < 60_000_000
