"""Fit Pose to Mask: places a pose inside a mask on a photo, and crops the part of the photo that CFLD repaints.

Core crops, scales, samples behind a mask and pastes; it has no node that turns a mask into numbers, or places key
points.
"""

import torch
from comfy_api.latest import io

from ..cfld_modules.errors import PoseError
from ..cfld_modules.poses.framing import Box
from ..cfld_modules.poses.keypoints import write_pose_keypoints
from .pictures import picture_array, read_masks, read_pictures
from .previews import draw_people, preview, sample
from .types import SCENES, PoseType, about_input, read_poses

NODE = "Fit Pose to Mask"


class CFLDFitPoseToMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDFitPoseToMask",
            display_name=NODE,
            category=SCENES,
            description="Puts a person where a mask says in a photo: the pose fills the mask's box, and the photo is "
            "cut to the frame around it that CFLD paints. Image Composite Masked puts the result back.",
            search_aliases=["inpaint crop", "person in a photo", "mask bounding box", "crop by mask", "place person"],
            inputs=[
                PoseType.Input("pose", tooltip="How the person shall stand; where and how large comes from the mask."),
                io.Image.Input("image", tooltip="The photo into which the person goes."),
                io.Mask.Input(
                    "mask", tooltip="Where the person goes, of the photo's size: as tall as the person shall be, "
                    "standing on its lower edge.",
                ),
            ],
            outputs=[
                PoseType.Output("pose", tooltip="The pose on the cut, for Pose Conditioning and Pose Mask."),
                io.Image.Output("image", tooltip="The cut of the photo, 176:256; scale it to 512x512 to sample in it."),
                io.Mask.Output("mask", tooltip="The cut of the mask."),
                io.Int.Output("x", tooltip="Where the cut lies in the photo, for Image Composite Masked."),
                io.Int.Output("y", tooltip="The same from above."),
                io.Int.Output("width", tooltip="Width of the cut in pixels; scale the result back to it."),
                io.Int.Output("height", tooltip="Height of the cut in pixels."),
            ],
        )

    @classmethod
    def execute(cls, pose: object, image: torch.Tensor, mask: torch.Tensor) -> io.NodeOutput:
        from ..cfld_modules.poses.placing import place_people  # here, for a small start of ComfyUI

        poses = read_poses(NODE, "pose", pose)
        image, masks = read_pictures(NODE, "image", image), read_masks(NODE, "mask", mask)
        box = _box_of(masks, width=image.shape[2], height=image.shape[1])
        with about_input(NODE, "pose", PoseError):
            placed_poses, frame = place_people(poses, box, image.shape[2], image.shape[1])
        rows, columns = slice(frame.top, frame.bottom), slice(frame.left, frame.right)
        cut = image[:, rows, columns]
        behind = picture_array(cut[0])
        pictures = [draw_people([one], frame.width, frame.height, behind=behind) for one in sample(placed_poses)]
        return io.NodeOutput(
            write_pose_keypoints(placed_poses), cut, masks[:, rows, columns], frame.left, frame.top, frame.width,
            frame.height,
            ui=preview(pictures, f"cut: {frame.width}x{frame.height} pixels at {frame.left}, {frame.top}"),
        )


def _box_of(masks: torch.Tensor, width: int, height: int) -> Box:
    """The box that one mask of the photo's size marks; it must mark something."""
    from ..cfld_modules.poses.placing import mask_box

    try:
        box = mask_box(masks[0].numpy())
    except PoseError as error:
        raise ValueError(f"{NODE}: input 'mask' {error}") from error
    if len(masks) > 1:
        raise ValueError(f"{NODE}: input 'mask' has {len(masks)} masks; give one, for one place in the photo")
    if masks.shape[1:] != (height, width):
        raise ValueError(
            f"{NODE}: input 'mask' is {masks.shape[2]}x{masks.shape[1]} and the photo {width}x{height}; paint it on "
            "this photo, or scale it to its size"
        )
    return box
