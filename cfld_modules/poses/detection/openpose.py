"""People in a picture, found by the OpenPose body network of the controlnet_aux package.

The package is optional and imported where it is used; 0.0.6 to 0.0.10 share what is called here. Its own way in,
`OpenposeDetector.from_pretrained`, is not taken: it downloads, it wants hand and face networks too, and it reads
pickles as they are.
"""

import pickle
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from ...errors import DetectionError, MissingDetectorError, shortened
from ..keypoints import Pose
from .detector import Detector, People

WEIGHTS_FILE = "body_pose_model.pth"
WEIGHTS_REPOSITORY = "lllyasviel/Annotators"
# Short side in pixels. controlnet_aux's own: its filters are in pixels, and a whole photograph would fill the memory.
# It takes about a kilobyte a pixel. The network sees a picture 184 pixels high, so of a thinner one nobody is seen.
DETECTION_SIZE, LARGEST_SIDE, SMALLEST_SIZE = 512, 1536, 64
LONGEST_REASON = 120


class OpenPose(Detector):
    """controlnet_aux's body network, float32."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def find_people(self, picture: np.ndarray, check: Callable[[], None] = lambda: None) -> People:
        """People, without masks. The package runs the network once, so nothing is checked meanwhile."""
        check()
        height, width = picture.shape[:2]
        size = min(DETECTION_SIZE, LARGEST_SIDE * min(width, height) // max(width, height))
        if size < SMALLEST_SIZE:
            return People([])
        open_pose = _open_pose()
        body = object.__new__(open_pose.Body)  # its constructor would read the pickle as it is
        body.model = self.network
        resized = open_pose.resize_image(picture, size)
        people = []
        for person in open_pose.OpenposeDetector(body).detect_poses(resized):
            shares = [(np.nan, np.nan) if joint is None else (joint.x, joint.y) for joint in person.body.keypoints]
            people.append(Pose(np.array(shares, dtype=np.float64) * (width, height), width, height))
        return People(people)


def load_openpose(folders: Sequence[Path]) -> OpenPose:
    """With the weights in the first of the folders that has them, else in the Hugging Face cache; on the CPU.

    Raises MissingDetectorError without such a file or without controlnet_aux, DetectionError where the file is another.
    """
    files = [folder / WEIGHTS_FILE for folder in folders if (folder / WEIGHTS_FILE).is_file()]
    path = files[0] if files else _cached_weights()
    if path is None:
        raise MissingDetectorError(
            f"{WEIGHTS_FILE}, from https://huggingface.co/{WEIGHTS_REPOSITORY}, is not in models/annotators; it needs "
            "the package controlnet_aux, too"
        )
    open_pose = _open_pose()
    with torch.device("meta"):
        network = open_pose.body.bodypose_model()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(open_pose.util.transfer(network, state), assign=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise DetectionError(
            f"'{path}' is not the OpenPose body network or is damaged; download {WEIGHTS_FILE} (about 200 MB) again "
            f"from https://huggingface.co/{WEIGHTS_REPOSITORY}"
        ) from error
    return OpenPose(network.requires_grad_(False).train(False))


def _cached_weights() -> Path | None:
    """Where controlnet_aux leaves them; None if they are not there."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(WEIGHTS_REPOSITORY, WEIGHTS_FILE)
    return Path(path) if isinstance(path, str) else None  # the cache may also know that there is no such file


def _open_pose() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a dozen about detectors that are imported along and not used here
            import controlnet_aux.open_pose
    # AttributeError: a mediapipe newer than the package; it is imported for another detector.
    except (ImportError, AttributeError) as error:
        raise MissingDetectorError(
            f"the package controlnet_aux cannot be imported ({shortened(str(error), LONGEST_REASON)}); install it with "
            "ComfyUI's Python, 'python -m pip install controlnet_aux', and restart ComfyUI"
        ) from error
    return controlnet_aux.open_pose
