"""Diffusers' schedulers by short names, all on the published noise schedule (docs/method.md, section 8)."""

from typing import TYPE_CHECKING

from ..errors import StepsError

if TYPE_CHECKING:
    from diffusers import SchedulerMixin

NOISE_SCHEDULE = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
    "prediction_type": "epsilon", "timestep_spacing": "leading", "steps_offset": 1,
}  # fmt: skip

# Short name -> diffusers' class and what the class needs beside the schedule. The authors' own are ddpm and ddim; for
# a distilled LoRA there are lcm and ddim_trailing, whose steps are evenly spaced from timestep 999 down.
SCHEDULERS: dict[str, tuple[str, dict]] = {
    "ddpm": ("DDPMScheduler", {"clip_sample": False}),
    "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "ddim_trailing": (
        "DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False, "timestep_spacing": "trailing"}
    ),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": False}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm++": ("DPMSolverMultistepScheduler", {}),
    "dpm++_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
}


TIMESTEPS = 1000
# How many of them a grid of whole distances may leave out at its noisy end. With 600 steps it begins at timestep 600,
# and pure noise is not what a picture looks like there.
MOST_LEFT_OUT = 60
EARLIEST_START = 500  # a single step begins at timestep 1
# Those that read the distances between their timesteps, which can then be uneven.
EVENLY_SPACED = ("ddpm", "euler", "euler_ancestral", "heun", "dpm++", "dpm++_sde", "unipc")


def published_scheduler(name: str = "ddpm", steps: int | None = None) -> "SchedulerMixin":
    """A scheduler of `SCHEDULERS` on the published noise schedule; 'ddpm' is the authors' default.

    steps: that it is to sample in. Where the published grid begins too late for so many, steps are evenly spaced.

    Raises StepsError for a number that it cannot do; says which are near.
    """
    import diffusers  # here, so that a command line can list the names in no time

    class_name, options = SCHEDULERS[name]
    scheduler = getattr(diffusers, class_name)(**NOISE_SCHEDULE | options)
    if steps is None or _fits_grid(scheduler, steps):
        return scheduler
    if name in EVENLY_SPACED:
        return getattr(diffusers, class_name)(**NOISE_SCHEDULE | options | {"timestep_spacing": "trailing"})
    ways = (range(steps - 1, 0, -1), range(steps + 1, TIMESTEPS + 1))
    near = [next((str(number) for number in way if _fits_grid(scheduler, number)), "") for way in ways]
    raise StepsError(
        f"{name} cannot sample in {steps} steps, which do not reach from noise to picture; give "
        + " or ".join(filter(None, near))
    )


def _fits_grid(scheduler: "SchedulerMixin", steps: int) -> bool:
    """Whether there are so many whole distances, from about where evenly spaced steps begin."""
    try:
        scheduler.set_timesteps(steps)
    except ValueError:  # of LCM, whose training had fewer
        return False
    first = int(scheduler.timesteps.max())
    earliest = max(TIMESTEPS - TIMESTEPS / steps - MOST_LEFT_OUT, EARLIEST_START)
    return TIMESTEPS % steps <= MOST_LEFT_OUT and earliest <= first < TIMESTEPS
