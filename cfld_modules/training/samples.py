"""Training samples of pairs: pictures, pose maps, and all that is drawn at random (docs/method.md, section 11)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from ..data.pairs import Pairs
from ..errors import SettingsError
from ..guidance import ROWS, Row
from ..poses.framing import Fit, frame_pose, signed_unit
from ..poses.keypoints import Pose
from ..poses.pose_maps import draw_pose, joint_pixels, maps_of_drawings
from ..settings import Finite, Share
from .latents import square_pixels

TIMESTEPS = 1000
LATENT_CHANNELS = 4


@dataclass(frozen=True)
class RowShares:
    """Shares of the latents that are denoised as another row of guidance than full (`guidance.ROWS`).

    The paper drops the context alone. A U-Net from scratch, unlike Stable Diffusion's, knows nothing of the rows that
    guidance subtracts unless they are trained; and the coarse-grained prompt is only relied on where it comes alone.

    Raises:
        SettingsError: when a share is negative, or all of them come to more than 1.
    """

    uc: Finite = 0.0
    down: Finite = 0.0
    updown: Finite = 0.2
    cdown: Finite = 0.0

    def __post_init__(self) -> None:
        shares = asdict(self)
        if min(shares.values()) < 0 or sum(shares.values()) > 1:
            listed_shares = ", ".join(f"{name}: {share:g}" for name, share in shares.items())
            raise SettingsError(f"augmentation.rows: shares are 0 or more, and at most 1 together, got {listed_shares}")


@dataclass(frozen=True)
class Augmentation:
    """What is drawn at random; the defaults are the paper's.

    Attributes:
        flip: probability of showing the encoder the source mirrored (poses and targets are not).
        timesteps: cubic ones are noisy for the most part, and settle what is where; a fifth is left for the details.
    """

    flip: Share = 0.5
    rows: RowShares = field(default_factory=RowShares)
    timesteps: Literal["cubic", "uniform"] = "cubic"

    def row(self, uniform: float) -> Row:
        """What is given to a latent that drew this number in [0, 1)."""
        for name, share in asdict(self.rows).items():
            if uniform < share:
                return ROWS[name]
            uniform -= share
        return ROWS["full"]


def uniform_timesteps(uniform: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1) -> int64 timesteps from 0 to 999."""
    return (uniform * TIMESTEPS).astype(np.int64)


def cubic_timesteps(uniform: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1) -> int64 timesteps, more of them noisy than not: floor((1 - u^3) * 1000), at most 999."""
    return np.minimum((1 - uniform**3) * TIMESTEPS, TIMESTEPS - 1).astype(np.int64)


def drawn_poses(poses: Sequence[Pose], fit: Fit, size: int) -> dict[str, torch.Tensor]:
    """`drawings` uint8 (N, 3, size, size) and `joints` int32 (N, 18, 2) of poses, cut to the frame by `fit`."""
    poses = [frame_pose(pose, fit) for pose in poses]
    drawings = np.stack([draw_pose(pose, size, size).transpose(2, 0, 1) for pose in poses])
    joints = np.stack([joint_pixels(pose, size, size) for pose in poses])
    return {"drawings": torch.from_numpy(drawings), "joints": torch.from_numpy(joints.astype(np.int32))}


def read_batch(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A batch of samples as networks read it, on its device: pictures in [-1, 1], and `pose_maps` (..., 21, S, S)."""
    pictures = {name: signed_unit(batch[name]) for name in ("source", "pictures") if name in batch}
    return {**batch, **pictures, "pose_maps": maps_of_drawings(batch["drawings"], batch["joints"])}


class PairSamples(Dataset):
    """Sample n of an endless run over the pairs, each epoch in an order of its own.

    A sample is a dictionary; its first axes of two are source and target, which are both denoised:
    `source` (3, S, S), what the encoder sees; `drawings` (2, 3, S, S) and `joints` (2, 18, 2), of which
    `read_batch` makes pose maps; `noise` (2, 4, h, h); `timesteps` (2,) int64; `given` (2, 3) bool, whether prompt,
    pose and appearance are; `posterior_noise` (2, 4, h, h) and `pictures` (2, 3, 8h, 8h), or `posteriors`
    (2, C, h, h) where these are given. Pictures are uint8: a process that loads data hands over a seventh of what
    numbers with a point would be.

    Args:
        size: S in pixels, the source encoder's picture.
        latent_side: h; the paper's is S/4.
        posteriors: of all photographs, as `latents.encode_photographs` makes them.
    """

    def __init__(
        self, pairs: Pairs, size: int, latent_side: int, seed: int, augmentation: Augmentation,
        posteriors: torch.Tensor | None = None,
    ) -> None:
        self.pairs, self.size, self.latent_side, self.seed = pairs, size, latent_side, seed
        self.augmentation, self.posteriors = augmentation, posteriors
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        random = np.random.default_rng([self.seed, number])
        index = self._pair(number)
        source, target = self.pairs[index]
        picture = source.picture()
        shown_picture = square_pixels(picture, self.pairs.fit, self.size)
        draw_timesteps = uniform_timesteps if self.augmentation.timesteps == "uniform" else cubic_timesteps
        latent_shape = (2, LATENT_CHANNELS, self.latent_side, self.latent_side)
        sample = {
            "source": shown_picture.flip(-1) if random.random() < self.augmentation.flip else shown_picture,
            "timesteps": torch.from_numpy(draw_timesteps(random.random(2))),
            "given": torch.tensor([astuple(self.augmentation.row(uniform)) for uniform in random.random(2)]),
            "noise": torch.from_numpy(random.standard_normal(latent_shape, np.float32)),
            "posterior_noise": torch.from_numpy(random.standard_normal(latent_shape, np.float32)),
        } | drawn_poses([photograph.pose() for photograph in (source, target)], self.pairs.fit, self.size)
        if self.posteriors is not None:
            return sample | {"posteriors": self.posteriors[list(self.pairs.pairs[index])]}
        both = (picture, target.picture())
        pictures = [square_pixels(pixels, self.pairs.fit, 8 * self.latent_side) for pixels in both]
        return sample | {"pictures": torch.stack(pictures)}

    def _pair(self, number: int) -> int:
        epoch, place = divmod(number, len(self.pairs))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, epoch, 0]).permutation(len(self.pairs))
        return int(self._order[place])
