"""Pose Conditioning: adds a target pose to the conditioning, the way ComfyUI adds a ControlNet."""

import comfy.model_management
import torch
from comfy_api.latest import io

from ..cfld_modules.poses.framing import Fit, frame_pose
from ..cfld_modules.poses.pose_maps import pose_maps
from .host.networks import LoadedCFLD, on_device
from .host.pose_control import pose_conditioning
from .previews import with_progress
from .types import CATEGORY, PoseType, cfld_input, check_numbers, check_widgets, fit_input, percent_inputs, read_poses

NODE = "Pose Conditioning"


class CFLDPoseConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDPoseConditioning",
            display_name=NODE,
            category=CATEGORY,
            description="Adds the target pose. Chains with ordinary ControlNets. For core's Dual CFG Guider, give this "
            "node's negative output to a second one's positive input with the same pose: its positive output is the "
            "pose-only prompt (cond2).",
            search_aliases=[
                "pose transfer", "reposing", "same person other pose", "target pose", "pose adapter", "openpose",
                "controlnet pose",
            ],
            inputs=[
                cfld_input(),
                io.Conditioning.Input("positive", tooltip="From PRD Prompt Encoder: the rows that get the pose."),
                io.Conditioning.Input("negative", tooltip="From PRD Prompt Encoder: the rows without the pose."),
                PoseType.Input(
                    "pose", tooltip="Target pose: key points from Load Pose, Pose Editor, DWPose or SDPose "
                    "(not their drawing). Several frames are several poses; set the latent's batch size to as many.",
                ),
                io.Float.Input(
                    "strength", default=1.0, min=0.0, max=10.0, step=0.01, advanced=True,
                    tooltip="Weight of the pose's additions to the U-Net; 1.0 is the trained one, 0 leaves them out.",
                ),
                *percent_inputs("the pose"),
                fit_input("pose canvas"),
            ],
            outputs=[
                io.Conditioning.Output("positive", tooltip="The prompt with the pose."),
                io.Conditioning.Output("negative", tooltip="The unconditional prompt, batched with the positive one."),
                io.Int.Output("count", tooltip="How many pictures this makes, for batch_size of the empty latent."),
            ],
        )

    @classmethod
    def execute(
        cls, cfld: LoadedCFLD, positive: list, negative: list, pose: object, strength: float, start_percent: float,
        end_percent: float, fit: Fit,
    ) -> io.NodeOutput:
        check_widgets(cls, strength=strength, start_percent=start_percent, end_percent=end_percent, fit=fit)
        for name, conditioning in (("positive", positive), ("negative", negative)):
            check_numbers(
                NODE, name, [context for context, *_ in conditioning if isinstance(context, torch.Tensor)],
                "holds NaN or infinite numbers; encode the person again with weight_dtype fp32 in CFLD Loader",
            )
        poses = read_poses(NODE, "pose", pose)
        people = max(len(entry[0]) for entry in positive)
        if people > 1 and len(poses) > 1 and people != len(poses):
            raise ValueError(
                f"{NODE}: input 'pose' has {len(poses)} poses for {people} source people; give one, or as many"
            )
        count = max(people, len(poses))
        if strength == 0 or start_percent >= end_percent:
            return io.NodeOutput(positive, negative, count)
        networks = on_device(cfld.networks)
        size = cfld.config.source.image_size
        encoded = [
            networks.encode_pose(pose_maps([frame_pose(one, fit)], size).to(networks.device, networks.dtype))
            for one in with_progress(poses)
        ]
        storage = comfy.model_management.intermediate_device()
        features = tuple(torch.cat(level).to(storage) for level in zip(*encoded, strict=True))
        posed = pose_conditioning(NODE, positive, negative, features, strength, (start_percent, end_percent))
        return io.NodeOutput(*posed, count)
