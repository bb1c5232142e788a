"""Distillation loss: the student is to predict at once, without guidance, what its teacher's guided steps lead to."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn

from ..guidance import row_weights
from ..networks.model import Appearance
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..pipeline.schedulers import published_scheduler
from .samples import read_batch
from .teacher import Teacher

Choice = TypeVar("Choice")
STUDENT_ROWS = {"full": 1.0}
HUBER = 0.03  # of latents' deviation: where the error stops being squared


class Distiller(nn.Module):
    """The loss of a pipeline whose U-Net has a LoRA, called with a batch of `TeacherSamples`.

    Progressive distillation (arXiv 2202.00512) of guided steps (arXiv 2210.03142): what the student takes for the
    result at a timestep is what its teacher does after a guided step from there to half the timestep. A timestep is
    drawn, and a number of steps that comes by it; the steps before it are the student's own, from noise on, by the
    sampler `lcm` or DDIM, as drawn. So it learns from the states that it will meet, and needs no pictures of its pairs'
    targets.

    Args:
        step_counts: numbers of steps that the student is to be sampled with, at evenly spaced timesteps from 999 down.
    """

    signal: torch.Tensor
    noise: torch.Tensor

    def __init__(self, pipeline: CFLDPipeline, teacher: Teacher, step_counts: Sequence[int]) -> None:
        super().__init__()
        self.unet, self.cfld = pipeline.unet, pipeline.cfld
        self.pipeline, self.step_counts = pipeline, step_counts
        self.teacher_rows = row_weights(teacher.guidance_type, teacher.read_scales())
        levels = published_scheduler().alphas_cumprod
        self.register_buffer("signal", levels.sqrt(), persistent=False)
        self.register_buffer("noise", (1 - levels).sqrt(), persistent=False)

    def train(self, mode: bool = True) -> "Distiller":
        """Encoders stay as they are when sampling, without the stochastic depth they were trained with."""
        super().train(mode)
        self.cfld.train(False)
        return self

    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`loss`: pseudo-Huber distance of results, mean over a batch."""
        batch = read_batch(batch)
        with torch.no_grad():
            condition = self.cfld.encode_source(batch["source"]), self.cfld.encode_pose(batch["pose_maps"])
            latents, timestep = self._on_its_way(batch["noise"], *condition)
            target = self._wanted(latents, timestep, *condition)
        prediction, _ = self._prediction(STUDENT_ROWS, latents, timestep, *condition)
        return {"loss": ((prediction - target).square() + HUBER**2).sqrt().mean() - HUBER}

    def _on_its_way(
        self, latents: torch.Tensor, appearance: Appearance, pose: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, int]:
        """The student's latents at one of its steps, and the timestep of that."""
        ways = [evenly_spaced(steps) for steps in self.step_counts]
        timestep = _drawn(sorted({timestep for way in ways for timestep in way}))
        way = _drawn([way[: way.index(timestep) + 1] for way in ways if timestep in way])
        is_renoised = _drawn([True, False])
        for timestep, following in pairwise(way):
            result, epsilon = self._prediction(STUDENT_ROWS, latents, timestep, appearance, pose)
            epsilon = torch.randn_like(epsilon) if is_renoised else epsilon
            latents = self.signal[following] * result + self.noise[following] * epsilon
        return latents, way[-1]

    def _wanted(
        self, latents: torch.Tensor, timestep: int, appearance: Appearance, pose: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """What the teacher takes for the result after a guided step to half the timestep."""
        self.unet.disable_adapters()
        result, epsilon = self._prediction(self.teacher_rows, latents, timestep, appearance, pose)
        following = timestep // 2
        latents = self.signal[following] * result + self.noise[following] * epsilon
        result, _ = self._prediction(self.teacher_rows, latents, following, appearance, pose)
        self.unet.enable_adapters()
        return result

    def _prediction(
        self, rows: Mapping[str, float], latents: torch.Tensor, timestep: int, appearance: Appearance,
        pose: Sequence[torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The result and the noise that the rows' epsilon stands for."""
        epsilon = self.pipeline.guided_epsilon(latents, timestep, rows, appearance, pose)
        return (latents - self.noise[timestep] * epsilon) / self.signal[timestep], epsilon


def _drawn(choices: Sequence[Choice]) -> Choice:
    return choices[int(torch.randint(len(choices), ()))]


def evenly_spaced(steps: int) -> list[int]:
    """Timesteps of so many steps: 999 and 499 of two. ComfyUI's schedulers `simple` and `sgm_uniform` have the same."""
    return [round(1000 * (steps - step) / steps) - 1 for step in range(steps)]
