"""Source encoder: transformers' Swin under the published tensor names (docs/method.md, section 1)."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import transformers
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers.models.swin.modeling_swin import SwinAttention, SwinModel

from .config import SourceEncoderConfig

# Published name -> (transformers 5, transformers 4.50) inside a block. ComfyUI 0.16 allows both.
BLOCK_NAMES = {
    "norm1": ("layernorm_before", "layernorm_before"),
    "norm2": ("layernorm_after", "layernorm_after"),
    "attn.q": ("attention.q_proj", "attention.self.query"),
    "attn.k": ("attention.k_proj", "attention.self.key"),
    "attn.v": ("attention.v_proj", "attention.self.value"),
    "attn.proj": ("attention.o_proj", "attention.output.dense"),
    "attn.relative_position_bias_table": (
        "attention.relative_position_bias.relative_position_bias_table",
        "attention.self.relative_position_bias_table",
    ),
    "mlp.fc1": ("mlp.fc1", "intermediate.dense"),
    "mlp.fc2": ("mlp.fc2", "output.dense"),
}
STEM_NAMES = {"patch_embed.proj": "embeddings.patch_embeddings.projection", "patch_embed.norm": "embeddings.norm"}
WEIGHTS = (torch.empty, torch.zeros, torch.ones)  # what libraries make them by, before they are initialised
BUFFERS = re.compile(r"\.(relative_position_index|attn_mask)$")


class SourceEncoder(nn.Module):
    """Swin whose four feature maps are taken before each downsampling and un-normalised.

    Its state dict has the published names (`layers.0.blocks.0.attn.qkv.weight`, ...), whatever the library calls them.
    """

    def __init__(self, config: SourceEncoderConfig) -> None:
        super().__init__()
        library_config = transformers.SwinConfig(
            image_size=config.image_size, embed_dim=config.width, depths=list(config.depths),
            num_heads=list(config.heads), window_size=config.window, drop_path_rate=config.drop_path,
        )
        is_meta = torch.empty(0).device.type == "meta"
        with _no_memory_for(*WEIGHTS, torch.arange) if is_meta else nullcontext():
            self.swin = SwinModel(library_config, add_pooling_layer=False)
            self.swin.layernorm = nn.Identity()  # LAST_NORM is off in the published model
            # The published model sizes the bias table by the clamped window, the library by the configured one.
            for stage, grid, width, heads in zip(
                self.swin.encoder.layers, config.grids, config.widths, config.heads, strict=True
            ):
                if grid < config.window:
                    for block in stage.blocks:
                        block.attention = SwinAttention(library_config, width, heads, grid)
        if is_meta:
            _give_values_to_indices(self.swin, library_config)
        self._library_names = _library_names(self.swin, config.depths)
        self.register_state_dict_post_hook(_write_published_names)
        self.register_load_state_dict_pre_hook(_read_published_names)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, S, S) in [-1, 1] -> one token map a stage, (B, (S/4)^2, width), (B, (S/8)^2, 2*width), ..."""
        tokens, grid = self.swin.embeddings(pixels)
        features = []
        for stage in self.swin.encoder.layers:
            for block in stage.blocks:
                tokens = block(tokens, grid)[0]
            features.append(tokens)
            if stage.downsample is not None:
                tokens, grid = stage.downsample(tokens, grid), (grid[0] // 2, grid[1] // 2)
        return features


class _OnMeta(TorchFunctionMode):
    """What these functions make has no memory; all else is computed."""

    def __init__(self, functions: Sequence[Callable]) -> None:
        super().__init__()
        self.functions = functions

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        empty = {"device": "meta"} if function in self.functions else {}
        return function(*args, **(kwargs or {}) | empty)


@contextmanager
def _no_memory_for(*functions: Callable) -> Iterator[None]:
    """In place of the meta device, since transformers 4 reads numbers off tensors while it builds."""
    with torch.device("cpu"), _OnMeta(functions):
        yield


def _give_values_to_indices(swin: SwinModel, config: transformers.SwinConfig) -> None:
    """Buffers that no checkpoint need hold: they hang on the window alone, and blocks of one window share theirs."""
    computed: dict[torch.Size, torch.Tensor] = {}
    for module in swin.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.shape not in computed:
                side = round(buffer.numel() ** 0.25)  # of the window, each place of which looks at each
                with _no_memory_for(*WEIGHTS):
                    (index,) = SwinAttention(config, config.embed_dim, config.num_heads[0], side).buffers()
                computed[buffer.shape] = index
            setattr(module, name, computed[buffer.shape])


def _library_names(swin: SwinModel, depths: tuple[int, ...]) -> dict[str, str]:
    """Published module name (q, k and v apart) -> the installed library's."""
    version = 0 if hasattr(swin.encoder.layers[0].blocks[0].attention, "q_proj") else 1
    names = dict(STEM_NAMES)
    for stage, depth in enumerate(depths):
        for block in range(depth):
            for published, library in BLOCK_NAMES.items():
                prefix = f"layers.{stage}.blocks.{block}."
                names[prefix + published] = f"encoder.{prefix}{library[version]}"
        for part in ("reduction", "norm"):
            names[f"layers.{stage}.downsample.{part}"] = f"encoder.layers.{stage}.downsample.{part}"
    return names


def _split_parameter(key: str) -> tuple[str, str]:
    """'a.b.weight' -> ('a.b', '.weight'); a bare parameter (the bias table) has no ending."""
    match = re.fullmatch(r"(.*)(\.weight|\.bias)", key)
    return (match[1], match[2]) if match else (key, "")


def _write_published_names(
    module: SourceEncoder, state: dict[str, torch.Tensor], prefix: str, metadata: dict
) -> None:
    library = {name: published for published, name in module._library_names.items()}
    own = {key: state.pop(key) for key in list(state) if key.startswith(prefix)}
    for key, tensor in own.items():
        name, ending = _split_parameter(key[len(prefix) + len("swin.") :])
        if name not in library:
            continue  # a buffer, fixed by the architecture
        published = prefix + library[name] + ending
        if re.search(r"\.attn\.[kv](\.|$)", published):
            continue
        if re.search(r"\.attn\.q(\.|$)", published):
            qkv = [module._library_names[library[name][:-1] + part] for part in "qkv"]
            parts = [own[f"{prefix}swin.{part}{ending}"] for part in qkv]
            published, tensor = published.replace(".attn.q", ".attn.qkv"), torch.cat(parts)
        state[published] = tensor


def _read_published_names(
    module: SourceEncoder, state: dict[str, torch.Tensor], prefix: str, *unused: object
) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        tensor = state.pop(key)
        if BUFFERS.search(key):
            continue
        name, ending = _split_parameter(key[len(prefix) :])
        if name.endswith(".attn.qkv"):
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                state[f"{prefix}swin.{module._library_names[name[:-3] + part]}{ending}"] = piece
        else:
            state[f"{prefix}swin.{module._library_names.get(name, name)}{ending}"] = tensor
    for key, buffer in module.swin.state_dict().items():
        if key.endswith("relative_position_index"):  # transformers 4 keeps the index in its state dict
            state[f"{prefix}swin.{key}"] = buffer
