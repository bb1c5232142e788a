"""People by anny and VTK: exact key points and silhouettes, the same bytes for the same numbers, the data set's layout.

Needs anny, roma, trimesh and vtk (`data people` says how); where they are missing only what does without is tested.
"""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from cfld_modules.command_line import main
from cfld_modules.data.deepfashion import DeepFashionData
from cfld_modules.evaluation.ground_truth import silhouette_file

NEEDED = ("anny", "roma", "trimesh", "vtkmodules")
needs_anny = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED), reason="anny and vtk draw people"
)
WALL_DIFFERENCE = 12


def test_what_is_missing_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["data", "people", "--out", str(tmp_path), "--count", "1"]) == 2
    assert "pip install --no-deps anny roma trimesh vtk" in capsys.readouterr().err


@pytest.fixture(scope="module")
def photos():
    """Person 3 in plain cuts: from the front, turned away, and from the front again."""
    from cfld_modules.data.people_poses import pose_of_seed
    from cfld_modules.data.people_writer import invited

    front, studio = pose_of_seed(0), invited(None, 3, 176, 256)
    return [studio.photograph(pose) for pose in (front, front.turned(180.0), front)]


@needs_anny
def test_the_same_numbers_make_the_same_bytes(photos):
    front, _, again = photos
    assert (front.image == again.image).all() and (front.silhouette == again.silhouette).all()
    assert np.array_equal(front.pose.points, again.pose.points, equal_nan=True)


@needs_anny
def test_key_points_lie_on_the_person_and_the_whole_person_in_the_picture(photos):
    for photo in photos:
        x, y = np.rint(photo.pose.points[photo.pose.visible]).astype(int).T
        assert (photo.silhouette[y, x] > 0.5).all()
        inside = np.pad(photo.silhouette[1:-1, 1:-1], 1)
        assert (inside == photo.silhouette).all()
        rows = np.flatnonzero(photo.silhouette.any(1))
        assert rows[-1] - rows[0] > 0.85 * 256


@needs_anny
def test_the_silhouette_is_where_the_picture_differs_from_the_wall(photos):
    front = photos[0]
    wall = np.median(front.image.astype(float), axis=1, keepdims=True)
    differs = np.abs(front.image - wall).max(2) > WALL_DIFFERENCE
    above_the_shadow = slice(0, 225)
    both = (differs & (front.silhouette > 0.5))[above_the_shadow].sum()
    either = (differs | (front.silhouette > 0.5))[above_the_shadow].sum()
    assert both > 0.9 * either


@needs_anny
def test_right_is_the_persons_right_and_a_face_turned_away_is_missing(photos):
    front, back, _ = photos
    right, left = [2, 3, 8, 9, 10], [5, 6, 11, 12, 13]
    assert (front.pose.points[right, 0] < front.pose.points[left, 0]).all()
    assert (back.pose.points[right, 0] > back.pose.points[left, 0]).all()
    assert front.pose.visible[[0, 14, 15]].all() and not back.pose.visible[[0, 14, 15]].any()


@needs_anny
def test_several_views_are_by_one_camera(photos):
    from cfld_modules.data.people_poses import pose_of_seed
    from cfld_modules.data.people_writer import invited

    poses = [pose_of_seed(0).turned(yaw) for yaw in (0.0, 180.0)]
    studio = invited(None, 3, 176, 256)
    front, back = (studio.photograph(pose, framed=poses).pose.points for pose in poses)
    np.testing.assert_allclose(front[[8, 11]].mean(axis=0), back[[8, 11]].mean(axis=0), atol=2.5)
    assert front[8, 0] - front[11, 0] == pytest.approx(back[11, 0] - back[8, 0], abs=1)
    np.testing.assert_array_equal(studio.photograph(poses[0], framed=poses[:1]).image, photos[0].image)


@needs_anny
def test_a_wrist_behind_the_back_is_missing():
    from cfld_modules.data.people_writer import invited
    from cfld_modules.people.poses import BodyPose

    arms = {"R": (20.0, -26.0, 110.0, 80.0), "L": (17.0, 0.0, -8.0, 14.0)}
    legs = {side: (3.0, 0.0, 3.0) for side in "RL"}
    behind, seen = (
        BodyPose(yaw, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), arms, legs, 15.0) for yaw in (0.0, 180.0)
    )
    studio = invited(None, 3, 176, 256)
    front, back = (studio.photograph(pose).pose.visible for pose in (behind, seen))
    assert not front[4] and front[7] and back[4]


@needs_anny
def test_a_garment_hangs_on_its_vertices_and_scales_with_the_body(tmp_path):
    """One vertex on base vertex 7, three between 1, 2 and 3 with an offset of 2 to the left, 4 up, 6 to the front."""
    from cfld_modules.people.bodies import body_model
    from cfld_modules.people.garments import read_garment

    body = body_model().average
    first, second = 100, 5000
    spans = np.abs(body.vertices[first] - body.vertices[second])
    axes = (("x", 0), ("z", 1), ("y", 2))
    scales = "".join(f"{axis}_scale {first} {second} {spans[place] / 2}\n" for axis, place in axes)
    row = "1 2 3 0.5 0.25 0.25 2 4 6\n"
    (tmp_path / "hat.mhclo").write_text(f"# made up\n{scales}verts 0\n7\n{row * 3}\ndelete_verts\n5 - 8 11\n")
    (tmp_path / "hat.obj").write_text("v 0 0 0\n" * 4 + "f 1/1 2/1 3/1 4/1\n")
    hat = read_garment(tmp_path / "hat.mhclo")
    points = hat.points(body)
    middle = body.vertices[[1, 2, 3]].T @ (0.5, 0.25, 0.25)
    assert points[0] == pytest.approx(body.vertices[7])
    assert points[1:] == pytest.approx(np.tile(middle + 2 * np.array([2, -6, 4]), (3, 1)))  # scaled by 2
    assert hat.hidden.tolist() == [5, 6, 7, 8, 11]
    assert hat.bone_weights().sum(1) == pytest.approx(1)


@needs_anny
def test_a_missing_garment_is_named(tmp_path, capsys):
    options = ["--out", str(tmp_path / "out"), "--count", "1", "--garments", str(tmp_path), "--processes", "1"]
    assert main(["data", "people", *options]) == 2
    error = capsys.readouterr().err
    assert "--garments" in error and ".mhclo' is no garment" in error


@needs_anny
def test_a_smoothed_mesh_keeps_its_border_flat_places_flat_and_weights_whole():
    from cfld_modules.people.bodies import body_model
    from cfld_modules.people.garments import body_part, smooth

    tights = body_part(body_model().quads("helper-tights"))
    smoothed = smooth(tights)
    vertices, faces = tights.anchors.shape[0], len(tights.faces)
    edges = np.unique(np.sort(np.stack([tights.faces, np.roll(tights.faces, -1, 1)], 2).reshape(-1, 2), 1), axis=0)
    assert smoothed.anchors.shape[0] == vertices + len(edges) + faces and len(smoothed.faces) == 4 * faces
    assert smoothed.anchors.sum(1) == pytest.approx(1)
    nearest = np.linalg.norm(smoothed.places()[:vertices] - tights.places(), axis=1)
    assert nearest.max() < 0.02


@needs_anny
def test_a_larger_height_keeps_the_key_points_canvas_and_a_folder_has_one_height(tmp_path, capsys):
    from cfld_modules.data.people_writer import write_people

    for height in (256, 384):
        write_people(tmp_path / str(height), None, count=1, test_count=1, pictures=2, height=height)
    sets = [DeepFashionData("deepfashion", tmp_path / name).pairs("train") for name in ("256", "384")]
    small, large = (data.photographs[0] for data in sets)
    assert small.picture().shape == (256, 176, 3) and large.picture().shape == (384, 264, 3)
    assert (large.pose().width, large.pose().height) == (176, 256)
    assert np.nanmax(np.abs(large.pose().points - small.pose().points)) <= 1
    options = ["--out", str(tmp_path / "384"), "--count", "1", "--test-count", "1"]
    assert main(["data", "people", *options]) == 2
    assert "384 pixels high; choose another folder for 256" in capsys.readouterr().err


@needs_anny
def test_a_written_folder_has_the_layout_of_deepfashion(tmp_path):
    from cfld_modules.data.people_poses import pose_of_seed
    from cfld_modules.data.people_writer import TARGETS, TEST_POSES, invited, write_people

    assert write_people(tmp_path, None, count=1, test_count=1, pictures=3, processes=2) == 3 + TEST_POSES + 1
    data = DeepFashionData("deepfashion", tmp_path)
    train, test = data.pairs("train"), data.pairs("test")
    assert len(train.pairs) == 6 and len(test.pairs) == TARGETS and len(test.photographs) == TEST_POSES + 1
    assert {pair[0] for pair in test.pairs} == {0}
    drawn = invited(None, 0, 176, 256).photograph(pose_of_seed(2))
    written = train.photographs[2]
    assert (written.picture() == drawn.image).all()
    assert np.array_equal(written.pose().visible, drawn.pose.visible)
    assert np.nanmax(np.abs(written.pose().points - drawn.pose.points)) <= 0.5
    masks = [np.array(Image.open(silhouette_file(photograph))) for photograph in test.photographs]
    assert all(mask.shape == (256, 176) and 2000 < (mask > 127).sum() < 15000 for mask in masks)
    seeds = {photograph.name.split("_pose")[1] for photograph in train.photographs}
    assert not seeds & {photograph.name.split("_pose")[1] for photograph in test.photographs}
