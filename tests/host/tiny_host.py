"""The goldens' tiny CFLD and tiny U-Net inside the host: a MODEL, a CFLD and the pipeline they are compared with."""

import sys
from dataclasses import dataclass
from pathlib import Path

import comfy.model_base
import comfy.model_patcher
import comfy.patcher_extension
import comfy.samplers
import comfy.supported_models
import comfy.utils
import host
import torch

host.import_by_path("cfld_pack", host.PACK / "__init__.py")
golden = host.import_by_path("cfld_golden", Path(__file__).parents[1] / "golden.py")

UNET_CONFIG = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 64, "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1,
    "transformer_depth_output": [1] * 9 + [0] * 3, "context_dim": 64, "use_linear_in_transformer": False,
    "use_spatial_transformer": True, "num_heads": 8, "num_head_channels": -1, "legacy": False,
    "adm_in_channels": None, "use_temporal_attention": False, "dtype": torch.float32,
}
