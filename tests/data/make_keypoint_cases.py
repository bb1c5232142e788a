"""Writes keypoint_cases.json: a standing figure in the forms that people's tools write it, and how each is to be read.

A case has a `name`; a `value` in JSON, or the `text` of a file or paste; and either `points`, for each frame the right
18 points in pixels of the canvas, null where missing, or an `error`, a word that a clear message must contain.
"""

import json
from pathlib import Path

WIDTH, HEIGHT = 352, 512
SIZE = {"canvas_width": WIDTH, "canvas_height": HEIGHT}
FIGURE = [  # OpenPose COCO order, pixels; the left wrist is hidden
    (176, 70), (176, 120), (140, 122), (128, 180), (120, 236), (212, 122), (226, 178), None, (154, 246), (150, 340),
    (146, 430), (198, 246), (204, 340), (210, 430), (168, 60), (185, 60), (156, 66), (196, 66),
]  # fmt: skip
TOES = [(152, 452), (206, 452)]
BODY_25 = [*FIGURE[:8], (176, 246), *FIGURE[8:], *[TOES[1]] * 3, *[TOES[0]] * 3]
COCO = [FIGURE[joint] for joint in (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)]  # left before right
COCO_READ = [*FIGURE[:1], (176, 122), *FIGURE[2:]]  # its neck is between the shoulders


def flat(points: list, score: float = 1.0) -> list[float]:
    return [number for point in points for number in ((*map(float, point), score) if point else (0.0, 0.0, 0.0))]


def frame(body: list, **more: object) -> dict:
    return {"people": [{"pose_keypoints_2d": body, **more}], **SIZE}


def several(people: list[list], chosen: int | None = None) -> dict:
    entries = [{"pose_keypoints_2d": flat(points)} for points in people]
    if chosen is not None:
        entries[chosen]["chosen"] = True
    return {"people": entries, **SIZE}


def pairs(points: list) -> list:
    return [list(point) if point else None for point in points]


def moved(scale: float, shift: float = 0) -> list:
    return [point and (scale * point[0] + shift, scale * point[1]) for point in FIGURE]


def shares(points: list, reach: float = 1.0, start: float = 0.0) -> list:
    """Coordinates from `start` to `start + reach` of the canvas."""
    return [point and (reach * point[0] / WIDTH + start, reach * point[1] / HEIGHT + start) for point in points]


def columns(points: list, missing: tuple[int, int] = (0, 0)) -> tuple[list, list]:
    xs, ys = zip(*[point or missing for point in points], strict=True)
    return list(xs), list(ys)


def annotation(points: list) -> dict:
    return dict(zip(("keypoints_x", "keypoints_y"), columns(points, (-1, -1)), strict=True))


def mmpose(points: list) -> dict:
    scores = [0.9 if point else 0.1 for point in points]
    return {"keypoints": [list(point or (5, 6)) for point in points], "keypoint_scores": scores}


def yolo(points: list) -> dict:
    xs, ys = columns(points)
    return {"keypoints": {"x": xs, "y": ys, "visible": [0.95 if point else 0.02 for point in points]}}


def coco(points: list) -> list[int]:
    return [number for point in points for number in ((*point, 2) if point else (0, 0, 0))]


HANDS = {"hand_left_keypoints_2d": [1.0, 2.0, 1.0] * 21}
GUESSED = [number for point in FIGURE for number in ((*point, 0.9) if point else (200, 230, 0.2))]

READ = {
    "pixels, the usual form": [frame(flat(FIGURE))],
    "75 numbers: the 18 of COCO order, two toes, zeros": [frame(flat([*FIGURE, *TOES, *[None] * 5]))],
    "75 numbers: BODY_25": [frame(flat(BODY_25))],
    "60 numbers: the 18 of COCO order and two toes": [frame(flat([*FIGURE, *TOES]))],
    "60 numbers: BODY_25 as far as the left big toe": [frame(flat(BODY_25[:20]))],
    "57 numbers: BODY_25 without feet": [frame(flat(BODY_25[:19]))],
    "57 numbers: the 18 of COCO order and one more": [frame(flat([*FIGURE, None]))],
    "canvas under width and height": {"width": WIDTH, "height": HEIGHT, "people": frame(flat(FIGURE))["people"]},
    "nested triplets": [frame([[*map(float, point), 1.0] if point else [0, 0, 0] for point in FIGURE])],
    "a second person with hands alone": [{"people": [{"pose_keypoints_2d": flat(FIGURE)}, HANDS], **SIZE}],
    "real scores as OpenPose gives them, none under 0.05": [frame(flat(FIGURE, 0.12))],
    "core's SDPose places what it does not see": [frame(GUESSED, foot_keypoints_2d=[1.0, 2.0, 0.1] * 6)],
    "shares of the canvas from 0 to 1": [frame(flat(shares(FIGURE)))],
    "OpenPose before version 1.2": {"people": [{"pose_keypoints": flat(FIGURE), "face_keypoints": []}], **SIZE},
    "an older editor's file": {"width": WIDTH, "height": HEIGHT, "keypoints": [pairs(FIGURE)]},
    "an older editor's file of one person with hands": {
        **SIZE, "keypoints": [list(point or (0, 0)) for point in FIGURE + [None] * 42],
    },
    "frames under a key, their size beside it": {"fps": 24, "frames": [frame(flat(FIGURE))], **SIZE},
    "a list of lists of frames": [[frame(flat(FIGURE))]],
    "annotation lists with a canvas of their own": {**annotation(FIGURE), **SIZE},
}
READ_WITHOUT_NECK = {
    "COCO annotation: 17 points, visibility 2": {
        "images": [{"id": 1, "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"image_id": 1, "category_id": 1, "keypoints": coco(COCO)}],
    },
    "17 points in an OpenPose frame": [frame(flat(COCO))],
    "MMPose": {"meta_info": {}, "instance_info": [{"frame_id": 1, "instances": [mmpose(COCO)]}], **SIZE},
    "YOLO's columns": {"people": [yolo(COCO)], **SIZE},
    "COCO-WholeBody": [frame(flat(COCO + [(9, 9)] * 116, 0.8))],
}
ERRORS = {
    "annotation lists that leave 176x256, no canvas": (annotation(moved(2)), "176"),
    "coordinates from -1 to 1": ([frame(flat(shares(FIGURE, 2, -1)))], "-1"),
    "no size anywhere": ({"people": [{"pose_keypoints_2d": flat(FIGURE)}]}, "canvas_width"),
    "animal key points": ([{"animals": [flat(FIGURE[:17])], **SIZE, "version": "ap10k"}], "animal"),
    "nobody": ([{"people": [], **SIZE}], "nobody"),
    "everybody without a body": ([{"people": [HANDS], **SIZE}], "nobody"),
    "the canvas of a picture half as large": ([frame(flat(moved(2)))], "352x512"),
    "beside the canvas": ([frame(flat(moved(1, 300)))], "352x512"),
    "75 numbers that may be either": ([frame(flat([*FIGURE[:8], *[None] * 7, *FIGURE[15:], *[None] * 7]))], "order"),
    "17 points in no known order": ([frame(flat(FIGURE[1:]))], "order"),
}


def case(name: str, value: object, *frames: list) -> dict:
    return {"name": name, "value": value, "points": [pairs(points) for points in frames]}


pasted = repr([frame(flat(FIGURE), face_keypoints_2d=None)])
cases = [
    *(case(name, value, FIGURE) for name, value in READ.items()),
    *(case(name, value, COCO_READ) for name, value in READ_WITHOUT_NECK.items()),
    case("AlphaPose's 26", [frame(flat([*COCO, (176, 40), FIGURE[1], *[None] * 7], 0.7))], FIGURE),
    case(
        "a collection of named poses",
        {"standing": frame(flat(FIGURE)), "moved": frame(flat(moved(1, 20)))}, FIGURE, moved(1, 20),
    ),
    case("of two people the larger", several([moved(0.5), FIGURE]), FIGURE),
    case("of two people the one who is marked as chosen", several([FIGURE, moved(0.5)], 1), moved(0.5)),
    case("a mark on somebody who is nowhere", several([FIGURE, [None] * 18], 1), FIGURE),
    {"name": "a Python value pasted as text", "text": pasted, "points": [pairs(FIGURE)]},
    {"name": "a Python value of tuples", "text": f"({pasted[1:-1]},)", "points": [pairs(FIGURE)]},
    *({"name": name, "value": value, "error": error} for name, (value, error) in ERRORS.items()),
]
Path(__file__).with_name("keypoint_cases.json").write_text(json.dumps({"canvas": [WIDTH, HEIGHT], "cases": cases}))
