"""Load Pose, Save Pose and Draw Pose: key points from files and to files, and key points as a picture."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

import folder_paths
import numpy as np
from comfy_api.latest import io, ui

from ..cfld_modules.checkpoints.atomic_files import write_numbered
from ..cfld_modules.errors import PoseError, short, shortened
from ..cfld_modules.poses.canonical import read_hands
from ..cfld_modules.poses.keypoints import write_pose_keypoints
from ..cfld_modules.poses.pose_drawing import STYLES, draw_pose_in_style
from ..cfld_modules.poses.reading import parse_pose_json, read_people
from .file_names import check_prefix, prefix_mistake, written_by
from .pictures import check_memory, image_batch
from .previews import preview
from .types import POSES, PoseType, about_input, check_widgets, read_poses

BUNDLED = Path(__file__).parent.parent / "web" / "poses"
OWN = "my poses/"
"""What the names of the user's own poses begin with in Load Pose; a bundled pose has no slash, a file an ending."""


class CFLDLoadPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDLoadPose",
            display_name="Load Pose",
            category=POSES,
            description="Loads a pose from a file: a bundled one, one saved by Save Pose, or OpenPose JSON from "
            "ComfyUI's input folder.",
            search_aliases=["openpose json", "pose preset", "load keypoints", "target pose"],
            inputs=[
                io.Combo.Input(
                    "pose", options=pose_names(),
                    tooltip="Bundled poses first, then your own, which Save Pose made, then the .json files in "
                    "ComfyUI's input folder.",
                ),
            ],
            outputs=[PoseType.Output("pose", tooltip="Key points, one frame a pose in the file.")],
        )

    @classmethod
    def validate_inputs(cls, pose: str | None = None, input_types: dict | None = None) -> bool:
        """Asks for `input_types`, since the host then leaves the types of wires to the node: a STRING may come, too.

        An error is raised, not returned, since the host would repeat it for each argument here.
        """
        if pose is not None:  # as what comes by a wire is at this time
            pose_path(pose)
        return True

    @classmethod
    def fingerprint_inputs(cls, pose: str | None) -> str:
        """One text, also of all files, where a wire's is not known yet: the host walks through a list, each time."""
        paths = [pose_path(pose)] if pose is not None else _pose_files().values()
        times = [(os.fspath(path), os.stat(path).st_mtime) for path in paths]
        return hashlib.sha256(repr(times).encode()).hexdigest()

    @classmethod
    def execute(cls, pose: str) -> io.NodeOutput:
        path = pose_path(pose)
        try:
            is_ours = path.is_relative_to(BUNDLED) or path.is_relative_to(own_poses())
            poses = parse_pose_json(path.read_bytes(), is_ours=is_ours)
        except (PoseError, OSError) as error:
            raise ValueError(shortened(f"Load Pose: input 'pose': '{pose}': {error}")) from error
        return io.NodeOutput(write_pose_keypoints(poses))


class CFLDSavePose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDSavePose",
            display_name="Save Pose",
            category=POSES,
            description="Saves key points as OpenPose JSON: among your own poses, where Load Pose lists them.",
            search_aliases=["save keypoints", "export pose", "openpose json", "my poses"],
            is_output_node=True,
            inputs=[
                PoseType.Input("pose", tooltip="The key points to save: all frames in one file, with all people."),
                io.String.Input(
                    "filename_prefix", default="pose",
                    tooltip="What the name begins with; a number follows, so that nothing is overwritten. Folders may "
                    "come before it: dance/step.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    def validate_inputs(cls, filename_prefix: str | None) -> bool | str:
        return filename_prefix is None or prefix_mistake("Save Pose", filename_prefix) or True  # None: it is connected

    @classmethod
    def execute(cls, pose: object, filename_prefix: str) -> io.NodeOutput:
        check_prefix("Save Pose", filename_prefix)
        with about_input("Save Pose", "pose", PoseError):
            read_people(pose)
        content = (pose if isinstance(pose, str) else json.dumps(pose, default=_plain_number)).encode()
        with written_by("Save Pose", "filename_prefix", filename_prefix):
            path = write_numbered(own_poses() / filename_prefix, ".json", lambda stream: stream.write(content))
        name = OWN + path.relative_to(own_poses()).with_suffix("").as_posix()
        return io.NodeOutput(ui=ui.PreviewText(name))


class CFLDDrawPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDDrawPose",
            display_name="Draw Pose",
            category=POSES,
            description="Draws key points: as CFLD's pose adapter sees them, or as ControlNet OpenPose expects them.",
            search_aliases=["render pose", "openpose image", "keypoints to image", "skeleton"],
            inputs=[
                PoseType.Input("pose", tooltip="Key points of any detector; of several people the largest is drawn."),
                io.Int.Input("width", default=352, min=16, max=16384, tooltip="Width of the picture in pixels."),
                io.Int.Input("height", default=512, min=16, max=16384, tooltip="Height of the picture in pixels."),
                io.Combo.Input(
                    "style", options=list(STYLES), default="cfld",
                    tooltip="cfld: thin lines, as the network was trained; openpose: thick limbs, and hands, for an "
                    "OpenPose ControlNet beside CFLD.",
                ),
            ],
            outputs=[io.Image.Output("image", tooltip="One picture a frame.")],
        )

    @classmethod
    def execute(cls, pose: object, width: int, height: int, style: str) -> io.NodeOutput:
        check_widgets(cls, style=style, width=width, height=height)
        poses = read_poses("Draw Pose", "pose", pose)
        check_memory("Draw Pose", len(poses), width, height)
        hands = read_hands(pose) if style == "openpose" else [{}] * len(poses)
        drawings = [
            draw_pose_in_style(one, width, height, style, pair) for one, pair in zip(poses, hands, strict=True)
        ]
        shown = preview(drawings)  # before the result, for less memory at a time
        return io.NodeOutput(image_batch(drawings), ui=shown)


def own_poses() -> Path:
    """The folder of the user's own poses. The page reaches it, too, by the host's routes for user data.

    Nodes are not told which user asks, so with --multi-user the poses that nodes save are common to all.
    """
    return Path(folder_paths.get_user_directory()) / "default" / "cfld" / "poses"


def pose_names() -> list[str]:
    """Bundled poses without ending, the user's own without ending after `OWN`, then JSON files in the input folder."""
    return list(_pose_files())


def pose_path(pose: object) -> Path:
    """The file of a name in `pose_names`; for any other, a ValueError that says what is the matter with it."""
    name = pose if isinstance(pose, str) else short(pose)
    is_name = isinstance(pose, str) and ".." not in Path(name).parts and not os.path.isabs(name)
    if is_name and name in (bundled := _bundled()):
        return Path(bundled[name])
    saved = own_poses() / f"{name.removeprefix(OWN)}.json"
    if is_name and name.startswith(OWN) and saved.is_relative_to(own_poses()) and os.path.isfile(saved):
        return saved
    file = Path(folder_paths.get_input_directory(), name)
    is_listed = is_name and file.suffix.lower() == ".json"
    problem = _problem(file) if is_listed and os.path.lexists(file) else (
        "is neither a bundled pose nor a .json file in ComfyUI's input folder; put the file there and reload the page"
    )
    if problem:
        raise ValueError(shortened(f"Load Pose: input 'pose': '{name}' {problem}."))
    return file


def _pose_files() -> dict[str, os.DirEntry[str]]:
    """All that Load Pose lists, by name, in its order."""
    folder = folder_paths.get_input_directory()
    saved = {OWN + name.removesuffix(".json"): file for name, file in _json_files(str(own_poses())).items()}
    files = _json_files(folder).items()
    return _bundled() | saved | {name: file for name, file in files if not (file.is_symlink() and _problem(Path(file)))}


def _bundled() -> dict[str, os.DirEntry[str]]:
    return {name.removesuffix(".json"): file for name, file in _json_files(str(BUNDLED)).items()}


def _json_files(folder: str) -> dict[str, os.DirEntry[str]]:
    """By name within the folder, sorted; nothing is asked of the system for each file, unless it is a link."""
    files, folders = {}, [(folder, "")]
    for place, prefix in folders:
        with suppress(OSError), os.scandir(place) as entries:  # there may be none, or no right to read it
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, f"{prefix}{entry.name}/"))
                elif entry.name[-5:].lower() == ".json" and entry.is_file():
                    files[prefix + entry.name] = entry
    return dict(sorted(files.items()))


def _problem(file: Path) -> str:
    """Why something in the input folder is no file to read; empty if it is one."""
    target = os.path.realpath(file)
    if not Path(target).is_relative_to(os.path.realpath(folder_paths.get_input_directory())):
        return "is a link that leads out of ComfyUI's input folder; put the file itself there"
    if not os.path.exists(target):
        return "is a link to a file that is not there any more; put the file itself there"
    return "" if os.path.isfile(target) else "is a folder; choose a .json file in it"


def _plain_number(value: object) -> object:
    """What JSON has of NumPy's numbers and arrays, which poses of other packs may hold."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError
