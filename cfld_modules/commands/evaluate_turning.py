"""`evaluate-turning`: measures how well poses are lifted to 3D and turned, for docs/training.md."""

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import PoseError
from ..poses.keypoints import Pose
from ..poses.reading import parse_pose_json
from . import CommandError, number, option
from .training import training_requirements


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("output/turning"), help="folder to write (%(default)s)")
    parser.add_argument(
        "--mannequins", type=number("Count", "number of mannequins"), default=800,
        help="whose joints are lifted (%(default)s)",
    )
    parser.add_argument(
        "--people", type=number("CountOrNone", "number of people"), default=12,
        help="on the demo model's turntable; 0 for none (%(default)s)"
    )
    parser.add_argument(
        "--poses", type=Path, nargs="+", default=[], metavar="JSON",
        help="key points with pose_keypoints_3d, which are then compared with what the lifter says",
    )


def run(arguments: argparse.Namespace) -> None:
    poses_in_space = [pose for path in arguments.poses for pose in _poses_in_space(path)]
    with training_requirements():
        from ..evaluation.lifting_errors import detected_errors, mannequin_errors
        from ..evaluation.turning import demo_turntable
    arguments.out.mkdir(parents=True, exist_ok=True)
    errors = mannequin_errors(arguments.mannequins)
    if poses_in_space:
        errors["detected"] = detected_errors(poses_in_space)
    tables = [_table("view", errors)]
    if arguments.people:
        scores, sheet = demo_turntable(arguments.people)
        tables.append(_table("angle", scores))
        sheet.save(arguments.out / "turntable.png")
    text = "\n".join(tables)
    (arguments.out / "tables.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _poses_in_space(path: Path) -> list[Pose]:
    with option("--poses", OSError, PoseError):
        poses = [pose for pose in parse_pose_json(path.read_bytes()) if pose.keypoints_3d is not None]
    if not poses:
        raise CommandError(f"--poses: '{path}' has no pose_keypoints_3d; write it with a detector that gives metres")
    return poses


def _table(first: str, rows: Mapping[Any, Any]) -> str:
    """Dataclasses as Markdown, a column a field."""
    names = [first, *(name.replace("_", " ") for name in asdict(next(iter(rows.values()))))]
    lines = [names, ["---"] * len(names)]
    lines += [[str(row), *map(_number, asdict(scores).values())] for row, scores in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float) -> str:
    if math.isnan(value):
        return "none"
    return str(value) if isinstance(value, int) else f"{value:.3g}"
