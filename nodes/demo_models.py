"""CFLD Demo Models and Demo Person: load the demo model that comes along, and show the people to try it on.

What no other node needs is imported when one of them runs, not at every start of ComfyUI.
"""

import torch
from comfy_api.latest import io

from ..cfld_modules.checkpoints.cfld_checkpoint import build_networks, load_checkpoint
from ..cfld_modules.demo_model import BASE_FOLDER, CFLD_FILE
from ..cfld_modules.poses.keypoints import write_pose_keypoints
from .host.networks import LoadedCFLD, host_networks
from .pictures import image_batch
from .previews import preview
from .types import DEMO, CFLDType, PoseType, check_widgets

LARGEST_NUMBER = 999_999


class CFLDDemoModels(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDDemoModels",
            display_name="CFLD Demo Models",
            category=DEMO,
            description="The small model that comes with this pack: with nothing downloaded it moves rendered people "
            "(Demo Person), at 256x256. For photos use Stable Diffusion 1.5 and CFLD Loader.",
            search_aliases=["pose transfer demo", "example model", "try cfld"],
            inputs=[],
            outputs=[
                io.Model.Output("model", tooltip="A small U-Net of Stable Diffusion 1.5's layout, for HGA Apply."),
                io.Vae.Output("vae", tooltip="Its autoencoder, a small TAESD."),
                CFLDType.Output("cfld", tooltip="Its CFLD, for the other CFLD nodes."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from .host.base_model import load_unet, load_vae

        checkpoint = load_checkpoint(CFLD_FILE)
        networks = build_networks(checkpoint).float()
        cfld = LoadedCFLD("the demo model", checkpoint.config, host_networks(networks), checkpoint.key_values)
        return io.NodeOutput(load_unet(BASE_FOLDER), load_vae(BASE_FOLDER), cfld)


class CFLDDemoPerson(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDDemoPerson",
            display_name="Demo Person",
            category=DEMO,
            description="Shows a rendered person the demo model has not seen: twelve people in eight poses. The same "
            "person in the target's pose is what a perfect transfer would give.",
            search_aliases=["mannequin", "pose transfer demo", "synthetic person", "ground truth"],
            inputs=[
                io.Int.Input(
                    "person", default=0, min=0, max=LARGEST_NUMBER,
                    tooltip="Who, 0 to 11; from 12 on they begin again with the first.",
                ),
                io.Int.Input(
                    "pose", default=0, min=0, max=LARGEST_NUMBER,
                    tooltip="How they stand, and seen from where, 0 to 7; 0 shows the front, 5 a side, 6 the back. "
                    "From 8 on they begin again.",
                ),
                io.Int.Input("width", default=352, min=16, max=4096, tooltip="Width of the picture in pixels."),
                io.Int.Input(
                    "height", default=512, min=16, max=4096,
                    tooltip="Height of the picture in pixels; 176:256 is what the model was trained on.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The person in the pose."),
                PoseType.Output("pose", tooltip="Exact key points; hidden ones are missing."),
                io.Mask.Output("mask", tooltip="Exactly where the person is, for Warp Person."),
            ],
        )

    @classmethod
    def execute(cls, person: int, pose: int, width: int, height: int) -> io.NodeOutput:
        from ..cfld_modules.demo_people import demo_photo

        check_widgets(cls, person=person, pose=pose, width=width, height=height)
        photo = demo_photo(person, pose, width, height)
        return io.NodeOutput(
            image_batch([photo.image]), write_pose_keypoints([photo.pose]),
            torch.from_numpy(photo.silhouette).float()[None], ui=preview([photo.image]),
        )
