"""What a teacher makes of people and poses, with guidance and in many steps: its student learns to make it at once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from PIL import Image
from safetensors import safe_open
from torch.utils.data import Dataset
from tqdm import tqdm

from ..checkpoints.tensor_files import write_tensors
from ..data.pairs import Pairs
from ..evaluation.models import load_pipeline
from ..guidance import SCALES_OF, GuidanceType
from ..pipeline.cfld_pipeline import PAPER_SCALE, CFLDPipeline
from ..poses.framing import frame_pose
from ..poses.pose_maps import pose_maps
from .latents import square_picture

BATCH = 16


@dataclass(frozen=True)
class GuidanceScales:
    """By their names in `guidance.SCALES_OF`; the paper's. A guidance type reads some of them."""

    full: float = PAPER_SCALE
    down: float = PAPER_SCALE
    all: float = PAPER_SCALE
    guidance: float = PAPER_SCALE


@dataclass(frozen=True)
class Teacher:
    """A trained model and how it is sampled, by DDIM from pure noise on.

    Attributes:
        base, cfld: Stable Diffusion 1.5 and the published CFLD, or what `train` made.
        pairs: how many pairs to make results of; the more, the less the student learns by heart.
    """

    base: Path
    cfld: Path
    guidance_type: GuidanceType = "uc_down_full"
    scales: GuidanceScales = field(default_factory=GuidanceScales)
    steps: int = 20
    pairs: int = 10000

    def pipeline(self) -> CFLDPipeline:
        """Raises CheckpointError."""
        pipeline = load_pipeline(self.base, self.cfld, "ddim")
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def read_scales(self) -> dict[str, float]:
        """Those that its guidance type reads."""
        return {name: asdict(self.scales)[name] for name in SCALES_OF[self.guidance_type]}


def first_noise(pipeline: CFLDPipeline, seed: int, number: int) -> torch.Tensor:
    """(4, h, w), what the result of the pair with this number begins with."""
    side = pipeline.cfld.config.source.image_size // 4
    return torch.from_numpy(np.random.default_rng([seed, number]).standard_normal((4, side, side), np.float32))


@torch.no_grad()
def teacher_results(
    pipeline: CFLDPipeline, teacher: Teacher, pairs: Pairs, numbers: Sequence[int], seed: int
) -> torch.Tensor:
    """Latents (B, 4, h, w) of the pairs' sources in their targets' poses; the targets' pictures are not looked at."""
    chosen = [pairs[number] for number in numbers]
    appearance = pipeline.encode_sources([Image.fromarray(source.picture()) for source, _ in chosen], pairs.fit)
    pose = pipeline.encode_poses([target.pose() for _, target in chosen], pairs.fit)
    noise = torch.stack([first_noise(pipeline, seed, number) for number in numbers]).to(pipeline.device)
    return pipeline.denoise(noise, appearance, pose, teacher.guidance_type, teacher.read_scales(), teacher.steps)


def kept_results(
    file: Path, accelerator: Accelerator, pipeline: CFLDPipeline, teacher: Teacher, pairs: Pairs, seed: int
) -> dict[str, torch.Tensor]:
    """`pairs` (N,) int64, numbers of pairs, and `latents` (N, 4, h, w), the teacher's results.

    Read from `file` if this teacher made them of these pairs, and else made by all processes, and written there.
    """
    made_of = _fingerprint(teacher, pairs, seed)
    if file.is_file():
        with safe_open(file, framework="pt") as stored:
            if (stored.metadata() or {}).get("made_of") == made_of:
                return {name: stored.get_tensor(name) for name in ("pairs", "latents")}
    accelerator.wait_for_everyone()
    numbers = np.random.default_rng(seed).permutation(len(pairs))[: teacher.pairs]
    batches = [numbers[first : first + BATCH] for first in range(0, len(numbers), BATCH)]
    share = np.array_split(np.arange(len(batches)), accelerator.num_processes)[accelerator.process_index]
    own = [
        teacher_results(pipeline, teacher, pairs, batches[batch].tolist(), seed).cpu()
        for batch in tqdm(share, desc="teacher's results", unit="batch", disable=not accelerator.is_main_process)
    ]
    results = {"pairs": torch.from_numpy(numbers), "latents": torch.cat(gather_object(own))}
    if accelerator.is_main_process:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(file, results, {"made_of": made_of})
    accelerator.wait_for_everyone()
    return results


def _fingerprint(teacher: Teacher, pairs: Pairs, seed: int) -> str:
    made_of = [asdict(teacher), pairs.fit, seed, [photograph.name for photograph in pairs.photographs], pairs.pairs]
    return hashlib.sha256(json.dumps(made_of, default=str).encode()).hexdigest()


class TeacherSamples(Dataset):
    """Sample n of an endless run over a teacher's results: `source` (3, S, S) in [-1, 1], `pose_maps` (21, S, S),
    `noise` (4, S/4, S/4), what the teacher began with, and `result` (4, S/4, S/4), where that ended.

    Args:
        results: as `kept_results` gives it.
    """

    def __init__(
        self, pipeline: CFLDPipeline, pairs: Pairs, results: Mapping[str, torch.Tensor], seed: int
    ) -> None:
        self.pipeline, self.pairs, self.results, self.seed = pipeline, pairs, results, seed

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        place = int(np.random.default_rng([self.seed, number]).integers(len(self.results["pairs"])))
        pair = int(self.results["pairs"][place])
        source, target = self.pairs[pair]
        size = self.pipeline.cfld.config.source.image_size
        return {
            "source": square_picture(source.picture(), self.pairs.fit, size),
            "pose_maps": pose_maps([frame_pose(target.pose(), self.pairs.fit)], size)[0],
            "noise": first_noise(self.pipeline, self.seed, pair),
            "result": self.results["latents"][place],
        }
