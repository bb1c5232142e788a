"""Warp Person: moves a photo's pixels of a person into another pose, as the picture that sampling starts from."""

import torch
import torch.nn.functional as functional
from comfy_api.latest import io

from ..cfld_modules.errors import PoseError, shortened
from ..cfld_modules.poses.framing import ASPECT_TOLERANCE, FRAME_ASPECT, Fit, frame_pose, scale_pose
from ..cfld_modules.poses.keypoints import Pose
from .host.notices import warn_on_node
from .pictures import check_memory, picture_array, read_masks, read_pictures
from .previews import preview, sample, with_progress
from .types import PEOPLE, PoseType, check_widgets, fit_input, read_poses

NODE = "Warp Person"
BLACK_MASK = (
    f"{NODE}: input 'mask' is black everywhere, so the pose alone says where the person is. Detect Pose gives a mask "
    "with detector 'blazepose', not with 'openpose'"
)


class CFLDWarpPerson(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDWarpPerson",
            display_name=NODE,
            category=PEOPLE,
            description="Moves a photo's own texture and face into the target pose: the mask says where the photo "
            "shows them. As the start of a sampling with denoise below 1, CFLD paints the rest.",
            search_aliases=[
                "keep texture", "keep face", "warp", "img2img pose", "pattern", "print on shirt", "source pixels",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The photo of the person, the whole of it."),
                PoseType.Input("source_pose", tooltip="The person's pose in this photo, from Detect Pose."),
                PoseType.Input("target_pose", tooltip="The target pose, the same as for Pose Conditioning."),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="Where the person is in the photo, as Detect Pose finds it: without it some wall comes "
                    "along at loose clothes and hair.",
                ),
                io.Int.Input("width", default=512, min=16, max=4096, tooltip="Width of the picture that is sampled."),
                io.Int.Input(
                    "height", default=512, min=16, max=4096,
                    tooltip="Its height. As the picture that is sampled, 512x512, the result is squashed.",
                ),
                io.Int.Input(
                    "feather", default=4, min=0, max=256, advanced=True,
                    tooltip="How soft the mask's edge is inwards, in pixels, for pasting over a result.",
                ),
                fit_input("target pose's canvas"),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The person in the target pose, for VAE Encode; one picture a pose."),
                io.Mask.Output(
                    "mask", tooltip="White where the photo shows that part of the person; the rest is made up.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, image: torch.Tensor, source_pose: object, target_pose: object, width: int, height: int, feather: int,
        fit: Fit, mask: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        from ..cfld_modules.poses.lifting import lift  # here, for a small start of ComfyUI
        from ..cfld_modules.poses.warping import feathered_inwards, warp_person

        check_widgets(cls, fit=fit, width=width, height=height, feather=feather)
        photos = read_pictures(NODE, "image", image)
        masks = None if mask is None else read_masks(NODE, "mask", mask)
        warnings = []
        if masks is not None and not masks.any():
            warnings, masks = [BLACK_MASK], None
        sources = [_on_photo(pose, photos) for pose in read_poses(NODE, "source_pose", source_pose)]
        frame_width = max(1, round(height * FRAME_ASPECT))
        poses = read_poses(NODE, "target_pose", target_pose)
        targets = [scale_pose(frame_pose(pose, fit), frame_width, height) for pose in poses]
        count = len(targets) if len(photos) == 1 else len(photos)
        counts = {"image": len(photos), "source_pose": len(sources), "target_pose": len(targets)}
        if masks is not None:
            counts["mask"] = len(masks)
            if masks.shape[1:] != photos.shape[1:3]:
                raise ValueError(
                    f"{NODE}: input 'mask' is {masks.shape[2]}x{masks.shape[1]} and the photo "
                    f"{photos.shape[2]}x{photos.shape[1]}; give the mask of this photo"
                )
        for name, given in counts.items():
            if given not in (1, count):
                raise ValueError(
                    f"{NODE}: input '{name}' has {given} for {count} pictures; give one, or as many as there are"
                )
        check_memory(NODE, count, width, height)
        images, covers = [], []
        for number in with_progress(range(count)):
            source, target = sources[number % len(sources)], targets[number % len(targets)]
            try:
                warped = warp_person(
                    photos[number % len(photos)], lift(source), lift(target),
                    None if masks is None else masks[number % len(masks)],
                )
            except PoseError as error:
                raise ValueError(shortened(f"{NODE}: {error}")) from error
            images.append(_squashed(warped.image, width, height))
            cover = _squashed(warped.covered[..., None].float(), width, height)[..., 0]
            covers.append(feathered_inwards(cover, feather))
        return io.NodeOutput(
            torch.stack(images), torch.stack(covers),
            ui=preview([picture_array(image) for image in sample(images)]) | warn_on_node(*warnings),
        )


def _on_photo(pose: Pose, photos: torch.Tensor) -> Pose:
    """The pose with the photo as its canvas, which may be another size of the same picture."""
    height, width = photos.shape[1:3]
    if abs(pose.width / pose.height / (width / height) - 1) > ASPECT_TOLERANCE:
        raise ValueError(
            f"{NODE}: input 'source_pose' is on a canvas of {pose.width}x{pose.height} and the photo is "
            f"{width}x{height}; wire in the pose that Detect Pose finds in this photo"
        )
    return scale_pose(pose, width, height)


def _squashed(picture: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """(h, w, C) -> (height, width, C), bilinear."""
    if picture.shape[:2] == (height, width):
        return picture
    channels = picture.permute(2, 0, 1)[None]
    return functional.interpolate(channels, (height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
