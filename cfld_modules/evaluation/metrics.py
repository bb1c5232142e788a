"""The paper's metrics, on pictures as uint8 (docs/method.md, section 10).

SSIM and PSNR are scikit-image's, LPIPS and the Fréchet distance torchmetrics'. The networks of the latter two are
torchvision's; where torchvision or its weights are not on this machine, the metric says so and nothing is downloaded.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as functional
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

if TYPE_CHECKING:
    from torchmetrics.image import FrechetInceptionDistance

SSIM_WINDOW = 51
INCEPTION_SIDE, INCEPTION_FEATURES = 299, 2048
# In torchvision.models: the enumerations that know the address, and with it the file name, of the weights.
ALEXNET, INCEPTION = "AlexNet_Weights", "Inception_V3_Weights"


class MissingWeightsError(RuntimeError):
    """A metric's network is not on this machine; says which file belongs where."""


def ssim(result: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity with a uniform 51x51 window on [0, 1]; pictures RGB uint8 (H, W, 3), sides at least 51."""
    return float(
        structural_similarity(truth / 255, result / 255, win_size=SSIM_WINDOW, data_range=1.0, channel_axis=2)
    )


def ssim_256(result: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity with a Gaussian window of sigma 1.5 on 0..255; the data range is that of the result."""
    return float(
        structural_similarity(
            truth.astype(np.float64), result.astype(np.float64), gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, data_range=float(result.max()) - float(result.min()), channel_axis=2,
        )
    )


def psnr(result: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB on [0, 1]; infinite for equal pictures."""
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth / 255, result / 255, data_range=1.0))


PAIR_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"ssim": ssim, "ssim_256": ssim_256, "psnr": psnr}


Lpips = Callable[[torch.Tensor, torch.Tensor], list[float]]


def load_lpips(device: torch.device) -> Lpips:
    """LPIPS (AlexNet) of two batches of pictures, as `unit_tensors` gives them.

    Raises:
        MissingWeightsError: when torchvision or AlexNet's weights are not here.
    """
    weights_file(ALEXNET)
    from torchmetrics.image import LearnedPerceptualImagePatchSimilarity

    network = LearnedPerceptualImagePatchSimilarity(net_type="alex", sync_on_compute=False).net.to(device)

    def lpips(results: torch.Tensor, truths: torch.Tensor) -> list[float]:
        with torch.no_grad():
            return network(results.to(device), truths.to(device), normalize=True).flatten().tolist()

    return lpips


def load_fid(device: torch.device) -> "FrechetInceptionDistance":
    """torchmetrics' Fréchet distance on the authors' features; `update` takes `unit_tensors`.

    Its sums are added up over all processes when it is computed.

    Raises:
        MissingWeightsError: when torchvision or Inception's weights are not here.
    """
    file = weights_file(INCEPTION)
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, transform_input=True, aux_logits=True, init_weights=False)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    network.fc = nn.Identity()
    return FrechetInceptionDistance(feature=InceptionFeatures(network)).to(device)


class InceptionFeatures(nn.Module):
    """Pictures (B, 3, H, W) in [0, 1] -> (B, 2048), with the authors' two peculiarities.

    Resizing has no antialias, and Inception's own input transform, meant for normalised pictures, gets [0, 1].
    """

    num_features = INCEPTION_FEATURES

    def __init__(self, inception: nn.Module) -> None:
        super().__init__()
        self.inception = inception.train(False).requires_grad_(False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        side = (INCEPTION_SIDE, INCEPTION_SIDE)
        return self.inception(functional.interpolate(pictures, size=side, mode="bilinear", align_corners=False))


def unit_tensor(picture: np.ndarray) -> torch.Tensor:
    """RGB uint8 (H, W, 3) -> float32 (3, H, W) in [0, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255.0


def unit_tensors(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """RGB uint8 (H, W, 3) each -> float32 (B, 3, H, W) in [0, 1]."""
    return torch.stack([unit_tensor(picture) for picture in pictures])


def weights_file(enumeration: str) -> Path:
    """Where torchvision keeps these weights.

    Raises:
        MissingWeightsError: when torchvision is not installed or the file is not there.
    """
    try:
        import torchvision.models
    except ModuleNotFoundError as error:
        raise MissingWeightsError("torchvision is not installed; install the one for this torch") from error
    address = getattr(torchvision.models, enumeration).DEFAULT.url
    file = Path(torch.hub.get_dir()) / "checkpoints" / os.path.basename(address)
    if not file.is_file():
        raise MissingWeightsError(f"'{file}' is missing; put {address} there")
    return file
