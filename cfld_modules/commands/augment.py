"""`augment`: people in other poses, as a set for person re-identification. Also under `accelerate launch`."""

import argparse
import json
import sys
from pathlib import Path

from . import CommandError, number, option
from .evaluate import add_files, given_data
from .sampling import add_sampling_arguments, given_scales, size_of_text
from .training import show_log, training_requirements

CLOTHES = "clothes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_files(parser)
    parser.add_argument(
        "--split", choices=("train", "test"), default="train",
        help="of the data set, whose people are taken (%(default)s); a folder is taken whole",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the set; goes on if it is there")
    output_group = parser.add_argument_group("what is made")
    count, share = number("Count", "number of pictures"), number("Share", "share")
    output_group.add_argument("--pictures", type=count, default=8, metavar="N", help="of each person (%(default)s)")
    output_group.add_argument(
        "--poses", type=Path, nargs="+", metavar="JSON", help="OpenPose key points to take; else the data set's own"
    )
    output_group.add_argument(
        "--min-distance", type=share, default=0.05, metavar="D",
        help="of a pose from the source's: mean over the joints, as a share of the height (%(default)s)",
    )
    output_group.add_argument(
        "--size", type=size_of_text, metavar="WxH", help="of the pictures (176x256; 64x128 from market1501)"
    )
    output_group.add_argument(
        "--test-share", type=share, default=0.1, metavar="S",
        help="of the people, for query and bounding_box_test (%(default)s)",
    )
    output_group.add_argument("--batch", type=count, default=16, help="pictures at a time (%(default)s)")
    filter_group = parser.add_argument_group("what is kept")
    filter_group.add_argument(
        "--embedder", metavar="FILE",
        help="tells whether the same person is shown: TorchScript, a model.safetensors of transformers, or "
        f"{CLOTHES} for colours and patterns alone; without it everything is kept",
    )
    filter_group.add_argument(
        "--min-confidence", type=share, metavar="C", help="that it is the same person, from 0 to 1 (0.5)"
    )
    filter_group.add_argument(
        "--retries", type=number("CountOrNone", "number of times"), metavar="K",
        help="how often a picture of somebody else is made again (3)"
    )
    add_sampling_arguments(parser, several_seeds=True)


def run(arguments: argparse.Namespace) -> None:
    scales = given_scales(arguments)
    for name in ("min_confidence", "retries"):
        if arguments.embedder is None and getattr(arguments, name) is not None:
            raise CommandError(f"--{name.replace('_', '-')}: nothing is left out without --embedder; give one")
    with training_requirements():
        from accelerate import PartialState

        from ..evaluation.augment import AugmentError, AugmentSettings, augment
        from ..evaluation.identity_filter import Confidence, EmbedderError, clothes_confidence, load_embedder
        from ..evaluation.models import load_pipeline
    from ..data.folder import FolderData
    from ..data.people import people_of_pairs
    from ..data.pose_files import read_pose_files
    from ..errors import CheckpointError, DataError, StepsError

    show_log()
    data = given_data(arguments)
    with option("--data", DataError):
        people = data.people() if isinstance(data, FolderData) else people_of_pairs(data.pairs(arguments.split))
    with option("--poses", DataError):
        photographs = [photograph for person in people for photograph in person.photographs]
        poses = read_pose_files(arguments.poses) if arguments.poses else photographs
    with option("--base or --cfld", CheckpointError), option("--steps", StepsError):
        pipeline = load_pipeline(arguments.base, arguments.cfld, arguments.scheduler, steps=arguments.steps)
    confidence: Confidence | None = None
    if arguments.embedder == CLOTHES:
        confidence = clothes_confidence
    elif arguments.embedder is not None:
        with option("--embedder", EmbedderError):
            confidence = load_embedder(Path(arguments.embedder), PartialState().device)
    width, height = arguments.size or ((64, 128) if arguments.format == "market1501" else (176, 256))
    filter_settings = {"least_confidence": arguments.min_confidence, "retries": arguments.retries}
    settings = AugmentSettings(
        arguments.pictures, tuple(arguments.seeds), width, height, "pad" if arguments.format == "folder" else "stretch",
        least_distance=arguments.min_distance, test_share=arguments.test_share, batch_size=arguments.batch,
        steps=arguments.steps, guidance_type=arguments.guidance_type, scales=scales,
        made_with={name: str(getattr(arguments, name)) for name in ("base", "cfld", "scheduler", "embedder")},
        **{name: value for name, value in filter_settings.items() if value is not None},
    )
    with option("--pictures, --min-distance, --poses or --out", AugmentError):
        summary = augment(pipeline, people, poses, confidence, arguments.out, settings)
    if PartialState().is_main_process:
        sys.stdout.write(json.dumps(summary, indent=2) + "\n")
