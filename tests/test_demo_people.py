"""The bundled people: pictures, masks and key points belong together, as single photos and as a data set."""

import json

import numpy as np
import pytest

from cfld_modules.data.deepfashion import DeepFashionData
from cfld_modules.data.pairs import PhotographFile
from cfld_modules.demo_people import (
    FOLDER,
    HEIGHT,
    KEY_POINTS_3D,
    PEOPLE,
    POSES,
    WIDTH,
    demo_photo,
    photo_name,
)
from cfld_modules.evaluation.ground_truth import galleries, silhouette_file

EVERYBODY = [(person, pose) for person in range(PEOPLE) for pose in range(POSES)]
LARGEST_FOLDER = 4_000_000


@pytest.mark.parametrize("pose", range(POSES))
def test_key_points_of_a_bundled_person_lie_on_the_mask(pose):
    for person in range(PEOPLE):
        photo = demo_photo(person, pose)
        x, y = np.rint(photo.pose.points[photo.pose.visible]).astype(int).T
        assert photo.silhouette[y, x].mean() > 0.95
        border = photo.image[:, :1].astype(int)
        assert np.abs(photo.image - border).max(axis=2)[photo.silhouette].mean() > 30, "the mask lies on the wall"


def test_a_number_beyond_the_last_begins_again_with_the_first():
    first, again = demo_photo(2, 3), demo_photo(2 + 5 * PEOPLE, 3 + 2 * POSES)
    assert (first.image == again.image).all()
    assert (first.image != demo_photo(3, 3).image).any()


@pytest.mark.parametrize(("width", "height"), [(512, 512), (176, 512), (100, 100)])
def test_in_a_picture_of_another_aspect_the_person_stands_whole_in_the_middle(width, height):
    scale = min(width / WIDTH, height / HEIGHT)
    own, photo = demo_photo(5, 1), demo_photo(5, 1, width, height)
    assert photo.image.shape == (height, width, 3)
    assert photo.silhouette.sum() == pytest.approx(own.silhouette.sum() * scale**2, rel=0.02)
    middle = np.array([width, height]) / 2 + (own.pose.points - (WIDTH / 2, HEIGHT / 2)) * scale
    assert np.nanmax(np.abs(photo.pose.points - middle)) <= 1


def test_the_bundled_people_are_a_data_set_with_exact_silhouettes():
    pairs = DeepFashionData("deepfashion", FOLDER).pairs("test")
    assert len(pairs) == PEOPLE * (POSES - 1) and len(pairs.photographs) == PEOPLE * POSES
    targets = [pairs[number][1] for number in range(len(pairs))]
    assert {len(people) for people in galleries(targets, pairs.photographs).values()} == {PEOPLE}
    for (person, pose), photograph in zip(EVERYBODY, pairs.photographs, strict=True):
        assert isinstance(photograph, PhotographFile)
        assert photograph.name == photo_name(person, pose) and silhouette_file(photograph).is_file()
        assert np.array_equal(photograph.pose().visible, demo_photo(person, pose).pose.visible)


def test_key_points_in_space_are_those_of_the_pictures():
    """As the camera saw them, five metres away: what is visible lies where it is in the picture, but for scale."""
    in_space = json.loads(KEY_POINTS_3D.read_text())
    for person, pose in EVERYBODY:
        points, visible = np.array(in_space[photo_name(person, pose)]), demo_photo(person, pose).pose
        projected = points[visible.visible, :2] / (5 + points[visible.visible, 2:])
        seen = visible.points[visible.visible]
        for axis in range(2):
            likeness = np.corrcoef(projected[:, axis], seen[:, axis])[0, 1]
            assert likeness > 0.999, (person, pose)


def test_the_bundled_people_are_small():
    assert sum(file.stat().st_size for file in FOLDER.rglob("*.*")) < LARGEST_FOLDER
