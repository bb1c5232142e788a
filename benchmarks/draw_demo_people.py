"""Draws the people that Demo Person shows, and the walk of the README's first picture:

    python -m benchmarks.draw_demo_people --garments FOLDER

Twelve people of the test split, whom no training has seen, each in eight plain poses, into `demo_model/people`, which
is a data set as `data people` writes it, but larger, and with all key points in space. The walk's frames go to
docs/walk_truth.webp, and its poses, as Pose Editor holds them, to output/walk.json. Wants what `data people` wants
(docs/training.md).
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

from cfld_modules.data.people_poses import ARMS, FIRST_TEST_SEED, LEGS
from cfld_modules.data.people_poses import POSES as KINDS
from cfld_modules.data.people_writer import invited
from cfld_modules.deepfashion_tables import annotation, new_tables
from cfld_modules.demo_people import (
    FOLDER,
    HEIGHT,
    KEY_POINTS_3D,
    PEOPLE,
    PICTURES,
    POSES,
    SILHOUETTES,
    TABLE_CANVAS,
    WIDTH,
    photo_name,
)
from cfld_modules.people.poses import BodyPose
from cfld_modules.poses.framing import scale_pose
from cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from cfld_modules.studio.studio import Photo

# Kind, yaw, and how far the head is turned against it.
DEMO_POSES = (
    ("standing", 0, 0), ("walking", 30, -12), ("hand on hip", -20, 15), ("arms up", 0, 0), ("waving", 12, -8),
    ("walking", -88, 0), ("resting", 165, 10), ("one knee up", 40, -15),
)
CURL = 18.0
WALKER, FRAMES, WALK_SIZE, CLIP_MILLISECONDS = 4, 16, (176, 256), 150
ARM, LEG, KNEE = 26, 21, 34  # degrees from the middle of a swing to its end, and of the knee that comes forward
PICTURE = {"quality": 86, "method": 6}


def plain_pose(kind: str, yaw: float, head_yaw: float) -> BodyPose:
    """One of `KINDS` as it is on the average."""
    right_arm, left_arm, right_leg, left_leg, lean = KINDS[kind]
    arms = {"R": tuple(middle for middle, _ in ARMS[right_arm]), "L": tuple(middle for middle, _ in ARMS[left_arm])}
    legs = {"R": tuple(middle for middle, _ in LEGS[right_leg]), "L": tuple(middle for middle, _ in LEGS[left_leg])}
    return BodyPose(yaw, (lean[0], 0.0, 0.0), (2.0, 0.0, head_yaw), arms, legs, CURL)


def walking(phase: float, yaw: float) -> BodyPose:
    """phase: of two steps, from 0 to 1."""
    swing, lifted = math.sin(2 * math.pi * phase), math.cos(2 * math.pi * phase)

    def arm(swing: float) -> tuple[float, ...]:
        return 14, ARM * swing, -4, 20 + 8 * swing

    def leg(swing: float, lifted: float) -> tuple[float, ...]:
        return 3, LEG * swing + 12 * max(0.0, lifted), 6 + KNEE * max(0.0, lifted)

    arms, legs = {"R": arm(-swing), "L": arm(swing)}, {"R": leg(swing, lifted), "L": leg(-swing, -lifted)}
    return BodyPose(yaw, (3.0, 0.0, 0.0), (2.0, 0.0, 0.0), arms, legs, CURL)


def write_people(garments: Path) -> None:
    poses = [plain_pose(*pose) for pose in DEMO_POSES]
    for folder in (PICTURES, SILHOUETTES):
        folder.mkdir(parents=True, exist_ok=True)
    in_space: dict[str, list[list[float]]] = {}
    with new_tables(FOLDER, "test") as (annotations, pairs):
        for person in range(PEOPLE):
            studio = invited(garments, FIRST_TEST_SEED + person, WIDTH, HEIGHT)
            names = [photo_name(person, pose) for pose in range(POSES)]
            for name, pose in zip(names, poses, strict=True):
                photo = studio.photograph(pose)
                Image.fromarray(photo.image).save(PICTURES / name, **PICTURE)
                mask = Image.fromarray((photo.silhouette * 255 + 0.5).astype(np.uint8))
                mask.save(SILHOUETTES / name, lossless=True, method=6)
                annotations.writerow((name, *annotation(scale_pose(photo.pose, *TABLE_CANVAS), decimals=2)))
                in_space[name] = photo.space.round(4).tolist()
            pairs.writerows((names[0], target) for target in names[1:])
    KEY_POINTS_3D.write_text(json.dumps(in_space, separators=(",", ":")) + "\n")


def walk_photos(garments: Path, size: tuple[int, int]) -> list[Photo]:
    """Two steps by one camera, while the walker turns once round."""
    studio = invited(garments, FIRST_TEST_SEED + WALKER, *size)
    poses = [walking(number / FRAMES, 360 * number / FRAMES) for number in range(FRAMES)]
    return [studio.photograph(pose, framed=poses) for pose in poses]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--garments", type=Path, required=True)
    garments = parser.parse_args().garments
    write_people(garments)
    frames = [Image.fromarray(photo.image) for photo in walk_photos(garments, WALK_SIZE)]
    frames[0].save(
        "docs/walk_truth.webp", save_all=True, append_images=frames[1:], duration=CLIP_MILLISECONDS, loop=0, **PICTURE
    )
    poses = [Pose(photo.pose.points.round(1), WIDTH, HEIGHT) for photo in walk_photos(garments, (WIDTH, HEIGHT))]
    Path("output").mkdir(exist_ok=True)
    Path("output/walk.json").write_text(json.dumps(write_pose_keypoints(poses)))


if __name__ == "__main__":
    main()
