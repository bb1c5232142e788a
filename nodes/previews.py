"""What a node shows in the page: how far it is, and of its result a few small pictures and words under them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import comfy.model_management
import comfy.utils
import numpy as np
import torch
from comfy_api.latest import ui
from PIL import Image

from ..cfld_modules.poses.keypoints import Pose
from ..cfld_modules.poses.pose_drawing import draw_pose_in_style
from .pictures import image_batch, picture_array

MOST_PICTURES, MOST_PEOPLE, SIDE, LEAST_SIDE = 8, 64, 512, 16
"""Of a long clip so many frames, evenly spaced; of a crowd so many people; the longer side of each picture in pixels,
and what the other has at least."""
DIMMED = 3  # by which the brightness of people who are not taken, and of a picture behind, is divided

Item = TypeVar("Item")


def with_progress(items: Iterable[Item]) -> Iterator[Item]:
    """Each of them, with progress in the page, and a stop where the user wants one."""
    items = list(items)
    progress = comfy.utils.ProgressBar(len(items))
    for item in items:
        comfy.model_management.throw_exception_if_processing_interrupted()
        yield item
        progress.update(1)


def preview(pictures: Sequence[np.ndarray], words: str = "") -> dict:
    """RGB uint8 pictures (height, width, 3), of any sizes -> what `io.NodeOutput(..., ui=...)` takes.

    The files are those of the host's own previews, in its folder for temporary files. `web/js/node_texts.js` shows the
    words under the node, beside warnings of `warn_on_node`.
    """
    small = [image_batch([_shrunk(picture)])[0] for picture in sample(pictures)]
    shown = ui.PreviewImage(small).as_dict() if small else {}
    return shown | {"says": [words] if words else []}


def preview_poses(poses: Sequence[Pose]) -> dict:
    """One figure a picture, in the colours of OpenPose."""
    return preview([draw_people([pose], pose.width, pose.height) for pose in sample(poses)])


def draw_people(
    people: Sequence[Pose], width: int, height: int, others: Sequence[Pose] = (), behind: np.ndarray | None = None
) -> np.ndarray:
    """People on a canvas of `width` x `height`, as a small picture; of a crowd the first `MOST_PEOPLE`.

    others: who is shown dimly.
    behind: an RGB picture of that canvas, of any size, that is seen dimly between the limbs.
    """
    scale = SIDE / max(width, height)
    size = [max(round(side * scale), LEAST_SIDE) for side in (width, height)]
    drawing = np.zeros((size[1], size[0], 3), np.uint8)
    for pose in others[:MOST_PEOPLE]:
        np.maximum(drawing, draw_pose_in_style(pose, *size, "openpose") // DIMMED, out=drawing)
    for pose in people[:MOST_PEOPLE]:
        np.maximum(drawing, draw_pose_in_style(pose, *size, "openpose"), out=drawing)
    if behind is not None:
        picture = np.asarray(Image.fromarray(behind).resize(size, Image.Resampling.BILINEAR)) // DIMMED
        np.copyto(drawing, picture, where=~drawing.any(axis=2, keepdims=True))
    return drawing


def mask_picture(mask: torch.Tensor) -> np.ndarray:
    """A mask (height, width) of `read_masks` in grey."""
    return picture_array(mask[..., None].expand(-1, -1, 3))


def sample(items: Sequence[Item]) -> list[Item]:
    """At most `MOST_PICTURES` of them, evenly spaced, the first and the last among them."""
    places = np.linspace(0, len(items) - 1, min(len(items), MOST_PICTURES)).round().astype(int)
    return [items[place] for place in places]


def _shrunk(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = SIDE / max(width, height)
    if scale >= 1:
        return picture
    size = [max(round(side * scale), LEAST_SIDE) for side in (width, height)]
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
