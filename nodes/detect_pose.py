"""Detect Pose: key points from a photo, by controlnet_aux's OpenPose body network."""

import logging

import comfy.model_management
import comfy.utils
import folder_paths
import torch
from comfy_api.latest import io

from ..cfld_modules.poses.detection import (
    OTHER_DETECTORS,
    WEIGHTS_FILE,
    WEIGHTS_REPOSITORY,
    DetectionError,
    cached_weights,
    detect_people,
    load_body_network,
    people_frame,
)
from .host.networks import in_host_care, on_device
from .pictures import picture_array, read_pictures
from .types import CATEGORY, PoseType

NODE = "Detect Pose"
WEIGHTS_FOLDER = "annotators"


class CFLDDetectPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDDetectPose",
            display_name=NODE,
            category=CATEGORY,
            description="Finds the body key points of everybody in a picture, with the OpenPose network of the package "
            "controlnet_aux and body_pose_model.pth in models/annotators. SDPose and DWPose key points serve as well.",
            search_aliases=["openpose", "pose estimation", "detect keypoints", "dwpose", "pose from image"],
            inputs=[io.Image.Input("image", tooltip="A picture with people. A batch gives one frame an image.")],
            outputs=[
                PoseType.Output(
                    "pose", tooltip="Key points in pixels of the image, all people in each frame. The nodes that take "
                    "one person use the largest.",
                ),
            ],
        )

    @classmethod
    def execute(cls, image: torch.Tensor) -> io.NodeOutput:
        image = read_pictures(NODE, "image", image)
        try:
            network = on_device(in_host_care(load_body_network(_weights_path())))
        except DetectionError as error:
            raise ValueError(f"{NODE}: {error}") from error
        progress = comfy.utils.ProgressBar(len(image))
        frames = []
        for number, picture in enumerate(image, 1):
            comfy.model_management.throw_exception_if_processing_interrupted()
            people = detect_people(network, picture_array(picture))
            if not people:
                logging.getLogger("cfld").warning(f"{NODE}: nobody was found in image {number} of {len(image)}")
            frames.append(people_frame(people, width=picture.shape[1], height=picture.shape[0]))
            progress.update(1)
        return io.NodeOutput(frames)


def _weights_path() -> str:
    path = folder_paths.get_full_path(WEIGHTS_FOLDER, WEIGHTS_FILE) or cached_weights()
    if path is None:
        raise DetectionError(
            f"{WEIGHTS_FILE} was not found. Put it into {folder_paths.get_folder_paths(WEIGHTS_FOLDER)[0]}, from "
            f"https://huggingface.co/{WEIGHTS_REPOSITORY}, or {OTHER_DETECTORS}"
        )
    return path
