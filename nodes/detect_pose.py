"""Detect Pose: key points and masks of the people in a picture, by OpenPose's network or BlazePose's."""

import logging
from collections.abc import Callable

import comfy.model_management
import torch
from comfy_api.latest import io

from ..cfld_modules.errors import CheckpointError, DetectionError, PhotographError, shortened
from ..cfld_modules.photographs import decode_photograph
from ..cfld_modules.poses.keypoints import Pose, write_frame
from .host.detectors import AUTO, DETECTORS, load_detector
from .host.networks import in_host_care, on_device
from .host.notices import warn_on_node
from .pictures import picture_array, read_pictures
from .previews import draw_people, preview, sample, with_progress
from .types import POSES, PoseType, check_widgets

NODE = "Detect Pose"
DETECT_ROUTE = "/cfld/detect_pose"
"""For the pose editor: see `detect_in_file`."""
REFUSALS = (DetectionError, CheckpointError, PhotographError)

logger = logging.getLogger("cfld")


class CFLDDetectPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDDetectPose",
            display_name=NODE,
            category=POSES,
            description="Finds everybody's key points in a picture: with BlazePose (a file of 36 MB) or with "
            "OpenPose's network (a file of 200 MB and the package controlnet_aux). SDPose and DWPose key points serve, "
            "too.",
            search_aliases=[
                "openpose", "pose estimation", "detect keypoints", "dwpose", "pose from image", "blazepose",
                "mediapipe", "person mask",
            ],
            inputs=[
                io.Image.Input("image", tooltip="A picture with people. A batch gives one frame an image."),
                io.Combo.Input(
                    "detector", options=[AUTO, *DETECTORS], default=AUTO, optional=True,
                    tooltip="auto: what is there, OpenPose first. openpose: body_pose_model.pth in models/annotators "
                    "and the package controlnet_aux. blazepose: MediaPipe's wheel 0.10.21, a .task bundle of its poses "
                    "or blazepose.safetensors in models/annotators; it also gives masks and the third dimension.",
                ),
            ],
            outputs=[
                PoseType.Output(
                    "pose", tooltip="Key points in pixels of the image, all people in each frame. The nodes that take "
                    "one person use the largest; Choose Person keeps another.",
                ),
                io.Mask.Output(
                    "mask", tooltip="Where the people are, all of them in one mask an image. OpenPose gives none: then "
                    "it is black.",
                ),
            ],
        )

    @classmethod
    def execute(cls, image: torch.Tensor, detector: str = AUTO) -> io.NodeOutput:
        check_widgets(cls, detector=detector)
        image = read_pictures(NODE, "image", image)
        try:
            return detect_frames(image, detector)
        except (DetectionError, CheckpointError) as error:
            raise ValueError(shortened(f"{NODE}: {error}")) from error


def detect_frames(image: torch.Tensor, name: str) -> io.NodeOutput:
    """RGB pictures (B, H, W, 3) -> a POSE_KEYPOINT frame a picture, and a MASK (B, H, W) of the people.

    On the node the page shows the people over their pictures, how many they are, which detector `auto` took, and where
    nobody was found.
    Raises DetectionError or CheckpointError where the detector of this name is missing or damaged.
    """
    detector, choice = load_detector(name)
    detector = on_device(in_host_care(detector))
    height, width = image.shape[1:3]
    people_of_images: list[list[Pose]] = []
    masks = torch.zeros(image.shape[:3])
    choice_line, warnings = [shortened(f"{NODE}: {choice}")] if choice else [], []
    for number, (picture, mask) in enumerate(with_progress(zip(image, masks, strict=True)), 1):
        people = detector.find_people(
            picture_array(picture), comfy.model_management.throw_exception_if_processing_interrupted
        )
        if not people.poses:
            warnings.append(f"{NODE}: nobody was found in image {number} of {len(image)}")
        people_of_images.append(people.poses)
        mask.copy_(torch.from_numpy(people.mask(width, height)))
    pictures = [
        draw_people(people, width, height, behind=picture_array(picture))
        for people, picture in zip(sample(people_of_images), sample(image), strict=True)
    ]
    frames = [write_frame(people, width, height) for people in people_of_images]
    seen = preview(pictures, _how_many([len(people) for people in people_of_images]))
    return io.NodeOutput(frames, masks, ui=seen | {"text": choice_line + warn_on_node(*warnings)["text"]})


def _how_many(counts: list[int]) -> str:
    """In words, of the people in each picture."""
    least, most = min(counts), max(counts)
    people = f"{most} {'person' if most == 1 else 'people'}" if least == most else f"{least} to {most} people"
    return people if len(counts) == 1 else f"{people} in each of {len(counts)} images"


def detect_in_file(content: bytes, check: Callable[[], None]) -> dict:
    """The people in a picture file -> one POSE_KEYPOINT frame in pixels of the picture.

    The page sends the file itself, so that nothing is read from the server's disk and any picture in the page will do.
    By whatever detector is there, on the CPU: a graph may be running meanwhile, and the host's care of models, its
    progress and its interruption are that graph's.

    Args:
        check: called between pieces of the work; raises whatever is to end it.

    Raises:
        DetectionError, CheckpointError: no detector is there, or it is damaged.
        PhotographError: the file is no picture.
    """
    picture = decode_photograph(content)
    height, width = picture.shape[:2]
    detector, choice = load_detector(AUTO)
    logger.info(f"{NODE}: {choice}")
    return write_frame(detector.find_people(picture, check).poses, width, height)
