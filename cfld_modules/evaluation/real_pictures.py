"""Inception features of all training pictures, the Fréchet distance's reference; computed once and cached in a file."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from accelerate import Accelerator
from safetensors import safe_open
from tqdm import tqdm

from ..checkpoints.tensor_files import write_tensors
from ..data.pairs import Photograph
from ..poses.framing import Fit
from .generate import truth_picture
from .metrics import unit_tensors
from .workers import Run

if TYPE_CHECKING:
    from torchmetrics.image import FrechetInceptionDistance

SUMS = ("real_features_sum", "real_features_cov_sum", "real_features_num_samples")
"""What torchmetrics knows of the real pictures."""


def add_real_pictures(
    fid: "FrechetInceptionDistance", accelerator: Accelerator, photographs: Sequence[Photograph], fit: Fit,
    size: tuple[int, int], batch: int, folder: Path, run: Run,
) -> None:
    """Let a distance have seen all photographs as results of `size` would show them, over all processes.

    Its sums are kept in `folder`, in a file named by the photographs, their size and their fit.

    Args:
        size: (width, height).
        run: see `workers`.
    """
    names = "\n".join(photograph.name for photograph in photographs)
    digest = hashlib.sha256(f"{size} {fit}\n{names}".encode()).hexdigest()[:16]
    file = folder / f"fid-real-{digest}.safetensors"
    accelerator.wait_for_everyone()
    if not file.is_file():
        share = photographs[accelerator.process_index :: accelerator.num_processes]
        read = partial(truth_picture, fit=fit, width=size[0], height=size[1])
        for first in tqdm(range(0, len(share), batch), desc="real pictures", disable=not accelerator.is_main_process):
            pictures = list(run(read, share[first : first + batch]))
            fid.update(unit_tensors(pictures).to(accelerator.device), real=True)
        sums = {name: accelerator.reduce(getattr(fid, name), "sum").cpu() for name in SUMS}
        if accelerator.is_main_process:
            write_tensors(file, sums)
    elif accelerator.is_main_process:  # torchmetrics adds up what all processes have
        with safe_open(file, framework="pt") as saved_sums:
            for name in SUMS:
                setattr(fid, name, saved_sums.get_tensor(name).to(accelerator.device))
    accelerator.wait_for_everyone()
