"""People in a picture, found by the OpenPose body network of the controlnet_aux package.

The package is optional and imported where it is used; 0.0.6 to 0.0.10 share what is called here. Its own way in,
`OpenposeDetector.from_pretrained`, is not taken: it downloads, it wants hand and face networks too, and it reads
pickles as they are.
"""

import os
import pickle
import warnings
from types import ModuleType

import numpy as np
import torch

from ...errors import DetectionError
from ..keypoints import Pose

WEIGHTS_FILE = "body_pose_model.pth"
WEIGHTS_REPOSITORY = "lllyasviel/Annotators"
OTHER_DETECTORS = (
    "connect the key points of another node instead: core's SDPose Keypoint Extractor, or DWPose "
    "Estimator of the pack comfyui_controlnet_aux"
)
# Short side in pixels. controlnet_aux's own: its filters are in pixels, and a whole photograph would fill the memory.
DETECTION_SIZE = 512


def cached_weights() -> str | None:
    """Path of the weights in the Hugging Face cache, where controlnet_aux leaves them; None if they are not there.

    Raises:
        DetectionError: controlnet_aux, which brings the cache's reader, is not installed.
    """
    _open_pose()
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(WEIGHTS_REPOSITORY, WEIGHTS_FILE)
    return path if isinstance(path, str) else None  # the cache may also know that there is no such file


def load_body_network(path: str | os.PathLike) -> torch.nn.Module:
    """controlnet_aux's body network with the weights of a body_pose_model.pth, float32, on the CPU.

    Raises:
        DetectionError: controlnet_aux is not installed, or the file is something else.
    """
    open_pose = _open_pose()
    with torch.device("meta"):
        network = open_pose.body.bodypose_model()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(open_pose.util.transfer(network, state), assign=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise DetectionError(
            f"'{path}' is not the OpenPose body network or is damaged; download {WEIGHTS_FILE} (about 200 MB) again "
            f"from https://huggingface.co/{WEIGHTS_REPOSITORY}, or {OTHER_DETECTORS}"
        ) from error
    return network.requires_grad_(False).eval()


def detect_people(network: torch.nn.Module, picture: np.ndarray) -> tuple[list[Pose], np.ndarray]:
    """Everybody the network finds in a picture.

    Args:
        network: from `load_body_network`, on any device.
        picture: RGB uint8 (H, W, 3).

    Returns:
        People in pixels of the picture, an empty list if nobody is found; and a mask (H, W) of zeros, since OpenPose
        gives none.
    """
    open_pose = _open_pose()
    body = object.__new__(open_pose.Body)  # its constructor would read the pickle as it is
    body.model = network
    resized = open_pose.resize_image(picture, DETECTION_SIZE)
    height, width = picture.shape[:2]
    people = []
    for person in open_pose.OpenposeDetector(body).detect_poses(resized):
        shares = [(np.nan, np.nan) if joint is None else (joint.x, joint.y) for joint in person.body.keypoints]
        people.append(Pose(np.array(shares, dtype=np.float64) * (width, height), width, height))
    return people, np.zeros((height, width), np.float32)


def _open_pose() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a dozen about detectors that are imported along and not used here
            import controlnet_aux.open_pose
    # AttributeError: a mediapipe newer than the package; it is imported for another detector.
    except (ImportError, AttributeError) as error:
        raise DetectionError(
            f"the package controlnet_aux cannot be imported ({error}); install it with ComfyUI's Python, "
            f"'python -m pip install controlnet_aux', and restart ComfyUI, or {OTHER_DETECTORS}"
        ) from error
    return controlnet_aux.open_pose
