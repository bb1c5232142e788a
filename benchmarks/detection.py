"""Whom BlazePose finds in photographs that packages carry, and how far from points that were set by eye.

The pictures are never kept here. To get the packages, and to make the table of docs/training.md:

    pip download --no-deps --dest PACKAGES ultralytics
    (cd PACKAGES && npm pack @vladmandic/human && apt-get download opencv-doc)
    python -m cfld_modules get blazepose --models MODELS
    python -m benchmarks.detection PACKAGES --models MODELS --out output/detection
"""

import argparse
import base64
import io
import json
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from cfld_modules.checkpoints.blazepose_file import load_blazepose
from cfld_modules.poses.keypoints import Pose
from cfld_modules.poses.pose_drawing import draw_pose_in_style

POINTS = Path(__file__).with_name("detection_points.json")
VIDEO_FRAMES = (0, 400)
FAR = 0.15
"""Of the height: a skeleton that is further off in the mean is somebody else."""


def photographs(packages: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(name in `POINTS`, RGB picture) out of the packages in a folder."""
    yield "astronaut", skimage.data.astronaut()
    with zipfile.ZipFile(next(packages.glob("ultralytics-*.whl"))) as wheel:
        for name in ("bus.jpg", "zidane.jpg"):
            yield name, _decode(wheel.read(f"ultralytics/assets/{name}"))
    with tarfile.open(next(packages.glob("vladmandic-human-*.tgz"))) as package:
        source = package.extractfile("package/src/sample.ts").read().decode()
        yield "human", _decode(base64.b64decode(re.search(r"const body = `(.*?)`", source, re.DOTALL)[1]))
    debian = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", next(packages.glob("opencv-doc_*.deb"))], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(debian)) as package:
        files = {Path(member.name).name: member for member in package if "/examples/data/" in member.name}
        for name in ("messi5.jpg", "basketball1.png"):
            yield name, _decode(package.extractfile(files[name]).read())
        video_file = packages / "vtest.avi"  # OpenCV reads videos from files alone
        video_file.write_bytes(package.extractfile(files["vtest.avi"]).read())
    video = cv2.VideoCapture(str(video_file))
    for number in VIDEO_FRAMES:
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        yield f"vtest.avi, frame {number}", video.read()[1][..., ::-1].copy()


def rows(name: str, people: list[Pose], truths: list[dict]) -> Iterator[str]:
    """A line of the table for each person that was seen by eye, and one for whoever else was found."""
    left = list(people)
    for truth in truths:
        points = np.array([point or (np.nan, np.nan) for point in truth["points"]])
        shares = [np.linalg.norm(person.points - points, axis=1) / truth["height"] for person in left]
        means = [np.nanmean(share) if (~np.isnan(share)).any() else np.inf for share in shares]
        if not means or min(means) > FAR:
            yield f"| {name} | {truth['who']} | not found | | |"
            continue
        best = int(np.argmin(means))
        share = shares[best][~np.isnan(shares[best])]
        left.pop(best)
        distance = f"{100 * share.mean():.1f} (at most {100 * share.max():.1f})"
        yield f"| {name} | {truth['who']} | found | {len(share)} | {distance} |"
    for _ in left:
        yield f"| {name} | nobody | found | | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=Path)
    parser.add_argument("--models", type=Path, required=True, help="where 'get blazepose' put the networks")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures with what was found")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    detector = load_blazepose([arguments.models / "annotators"])
    by_eye = json.loads(POINTS.read_text(encoding="utf-8"))
    sys.stdout.write("| picture | who | | points | mean distance, % of the height |\n|---|---|---|---|---|\n")
    for name, picture in photographs(arguments.packages):
        begin = time.process_time()
        people = detector.find_people(picture).poses
        sys.stderr.write(f"{name}: {time.process_time() - begin:.1f} s of processor time\n")
        sys.stdout.write("\n".join(rows(name, people, by_eye[name])) + "\n")
        sys.stdout.flush()
        file = arguments.out / f"{re.sub(r'[^a-z0-9]+', '_', name)}.png"
        cv2.imwrite(str(file), _drawn(picture, people)[..., ::-1])


def _drawn(picture: np.ndarray, people: list[Pose]) -> np.ndarray:
    for person in people:
        drawing = draw_pose_in_style(person, picture.shape[1], picture.shape[0], "openpose")
        picture = np.where(drawing.any(axis=-1, keepdims=True), drawing, picture)
    return picture


def _decode(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].copy()


if __name__ == "__main__":
    main()
