"""Key points as people's tools write them: read right, or refused with the reason. Never wrong in silence."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from cfld_modules.errors import PoseError
from cfld_modules.poses.keypoints import JOINT_NAMES
from cfld_modules.poses.reading import parse_pose_json, read_people, read_pose_keypoints
from tests.dialect_files import (
    COCO,
    FIGURE,
    SIZE,
    SMALL,
    assert_reads,
    flat,
    frame,
    named,
    of_mmpose,
    pairs,
    rows,
    without,
)

FACE = ("right eye", "left eye", "right ear", "left ear")


@pytest.mark.parametrize(
    ("names", "more"),
    [((*COCO, "neck"), 0), ((*COCO, "neck"), 9), ((*COCO, "neck"), 42), ((*COCO, "neck"), 116), (("neck", *COCO), 0)],
    ids=["18", "27", "60", "134", "neck first"],
)
def test_18_points_with_the_neck_elsewhere_are_read_by_the_bones(names: tuple, more: int) -> None:
    """NVIDIA-AI-IOT/trt_pose 135; DWPose before it reorders, and millliono/openpose: COCO's 17, then the neck."""
    assert_reads([frame(flat(rows(names)) + [5.0, 5.0, 0.9] * more)], FIGURE)


def test_rtmlib_s_27_and_134_points_begin_with_openpose_s() -> None:
    """Tau-J/rtmlib, `to_openpose`: 18 points, six of the feet, then face and hands."""
    for more in (9, 116):
        assert_reads([frame(flat(rows(JOINT_NAMES)) + [5.0, 5.0, 0.9] * more)], FIGURE)


MPI_INF_3DHP = (
    "head top", "neck", *JOINT_NAMES[2:14], "mid hip", "spine", "nose",
)  # fmt: skip


H36M = ("mid hip", *JOINT_NAMES[8:14], "spine", "neck", "nose", "head top", *JOINT_NAMES[5:8], *JOINT_NAMES[2:5])


@pytest.mark.parametrize("names", [H36M, MPI_INF_3DHP], ids=["Human3.6M", "MPI-INF-3DHP"])
def test_17_points_of_video_pose_are_not_taken_for_coco_s(names: tuple) -> None:
    """QitaoZhao/PoseFormerV2 18; MotionBERT's and mmpose's human3d write Human3.6M's 17."""
    assert_reads([frame(flat(rows(names)))], without(*FACE))


def test_19_points_of_the_panoptic_studio_are_read_by_the_bones() -> None:
    """CMU-Perceptual-Computing-Lab/panoptic-toolbox: neck, nose, body centre, left arm, left leg, ..."""
    names = (
        "neck", "nose", "mid hip", *JOINT_NAMES[5:8], *JOINT_NAMES[11:14], *JOINT_NAMES[2:5], *JOINT_NAMES[8:11],
        "left eye", "left ear", "right eye", "right ear",
    )  # fmt: skip
    assert_reads([frame(flat(rows(names)))], FIGURE)


def test_an_order_that_nobody_knows_is_refused() -> None:
    for count in (17, 26, 60, 133):
        body = flat(rows(tuple(sorted(JOINT_NAMES)))) + [0.0] * 3 * 150
        with pytest.raises(PoseError, match=f"order of these {count} points is not clear.*name the points"):
            read_pose_keypoints([frame(body[: 3 * count])])


def test_somebody_else_whose_order_is_unclear_does_not_matter() -> None:
    unclear = {"pose_keypoints_2d": flat(rows(tuple(sorted(JOINT_NAMES)), SMALL))[: 17 * 3]}
    assert_reads([{"people": [unclear, {"pose_keypoints_2d": flat(rows(COCO))}], **SIZE}], FIGURE)


RIGHT_FIRST = tuple(name.replace("left", "L").replace("right", "left").replace("L", "right") for name in COCO)
POSETRACK = ("nose", "head bottom", "head top", *COCO[3:])
CROWDPOSE = (*COCO[5:], "head top", "neck")


def coco_file(names: tuple[str, ...], written: Callable[[str], str] = lambda name: name.replace(" ", "_")) -> dict:
    return {
        "images": [{"id": 1, "width": 512, "height": 512}],
        "categories": [{"id": 7, "name": "person", "keypoints": [*map(written, names)], "skeleton": [[1, 2]]}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "keypoints": flat(rows(names, score=2))}],
    }


@pytest.mark.parametrize("names", [RIGHT_FIRST, tuple(sorted(COCO)), COCO[::-1]], ids=["right", "alphabetical", "back"])
def test_coco_categories_in_another_order_are_followed(names: tuple) -> None:
    """cvat-ai/cvat 5048: exported skeletons have the order in which their points were drawn."""
    assert_reads(coco_file(names), FIGURE)


@pytest.mark.parametrize(
    "written",
    [
        str.title, str.upper, lambda name: name.title().replace(" ", ""), lambda name: "_".join(name.split()[::-1]),
        lambda name: name.replace("left ", "L").replace("right ", "R"),
        lambda name: name.replace("left ", "l_").replace("right ", "r_"),
        lambda name: name.split()[-1].title() + name.split()[0].title() if " " in name else name,
    ],
)
def test_joints_by_the_names_that_tools_give_them(written: Callable[[str], str]) -> None:
    """CMU's LShoulder, Kinect's SHOULDER_LEFT, MediaPipe's LEFT_SHOULDER, PoseNet's leftShoulder, l_shoulder."""
    assert_reads(coco_file(RIGHT_FIRST, written), FIGURE)


def test_posetrack_and_crowdpose_have_no_eyes() -> None:
    """MVIG-SJTU/AlphaPose 1174; leonid-pishchulin/poseval: PoseTrack's third point is the top of the head."""
    assert_reads(coco_file(POSETRACK), without("right eye", "left eye"))
    assert_reads(coco_file(CROWDPOSE), without("nose", *FACE))


def test_a_skeleton_of_numbers_is_read_by_the_bones() -> None:
    """CVAT's own skeletons name their points 1, 2, 3, ... where nobody renamed them."""
    assert_reads(coco_file(COCO, lambda name: str(COCO.index(name) + 1)), FIGURE)


def test_categories_of_no_person_are_refused_by_name() -> None:
    file = coco_file(COCO, lambda name: f"corner {COCO.index(name)}")
    with pytest.raises(PoseError, match="'categories' must name the points"):
        read_pose_keypoints(file)


def test_meta_info_names_the_order() -> None:
    """open-mmlab/mmpose 1851: predictions of any data set, the names beside them."""
    for meta in (
        {"keypoint_id2name": {str(n): name.replace(" ", "_") for n, name in enumerate(H36M)}},
        {"dataset_name": "h36m"},
    ):
        assert_reads({"meta_info": meta, "instance_info": [of_mmpose(FIGURE, H36M)], **SIZE}, without(*FACE))


def test_names_beside_as_or_instead_of_points() -> None:
    """tensorflow/tfjs-models 817; ml5js/ml5-next-gen bodyPose; PoseNet 1's `part` and `position`."""
    tfjs = [{"x": x, "y": y, "score": s, "name": n.replace(" ", "_")} for n, (x, y, s) in zip(
        RIGHT_FIRST, rows(RIGHT_FIRST), strict=True)]
    as_keys = {n.replace(" ", "_"): {"x": x, "y": y, "confidence": s} for n, (x, y, s) in zip(
        COCO, rows(COCO), strict=True)}
    posenet = [{"part": p["name"], "position": {"x": p["x"], "y": p["y"]}, "score": 0.9} for p in tfjs]
    for value in (
        [{"score": 0.9, "keypoints": tfjs, **SIZE}],
        [{"keypoints": tfjs, "id": 3, "confidence": 0.8, **as_keys, **SIZE}],
        {"people": [{"keypoints": as_keys}], **SIZE},
        {**as_keys, **SIZE},
        {**{name: point[:2] for name, point in zip(COCO, rows(COCO), strict=True)}, **SIZE},
        {"poses": [{"keypoints": posenet, "score": 0.8}], "width": 512, "height": 512},
        {"keypoint_names": [n.replace(" ", "_") for n in RIGHT_FIRST], **frame(flat(rows(RIGHT_FIRST)))},
    ):
        assert_reads(value, FIGURE)


def mediapipe(points: np.ndarray) -> list[dict]:
    places = {
        "nose": 0, "left eye": 2, "right eye": 5, "left ear": 7, "right ear": 8, "left shoulder": 11,
        "right shoulder": 12, "left elbow": 13, "right elbow": 14, "left wrist": 15, "right wrist": 16,
        "left hip": 23, "right hip": 24, "left knee": 25, "right knee": 26, "left ankle": 27, "right ankle": 28,
    }  # fmt: skip
    written = [{"x": 0.5, "y": 0.5, "z": 0.0, "visibility": 0.9} for _ in range(33)]
    for name, place in places.items():
        x, y = named(points)[name]
        written[place] |= {"x": x / 512, "y": y / 512}
    return written


def test_mediapipe_s_landmarks_alone_in_lists_and_with_metres() -> None:
    """google-ai-edge/mediapipe 1376 and 2077; MessageToDict writes `landmark`, the tasks API lists of lists."""
    points = mediapipe(FIGURE)
    for value in (
        {"landmarks": [points], **SIZE}, {"landmark": points, **SIZE}, {"poseLandmarks": points, **SIZE},
        {"frames": [{"pose_landmarks": points}], "width": 512, "height": 512},
    ):
        assert_reads(value, FIGURE)
    hidden = [point | {"visibility": 0.4 if place == 15 else 0.9} for place, point in enumerate(points)]
    assert_reads({"landmarks": hidden, **SIZE}, without("left wrist"))
    world = [{"x": p["x"] - 0.5, "y": p["y"] - 0.5, "z": 0.1, "visibility": 0.9} for p in points]
    (pose,) = read_pose_keypoints({"landmarks": [points], "worldLandmarks": [world], **SIZE})
    np.testing.assert_allclose(pose.keypoints_3d[:, 2], 0.1)


def test_labelme_has_a_shape_a_point() -> None:
    """wkentaro/labelme: `group_id` tells people apart, the size is imageWidth and imageHeight."""
    shapes = [
        {"label": name.replace(" ", "_"), "points": [point[:2]], "shape_type": "point", "group_id": group}
        for group, points in ((1, SMALL), (2, FIGURE)) for name, point in zip(COCO, rows(COCO, points), strict=True)
    ]
    shapes.append({"label": "person", "points": [[1, 2], [3, 4]], "shape_type": "rectangle", "group_id": 2})
    assert_reads({"version": "5.2", "shapes": shapes, "imageWidth": 512, "imageHeight": 512}, FIGURE)


def alphapose(image: str, points: np.ndarray, **more: object) -> dict:
    entry = {"image_id": image, "category_id": 1, "keypoints": flat(rows(COCO, points)), "score": 2.5}
    return entry | {"box": [1, 2, 3, 4], "idx": [0.0], **SIZE, **more}


def test_people_of_one_picture_are_one_frame() -> None:
    """MVIG-SJTU/AlphaPose 508; facebookresearch/detectron2 2234; CMU openpose 1273; ultralytics 9553; mmpose 2556."""
    small, large = (
        {"name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 1.0}, "keypoints": {
            "x": [x for x, _, _ in body], "y": [y for _, y, _ in body], "visible": [0.9] * 17}, **SIZE}
        for body in (rows(COCO, SMALL), rows(COCO))
    )  # fmt: skip
    for value in (
        [alphapose("a.jpg", SMALL), alphapose("a.jpg", FIGURE)],
        [alphapose("a.jpg", SMALL) | {"image_id": 7}, alphapose("a.jpg", FIGURE) | {"image_id": 7}],
        [small, large],
        [[small, large]],
        {"predictions": [[of_mmpose(SMALL), of_mmpose(FIGURE)]], **SIZE},
        {"instance_info": [of_mmpose(SMALL), of_mmpose(FIGURE)], **SIZE},
        {"instance_info": [{"frame_id": 1, "instances": [of_mmpose(SMALL), of_mmpose(FIGURE)]}], **SIZE},
        {"a.jpg": [{"keypoints": flat(rows(COCO, p)), "scores": 0.9, "idx": n} for n, p in ((1, SMALL), (2, FIGURE))],
         **SIZE},
        {"a.jpg": {"version": "AlphaPose v0.3", "bodies": [
            {"joints": flat(rows(JOINT_NAMES, p))} for p in (SMALL, FIGURE)]}, **SIZE},
    ):  # fmt: skip
        assert_reads(value, FIGURE)
    assert len(read_people([small, large])[0]) == 2


def test_columns_without_a_visibility_are_read() -> None:
    """ultralytics: a model without confidences of its points writes x and y alone, 0, 0 where there is none."""
    person = {"class": 0, "keypoints": {"x": FIGURE[[0, *range(1, 17)], 0].tolist(), "y": [0.0] * 17}}
    xs, ys = (np.array(pairs(rows(COCO))).T).tolist()
    xs[9] = ys[9] = 0.0
    person["keypoints"] = {"x": xs, "y": ys}
    assert_reads([{**person, **SIZE}], without("left wrist"))


def test_frames_of_a_table_are_in_the_order_of_their_numbers() -> None:
    """A table of tracks lists one after the other: the second may begin before the first ends."""
    table = [
        {"frame": number, "track_id": track, "keypoints": flat(rows(COCO, points + number)), **SIZE}
        for track, points, frames in ((2, SMALL, (9, 10)), (1, FIGURE, (8, 9, 10))) for number in frames
    ]
    assert_reads(table, FIGURE + 8, FIGURE + 9, FIGURE + 10)
    names = [alphapose(f"frame_{number}.jpg", FIGURE + number) for number in (10, 9)]
    assert_reads(names, FIGURE + 9, FIGURE + 10)


def test_poseflow_s_picture_of_nobody_is_a_frame_of_nobody() -> None:
    """YuliangXiu/PoseFlow: the list of a picture in which nobody was found is empty."""
    person = {"keypoints": flat(rows(COCO)), "scores": 0.9, "idx": 1}
    value = {"1.jpg": [person], "2.jpg": [], "3.jpg": [person], **SIZE}
    assert [len(people) for people in read_people(value)] == [1, 0, 1]
    with pytest.raises(PoseError, match="frame '2.jpg': nobody is in it"):
        read_pose_keypoints(value)


def test_annotations_of_bags_and_empty_ones_are_passed_over() -> None:
    """cvat-ai/cvat 8484; COCO's own val2017 annotates many people without a single key point."""
    file = coco_file(COCO)
    file["images"] += [{"id": 2, "width": 512, "height": 512}, {"id": 3, "width": 512, "height": 512}]
    file["categories"].append({"id": 9, "name": "bag", "keypoints": ["strap", "corner"]})
    file["annotations"] = [
        {"image_id": 2, "category_id": 9, "keypoints": [1, 2, 2, 3, 4, 2]},
        {"image_id": 3, "category_id": 7, "keypoints": [0] * 51}, *file["annotations"],
    ]
    assert_reads(file, FIGURE)
    file["annotations"] = file["annotations"][:1]
    with pytest.raises(PoseError, match="none of its annotations has a person's key points"):
        read_pose_keypoints(file)


@pytest.mark.parametrize("key", ["person_id", "track_id", "idx"])
def test_the_person_of_the_first_frame_is_followed_by_number(key: str) -> None:
    """kijai/ComfyUI-SCAIL-Pose 10; IDEA-Research/DWPose 77: who walks away stays the one who is taken."""
    def person(number: int, points: np.ndarray) -> dict:
        return {key: [number], "pose_keypoints_2d": flat(rows(JOINT_NAMES, points))}

    other = FIGURE * 0.8 + (150, 60)
    frames = [
        {"people": [person(0, FIGURE), person(1, other)], **SIZE},
        {"people": [person(1, other), person(0, SMALL)], **SIZE},
    ]
    assert_reads(frames, FIGURE, SMALL)
    assert [pose.person_id for pose in read_pose_keypoints(frames)] == [0, 0]


WHOLE = frame(flat(rows(JOINT_NAMES)))
PEOPLE = {"people": WHOLE["people"]}


@pytest.mark.parametrize(
    "value",
    [
        {"images": ["iVBORw0KGgo="], "info": "Success", "poses": [WHOLE]},
        {"meta": {"fps": 24}, "files": ["a.jpg"], "frames": [WHOLE]},
        {"image_width": 512, "image_height": 512, **PEOPLE},
        {"imageWidth": 512, "imageHeight": 512, **PEOPLE},
        {"image_size": [512, 512], **PEOPLE},
        {"image_size": {"width": 512, "height": 512}, **PEOPLE},
        {"dimensions": {"width": 512, "height": 512}, "frames": [PEOPLE]},
    ],
    ids=["/controlnet/detect", "beside names", "image_width", "imageWidth", "pair", "object", "dimensions"],
)
def test_frames_beside_other_things_and_sizes_by_other_names(value: dict) -> None:
    """Mikubill/sd-webui-controlnet 2885 and others."""
    assert_reads(value, FIGURE)


def test_the_sides_of_a_box_are_not_the_picture_s() -> None:
    """Tables of tracks in MOT's manner have x, y, width and height of the box."""
    person = {"frame": 1, "x": 5, "y": 6, "width": 90, "height": 200, "keypoints": flat(rows(COCO)), "score": 1}
    with pytest.raises(PoseError, match="no canvas_width"):
        read_pose_keypoints([person])
    assert_reads({"detections": [person], **SIZE}, FIGURE)


def test_a_frame_a_line_is_read() -> None:
    """kijai/ComfyUI-WanAnimatePreprocess 18: video tools write JSON lines."""
    poses = parse_pose_json("\n".join(json.dumps(frame(flat(rows(JOINT_NAMES, FIGURE + n)))) for n in range(3)) + "\n")
    np.testing.assert_allclose([pose.points for pose in poses], [FIGURE, FIGURE + 1, FIGURE + 2])
    with pytest.raises(PoseError, match="not valid JSON"):
        parse_pose_json('{"people": []}\n{"people": [')


def test_a_picture_s_size_serves_frames_without_one() -> None:
    (pose,) = read_pose_keypoints([PEOPLE], canvas=(512, 400))
    assert (pose.width, pose.height) == (512, 400)
    assert read_pose_keypoints([WHOLE], canvas=(9, 9))[0].width == 512


def sam_3d_body(points: np.ndarray) -> dict:
    """A person as Predict SAM3D Body of newer ComfyUI gives it: arrays of 70 points, image_size (height, width)."""
    order = (*COCO[:9], *COCO[11:])
    flat_points, space = np.zeros((70, 2)), np.zeros((70, 3))
    joints = named(points)
    for place, name in (*enumerate(order), (41, "right wrist"), (62, "left wrist"), (69, "neck")):
        flat_points[place] = joints[name]
        space[place] = (*((joints[name] - joints["mid hip"]) / 250), place / 100)
    return {"pred_keypoints_2d": flat_points.astype(np.float32), "pred_keypoints_3d": space.astype(np.float32)}


def test_sam_3d_body_s_people_come_with_their_third_dimension() -> None:
    """ComfyUI's comfy_extras/nodes_sam3d_body.py; facebookresearch/sam-3d-body's 70 points."""
    value = {
        "frames": [[sam_3d_body(SMALL), sam_3d_body(FIGURE)]], "image_size": (512, 640), "faces": np.zeros((2, 3)),
        "canonical_colors": None, "hand_vert_mask": None,
    }  # fmt: skip
    (pose,) = read_pose_keypoints(value)
    assert (pose.width, pose.height) == (640, 512)
    np.testing.assert_allclose(pose.points, FIGURE, atol=1e-3)
    np.testing.assert_allclose(pose.keypoints_3d[[4, 7], 2], [0.41, 0.62], atol=1e-6)
    with pytest.raises(PoseError, match="pred_keypoints_2d .70, 2."):
        read_pose_keypoints(value | {"frames": [[{"pred_keypoints_2d": np.zeros((69, 2))}]]})
