"""Pose Mask: the regions of clothing in a target pose, for HGA Apply and core's mask nodes.

Core has no such node: its segmenters need weights, and a picture, which of a target pose there is none yet.
"""

import numpy as np
import torch
from comfy_api.latest import io

from ..cfld_modules.errors import PoseError, shortened
from ..cfld_modules.poses.framing import Fit, frame_pose
from ..cfld_modules.poses.garment_regions import REGIONS, Region, region_mask
from .pictures import check_memory
from .previews import draw_people, mask_picture, preview, sample
from .types import SCENES, PoseType, check_widgets, fit_input, read_poses

NODE = "Pose Mask"


class CFLDPoseMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDPoseMask",
            display_name=NODE,
            category=SCENES,
            description="Masks upper body, lower body or head of a target pose: a blouse from one person, trousers "
            "from another, with two HGA Apply and nothing painted.",
            search_aliases=[
                "garment mask", "clothes region", "upper body mask", "body part mask", "keypoints to mask",
                "outfit swap", "try on", "virtual try on",
            ],
            inputs=[
                PoseType.Input("pose", tooltip="The target pose, the same as for Pose Conditioning."),
                io.Combo.Input(
                    "region", options=list(REGIONS),
                    tooltip="upper body: trunk, arms and hands; lower body: hips to feet, skirts too; head: with hair "
                    "and neck.",
                ),
                io.Int.Input("width", default=512, min=16, max=16384, tooltip="Width of the mask in pixels."),
                io.Int.Input(
                    "height", default=512, min=16, max=16384,
                    tooltip="Height of the mask in pixels. As the picture that is sampled, 512x512, it is squashed.",
                ),
                io.Int.Input(
                    "grow", default=0, min=-512, max=512,
                    tooltip="Pixels by which the region is larger on all sides; smaller where negative.",
                ),
                io.Int.Input(
                    "feather", default=8, min=0, max=512,
                    tooltip="How soft the edge is, in pixels. A mask and its inverse stay complementary.",
                ),
                fit_input("pose canvas"),
            ],
            outputs=[io.Mask.Output("mask", tooltip="White where the region is, one mask a pose.")],
        )

    @classmethod
    def execute(
        cls, pose: object, region: Region, width: int, height: int, grow: int, feather: int, fit: Fit
    ) -> io.NodeOutput:
        check_widgets(cls, region=region, fit=fit, width=width, height=height, grow=grow, feather=feather)
        framed_poses = [frame_pose(one, fit) for one in read_poses(NODE, "pose", pose)]
        check_memory(NODE, len(framed_poses), width, height)
        try:
            masks = [region_mask(one, region, width, height, grow, feather) for one in framed_poses]
        except PoseError as error:
            raise ValueError(shortened(f"{NODE}: input 'pose': {error}; choose another region or pose")) from error
        mask = torch.from_numpy(np.stack(masks))
        pictures = [
            draw_people([one], width, height, behind=mask_picture(white))
            for one, white in zip(sample(framed_poses), sample(mask), strict=True)
        ]
        return io.NodeOutput(mask, ui=preview(pictures, f"{region}: {mask.mean():.0%} of the picture"))
