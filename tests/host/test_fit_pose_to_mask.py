"""Fit Pose to Mask in the host: what its wires carry, errors that name it, and the workflow with the demo model."""

import json

import numpy as np
import pytest
import torch
from host import PACK
from PIL import Image
from tiny_host import nodes

from cfld_modules.poses.placing import figure_box
from cfld_modules.poses.reading import read_pose_keypoints

WORKFLOW = PACK / "workflows" / "api" / "person_in_a_photo.json"
WIDTH, HEIGHT = 640, 480


def bundled(name):
    return json.loads((PACK / "web" / "poses" / f"{name}.json").read_text())


def photo(pictures=1):
    return torch.rand(pictures, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(1))


def marked(rows, columns):
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, slice(*rows), slice(*columns)] = 1
    return mask


def fit(pose="standing_front", image=None, mask=None):
    pose = bundled(pose) if isinstance(pose, str) else pose
    image = photo() if image is None else image
    mask = marked((100, 400), (50, 180)) if mask is None else mask
    return nodes.CFLDFitPoseToMask.execute(pose, image, mask).result


# --- The node ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "columns"), [
    ((100, 400), (250, 380)), ((0, 300), (0, 120)), ((180, 480), (540, 640)), ((200, 240), (300, 316)),
], ids=["in the middle", "upper left", "lower right", "tiny"])
def test_cut_and_numbers_belong_together(rows, columns):
    image, mask = photo(2), marked(rows, columns)
    (frame,), cut, cut_mask, x, y, width, height = fit(image=image, mask=mask)
    assert torch.equal(cut, image[:, y : y + height, x : x + width]), "the cut is another place than the numbers say"
    assert torch.equal(cut_mask, mask[:, y : y + height, x : x + width])
    assert cut.shape[1:3] == (height, width) and width / height == pytest.approx(176 / 256, abs=1 / height)
    assert (frame["canvas_width"], frame["canvas_height"]) == (width, height)
    (pose,) = read_pose_keypoints(frame)
    left, top, right, bottom = np.array(figure_box(pose)) + (x, y, x, y)
    error = 3 + 0.04 * (rows[1] - rows[0])
    assert bottom == pytest.approx(rows[1], abs=error), "the feet are not at the mask's lower edge"
    assert columns[0] - error < left < right < columns[1] + error and top > rows[0] - error


def test_several_poses_one_frame_each():
    frames, cut, *_ = fit([bundled("standing_front")[0], bundled("t_pose")[0]])
    assert len(frames) == 2 and len(cut) == 1


@pytest.mark.parametrize(("given", "words"), [
    ({"mask": torch.zeros(1, 64, 64)}, "input 'mask' is empty: no pixel of 64x64 is marked; paint where the person"),
    ({"mask": marked((10, 13), (10, 12))}, "input 'mask' marks a box of 2x3 pixels, and a person needs 6x16 at least"),
    ({"mask": torch.ones(1, 200, 200)}, "input 'mask' is 200x200 and the photo 640x480; paint it on this photo, or"),
    ({"mask": marked((10, 200), (10, 99)).expand(3, -1, -1)}, "input 'mask' has 3 masks; give one"),
    ({"image": torch.rand(1, HEIGHT, 100, 3), "mask": torch.ones(1, HEIGHT, 100)}, "input 'pose': a figure of .*Pad"),
    ({"image": "no picture"}, "input 'image' is a str; connect an IMAGE"),
    ({"pose": []}, "input 'pose': Key points hold no frame"),
])
def test_errors_name_the_node_the_input_and_what_to_do(given, words):
    with pytest.raises(ValueError, match=f"^Fit Pose to Mask: {words}") as raised:
        fit(**given)
    assert len(str(raised.value)) <= 500 and "\n" not in str(raised.value)


def test_a_pose_of_one_point_is_no_person():
    pose = bundled("standing_front")
    pose[0]["people"][0]["pose_keypoints_2d"][3:] = [0.0] * 51
    with pytest.raises(ValueError, match="^Fit Pose to Mask: input 'pose': the person has fewer than two visible key"):
        fit(pose)


# --- The workflow, with the demo model --------------------------------------------------------------------------------


def scene():
    """A photo of another studio, RGB (HEIGHT, WIDTH, 3), with nobody in it."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    wall = np.stack([150 + 60 * rows / HEIGHT, 150 + 40 * columns / WIDTH, 170 - 50 * rows / HEIGHT], axis=-1)
    return wall.astype(np.uint8)


PLACES = {"in the middle": ((60, 460), (240, 420)), "at the border": ((100, 480), (0, 140))}


@pytest.fixture(scope="module")
def server(plain_server):
    for name, (rows, columns) in PLACES.items():
        opacity = np.full((HEIGHT, WIDTH), 255, np.uint8)
        opacity[slice(*rows), slice(*columns)] = 0  # Load Image's mask is what is transparent
        picture = Image.fromarray(scene())
        picture.putalpha(Image.fromarray(opacity))
        picture.save(plain_server.folder / "input" / f"{name}.png")
    return plain_server


def demo_workflow(photo_name):
    """The shipped graph, with the demo model in place of the two loaders and a bundled person in place of the photo."""
    prompt = json.loads(WORKFLOW.read_text())
    numbers = {node["class_type"]: number for number, node in prompt.items() if node["class_type"] != "LoadImage"}
    checkpoint, cfld = numbers["CheckpointLoaderSimple"], numbers["CFLDLoader"]
    slots = {(checkpoint, 0): 0, (checkpoint, 2): 1, (cfld, 0): 2}
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and tuple(value) in slots:
                node["inputs"][name] = ["demo", slots[tuple(value)]]
        if node["_meta"]["title"] == "Source person":
            node["class_type"], node["inputs"] = "CFLDDemoPerson", {"person": 3, "pose": 0, "width": 352, "height": 512}
        if node["_meta"]["title"] == "Photo with mask":
            node["inputs"]["image"] = f"{photo_name}.png"
        if node["inputs"].get("width") == node["inputs"].get("height") == 512:
            node["inputs"] |= {"width": 128, "height": 128}
        if node["class_type"] == "KSampler":
            node["inputs"] |= {"steps": 20, "sampler_name": "ddim"}
    del prompt[checkpoint], prompt[cfld]
    return prompt | {"demo": {"class_type": "CFLDDemoModels", "inputs": {}}}


@pytest.mark.parametrize("place", PLACES)
def test_the_person_stands_in_the_photo_and_the_rest_of_it_is_untouched(server, place):
    run = server.run(demo_workflow(place))
    assert run.error is None, run.error["exception_message"]
    (path,) = server.pictures(run)
    result, before = np.asarray(Image.open(path).convert("RGB")).astype(int), scene().astype(int)
    changed = np.abs(result - before).max(axis=-1)
    rows, columns = PLACES[place]
    painted = np.zeros((HEIGHT, WIDTH), bool)
    painted[slice(*rows), slice(*columns)] = True
    assert changed[~painted].max() <= 1, "the photo has changed where nothing was painted"

    frames, _, _, left, top, *_ = fit("standing_contrapposto", mask=torch.from_numpy(painted).float()[None])
    (pose,) = read_pose_keypoints(frames)
    joints = (pose.points + (left, top))[[1, 8, 9, 10, 11, 12, 13]]
    x, y = joints[~np.isnan(joints).any(axis=1)].round().astype(int).T
    assert (changed[y, x] > 25).mean() > 0.7, "nobody is where the pose is"
