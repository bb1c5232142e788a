"""`evaluate`: results of a data set's test pairs, and how good they are. Also under `accelerate launch`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import number, option
from .sampling import add_lora_argument, add_sampling_arguments, given_scales, size_of_text
from .training import show_log, training_requirements

if TYPE_CHECKING:
    from ..data.formats import DataSet

FORMATS = ("deepfashion", "market1501", "folder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_files(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for pictures, table and summary")
    parser.add_argument(
        "--size", type=size_of_text, default="176x256", metavar="WxH", help="of the results in pixels (%(default)s)"
    )
    count = number("Count", "number of pairs")
    parser.add_argument("--batch", type=count, default=16, help="pairs at a time (%(default)s)")
    parser.add_argument(
        "--blazepose", type=Path, metavar="FOLDER",
        help="where 'get blazepose' put BlazePose: score the poses that it sees in results and truths",
    )
    parser.add_argument("--limit", type=count, metavar="N", help="evaluate the first N pairs only")
    parser.add_argument(
        "--workers", type=number("CountOrNone", "number of processes"), default=2, metavar="N",
        help="processes that measure results while the next are made (%(default)s; 0 measures in between)",
    )
    add_sampling_arguments(parser)


def add_files(parser: argparse.ArgumentParser) -> None:
    """The model and the data set."""
    parser.add_argument(
        "--base", type=Path, required=True, metavar="SD15", help="Stable Diffusion 1.5, or the base/ that 'train' wrote"
    )
    parser.add_argument(
        "--cfld", type=Path, required=True, metavar="CFLD",
        help=".safetensors made by 'train' or 'convert', or the authors' folder",
    )
    add_lora_argument(parser)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the data set")
    parser.add_argument(
        "--format", choices=FORMATS, default=FORMATS[0],
        help="of the data set (%(default)s, in which 'data people' writes, too)",
    )
    parser.add_argument(
        "--skip-bad-rows", action="store_true", help="leave rows out that cannot be used, instead of stopping"
    )


def run(arguments: argparse.Namespace) -> None:
    scales = given_scales(arguments)
    with training_requirements():
        from accelerate import PartialState

        from ..evaluation.evaluate import EvaluationError, EvaluationSettings, evaluate
        from ..evaluation.models import load_pipeline
    from ..checkpoints.blazepose_file import load_blazepose
    from ..errors import CheckpointError, DataError, DetectionError, StepsError

    show_log()
    data = given_data(arguments)
    width, height = arguments.size
    settings = EvaluationSettings(
        width, height, steps=arguments.steps, guidance_type=arguments.guidance_type, scales=scales,
        batch_size=arguments.batch, seed=arguments.seed, limit=arguments.limit, workers=arguments.workers,
        judge=arguments.blazepose,
    )
    with option("--base, --cfld or --lora", CheckpointError), option("--steps", StepsError):
        pipeline = load_pipeline(arguments.base, arguments.cfld, arguments.scheduler, arguments.lora, arguments.steps)
    if arguments.blazepose:
        with option("--blazepose", CheckpointError, DetectionError):
            load_blazepose([arguments.blazepose])
    with option("--data", DataError), option("--size", EvaluationError):
        pairs = data.pairs("test")
        summary = evaluate(pipeline, pairs, lambda: data.pairs("train").photographs, arguments.out, settings)
    if PartialState().is_main_process:
        sys.stdout.write(json.dumps(summary["scores"] | {"missing": summary["missing"]}, indent=2) + "\n")


def given_data(arguments: argparse.Namespace) -> "DataSet":
    """The data set that `add_files` asked for."""
    from ..data.deepfashion import DeepFashionData
    from ..data.folder import FolderData
    from ..data.market1501 import MarketData

    data_set = {"deepfashion": DeepFashionData, "market1501": MarketData, "folder": FolderData}[arguments.format]
    return data_set(arguments.format, arguments.data, bad_rows="skip" if arguments.skip_bad_rows else "error")
