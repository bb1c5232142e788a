"""Source encoder: Swin, the features of a person's photo (docs/method.md, section 1; arXiv 2103.14030)."""

from collections import OrderedDict

import torch
import torch.nn.functional as functional
from einops import rearrange
from torch import nn

from .config import SourceEncoderConfig
from .initial import normal_parameter

PATCH = 4  # pixels along a side
DIFFERENT_REGIONS = -100.0  # what is added to the logits of two tokens that were no neighbours before the shift
INITIAL_DEVIATION = 0.02


class SourceEncoder(nn.Module):
    """Swin whose four feature maps are taken before each downsampling and un-normalised."""

    def __init__(self, config: SourceEncoderConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(config.width)
        self.layers = nn.ModuleList()
        first, last = 0, max(sum(config.depths) - 1, 1)
        for depth, heads, width, grid in zip(config.depths, config.heads, config.widths, config.grids, strict=True):
            drop_paths = [config.drop_path * block / last for block in range(first, first + depth)]
            is_last = len(self.layers) == len(config.depths) - 1
            self.layers.append(Stage(width, heads, grid, config.window, drop_paths, has_downsample=not is_last))
            first += depth
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.weight = normal_parameter(*module.weight.shape, deviation=INITIAL_DEVIATION)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, S, S) in [-1, 1] -> one token map a stage, (B, (S/4)^2, width), (B, (S/8)^2, 2*width), ..."""
        tokens = self.patch_embed(pixels)
        features = []
        for stage in self.layers:
            stage_map, tokens = stage(tokens)
            features.append(stage_map)
        return features


class PatchEmbedding(nn.Module):
    """4x4 pixels to a token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj, self.norm = nn.Conv2d(3, width, PATCH, PATCH), nn.LayerNorm(width)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, (S/4)^2, width)."""
        return self.norm(rearrange(self.proj(pixels), "b c h w -> b (h w) c"))


class Stage(nn.Module):
    """Blocks on one grid, every other one shifted, and what leads to the next stage's grid."""

    def __init__(
        self, width: int, heads: int, grid: int, window: int, drop_paths: list[float], has_downsample: bool
    ) -> None:
        super().__init__()
        shift = window // 2 if window < grid else 0
        self.blocks = nn.ModuleList(
            Block(width, heads, grid, min(window, grid), shift * (number % 2), drop_path)
            for number, drop_path in enumerate(drop_paths)
        )
        self.downsample = PatchMerging(width, grid) if has_downsample else None

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, grid^2, width) -> this stage's map, and what the next stage reads."""
        for block in self.blocks:
            tokens = block(tokens)
        return tokens, tokens if self.downsample is None else self.downsample(tokens)


class Block(nn.Module):
    """Attention in windows, then the fourfold MLP, each x + f(LN x).

    `window` divides `grid`, the tokens along a side of the map; `shift` is in tokens; drop_path: see `drop_branches`.
    """

    def __init__(self, width: int, heads: int, grid: int, window: int, shift: int, drop_path: float) -> None:
        super().__init__()
        if grid % window:
            raise ValueError(f"windows of {window} tokens do not fill a grid of {grid}")
        self.grid, self.window, self.shift, self.drop_path = grid, window, shift, drop_path
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.mlp = nn.Sequential(
            OrderedDict(fc1=nn.Linear(width, 4 * width), gelu=nn.GELU(), fc2=nn.Linear(4 * width, width))
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, grid^2, width) -> the same."""
        tokens = tokens + self._dropped(self._attention(self.norm1(tokens)))
        return tokens + self._dropped(self.mlp(self.norm2(tokens)))

    def _attention(self, tokens: torch.Tensor) -> torch.Tensor:
        maps = rearrange(tokens, "b (h w) c -> b h w c", h=self.grid)
        mask = None
        if self.shift:
            maps = maps.roll((-self.shift, -self.shift), (1, 2))
            mask = shift_mask(self.grid, self.window, self.shift, tokens)
        maps = from_windows(self.attn(to_windows(maps, self.window), mask), self.grid)
        if self.shift:
            maps = maps.roll((self.shift, self.shift), (1, 2))
        return rearrange(maps, "b h w c -> b (h w) c")

    def _dropped(self, branch: torch.Tensor) -> torch.Tensor:
        return drop_branches(branch, self.drop_path) if self.training else branch


class WindowAttention(nn.Module):
    """Attention among the tokens of each window, with a bias that depends on their relative position."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} channels cannot be divided among {heads} heads")
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, windows: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Windows (B*n, tokens, width) and a mask (n, tokens, tokens) to add -> (B*n, tokens, width)."""
        q, k, v = rearrange(self.qkv(windows), "n l (part h d) -> part n h l d", part=3, h=self.heads)
        bias = relative_position_bias(self.relative_position_bias_table)[None]
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(len(windows) // len(mask), 1, 1, 1)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(len(windows), -1, -1, -1))
        return self.proj(rearrange(attended, "n h l d -> n l (h d)"))


class PatchMerging(nn.Module):
    """2x2 tokens to one of twice the width."""

    def __init__(self, width: int, grid: int) -> None:
        super().__init__()
        if grid % 2:
            raise ValueError(f"a grid of {grid} tokens a side cannot be halved")
        self.grid = grid
        self.reduction, self.norm = nn.Linear(4 * width, 2 * width, bias=False), nn.LayerNorm(4 * width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, grid^2, width) -> (B, grid^2 / 4, 2 * width); the four go column by column."""
        return self.reduction(self.norm(rearrange(
            tokens, "b (h row w column) c -> b (h w) (column row c)", h=self.grid // 2, row=2, column=2
        )))


def to_windows(maps: torch.Tensor, window: int) -> torch.Tensor:
    """(B, H, W, C) -> (B*n, window^2, C), the windows of a map row by row."""
    return rearrange(maps, "b (rows y) (columns x) c -> (b rows columns) (y x) c", y=window, x=window)


def from_windows(windows: torch.Tensor, grid: int) -> torch.Tensor:
    """The maps (B, grid, grid, C) of `to_windows`."""
    window = round(windows.shape[1] ** 0.5)
    count = grid // window
    return rearrange(
        windows, "(b rows columns) (y x) c -> b (rows y) (columns x) c", rows=count, columns=count, y=window
    )


def relative_position_bias(table: torch.Tensor) -> torch.Tensor:
    """A bias for each pair of tokens in a window, (heads, window^2, window^2), queries first.

    table: ((2 window - 1)^2, heads), a row for each offset (dy, dx) of query minus key, from 1 - window up.
    """
    offsets = round(table.shape[0] ** 0.5)
    window = (offsets + 1) // 2
    side = torch.arange(window, device=table.device)
    offset = side[:, None] - side + window - 1
    row = offsets * offset[:, None, :, None] + offset[None, :, None, :]  # of the table, by qy, qx, ky, kx
    return table.T.index_select(1, row.flatten()).view(-1, window**2, window**2)


def shift_mask(grid: int, window: int, shift: int, like: torch.Tensor) -> torch.Tensor:
    """(n, window^2, window^2) to add to the logits of shifted windows, of the device and type of `like`: rolling brings
    tokens of opposite edges into one window, and they do not attend to each other.
    """
    edge = torch.zeros(grid, dtype=torch.long, device=like.device)
    edge[-window:] = 1
    edge[-shift:] = 2
    regions = to_windows((3 * edge[:, None] + edge)[None, :, :, None], window)[..., 0]
    is_apart = regions[:, :, None] != regions[:, None]
    return DIFFERENT_REGIONS * is_apart.to(like.dtype)


def drop_branches(branch: torch.Tensor, share: float) -> torch.Tensor:
    """Stochastic depth (arXiv 1603.09382): zeros for that share of the batch's rows; the others are scaled up."""
    if not share:
        return branch
    is_kept = torch.rand(len(branch), 1, 1, device=branch.device) >= share
    return branch * is_kept / (1 - share)
