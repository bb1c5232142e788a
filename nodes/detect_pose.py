"""Detect Pose: key points and masks of the people in a picture, by OpenPose's network or BlazePose's."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import comfy.model_management
import comfy.utils
import folder_paths
import numpy as np
import torch
from comfy_api.latest import io

from ..cfld_modules.checkpoints.blazepose_file import BLAZEPOSE_FILE, get_blazepose, load_blazepose
from ..cfld_modules.errors import CheckpointError, DetectionError, PhotographError, shortened
from ..cfld_modules.photographs import decode_photograph
from ..cfld_modules.poses.detection import blazepose, openpose
from ..cfld_modules.poses.keypoints import Pose, write_frame
from .host.networks import in_host_care, on_device
from .pictures import picture_array, read_pictures
from .types import CATEGORY, PoseType, check_choice

NODE = "Detect Pose"
WEIGHTS_FOLDER = "annotators"
DETECTORS = ("auto", "openpose", "blazepose")
COMMAND = "python -m cfld_modules get blazepose"
DETECT_ROUTE = "/cfld/detect_pose"
"""For the pose editor: see `detect_in_file`."""
REFUSALS = (DetectionError, CheckpointError, PhotographError)


class CFLDDetectPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDDetectPose",
            display_name=NODE,
            category=CATEGORY,
            description="Finds the body key points of everybody in a picture, with BlazePose (got by one command, or "
            "download_if_missing) or with OpenPose's network (package controlnet_aux and a file of 200 MB). SDPose and "
            "DWPose key points serve as well.",
            search_aliases=[
                "openpose", "pose estimation", "detect keypoints", "dwpose", "pose from image", "blazepose",
                "mediapipe", "person mask",
            ],
            inputs=[
                io.Image.Input("image", tooltip="A picture with people. A batch gives one frame an image."),
                io.Combo.Input(
                    "detector", options=list(DETECTORS), default="auto", optional=True,
                    tooltip="auto: what is there, OpenPose first. openpose: body_pose_model.pth in models/annotators "
                    "and the package controlnet_aux. blazepose: blazepose.safetensors in models/annotators; it also "
                    "gives masks and the third dimension.",
                ),
                io.Boolean.Input(
                    "download_if_missing", default=False, optional=True,
                    tooltip="Where BlazePose is wanted, or nothing is there: download it once, as 'python -m "
                    "cfld_modules get blazepose' does (36 MB by pip, from the package index that pip is set to).",
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
    def execute(
        cls, image: torch.Tensor, detector: str = "auto", download_if_missing: bool = False
    ) -> io.NodeOutput:
        check_choice(NODE, "detector", detector, DETECTORS)
        image = read_pictures(NODE, "image", image)
        try:
            return io.NodeOutput(*detect_frames(image, detector, download_if_missing))
        except (DetectionError, CheckpointError) as error:
            raise ValueError(shortened(f"{NODE}: {error}")) from error


def detect_frames(image: torch.Tensor, detector: str, download: bool) -> tuple[list[dict], torch.Tensor]:
    """RGB pictures (B, H, W, 3) -> a POSE_KEYPOINT frame a picture, and a MASK (B, H, W) of the people.

    Raises:
        DetectionError, CheckpointError: the detector is missing or damaged.
    """
    detect = _load_detector(detector, download, lambda networks: on_device(in_host_care(networks)))
    progress = comfy.utils.ProgressBar(len(image))
    height, width = image.shape[1:3]
    frames, masks = [], []
    for number, picture in enumerate(image, 1):
        comfy.model_management.throw_exception_if_processing_interrupted()
        people, mask = detect(picture_array(picture))
        if not people:
            logging.getLogger("cfld").warning(f"{NODE}: nobody was found in image {number} of {len(image)}")
        frames.append(write_frame(people, width, height))
        masks.append(torch.from_numpy(mask))
        progress.update(1)
    return frames, torch.stack(masks)


def detect_in_file(content: bytes) -> dict:
    """The people in a picture file -> one POSE_KEYPOINT frame in pixels of the picture.

    The page sends the file itself, so that nothing is read from the server's disk and any picture in the page will do.
    By whatever detector is there, on the CPU: a graph may be running meanwhile, and the host's care of models, its
    progress and its interruption are that graph's.

    Raises:
        DetectionError, CheckpointError: no detector is there, or it is damaged.
        PhotographError: the file is no picture.
    """
    picture = decode_photograph(content)
    height, width = picture.shape[:2]
    try:
        detect = _load_detector("auto", False, lambda networks: networks)
    except NoDetectorError as error:
        raise DetectionError(
            f"no detector is in {_first_folder()}. Run '{COMMAND}' in this pack's folder, or {NODE} once with "
            "download_if_missing"
        ) from error
    people, _ = detect(picture)
    return write_frame(people, width, height)


class NoDetectorError(DetectionError):
    """No detector's file is there."""


def _load_detector(
    name: str, download: bool, place: Callable[[torch.nn.Module], torch.nn.Module]
) -> Callable[[np.ndarray], tuple[list[Pose], np.ndarray]]:
    """place: brings its networks, which are on the CPU, to where they shall run."""
    if name != "blazepose":
        try:
            weights = _openpose_weights()
        except DetectionError:
            if name == "openpose":
                raise
        else:
            return partial(openpose.detect_people, place(openpose.load_body_network(weights)))
    return partial(blazepose.detect_people, place(load_blazepose(_blazepose_file(name, download))))


def _openpose_weights() -> str:
    path = folder_paths.get_full_path(WEIGHTS_FOLDER, openpose.WEIGHTS_FILE)
    cached = openpose.cached_weights()  # asked in any case, since it tells whether the package is there
    if path is None and cached is None:
        raise DetectionError(
            f"{openpose.WEIGHTS_FILE} was not found. Put it into {_first_folder()}, from "
            f"https://huggingface.co/{openpose.WEIGHTS_REPOSITORY}, or set detector to blazepose, or "
            f"{openpose.OTHER_DETECTORS}"
        )
    return path or cached


def _blazepose_file(name: str, download: bool) -> Path:
    path = folder_paths.get_full_path(WEIGHTS_FOLDER, BLAZEPOSE_FILE)
    if path is not None:
        return Path(path)
    if download:
        logging.getLogger("cfld").info(f"{NODE}: BlazePose is being downloaded into {_first_folder()}")
        return get_blazepose(_first_folder())
    how = f"set download_if_missing, or run '{COMMAND}' in this pack's folder"
    if name == "auto":
        raise NoDetectorError(
            f"input 'detector' is auto, but no detector is in {_first_folder()}. BlazePose: {how}. OpenPose: put "
            f"{openpose.WEIGHTS_FILE} there, from https://huggingface.co/{openpose.WEIGHTS_REPOSITORY}, and install "
            "controlnet_aux"
        )
    raise DetectionError(f"{BLAZEPOSE_FILE} is not in {_first_folder()}: {how}")


def _first_folder() -> Path:
    return Path(folder_paths.get_folder_paths(WEIGHTS_FOLDER)[0])
