"""`distil`: trains a LoRA with which a few steps without guidance give what a teacher's many guided steps give."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from accelerate import Accelerator
from PIL import Image

from ..data.formats import DataSet
from ..evaluation.generate import held_out_sheet
from ..guidance import UNGUIDED
from ..pipeline.cfld_pipeline import CFLDPipeline
from ..pipeline.lora import add_lora, load_lora, save_lora
from ..pipeline.schedulers import published_scheduler
from ..settings import Bound
from .distiller import Distiller
from .loop import LoopSettings
from .teacher import Teacher, TeacherSamples
from .train import DTYPES

SHEET_PAIRS, SHEET_STEPS = 6, 4


@dataclass(frozen=True)
class DistilSettings:
    """A configuration file of `distil`.

    Attributes:
        output: folder of the run; training goes on from the last checkpoint in it.
        rank: of the LoRA.
        lora: of an earlier run, of the same rank, to train further.
        step_counts: numbers of steps that the student is to be sampled with.
    """

    output: Path
    data: DataSet
    teacher: Teacher
    training: LoopSettings
    rank: Annotated[int, Bound(ge=1, le=4096)] = 64
    lora: Path | None = None
    step_counts: tuple[Annotated[int, Bound(ge=1, le=1000)], ...] = (1, 2, 4)
    gradient_checkpointing: bool = True
    export_dtype: Literal["fp32", "fp16"] = "fp16"

    def task(self, accelerator: Accelerator) -> "DistillationTask":
        return DistillationTask(self, accelerator)


class DistillationTask:
    """See `loop.Task`."""

    def __init__(self, settings: DistilSettings, accelerator: Accelerator) -> None:
        self.settings, seed = settings, settings.training.seed
        pairs, self.held_out = settings.data.pairs("train"), settings.data.pairs("test")
        pipeline = settings.teacher.pipeline().to(accelerator.device)
        size, latent_side = pipeline.cfld.config.source.image_size, pipeline.latent_side
        self.data = TeacherSamples(size, latent_side, pairs, seed)
        add_lora(pipeline.unet, settings.rank)
        if settings.lora:
            load_lora(pipeline.unet, settings.lora)
        if settings.gradient_checkpointing:
            pipeline.unet.enable_gradient_checkpointing()
        self.model = Distiller(pipeline, settings.teacher, settings.step_counts)

    def sheet(self) -> tuple[Image.Image, dict[str, float]]:
        """Source, pose, the student's result and the truth of held-out pairs."""
        teacher = self.model.pipeline
        student = CFLDPipeline(teacher.unet, teacher.vae, published_scheduler("lcm"), teacher.cfld)
        return held_out_sheet(student, self.held_out, SHEET_PAIRS, SHEET_STEPS, **UNGUIDED), {}

    def export(self) -> None:
        """`lora.safetensors`, under the names that ComfyUI's LoRA loaders take."""
        settings = self.settings
        save_lora(settings.output / "lora.safetensors", self.model.unet, DTYPES[settings.export_dtype])
