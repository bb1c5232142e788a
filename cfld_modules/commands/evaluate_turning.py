"""`evaluate-turning`: measures how well poses are lifted to 3D and turned, for docs/training.md."""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import PoseError
from ..poses.keypoints import Pose
from ..poses.reading import parse_pose_json
from . import CommandError, number, option
from .training import drawing_requirements, training_requirements


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("output/turning"), help="folder to write (%(default)s)")
    parser.add_argument(
        "--people", type=number("CountOrNone", "number of people"), default=12,
        help="on the demo model's turntable, who are drawn as 'data people' does; 0 for none (%(default)s)",
    )
    parser.add_argument(
        "--garments", type=Path, metavar="FOLDER", help="MakeHuman's assets, for these people; see 'data people --help'"
    )
    parser.add_argument(
        "--poses", type=Path, nargs="+", default=[], metavar="JSON",
        help="key points with pose_keypoints_3d, which are then compared with what the lifter says",
    )


def run(arguments: argparse.Namespace) -> None:
    poses_in_space = [pose for path in arguments.poses for pose in _poses_in_space(path)]
    from ..evaluation.lifting_errors import bundled_errors, detected_errors

    arguments.out.mkdir(parents=True, exist_ok=True)
    errors = bundled_errors()
    if poses_in_space:
        errors["detected"] = detected_errors(poses_in_space)
    tables = [_table("view", errors)]
    _report(arguments.out, tables)
    if arguments.people:  # afterwards, since it needs packages that the other table does without
        tables.append(_turntable(arguments))
        _report(arguments.out, tables)


def _turntable(arguments: argparse.Namespace) -> str:
    drawing_requirements("--people")
    with training_requirements():
        from ..evaluation.turning import demo_turntable
        from ..people.garments import GarmentError
    with option("--garments", GarmentError):
        scores, sheet = demo_turntable(arguments.people, arguments.garments)
    sheet.save(arguments.out / "turntable.png")
    return _table("angle", scores)


def _report(out: Path, tables: Sequence[str]) -> None:
    """Print the last of them; all are in the file."""
    (out / "tables.md").write_text("\n".join(tables), encoding="utf-8")
    sys.stdout.write(tables[-1])


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
