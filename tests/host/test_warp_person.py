"""Warp Person in the host: its wires, batches, transparency, and errors that name it."""

import copy
import json

import pytest
import torch
from host import PACK
from tiny_host import nodes

WIDTH, HEIGHT = 352, 512


def bundled(name):
    return json.loads((PACK / "web" / "poses" / f"{name}.json").read_text())


def photo(pictures=1, channels=3):
    return torch.rand(pictures, HEIGHT, WIDTH, channels, generator=torch.Generator().manual_seed(1))


def warp(image=None, source="standing_front", target="a_pose", width=128, height=128, feather=0, fit="pad", mask=None):
    source, target = (bundled(pose) if isinstance(pose, str) else pose for pose in (source, target))
    image = photo() if image is None else image
    return nodes.CFLDWarpPerson.execute(image, source, target, width, height, feather, fit, mask).result


def test_picture_and_mask_are_as_large_as_the_latent():
    image, mask = warp(width=128, height=192)
    assert image.shape == (1, 192, 128, 3) and mask.shape == (1, 192, 128)
    assert 0 <= image.min() and image.max() <= 1 and 0.1 < mask.mean() < 0.6


def test_feather_softens_the_mask_inwards():
    hard, soft = (warp(feather=feather)[1] for feather in (0, 6))
    assert ((hard == 0) <= (soft == 0)).all() and (soft <= hard).all()
    assert ((soft > 0.1) & (soft < 0.9)).float().mean() > ((hard > 0.1) & (hard < 0.9)).float().mean() + 0.02


def test_every_pose_gets_a_picture_and_equals_the_one_alone():
    poses = [*bundled("standing_front"), *bundled("a_pose")]
    images, masks = warp(target=poses)
    assert len(images) == len(masks) == 2
    for number, pose in enumerate(poses):
        alone, mask = warp(target=[pose])
        assert torch.equal(images[number], alone[0]) and torch.equal(masks[number], mask[0])


def test_every_photo_gets_its_own_source_pose():
    images, _ = warp(photo(2), source=bundled("standing_front") * 2)
    alone, _ = warp(photo(2)[1:])
    assert torch.equal(images[1], alone[0])


def test_transparent_photo_stands_before_the_wall():
    transparent = photo(channels=4)
    transparent[..., 3] = 0
    image, _ = warp(transparent)
    assert image.std() < 0.01


def test_black_mask_is_warned_of_and_left_out():
    """Detect Pose gives one where OpenPose detects, and all of the result would be made up."""
    output = nodes.CFLDWarpPerson.execute(
        photo(), bundled("standing_front"), bundled("a_pose"), 128, 128, 0, "pad", torch.zeros(1, HEIGHT, WIDTH)
    )
    assert all(map(torch.equal, output.result, warp()))
    assert output.ui["text"][0].startswith("Warp Person: input 'mask' is black everywhere")


def test_smaller_photo_of_the_same_picture_is_taken():
    image, mask = warp(photo()[:, ::2, ::2])
    assert image.shape == (1, 128, 128, 3) and mask.mean() > 0.1


def without(joints):
    pose = copy.deepcopy(bundled("standing_front"))
    points = pose[0]["people"][0]["pose_keypoints_2d"]
    for joint in joints:
        points[3 * joint : 3 * joint + 3] = [0.0] * 3
    return pose


@pytest.mark.parametrize(("given", "words"), [
    ({"image": photo()[:, :, :100]}, "input 'source_pose' is on a canvas of 352x512 and the photo is 100x512; wire in"),
    ({"image": "no picture"}, "input 'image' is a str; connect an IMAGE"),
    ({"mask": torch.ones(1, 64, 64)}, "input 'mask' is 64x64 and the photo 352x512; give the mask of this photo"),
    ({"image": photo(3), "target": bundled("a_pose") * 2}, "input 'target_pose' has 2 for 3 pictures; give one, or as"),
    ({"source": bundled("a_pose") * 3}, "input 'source_pose' has 3 for 1 pictures; give one, or as many"),
    ({"source": without(range(8, 14))}, "the source pose has no trunk: neck or both shoulders, and both hips"),
    ({"target": []}, "input 'target_pose': Key points hold no frame"),
    ({"width": 1}, "input 'width'"),
    ({"feather": -1}, "input 'feather'"),
    ({"fit": "cover"}, "input 'fit'"),
])
def test_errors_name_the_node_the_input_and_what_to_do(given, words):
    with pytest.raises(ValueError, match=f"^Warp Person: {words}") as raised:
        warp(**given)
    assert len(str(raised.value)) <= 500 and "\n" not in str(raised.value)
