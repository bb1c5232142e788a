"""Diffusers' schedulers by short names, all on the published noise schedule (docs/method.md, section 8)."""

from typing import TYPE_CHECKING

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


def published_scheduler(name: str = "ddpm") -> "SchedulerMixin":
    """A scheduler of `SCHEDULERS` on the published noise schedule; 'ddpm' is the authors' default."""
    import diffusers  # here, so that a command line can list the names in no time

    class_name, options = SCHEDULERS[name]
    return getattr(diffusers, class_name)(**NOISE_SCHEDULE | options)
