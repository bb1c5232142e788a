"""PRD Prompt Encoder: makes conditioning and appearance of a person's photo."""

from collections.abc import Sequence

import comfy.model_management
import numpy as np
import torch
import torch.nn.functional as functional
from comfy_api.latest import io

from ..cfld_modules.errors import PoseError
from ..cfld_modules.networks.model import Appearance
from ..cfld_modules.poses.framing import Fit, fit_box, person_box, scale_pose, squashed_picture
from ..cfld_modules.poses.keypoints import Pose
from .host.conditioning import prompt_conditioning
from .host.networks import LoadedCFLD, on_device
from .host.notices import warn_on_node
from .pictures import on_studio_wall, picture_array, read_masks, read_pictures
from .previews import with_progress
from .types import (
    CATEGORY,
    AppearanceType,
    PoseType,
    about_input,
    cfld_input,
    check_numbers,
    check_widgets,
    fit_input,
    read_poses,
)  # fmt: skip

NODE = "PRD Prompt Encoder"
OTHER_ASPECT = 0.1  # detectors round a picture's sides to multiples of 64


class CFLDPromptEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDPromptEncoder",
            display_name=NODE,
            category=CATEGORY,
            description="Turns a photo of a person into prompt and appearance: there is no text in CFLD, and HGA Apply "
            "adds the appearance to the model.",
            search_aliases=[
                "pose transfer", "reposing", "same person other pose", "perception-refined decoder", "source person",
                "person to conditioning",
            ],
            inputs=[
                cfld_input(),
                io.Image.Input(
                    "image", tooltip="The source person. A batch gives one person an image. What is transparent in an "
                    "image with alpha becomes a studio's light grey wall.",
                ),
                fit_input("picture"),
                PoseType.Input(
                    "person", optional=True,
                    tooltip="Key points of the person in the picture: the picture is then framed around them as the "
                    "training photos are, so that a small figure in a wide snapshot works. fit is not needed then.",
                ),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="Where the person is (white), of any size. The rest becomes a studio's light grey wall, as "
                    "CFLD's training photos have it. Load Image's mask is the other way round: use Invert Mask.",
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
        cls, cfld: LoadedCFLD, image: torch.Tensor, fit: Fit, person: object = None, mask: torch.Tensor | None = None
    ) -> io.NodeOutput:
        check_widgets(cls, fit=fit)
        image = read_pictures(NODE, "image", image)
        people = [None] if person is None else read_poses(NODE, "person", person)
        masks = [None] if mask is None else read_masks(NODE, "mask", mask)
        size, warnings = cfld.config.source.image_size, [*_mask_warnings(masks), *_person_warnings(people, image)]
        pixels = [
            _framed(picture if opacity is None else _cut_out(picture, opacity), fit, pose, size)
            for picture, opacity, pose in zip(
                image, _one_an_image("mask", "masks", image, masks), _one_an_image("person", "frames", image, people),
                strict=True,
            )
        ]
        networks = on_device(cfld.networks)
        encoded = [
            networks.encode_source(picture[None].to(networks.device, networks.dtype))
            for picture in with_progress(pixels)
        ]
        is_full = networks.dtype == torch.float32
        remedy = "copy the checkpoint again" if is_full else "set weight_dtype of CFLD Loader to fp32"
        for person in encoded:
            check_numbers(
                NODE, "cfld", [person.prompt, *person.residuals.values()],
                f"encodes this picture to NaN or infinite numbers; {remedy}",
            )
        storage = comfy.model_management.intermediate_device()
        appearance = Appearance(
            torch.cat([person.prompt for person in encoded]).float().to(storage),
            {
                block: torch.cat([person.residuals[block] for person in encoded]).to(storage)
                for block in encoded[0].residuals
            },
        )
        positive, negative = prompt_conditioning(appearance.prompt, networks.learnable_vector.float().to(storage))
        return io.NodeOutput(positive, negative, appearance, ui=warn_on_node(*warnings))


def _one_an_image(name: str, what: str, image: torch.Tensor, values: Sequence) -> Sequence:
    if len(values) not in (1, len(image)):
        raise ValueError(
            f"{NODE}: input '{name}' has {len(values)} {what} for {len(image)} images; give one, or one an image"
        )
    return [values[0]] * len(image) if len(values) == 1 else values


def _mask_warnings(masks: Sequence[torch.Tensor | None]) -> list[str]:
    borders = [
        torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean()
        for mask in masks
        if mask is not None and not mask.all()
    ]
    if not any(border > 0.5 for border in borders):
        return []
    return [
        f"{NODE}: input 'mask' is white along the picture's border. White is the person; if it is what surrounds them, "
        "as in Load Image's mask, put Invert Mask between"
    ]


def _person_warnings(people: Sequence[Pose | None], image: torch.Tensor) -> list[str]:
    height, width = image.shape[1:3]
    for person in people:
        if person and abs(person.width * height / (person.height * width) - 1) > OTHER_ASPECT:
            return [
                f"{NODE}: input 'person' is on a canvas of {person.width}x{person.height}, and the picture is {width}x"
                f"{height}, of another aspect. The key points are stretched to it; were they found in this picture?"
            ]
    return []


def _cut_out(picture: torch.Tensor, opacity: torch.Tensor) -> torch.Tensor:
    """The picture (H, W, 3) on the studio's wall, by a mask (h, w) of any size."""
    if not opacity.any():
        raise ValueError(
            f"{NODE}: input 'mask' is black everywhere, so that nobody is left; white is the person. Without a mask "
            "the picture stays as it is"
        )
    resized = functional.interpolate(opacity[None, None], size=picture.shape[:2], mode="bilinear")
    return on_studio_wall(picture, resized[0, 0].to(picture.device))


def _framed(picture: torch.Tensor, fit: Fit, person: Pose | None, size: int) -> torch.Tensor:
    height, width = picture.shape[:2]

    def read(rows: slice, columns: slice) -> np.ndarray:
        return picture_array(picture[rows, columns])

    if person is None:
        return squashed_picture(read, height, width, fit_box(width, height, fit), size)
    scaled_pose = scale_pose(person, width, height)
    with about_input(NODE, "person", PoseError):
        return squashed_picture(read, height, width, person_box(scaled_pose), size)
