"""How to sample: the options that `transfer` and `evaluate` share."""

import argparse
from pathlib import Path

from ..guidance import GUIDANCE_TYPES, SCALES_OF
from ..pipeline.schedulers import SCHEDULERS
from . import CommandError

SCALES = ("full", "down", "all", "guidance")


def add_lora_argument(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--lora", type=Path, metavar="LORA",
        help="a LoRA for the base model; with one of 'distil': --scheduler lcm --steps 4 --guidance-type uc_full "
        "--full-scale 1",
    )


def add_sampling_arguments(parser: argparse.ArgumentParser, several_seeds: bool = False) -> None:
    sampling = parser.add_argument_group("sampling")
    sampling.add_argument("--steps", type=steps_of_text, default=50, help="1 to 1000 (%(default)s)")
    sampling.add_argument("--scheduler", choices=tuple(SCHEDULERS), default="ddpm", help="(%(default)s, the paper's)")
    if several_seeds:
        sampling.add_argument(
            "--seeds", type=seed_of_text, nargs="+", default=[3407], metavar="SEED",
            help="of what is drawn at random; each makes as many pictures again (3407)",
        )
    else:
        help_text = "of the noise pictures share (%(default)s)"
        sampling.add_argument("--seed", type=seed_of_text, default=3407, help=help_text)
    sampling.add_argument(
        "--guidance-type", choices=GUIDANCE_TYPES, default=GUIDANCE_TYPES[0], help="(%(default)s, the paper's)"
    )
    for scale in SCALES:
        types = ", ".join(kind for kind in GUIDANCE_TYPES if scale in SCALES_OF[kind])
        sampling.add_argument(
            f"--{scale}-scale", type=float, metavar="W", help=f"(2.0, the paper's) read by {types}"
        )


def given_scales(arguments: argparse.Namespace) -> dict[str, float]:
    """The guidance scales that were given, by name.

    Raises:
        CommandError: for a scale that the guidance type does not read.
    """
    values = {scale: getattr(arguments, f"{scale}_scale") for scale in SCALES}
    given = {scale: value for scale, value in values.items() if value is not None}
    read = SCALES_OF[arguments.guidance_type]
    for scale in given:
        if scale not in read:
            options = " and ".join(f"--{name}-scale" for name in read)
            raise CommandError(f"--{scale}-scale: {arguments.guidance_type} does not read it; it reads {options}")
    return given


def size_of_text(text: str) -> tuple[int, int]:
    """'352x512' -> (352, 512)."""
    width, separator, height = text.partition("x")
    if not (separator and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write width and height, as in 352x512")
    return int(width), int(height)


def steps_of_text(text: str) -> int:
    """'50' -> 50."""
    if not (text.isdecimal() and 1 <= int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of steps; give 1 to 1000")
    return int(text)


def seed_of_text(text: str) -> int:
    """'3407' -> 3407."""
    if not (text.isdecimal() and int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"'{text}' is no seed; give a whole number from 0 to 2^63 - 1")
    return int(text)
