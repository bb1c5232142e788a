"""Choose Person: one of several people in each frame of key points."""

from comfy_api.latest import io

from ..cfld_modules.errors import PoseError, shortened
from ..cfld_modules.poses.choosing import RULES, choose_person
from ..cfld_modules.poses.keypoints import write_pose_keypoints
from ..cfld_modules.poses.reading import Person, read_people
from .types import CATEGORY, PoseType, check_choice

NODE = "Choose Person"
NOBODY = ("error", "skip", "hold")


class CFLDChoosePerson(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDChoosePerson",
            display_name=NODE,
            category=CATEGORY,
            description="Keeps one person in each frame of key points, where a picture shows several. Hands, face and "
            "the third dimension stay as they are.",
            search_aliases=["select person", "filter people", "pick pose", "multiple people", "person index"],
            inputs=[
                PoseType.Input("pose", tooltip="Key points with several people, e.g. from Detect Pose."),
                io.Combo.Input(
                    "rule", options=list(RULES), default="largest",
                    tooltip="Who is kept: the one with the largest box, the one furthest to the left or to the right, "
                    "the one nearest to the middle of the picture, or the one whose number, counted from the left, is "
                    "given below.",
                ),
                io.Int.Input(
                    "number", default=1, min=1, max=1000,
                    tooltip="With the rule number: which one, counted from left to right, from 1.",
                ),
                io.Combo.Input(
                    "nobody", options=list(NOBODY), default="error",
                    tooltip="Where a frame shows nobody of that kind. error: stop and name the frame; skip: leave the "
                    "frame out; hold: repeat the frame before (at the beginning, the first that follows), so that the "
                    "number of frames stays.",
                ),
            ],
            outputs=[PoseType.Output("pose", tooltip="The same frames with one person each.")],
        )

    @classmethod
    def execute(cls, pose: object, rule: str, number: int, nobody: str) -> io.NodeOutput:
        check_choice(NODE, "rule", rule, RULES)
        check_choice(NODE, "nobody", nobody, NOBODY)
        try:
            frames = read_people(pose)
        except PoseError as error:
            raise ValueError(shortened(f"{NODE}: input 'pose': {error}")) from error
        chosen = [choose_person([one.flat for one in people], rule, number) for people in frames]
        missing = [index for index, one in enumerate(chosen) if one is None]
        if missing and (nobody == "error" or len(missing) == len(chosen)):
            raise ValueError(_nobody_message(number, frames[missing[0]], missing, len(chosen)))
        kept = [None if one is None else _alone(people[one]) for people, one in zip(frames, chosen, strict=True)]
        return io.NodeOutput(_hold(kept) if nobody == "hold" else [frame for frame in kept if frame is not None])


def _alone(person: Person) -> dict:
    """A frame of one person; with hands, face and all else that is written, if its points are in our form already."""
    (frame,) = write_pose_keypoints([person.pose()])
    (ours,), written = frame["people"], person.body.written
    if written.get("pose_keypoints_2d") == ours["pose_keypoints_2d"]:
        return frame | {"people": [dict(written)]}
    return frame


def _hold(frames: list[dict | None]) -> list[dict]:
    """Frames that are None become the one before, at the beginning the first that is there."""
    held = next(frame for frame in frames if frame is not None)
    return [held := held if frame is None else frame for frame in frames]


def _nobody_message(number: int, people: list[Person], missing: list[int], frames: int) -> str:
    count = sum(person.flat.visible.any() for person in people)
    found = f"there is no number {number} among its {count} people" if count else "nobody is in it"
    remedy = (
        "choose another rule or another picture" if len(missing) == frames
        else "set nobody to skip or hold, or leave these frames out"
    )
    return f"{NODE}: input 'pose': frame {missing[0] + 1} of {frames} ({len(missing)} like it): {found}; {remedy}"
