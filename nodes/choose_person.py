"""Choose Person: one of several people in each frame of key points."""

from comfy_api.latest import io

from ..cfld_modules.errors import PoseError, short
from ..cfld_modules.poses.choosing import RULES, choose_through_time, middle
from ..cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from ..cfld_modules.poses.reading import Person, read_people
from .previews import draw_people, preview, sample
from .types import POSES, BodyType, PoseType, about_input, check_widgets

NODE = "Choose Person"


class CFLDChoosePerson(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDChoosePerson",
            display_name=NODE,
            category=POSES,
            description="Keeps one of several people: in each frame of key points, and the same one through a video. "
            "Hands, face and the third dimension stay as they are.",
            search_aliases=["select person", "filter people", "pick pose", "multiple people", "person index"],
            inputs=[
                io.MultiType.Input(
                    "pose", [PoseType, BodyType],
                    tooltip="Key points with several people, e.g. from Detect Pose or Predict SAM3D Body.",
                ),
                io.Combo.Input(
                    "rule", options=list(RULES), default="largest",
                    tooltip="Who is kept in the first frame, and followed from there: the one with the largest box, "
                    "the one furthest to the left or to the right, the one nearest to the middle of the picture, or "
                    "the one whose number, counted from the left, is given below. id: in every frame the one to whom a "
                    "tracker gave that number as person_id.",
                ),
                io.Int.Input(
                    "number", default=1, min=0, max=1_000_000,
                    tooltip="With the rule number: which one, counted from left to right, from 1. With the rule id: "
                    "the person_id.",
                ),
                io.Combo.Input(
                    "nobody", options=["error", "skip", "hold"], default="error",
                    tooltip="Where a frame shows nobody of that kind. error: stop and name the frame; skip: leave the "
                    "frame out; hold: repeat the frame before (at the beginning, the first that follows), so that the "
                    "number of frames stays.",
                ),
            ],
            outputs=[PoseType.Output("pose", tooltip="The same frames with one person each.")],
        )

    @classmethod
    def execute(cls, pose: object, rule: str, number: int, nobody: str) -> io.NodeOutput:
        check_widgets(cls, rule=rule, nobody=nobody, number=number)
        with about_input(NODE, "pose", PoseError):
            frames = read_people(pose)
            picks = choose_through_time([[one.flat for one in people] for people in frames], rule, number)
            single = [None if one is None else _alone(people[one]) for people, one in zip(frames, picks, strict=True)]
        missing = [index for index, one in enumerate(picks) if one is None]
        if missing and (nobody == "error" or len(missing) == len(picks)):
            raise ValueError(_nobody_message(rule, number, frames[missing[0]], missing, len(picks)))
        return io.NodeOutput(
            _hold(single) if nobody == "hold" else [frame for frame in single if frame is not None],
            ui=_preview(frames, picks),
        )


def _preview(frames: list[list[Person]], picks: list[int | None]) -> dict:
    """Everybody, those who were not chosen dimly; and in words who was, of the first frame that shows them."""
    shown = [(people, one) for people, one in zip(frames, picks, strict=True) if people]
    pictures = []
    for people, one in sample(shown):
        poses = [person.flat for person in people]
        taken = [poses.pop(one)] if one is not None else []
        canvas = people[0].flat
        pictures.append(draw_people(taken, canvas.width, canvas.height, others=poses))
    people, one = next((people, one) for people, one in shown if one is not None)
    there = [index for index, person in enumerate(people) if person.flat.visible.any()]
    words = _who([people[index].flat for index in there], there.index(one))
    more = f"; in {len(picks) - picks.count(None)} of {len(picks)} frames" if len(picks) > 1 else ""
    return preview(pictures, words + more)


def _who(people: list[Pose], chosen: int) -> str:
    """Which of the people in a frame it is, by place from left to right."""
    order = sorted(range(len(people)), key=lambda index: middle(people[index])[0])
    place, count = order.index(chosen) + 1, len(people)
    if count == 1:
        return "1 person"
    first, last = ("left one", "right one") if count == 2 else ("leftmost", "rightmost")
    name = first if place == 1 else last if place == count else f"number {place} from the left"
    return f"{count} people, {'' if 1 < place < count else 'the '}{name} chosen"


def _alone(person: Person) -> dict:
    """A frame of one person; with hands, face and all else that is written, if its points are in our form already.

    Alone, nobody else tells in which order the points are: arrays of hands and face say that it is OpenPose's.
    """
    (frame,) = write_pose_keypoints([person.pose()])
    (canonical,), written = frame["people"], person.body.written
    if written.get("pose_keypoints_2d") == canonical["pose_keypoints_2d"]:
        return frame | {"people": [canonical | written]}
    return frame


def _hold(frames: list[dict | None]) -> list[dict]:
    """Frames that are None become the one before, at the beginning the first that is there."""
    last_frame = next(frame for frame in frames if frame is not None)
    return [last_frame := last_frame if frame is None else frame for frame in frames]


def _nobody_message(rule: str, number: int, people: list[Person], missing: list[int], frames: int) -> str:
    visible = [person.flat for person in people if person.flat.visible.any()]
    ids = sorted(pose.person_id for pose in visible if pose.person_id is not None)
    reason = (
        "nobody is in it" if not visible
        else f"nobody has the person_id {number} among {short(ids)}" if rule == "id"
        else f"there is no number {number} among its {len(visible)} people" if missing[0] == 0
        else f"the person who was followed is not among its {len(visible)} people (person_id {short(ids)})"
    )
    remedy = (
        "choose another rule or another picture" if len(missing) == frames
        else "set nobody to skip or hold, or leave these frames out"
    )
    return f"{NODE}: input 'pose': frame {missing[0] + 1} of {frames} ({len(missing)} like it): {reason}; {remedy}"
