"""`transfer`: photos and poses to pictures of the same people in those poses."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from ..framing import FITS
from ..guidance import GUIDANCE_TYPES, SCALES_OF
from ..keypoints import Pose, PoseError, parse_pose_json
from ..schedulers import SCHEDULERS
from . import DTYPES, CommandError, option, torch_dtype

if TYPE_CHECKING:
    from ..pipeline import CFLDPipeline

SCALES = ("full", "down", "all", "guidance")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("files")
    files.add_argument(
        "--source", type=Path, nargs="+", action="extend", required=True, metavar="PHOTO",
        help="photo of a person; one for all poses, or as many as there are poses",
    )
    files.add_argument(
        "--pose", type=Path, required=True, metavar="JSON", help="OpenPose key points, one frame or several"
    )
    files.add_argument(
        "--base", type=Path, required=True, metavar="SD15", help="Stable Diffusion 1.5: diffusers folder or single file"
    )
    files.add_argument(
        "--cfld", type=Path, required=True, metavar="CFLD",
        help=".safetensors made by 'convert', or the authors' folder",
    )
    files.add_argument(
        "--out", type=Path, required=True, metavar="PICTURE",
        help="picture to write; of several, out.png becomes out-000.png, out-001.png, ...",
    )
    frame = parser.add_argument_group("frame")
    frame.add_argument("--fit", choices=FITS, default="pad", help="how photo and pose come to 176:256 (%(default)s)")
    frame.add_argument(
        "--size", type=_size, default="352x512", metavar="WxH", help="of the result in pixels (%(default)s)"
    )
    sampling = parser.add_argument_group("sampling")
    sampling.add_argument("--steps", type=_steps, default=50, help="1 to 1000 (%(default)s)")
    sampling.add_argument("--scheduler", choices=tuple(SCHEDULERS), default="ddpm", help="(%(default)s, the paper's)")
    sampling.add_argument("--seed", type=_seed, default=3407, help="of the noise all pictures share (%(default)s)")
    sampling.add_argument(
        "--guidance-type", choices=GUIDANCE_TYPES, default=GUIDANCE_TYPES[0], help="(%(default)s, the paper's)"
    )
    for scale in SCALES:
        types = ", ".join(kind for kind in GUIDANCE_TYPES if scale in SCALES_OF[kind])
        sampling.add_argument(
            f"--{scale}-scale", type=float, metavar="W", help=f"(2.0, the paper's) read by {types}"
        )
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", help="cpu, cuda, cuda:1, mps, ...; where not given, a GPU if there is one")
    machine.add_argument("--dtype", choices=tuple(DTYPES), default="fp32", help="to compute in (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    pairs = _pair([_read_photo(path) for path in arguments.source], _read_poses(arguments.pose))
    results = _result_paths(arguments.out, len(pairs))
    scales = _scales(arguments)

    import torch

    pipeline = _load_pipeline(arguments)
    width, height = arguments.size
    for (source, pose), result in zip(pairs, results, strict=True):
        picture = pipeline(
            [source], [pose], fit=arguments.fit, guidance_type=arguments.guidance_type, scales=scales,
            steps=arguments.steps, generator=torch.Generator().manual_seed(arguments.seed), width=width, height=height,
        )[0]
        with option("--out", OSError):
            picture.save(result)
        sys.stdout.write(f"{result}\n")


def _load_pipeline(arguments: argparse.Namespace) -> "CFLDPipeline":
    import torch

    from ..base_model import load_base_model
    from ..checkpoints import build_networks, load_checkpoint
    from ..config import CheckpointError
    from ..pipeline import CFLDPipeline
    from ..schedulers import published_scheduler
    from ..unet_patch import patch_unet

    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch_dtype(arguments.dtype)
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise CommandError(f"--device: '{device}' cannot be used ({reason}); leave it out, or give cpu") from error
    with option("--cfld", CheckpointError):
        checkpoint = load_checkpoint(arguments.cfld)
        networks = build_networks(checkpoint).to(dtype)
    with option("--base", CheckpointError):
        unet, vae = load_base_model(arguments.base, dtype)
        patch_unet(unet, checkpoint.key_values)
    return CFLDPipeline(unet, vae, published_scheduler(arguments.scheduler), networks).to(device)


def _read_photo(path: Path) -> Image.Image:
    if not path.is_file():
        raise CommandError(f"--source: '{path}' does not exist; give a picture file")
    with option("--source", OSError, Image.DecompressionBombError):
        return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def _read_poses(path: Path) -> list[Pose]:
    if not path.is_file():
        raise CommandError(f"--pose: '{path}' does not exist; give a JSON file with OpenPose key points")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"--pose: '{path}' is no text; give a JSON file with OpenPose key points") from error
    with option("--pose", PoseError):
        return parse_pose_json(text)


def _pair(sources: list[Image.Image], poses: list[Pose]) -> list[tuple[Image.Image, Pose]]:
    if len(sources) != len(poses) and 1 not in (len(sources), len(poses)):
        raise CommandError(
            f"--source, --pose: {len(sources)} photos and {len(poses)} poses do not pair up; "
            "give one of either, or as many photos as the pose file has frames"
        )
    count = max(len(sources), len(poses))
    return list(zip(sources * (count // len(sources)), poses * (count // len(poses)), strict=True))


def _result_paths(out: Path, count: int) -> list[Path]:
    """Checked before the sampling, so that no result of minutes is lost for want of a folder."""
    if Image.registered_extensions().get(out.suffix.lower()) not in Image.SAVE:
        raise CommandError(f"--out: '{out}' has no ending of a picture file; end it in .png")
    if not out.parent.is_dir() or out.is_dir():
        raise CommandError(f"--out: '{out}' cannot be written; give a file in a folder that exists")
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{number:03d}{out.suffix}") for number in range(count)]


def _scales(arguments: argparse.Namespace) -> dict[str, float]:
    """The scales that were given, by name."""
    values = {scale: getattr(arguments, f"{scale}_scale") for scale in SCALES}
    given = {scale: value for scale, value in values.items() if value is not None}
    read = SCALES_OF[arguments.guidance_type]
    for scale in given:
        if scale not in read:
            options = " and ".join(f"--{name}-scale" for name in read)
            raise CommandError(f"--{scale}-scale: {arguments.guidance_type} does not read it; it reads {options}")
    return given


def _size(text: str) -> tuple[int, int]:
    width, separator, height = text.partition("x")
    if not (separator and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write width and height, as in 352x512")
    return int(width), int(height)


def _steps(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of steps; give 1 to 1000")
    return int(text)


def _seed(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"'{text}' is no seed; give a whole number from 0 to 2^63 - 1")
    return int(text)
