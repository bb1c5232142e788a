"""`transfer`: photos and poses to pictures of the same people in those poses."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ..data.pose_files import files_in_order, read_pose_files
from ..errors import DataError, PhotographError, StepsError
from ..photographs import ENDINGS, read_photograph
from ..pipeline.schedulers import published_scheduler
from ..poses.framing import FITS
from ..poses.keypoints import Pose
from . import DTYPES, CommandError, number, option, torch_dtype
from .sampling import add_lora_argument, add_sampling_arguments, given_scales, size_of_text

if TYPE_CHECKING:
    from diffusers import SchedulerMixin

    from ..pipeline.cfld_pipeline import CFLDPipeline

ANIMATED = (".webp", ".gif", ".png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("files")
    files.add_argument(
        "--source", type=Path, nargs="+", action="extend", required=True, metavar="PHOTO",
        help="photo of a person, or a folder of them in their order; one for all poses, or as many as there are",
    )
    files.add_argument(
        "--pose", type=Path, required=True, metavar="JSON",
        help="OpenPose key points, one frame or several; or a folder of such files, in their order",
    )
    files.add_argument(
        "--base", type=Path, required=True, metavar="SD15", help="Stable Diffusion 1.5: diffusers folder or single file"
    )
    files.add_argument(
        "--cfld", type=Path, required=True, metavar="CFLD",
        help=".safetensors made by 'convert', or the authors' folder",
    )
    add_lora_argument(files)
    files.add_argument(
        "--out", type=Path, required=True, metavar="PICTURE",
        help="picture to write; of several, out.png becomes out-000.png, out-001.png, ...",
    )
    files.add_argument(
        "--frames", type=number("Positive", "number of frames a second"), metavar="RATE",
        help="write all results as one animated picture (.webp, .gif, .png), so many a second; all begin with the same "
        "noise anyway",
    )
    frame = parser.add_argument_group("frame")
    frame.add_argument("--fit", choices=FITS, default="pad", help="how photo and pose come to 176:256 (%(default)s)")
    frame.add_argument(
        "--size", type=size_of_text, default="352x512", metavar="WxH", help="of the result in pixels (%(default)s)"
    )
    add_sampling_arguments(parser)
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", help="cpu, cuda, cuda:1, mps, ...; where not given, a GPU if there is one")
    machine.add_argument("--dtype", choices=tuple(DTYPES), default="fp32", help="to compute in (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    with option("--source", DataError, PhotographError):
        files = [file for path in arguments.source for file in files_in_order(path, ENDINGS)]
        photos = [Image.fromarray(read_photograph(file)) for file in files]
    with option("--pose", DataError):
        poses = [pose.key_points for pose in read_pose_files([arguments.pose])]
    pairs = _pair(photos, poses)
    results = _result_paths(arguments.out, len(pairs), arguments.frames)
    scales = given_scales(arguments)

    import torch

    with option("--steps", StepsError):
        scheduler = published_scheduler(arguments.scheduler, arguments.steps)
    pipeline = _load_pipeline(arguments, scheduler)
    width, height = arguments.size
    pictures = (
        pipeline(
            [source], [pose], fit=arguments.fit, guidance_type=arguments.guidance_type, scales=scales,
            steps=arguments.steps, generator=torch.Generator().manual_seed(arguments.seed), width=width, height=height,
        )[0]
        for source, pose in pairs
    )
    if arguments.frames:
        first, *others = pictures
        animated = {"save_all": True, "append_images": others, "duration": round(1000 / arguments.frames), "loop": 0}
        with option("--out", OSError):
            first.save(results[0], **animated)
        sys.stdout.write(f"{results[0]}\n")
        return
    for picture, result in zip(pictures, results, strict=True):
        with option("--out", OSError):
            picture.save(result)
        sys.stdout.write(f"{result}\n")


def _load_pipeline(arguments: argparse.Namespace, scheduler: "SchedulerMixin") -> "CFLDPipeline":
    import torch

    from ..checkpoints.cfld_checkpoint import build_networks, cast, load_checkpoint
    from ..errors import CheckpointError
    from ..pipeline.base_model import load_base_model
    from ..pipeline.cfld_pipeline import CFLDPipeline
    from ..pipeline.half_precision import warn_if_emulated
    from ..pipeline.lora import fuse_lora
    from ..pipeline.unet_patch import patch_unet

    is_there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    device = arguments.device or next(name for name, is_available in is_there.items() if is_available)
    dtype = torch_dtype(arguments.dtype)
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise CommandError(f"--device: '{device}' cannot be used ({reason}); leave it out, or give cpu") from error
    warn_if_emulated(torch.device(device), arguments.dtype, "leave out --dtype")
    with option("--cfld", CheckpointError):
        checkpoint = load_checkpoint(arguments.cfld)
        networks = build_networks(checkpoint)
        cast(networks, dtype)
    with option("--base", CheckpointError):
        unet, vae = load_base_model(arguments.base, dtype)
        patch_unet(unet, checkpoint.key_values)
    if arguments.lora:
        with option("--lora", CheckpointError):
            fuse_lora(unet, arguments.lora)
    return CFLDPipeline(unet, vae, scheduler, networks).to(device)


def _pair(sources: list[Image.Image], poses: list[Pose]) -> list[tuple[Image.Image, Pose]]:
    if len(sources) != len(poses) and 1 not in (len(sources), len(poses)):
        raise CommandError(
            f"--source, --pose: {len(sources)} photos and {len(poses)} poses do not pair up; "
            "give one of either, or as many photos as the pose file has frames"
        )
    count = max(len(sources), len(poses))
    return list(zip(sources * (count // len(sources)), poses * (count // len(poses)), strict=True))


def _result_paths(out: Path, count: int, rate: float | None) -> list[Path]:
    """Checked before the sampling, so that no result of minutes is lost for want of a folder."""
    if rate and out.suffix.lower() not in ANIMATED:
        raise CommandError(f"--out: '{out}' cannot be an animated picture; end it in {', '.join(ANIMATED)}")
    if Image.registered_extensions().get(out.suffix.lower()) not in Image.SAVE:
        raise CommandError(f"--out: '{out}' has no ending of a picture file; end it in .png")
    if not out.parent.is_dir() or out.is_dir():
        raise CommandError(f"--out: '{out}' cannot be written; give a file in a folder that exists")
    if count == 1 or rate:
        return [out]
    return [out.with_name(f"{out.stem}-{number:03d}{out.suffix}") for number in range(count)]
