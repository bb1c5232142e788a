"""Regions, candidates and the way from BlazePose's landmarks to people, by networks whose answers are known."""

import numpy as np
import pytest
import torch
from PIL import Image

from cfld_modules.poses.detection.blazepose import (
    LARGEST_SIDE,
    BlazePose,
    Candidate,
    anchors,
    find_candidates,
    keep_surest,
    tile_sides,
)
from cfld_modules.poses.detection.detector import People
from cfld_modules.poses.detection.region import UPRIGHT, Region, shrink, tiles, whole_picture
from cfld_modules.poses.keypoints import write_frame
from cfld_modules.poses.reading import read_people
from tests.fuzz.meter import measured

LEFT = np.array([-1.0, 0.0])


# --- Regions ----------------------------------------------------------------------------------------------------------


def test_a_turned_region_is_cut_upright_and_pasted_back():
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[18:22, 24:28] = 255
    region = Region(np.array([40.0, 30.0]), 40.0, LEFT)  # the picture's left is up in it
    square = region.cut(Image.fromarray(picture), 40)
    y, x = np.argwhere(square[..., 0] > 128).mean(axis=0) + 0.5
    np.testing.assert_allclose(region.to_picture(np.array([x, y]) / 40), (26, 20), atol=0.5)
    assert y < 20, "what was to the left is not up"
    np.testing.assert_allclose(pasted(region, square[..., 0], 90, 60), picture[..., 0], atol=130)
    assert pasted(region, np.ones((40, 40)), 90, 60).sum() == pytest.approx(40 * 40, rel=0.05)


def pasted(region, square, width, height):
    canvas = np.zeros((height, width), np.float32)
    region.paste(square, canvas)
    return canvas


def test_pasted_where_something_is_the_larger_number_stays_and_beyond_the_picture_nothing():
    canvas = np.full((60, 90), 0.5, np.float32)
    Region(np.array([40.0, 30.0]), 20.0, UPRIGHT).paste(np.full((8, 8), 0.25), canvas)
    Region(np.array([-40.0, 30.0]), 20.0, UPRIGHT).paste(np.ones((8, 8)), canvas)
    assert (canvas == 0.5).all()
    Region(np.array([40.0, 30.0]), 20.0, UPRIGHT).paste(np.full((8, 8), 0.75), canvas)
    assert (canvas[21:39, 31:49] == 0.75).all() and (canvas == 0.5).sum() == 60 * 90 - 20 * 20


def test_a_shrunk_picture_is_its_means_in_bands_as_at_once(monkeypatch):
    picture = np.random.default_rng(0).integers(0, 256, (50, 31, 3), np.uint8)
    at_once = np.asarray(shrink(picture, 4))
    assert at_once.shape == (13, 8, 3)
    np.testing.assert_allclose(at_once[0, 0], picture[:4, :4].mean(axis=(0, 1)), atol=0.51)
    np.testing.assert_allclose(at_once[12, 7], picture[48:, 28:].mean(axis=(0, 1)), atol=0.51)
    monkeypatch.setattr("cfld_modules.poses.detection.region.BAND_PIXELS", 300)
    np.testing.assert_array_equal(np.asarray(shrink(picture, 4)), at_once)


def test_a_region_beyond_the_picture_is_black_there():
    square = Region(np.array([0.0, 10.0]), 20.0, UPRIGHT).cut(Image.new("RGB", (20, 20), (200,) * 3), 20)
    assert (square[:, :9] == 0).all() and (square[:, 11:] == 200).all()


def test_a_large_region_is_averaged():
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = 200  # a quarter of eight, and not where a single look falls
    square = Region(np.array([200.0, 200.0]), 400.0, UPRIGHT).cut(Image.fromarray(stripes), 50)
    assert np.abs(square[1:-1, 1:-1].astype(int) - 50).max() <= 2


@pytest.mark.parametrize(("width", "height", "side"), [(768, 576, 288), (1000, 200, 200), (300, 300, 150)])
def test_tiles_cover_the_picture_and_overlap_by_half(width, height, side):
    for axis, length in enumerate((width, height)):
        starts = sorted({tile.centre[axis] - side / 2 for tile in tiles(width, height, side)})
        assert starts[0] == 0 and starts[-1] + side == pytest.approx(length)
        assert max(np.diff(starts), default=0) <= side / 2 + 1e-9


def test_anchors_are_the_middles_of_three_grids():
    places = anchors()
    assert places.shape == (2254, 2)
    np.testing.assert_allclose(places[[0, 1, 2]] * 28, [(0.5, 0.5), (0.5, 0.5), (1.5, 0.5)])
    np.testing.assert_allclose(places[28 * 28 * 2] * 14, (0.5, 0.5))
    np.testing.assert_allclose(places[-1] * 7, (6.5, 6.5))


def test_of_candidates_at_one_place_the_surest_is_kept():
    def candidate(x, score):
        return Candidate(np.array([x, 100.0]), np.array([x, 20.0]), score)

    kept = keep_surest([candidate(100, 0.6), candidate(119, 0.9), candidate(150, 0.7)])
    assert [person.score for person in kept] == [0.9, 0.7]


# --- People -----------------------------------------------------------------------------------------------------------


class SeesColours(torch.nn.Module):
    """In the place of the detector: hips are where a picture is red, the circle ends where it is green."""

    def __init__(self):
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, picture):
        self.seen.append(picture)
        numbers, logits = torch.zeros(1, 2254, 12), torch.full((1, 2254, 1), -9.0)
        middles = [torch.nonzero(picture[0, :, :, channel] > 0.9).float() for channel in (0, 1)]
        if all(map(len, middles)):
            hips, circle = (middle.mean(dim=0).flip(0) + 0.5 for middle in middles)
            numbers[0, 5, 4:8] = torch.cat([hips, circle]) - torch.tensor(anchors()[5]).float().repeat(2) * 224
            logits[0, 5] = 3.0
        return {"Identity": numbers, "Identity_1": logits}


class SeesOnePerson(torch.nn.Module):
    """In the place of the landmark network: somebody whose points are known, `hidden` of them not visible."""

    def __init__(self, hidden=(), person=1.0):
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))
        self.rows = torch.zeros(39, 5)
        self.rows[:, :2] = torch.rand(39, 2, generator=torch.Generator().manual_seed(1)) * 256
        self.rows[33], self.rows[34] = torch.tensor([128.0, 128, 0, 0, 0]), torch.tensor([128.0, 25.6, 0, 0, 0])
        self.rows[:, 3] = 4.0
        self.rows[list(hidden), 3] = -4.0
        self.metres = torch.rand(39, 3, generator=torch.Generator().manual_seed(2))
        self.person = person

    def forward(self, picture, *names):
        mask = torch.full((1, 256, 256, 1), -9.0)
        mask[0, :64] = 9.0  # the quarter above
        return {"Identity": self.rows.reshape(1, 195), "Identity_1": torch.tensor([[self.person]]),
                "Identity_2": mask, "Identity_4": self.metres.reshape(1, 117)}


def coloured(width=800, height=600, hips=(300, 200), circle=(220, 200)):
    picture = np.zeros((height, width, 3), np.uint8)
    for channel, (x, y) in enumerate((hips, circle)):
        picture[y - 6 : y + 6, x - 6 : x + 6, channel] = 255
    return picture


def test_a_person_who_lies_is_found_upright_in_the_region():
    people = BlazePose(SeesColours(), SeesOnePerson(hidden=[16])).find_people(coloured())
    (person,), mask = people.poses, people.mask(800, 600)
    landmarks = SeesOnePerson().rows[:, :2].numpy() / 256
    region = Region(np.array([300.0, 200.0]), 2 * 1.25 * 80, LEFT)
    expected = region.to_picture(landmarks)
    points = person.points
    np.testing.assert_allclose(points[[0, 2, 3, 5, 7, 8, 13]], expected[[0, 12, 14, 11, 15, 24, 27]], atol=1)
    np.testing.assert_allclose(points[14:], expected[[5, 2, 8, 7]], atol=1)  # right eye, left eye, right ear, left ear
    np.testing.assert_allclose(points[1], (points[2] + points[5]) / 2)
    assert not person.visible[4] and person.visible.sum() == 17, "the hidden right wrist alone is missing"
    x, y, z = SeesOnePerson().metres[14].tolist()
    np.testing.assert_allclose(person.keypoints_3d[3], (y, -x, z), atol=1e-6)  # turned back, as the picture is
    assert np.isnan(person.keypoints_3d[4]).all()
    rows, columns = np.nonzero(mask > 0.5)
    assert columns.max() < 260 and columns.min() >= 199 and 99 <= rows.min() and rows.max() < 301


def test_points_outside_the_picture_are_missing():
    (person,) = people_in(coloured(hips=(50, 40), circle=(50, 140)))
    assert 0 < person.visible.sum() < 18
    assert (person.points[person.visible] >= 0).all()


def test_nobody_where_the_second_network_sees_none():
    people = BlazePose(SeesColours(), SeesOnePerson(person=0.4)).find_people(coloured())
    assert people.poses == [] and people.mask(800, 600).shape == (600, 800) and not people.mask(800, 600).any()


def test_a_larger_picture_is_shrunk_and_gives_the_same_person_larger(monkeypatch):
    (small,) = people_in(coloured())
    big = coloured().repeat(3, axis=0).repeat(3, axis=1)
    monkeypatch.setattr("cfld_modules.poses.detection.blazepose.LARGEST_SIDE", 800)
    people = BlazePose(SeesColours(), SeesOnePerson()).find_people(big)
    (large,) = people.poses
    assert (large.width, large.height) == (2400, 1800)
    np.testing.assert_allclose(large.points, 3 * small.points, rtol=1e-12)
    np.testing.assert_array_equal(large.keypoints_3d, small.keypoints_3d)
    rows, columns = np.nonzero(people.mask(2400, 1800) > 0.5)
    assert columns.max() < 780 and columns.min() >= 597 and 297 <= rows.min() and rows.max() < 903


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("circle", [(100, 50), (np.nan, 5), (np.inf, 5), (100, 10**6)])
def test_a_circle_that_is_none_is_nobody(circle):
    """By a network that gives nonsense; the picture is too small for tiles."""

    class SeesNonsense(SeesColours):
        def forward(self, picture):
            results = super().forward(picture)
            points = torch.tensor([(100, 50), circle]) + torch.tensor([0, 25])  # in the square of 200 x 200
            results["Identity"][0, 5, 4:8] = (points * 224 / 200 - torch.tensor(anchors()[5]) * 224).flatten()
            results["Identity_1"][0, 5] = 3.0
            return results

    class SeesNoNextRegion(SeesOnePerson):
        def forward(self, picture, *names):
            self.rows[34, :2] = torch.tensor(circle) + torch.tensor((28, 78))  # the hips are at (128, 128)
            return super().forward(picture, *names)

    picture = coloured(200, 150, (100, 50), (100, 20))
    assert BlazePose(SeesNonsense(), SeesOnePerson()).find_people(picture).poses == []
    assert BlazePose(SeesColours(), SeesNoNextRegion()).find_people(picture).poses == []
    assert len(people_in(picture)) == 1


def people_in(picture, **seen):
    return BlazePose(SeesColours(), SeesOnePerson(**seen)).find_people(picture).poses


def test_tiles_are_searched_only_while_nobody_is_large():
    detector = SeesColours()
    find_candidates(detector, Image.fromarray(coloured(circle=(300, 500), hips=(300, 20))))
    assert len(detector.seen) == 1, "a person as large as the picture was there"
    middling = SeesColours()  # with a region of 325 pixels: tiles of 600 and 300, but not of 150
    candidates = find_candidates(middling, Image.fromarray(coloured(circle=(300, 170), hips=(300, 300))))
    assert len(candidates) == 1 and len(middling.seen) == 1 + 2 + 5 * 3
    nobody = SeesColours()
    assert find_candidates(nobody, Image.new("RGB", (800, 600))) == []
    assert len(nobody.seen) == 1 + 2 + 5 * 3 + 10 * 7


def test_a_picture_of_any_shape_has_a_bounded_number_of_tiles():
    for width in np.geomspace(1, LARGEST_SIDE, 40).astype(int).tolist():
        for height in (*np.geomspace(1, LARGEST_SIDE, 40).astype(int).tolist(), width):
            sides = tile_sides(width, height)
            assert sum(len(tiles(width, height, side)) for side in sides) < 200
            assert min(sides, default=112) >= 112 and max(sides, default=0) <= min(width, height)
    assert tile_sides(LARGEST_SIDE, LARGEST_SIDE) == [1792, 896], "not one for people of a 30th of it"


@pytest.mark.parametrize(("width", "height"), [(100_000, 1), (1, 100_000), (20_000, 20), (12_000, 2_000)])
def test_a_picture_of_extreme_shape_costs_by_what_is_needed_of_it(width, height):
    picture = np.zeros((height, width, 3), np.uint8)
    with measured() as cost:
        people = BlazePose(SeesColours(), SeesOnePerson()).find_people(picture)
    assert people.poses == [] and cost.memory < 150e6 and cost.calls < 30_000


def test_a_region_much_larger_than_the_picture_is_cut_within_bounds():
    with measured() as cost:
        square = Region(np.array([300.0, 300.0]), 20.0 * LARGEST_SIDE, UPRIGHT).cut(Image.new("RGB", (600, 600)), 256)
    assert square.shape == (256, 256, 3) and cost.memory < 150e6
    assert whole_picture(LARGEST_SIDE, 9).side / 224 == 16, "of whole pictures nothing is left out"


def test_a_check_that_raises_ends_it_before_the_next_look():
    class Cancelled(Exception):
        pass

    for looks in (0, 1, 5, 19, 20):
        detector, checks = SeesColours(), iter(range(looks))

        def check(checks=checks):
            if next(checks, None) is None:
                raise Cancelled

        hips = {"hips": (300, 300), "circle": (300, 170)}  # 18 looks of the detector, and two of the landmark network
        with pytest.raises(Cancelled) if looks < 20 else pytest.MonkeyPatch.context():
            BlazePose(detector, SeesOnePerson()).find_people(coloured(**hips), check)
        assert len(detector.seen) == min(looks, 18)


def test_a_frame_carries_the_third_dimension_under_a_key_of_its_own():
    people = people_in(coloured(), hidden=[0])
    frame = write_frame(people, 800, 600)
    rows = np.reshape(frame["people"][0]["pose_keypoints_3d"], (18, 4))
    np.testing.assert_array_equal(rows[0], 0)
    np.testing.assert_array_equal(rows[1:, :3], people[0].keypoints_3d[1:])
    np.testing.assert_array_equal(rows[1:, 3], 1)
    ((person,),) = read_people(frame)
    assert person.body.written is frame["people"][0]
    np.testing.assert_array_equal(person.flat.points, people[0].points)


def test_a_detector_without_masks_gives_an_empty_one():
    assert People([]).mask(8, 6).shape == (6, 8) and not People([]).mask(8, 6).any()
