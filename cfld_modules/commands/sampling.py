"""How to sample: the options that `transfer` and `evaluate` share."""

import argparse
from pathlib import Path

from ..guidance import GUIDANCE_TYPES, SCALES_OF
from ..pipeline.schedulers import SCHEDULERS
from . import CommandError, number

SCALES = ("full", "down", "all", "guidance")


def add_lora_argument(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--lora", type=Path, metavar="LORA",
        help="a LoRA for the base model; with one of 'distil': --scheduler lcm --steps 4 --guidance-type uc_full "
        "--full-scale 1",
    )


def add_sampling_arguments(parser: argparse.ArgumentParser, several_seeds: bool = False) -> None:
    sampling = parser.add_argument_group("sampling")
    steps = number("Steps", "number of steps")
    sampling.add_argument("--steps", type=steps, default=50, help="1 to 1000 (%(default)s)")
    sampling.add_argument("--scheduler", choices=tuple(SCHEDULERS), default="ddpm", help="(%(default)s, the paper's)")
    if several_seeds:
        sampling.add_argument(
            "--seeds", type=number("Seed", "seed"), nargs="+", default=[3407], metavar="SEED",
            help="of what is drawn at random; each makes as many pictures again (3407)",
        )
    else:
        seed = number("Seed", "seed")
        sampling.add_argument("--seed", type=seed, default=3407, help="of the noise pictures share (%(default)s)")
    sampling.add_argument(
        "--guidance-type", choices=GUIDANCE_TYPES, default=GUIDANCE_TYPES[0], help="(%(default)s, the paper's)"
    )
    for scale in SCALES:
        types = ", ".join(kind for kind in GUIDANCE_TYPES if scale in SCALES_OF[kind])
        sampling.add_argument(
            f"--{scale}-scale", type=number("Finite", "scale"), metavar="W", help=f"(2.0, the paper's) read by {types}"
        )


def given_scales(arguments: argparse.Namespace) -> dict[str, float]:
    """The guidance scales that were given, by name; or CommandError for one that the guidance type does not read."""
    values = {scale: getattr(arguments, f"{scale}_scale") for scale in SCALES}
    chosen_scales = {scale: value for scale, value in values.items() if value is not None}
    read = SCALES_OF[arguments.guidance_type]
    for scale in chosen_scales:
        if scale not in read:
            options = " and ".join(f"--{name}-scale" for name in read)
            raise CommandError(f"--{scale}-scale: {arguments.guidance_type} does not read it; it reads {options}")
    return chosen_scales


def size_of_text(text: str) -> tuple[int, int]:
    """'352x512' -> (352, 512)."""
    try:
        width, height = map(number("Side"), text.split("x"))
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no size; write width and height, as in 352x512, each from 8 to 16384"
        ) from error
    return width, height
