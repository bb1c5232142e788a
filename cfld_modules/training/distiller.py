"""What a student's LoRA is trained by: its one row shall give at once what the teacher's guided rows come to."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import nn

from ..guidance import row_weights
from ..networks.model import Appearance
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..pipeline.schedulers import published_scheduler
from .teacher_results import Teacher

Objective = Literal["results", "consistency"]
STUDENT_ROWS = {"full": 1.0}
HUBER = 0.03  # of latents' deviation: where the error stops being squared
CONSISTENCY_STRIDE = 20  # timesteps from a state to the one its prediction is to agree with; the paper's


class Distiller(nn.Module):
    """The loss of a pipeline whose U-Net has a LoRA, called with a batch of `TeacherSamples`.

    `results`: what the student takes for the result is the teacher's, of the same noise. A number of steps is drawn,
    and which of them is trained; those before it are its own, by the sampler `lcm` or DDIM, as drawn.
    `consistency`: latent consistency (arXiv 2310.04378). What the student takes for the result is what it would after
    one more of the teacher's guided steps; the states are results, noised anew.

    Args:
        step_counts: numbers of steps that the student is to be sampled with, at evenly spaced timesteps from 999 down.
    """

    signal: torch.Tensor
    noise: torch.Tensor

    def __init__(
        self, pipeline: CFLDPipeline, teacher: Teacher, objective: Objective, step_counts: Sequence[int]
    ) -> None:
        super().__init__()
        self.unet, self.cfld = pipeline.unet, pipeline.cfld
        self.pipeline, self.objective, self.step_counts = pipeline, objective, step_counts
        self.teacher_rows = row_weights(teacher.guidance_type, teacher.read_scales())
        levels = published_scheduler().alphas_cumprod
        self.register_buffer("signal", levels.sqrt(), persistent=False)
        self.register_buffer("noise", (1 - levels).sqrt(), persistent=False)

    def train(self, mode: bool = True) -> "Distiller":
        """Encoders stay as they are when sampling, without the stochastic depth they were trained with."""
        super().train(mode)
        self.cfld.eval()
        return self

    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`loss`: pseudo-Huber distance of results, mean over a batch."""
        with torch.no_grad():
            condition = self.cfld.encode_source(batch["source"]), self.cfld.encode_pose(batch["pose_maps"])
        if self.objective == "results":
            found, wanted = self._result_on_its_way(batch["noise"], *condition), batch["result"]
        else:
            found, wanted = self._results_of_neighbours(batch["result"], *condition)
        return {"loss": ((found - wanted).square() + HUBER**2).sqrt().mean() - HUBER}

    def _result_on_its_way(
        self, noise: torch.Tensor, appearance: Appearance, pose: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        steps = self.step_counts[int(torch.randint(len(self.step_counts), ()))]
        way = evenly_spaced(steps)[: int(torch.randint(steps, ())) + 1]
        renoised = bool(torch.randint(2, ()))
        latents = noise
        with torch.no_grad():
            for timestep, following in pairwise(way):
                result, epsilon = self._student(latents, timestep, appearance, pose)
                epsilon = torch.randn_like(epsilon) if renoised else epsilon
                latents = self.signal[following] * result + self.noise[following] * epsilon
        return self._student(latents, way[-1], appearance, pose)[0]

    def _results_of_neighbours(
        self, results: torch.Tensor, appearance: Appearance, pose: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        timestep = CONSISTENCY_STRIDE * int(torch.randint(1, len(self.signal) // CONSISTENCY_STRIDE + 1, ())) - 1
        noised = self.signal[timestep] * results + self.noise[timestep] * torch.randn_like(results)
        found = self._student(noised, timestep, appearance, pose)[0]
        following = timestep - CONSISTENCY_STRIDE
        if following < 0:
            return found, results
        with torch.no_grad():
            self.unet.disable_adapters()
            epsilon = self.pipeline.guided_epsilon(noised, timestep, self.teacher_rows, appearance, pose)
            self.unet.enable_adapters()
            further = (noised - self.noise[timestep] * epsilon) / self.signal[timestep]
            further = self.signal[following] * further + self.noise[following] * epsilon
            return found, self._student(further, following, appearance, pose)[0]

    def _student(
        self, latents: torch.Tensor, timestep: int, appearance: Appearance, pose: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What it takes for the result, and for the noise."""
        epsilon = self.pipeline.guided_epsilon(latents, timestep, STUDENT_ROWS, appearance, pose)
        return (latents - self.noise[timestep] * epsilon) / self.signal[timestep], epsilon


def evenly_spaced(steps: int) -> list[int]:
    """Timesteps of so many steps: 999 and 499 of two. ComfyUI's schedulers `simple` and `sgm_uniform` have the same."""
    return [round(1000 * (steps - step) / steps) - 1 for step in range(steps)]
