"""CFLD Loader: a checkpoint in models/cfld to a CFLD in the host's care."""

import os

import comfy.model_management
import folder_paths
import torch
from comfy_api.latest import io

from ..cfld_modules.checkpoints.cfld_checkpoint import PICKLED, build_networks, load_checkpoint
from ..cfld_modules.networks.config import CheckpointError
from .host.networks import host_networks
from .types import CATEGORY, CFLDType, LoadedCFLD

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class CFLDLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDLoader",
            display_name="CFLD Loader",
            category=CATEGORY,
            description="Loads a CFLD checkpoint: the authors' two .bin files in one folder below models/cfld, or one "
            ".safetensors made from them by 'python -m cfld_modules convert'.",
            search_aliases=["pose transfer", "load cfld", "coarse-to-fine latent diffusion", "person image synthesis"],
            inputs=[
                io.Combo.Input(
                    "cfld_name", options=checkpoint_names(),
                    tooltip="A file in models/cfld. Of the authors' pair, pytorch_model.bin and pytorch_model_1.bin in "
                    "one folder, choose either.",
                ),
                io.Combo.Input(
                    "weight_dtype", options=["default", *DTYPES], default="default",
                    tooltip="Precision of CFLD's own networks, which run once a picture. default: the file's, or fp32 "
                    "where the device cannot compute in it.",
                ),
            ],
            outputs=[CFLDType.Output("cfld", tooltip="The loaded CFLD, for the other CFLD nodes.")],
        )

    @classmethod
    def validate_inputs(cls, cfld_name: str) -> bool | str:
        if cfld_name in checkpoint_names():
            return True
        return (
            f"CFLD Loader: cfld_name '{cfld_name}' is not in models/cfld. Put the authors' pytorch_model.bin and "
            "pytorch_model_1.bin in a folder there, or a .safetensors made by 'python -m cfld_modules convert', and "
            "reload the page."
        )

    @classmethod
    def fingerprint_inputs(cls, cfld_name: str, weight_dtype: str) -> tuple:
        path = folder_paths.get_full_path_or_raise("cfld", cfld_name)
        return (path, os.path.getmtime(path), weight_dtype)

    @classmethod
    def execute(cls, cfld_name: str, weight_dtype: str) -> io.NodeOutput:
        try:
            checkpoint = load_checkpoint(folder_paths.get_full_path_or_raise("cfld", cfld_name))
            networks = build_networks(checkpoint)
        except CheckpointError as error:
            raise ValueError(f"CFLD Loader: cfld_name: {error}") from error
        networks.to(DTYPES.get(weight_dtype) or _supported(networks.dtype))
        return io.NodeOutput(
            LoadedCFLD(cfld_name, checkpoint.config, host_networks(networks), checkpoint.key_values)
        )


def checkpoint_names() -> list[str]:
    """Files below models/cfld that may be checkpoints, by their endings alone."""
    endings = (".safetensors", *PICKLED)
    return [name for name in folder_paths.get_filename_list("cfld") if name.endswith(endings)]


def _supported(dtype: torch.dtype) -> torch.dtype:
    device = comfy.model_management.get_torch_device()
    if dtype == torch.float16 and not comfy.model_management.should_use_fp16(device):
        return torch.float32
    if dtype == torch.bfloat16 and not comfy.model_management.should_use_bf16(device):
        return torch.float32
    return dtype
