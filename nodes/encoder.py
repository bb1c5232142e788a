"""PRD Prompt Encoder: a photo of a person to conditioning and appearance."""

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io

from ..cfld_modules.networks.model import Appearance
from ..cfld_modules.pipeline.pictures import prepare_picture
from ..cfld_modules.poses.framing import Fit, fit_box, person_box
from ..cfld_modules.poses.keypoints import Pose, PoseError
from .host.conditioning import prompt_conditioning
from .host.networks import on_device
from .types import (
    CATEGORY,
    AppearanceType,
    LoadedCFLD,
    PoseType,
    cfld_input,
    fit_input,
    picture_array,
    read_poses,
)

NODE = "PRD Prompt Encoder"


class CFLDPromptEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDPromptEncoder",
            display_name=NODE,
            category=CATEGORY,
            description="Turns a photo of a person into the prompt (there is no text in CFLD) and the appearance that "
            "HGA Apply adds to the model.",
            search_aliases=["pose transfer", "perception-refined decoder", "source person", "person to conditioning"],
            inputs=[
                cfld_input(),
                io.Image.Input("image", tooltip="The source person. A batch gives one person an image."),
                fit_input("picture"),
                PoseType.Input(
                    "person", optional=True,
                    tooltip="Key points of the person in the picture: the picture is then framed around them as the "
                    "training photos are, so that a small figure in a wide snapshot works. fit is not needed then.",
                ),
            ],
            outputs=[
                io.Conditioning.Output("positive", tooltip="The coarse-grained prompt of the source person."),
                io.Conditioning.Output("negative", tooltip="CFLD's learnt unconditional prompt."),
                AppearanceType.Output("appearance", tooltip="The source person's appearance, for HGA Apply."),
            ],
        )

    @classmethod
    def execute(
        cls, cfld: LoadedCFLD, image: torch.Tensor, fit: Fit, person: object = None
    ) -> io.NodeOutput:
        people = [None] * len(image) if person is None else read_poses(NODE, "person", person)
        if len(people) not in (1, len(image)):
            raise ValueError(
                f"{NODE}: input 'person' has {len(people)} frames for {len(image)} images; give one, or one an image"
            )
        people = people * (len(image) if len(people) == 1 else 1)
        size = cfld.config.source.image_size
        pixels = [_framed(picture, fit, pose, size) for picture, pose in zip(image, people, strict=True)]
        networks = on_device(cfld.networks)
        progress = comfy.utils.ProgressBar(len(pixels))
        encoded = []
        for picture in pixels:
            comfy.model_management.throw_exception_if_processing_interrupted()
            encoded.append(networks.encode_source(picture[None].to(networks.device, networks.dtype)))
            progress.update(1)
        storage = comfy.model_management.intermediate_device()
        appearance = Appearance(
            torch.cat([one.prompt for one in encoded]).float().to(storage),
            {
                block: torch.cat([one.residuals[block] for one in encoded]).to(storage)
                for block in encoded[0].residuals
            },
        )
        positive, negative = prompt_conditioning(appearance.prompt, networks.learnable_vector.float().to(storage))
        return io.NodeOutput(positive, negative, appearance)


def _framed(picture: torch.Tensor, fit: Fit, person: Pose | None, size: int) -> torch.Tensor:
    array = picture_array(picture)
    height, width = array.shape[:2]
    if person is None:
        return prepare_picture(array, fit_box(width, height, fit), size)
    scaled = Pose(person.points * (width / person.width, height / person.height), width, height)
    try:
        return prepare_picture(array, person_box(scaled), size)
    except PoseError as error:
        raise ValueError(f"{NODE}: input 'person': {error}") from error
