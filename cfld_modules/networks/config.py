"""Sizes of a CFLD, as dataclasses: the published ones by default, read back from a checkpoint's shapes otherwise."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any, Literal

from ..errors import CheckpointError

LEVELS = 3
BRANCHES_PER_LEVEL = 3
# The appearance encoder's branch k feeds the U-Net's block 11 - k; the same number in LDM's output_blocks.
APPEARANCE_BLOCKS = tuple(range(11, 2, -1))


@dataclass(frozen=True)
class SourceEncoderConfig:
    """Swin (docs/method.md, section 1). `image_size` in pixels, `window` in tokens."""

    image_size: int = 256
    width: int = 128
    depths: tuple[int, ...] = (2, 2, 18, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 16
    drop_path: float = 0.2

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage's feature map."""
        return tuple(self.width * 2**stage for stage in range(len(self.depths)))

    @property
    def grids(self) -> tuple[int, ...]:
        """Tokens along a side of each stage's feature map."""
        return tuple(self.image_size // 4 // 2**stage for stage in range(len(self.depths)))


@dataclass(frozen=True)
class AppearanceConfig:
    """Hybrid-granularity appearance encoder; one entry a level, each level has three branches."""

    inner_widths: tuple[int, ...] = (64, 128, 256)
    heads: tuple[int, ...] = (2, 4, 8)
    output_widths: tuple[int, ...] = (320, 640, 1280)
    depth: int = 4


@dataclass(frozen=True)
class DecoderConfig:
    """Perception-refined decoder: `queries` learnt tokens of `width` channels, the U-Net's context."""

    queries: int = 16
    width: int = 768
    depth: int = 8
    heads: int = 24


@dataclass(frozen=True)
class PoseAdapterConfig:
    """Pose adapter on 21-channel pose maps (3 drawn, 18 Gaussian)."""

    channels: int = 21
    widths: tuple[int, ...] = (320, 640, 1280)


@dataclass(frozen=True)
class CFLDConfig:
    """Everything needed to build a CFLD. The default is the published model.

    The last two are ablations (docs/method.md, section 12); a file of an ablated model is no CFLD checkpoint.

    context: what the U-Net's context is made by: the decoder, or one linear layer on the source encoder's last map.
    hga: whether there is an appearance encoder.
    """

    source: SourceEncoderConfig = field(default_factory=SourceEncoderConfig)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    pose: PoseAdapterConfig = field(default_factory=PoseAdapterConfig)
    context: Literal["prd", "swin"] = "prd"
    hga: bool = True

    @property
    def context_tokens(self) -> int:
        """Tokens of the U-Net's context."""
        return self.decoder.queries if self.context == "prd" else self.source.grids[-1] ** 2


# The largest of every size that a file may ask for; empty networks of it take a second or two, and below 100 MB.
LARGEST = CFLDConfig(
    source=SourceEncoderConfig(image_size=1024, width=256, depths=(4, 4, 24, 4), heads=(128,) * 4),
    appearance=AppearanceConfig(inner_widths=(1024,) * 3, output_widths=(4096,) * 3, depth=6),
    decoder=DecoderConfig(queries=256, width=4096, depth=12, heads=256),
    pose=PoseAdapterConfig(widths=(4096,) * 3),
)


def read_config(shapes: Mapping[str, tuple[int, ...]]) -> CFLDConfig:
    """The configuration of a checkpoint, from the shapes of its tensors (published names).

    Heads that no shape tells follow the published scaling: 2, 4, 8 in the appearance encoder, and in the decoder the
    source encoder's channels a head.

    Raises CheckpointError when a tensor that fixes a size is absent, or of the wrong number of dimensions, or a size is
    beyond `LARGEST`.
    """

    def shape(key: str, dimensions: int) -> tuple[int, ...]:
        if key not in shapes:
            raise CheckpointError(
                f"it has no tensor '{key}', so it is not a CFLD checkpoint. Choose the authors' pytorch_model.bin and "
                "pytorch_model_1.bin in one folder, or a .safetensors made by 'python -m cfld_modules convert'."
            )
        if len(shapes[key]) != dimensions or 0 in shapes[key]:
            raise CheckpointError(f"'{key}' has shape {shapes[key]}, so it is not a CFLD checkpoint")
        return shapes[key]

    def count(pattern: str) -> int:
        return len({match[1] for key in shapes if (match := re.match(pattern, key))})

    width = shape("backbone.patch_embed.proj.weight", 4)[0]
    stages = count(r"backbone\.layers\.(\d+)\.")
    if stages != len(LARGEST.source.depths):
        expected = len(LARGEST.source.depths)
        raise CheckpointError(f"its backbone has {stages} stages, not {expected}; it is no known CFLD")
    tables = [shape(f"backbone.layers.{s}.blocks.0.attn.relative_position_bias_table", 2) for s in range(stages)]
    last_grid = round(shape("decoder.kv_pos_embed", 3)[1] ** 0.5)
    source = SourceEncoderConfig(
        image_size=last_grid * 4 * 2 ** (stages - 1),
        width=width,
        depths=tuple(count(rf"backbone\.layers\.{s}\.blocks\.(\d+)\.") for s in range(stages)),
        heads=tuple(table[1] for table in tables),
        window=(round(tables[0][0] ** 0.5) + 1) // 2,
    )
    first_branches = range(0, LEVELS * BRANCHES_PER_LEVEL, BRANCHES_PER_LEVEL)
    queries, decoder_width = shape("decoder.query_feat", 2)
    config = CFLDConfig(
        source=source,
        appearance=AppearanceConfig(
            inner_widths=tuple(shape(f"appearance_encoder.zero_conv_ins.{k}.weight", 4)[0] for k in first_branches),
            output_widths=tuple(shape(f"appearance_encoder.zero_conv_outs.{k}.weight", 4)[0] for k in first_branches),
            depth=count(r"appearance_encoder\.blocks\.0\.(\d+)\."),
        ),
        decoder=DecoderConfig(
            queries=queries,
            width=decoder_width,
            depth=count(r"decoder\.blocks\.(\d+)\."),
            heads=decoder_width * source.heads[0] // source.width,
        ),
        pose=PoseAdapterConfig(
            channels=shape("pose_encoder.conv_in.weight", 4)[1] // 16,
            widths=tuple(shape(f"pose_encoder.resnets.{level}.conv1.weight", 4)[0] for level in range(LEVELS)),
        ),
    )
    check_sizes(config)
    return config


def check_sizes(size: Any, largest: Any = LARGEST, name: str = "") -> None:
    """Raises CheckpointError for a size of a configuration beyond `LARGEST`."""
    if is_dataclass(size):
        for key, entry in vars(size).items():
            check_sizes(entry, getattr(largest, key), f"{name}.{key}")
    elif isinstance(size, tuple):
        if len(size) != len(largest):
            raise CheckpointError(f"its {name[1:]} are {len(size)} numbers, not {len(largest)}; it is no known CFLD")
        for entry, most in zip(size, largest, strict=True):
            check_sizes(entry, most, name)
    elif isinstance(size, int) and not isinstance(size, bool) and not 1 <= size <= largest:
        raise CheckpointError(f"its {name[1:]} would be {size}, beyond 1 to {largest}; it is no known CFLD")
