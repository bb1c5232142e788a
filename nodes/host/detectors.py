"""Lists the pose detectors, finds their weights in ComfyUI's folders, and loads each network once a process.

A detector is imported when somebody is looked for, since most graphs look for nobody.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths

from ...cfld_modules.errors import MissingDetectorError

if TYPE_CHECKING:
    from ...cfld_modules.checkpoints.blazepose_file import Networks
    from ...cfld_modules.poses.detection.detector import Detector

WEIGHTS_FOLDER = "annotators"
AUTO = "auto"
OTHER_NODES = "key points of core's SDPose Keypoint Extractor or comfyui_controlnet_aux's DWPose Estimator serve, too"


@lru_cache(maxsize=1)
def _networks_of(file: Path, *version: int) -> "Networks":
    from ...cfld_modules.checkpoints.blazepose_file import read_blazepose

    return read_blazepose(file)


def _read_blazepose(file: Path) -> "Networks":
    """Kept, of the last file, as long as its size and time of change are the same."""
    status = file.stat()
    return _networks_of(file, status.st_ino, status.st_size, status.st_mtime_ns)


def _load_blazepose(folders: Sequence[Path]) -> "Detector":
    from ...cfld_modules.checkpoints.blazepose_file import load_blazepose

    return load_blazepose(folders, read=_read_blazepose)


def _load_openpose(folders: Sequence[Path]) -> "Detector":
    from ...cfld_modules.poses.detection.openpose import load_openpose

    return load_openpose(folders)


DETECTORS: dict[str, Callable[[Sequence[Path]], "Detector"]] = {
    "openpose": _load_openpose, "blazepose": _load_blazepose,
}  # fmt: skip
"""What loads each from folders of weights, on the CPU; `auto` takes the first that is there."""


def load_detector(name: str) -> "tuple[Detector, str]":
    """A detector by its name in `DETECTORS`, or by `auto`; and, of `auto`, which one it is and why none before it.

    Raises:
        MissingDetectorError: it is not there, or none is.
        DetectionError, CheckpointError: its file is damaged.
    """
    folders = [Path(folder) for folder in folder_paths.get_folder_paths(WEIGHTS_FOLDER)]
    if name != AUTO:
        try:
            return DETECTORS[name](folders), ""
        except MissingDetectorError as error:
            raise MissingDetectorError(f"{error}. Or set another detector; {OTHER_NODES}") from error
    reasons = ""
    for name, load in DETECTORS.items():
        try:
            return load(folders), f"detector auto took {name}{reasons}"
        except MissingDetectorError as error:
            reasons += f"; not {name}: {error}"
    raise MissingDetectorError(f"no detector is there{reasons}")
