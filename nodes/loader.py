"""CFLD Loader: loads a checkpoint of models/cfld, whose memory ComfyUI manages from then on."""

import os

import comfy.model_management
import folder_paths
import torch
from comfy_api.latest import io

from ..cfld_modules.checkpoints.cfld_checkpoint import PICKLED, build_networks, cast, load_checkpoint
from ..cfld_modules.errors import CheckpointError, short, shortened
from .host.networks import LoadedCFLD, host_networks
from .types import CATEGORY, CFLDType, about_input, check_widgets

NODE = "CFLD Loader"
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
NO_FILE = "put a file into models/cfld"
"""What the list of files says while there is none; it is no file, and running it says so."""


class CFLDLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDLoader",
            display_name=NODE,
            category=CATEGORY,
            description="Loads a CFLD checkpoint: the authors' two .bin files in one folder below models/cfld, or one "
            ".safetensors made from them by CFLD Convert.",
            search_aliases=["pose transfer", "load cfld", "coarse-to-fine latent diffusion", "person image synthesis"],
            inputs=[
                io.Combo.Input(
                    "cfld_name", options=checkpoint_choices(),
                    tooltip="A file in models/cfld. Of the authors' pair, pytorch_model.bin and pytorch_model_1.bin in "
                    "one folder, choose either.",
                ),
                io.Combo.Input(
                    "weight_dtype", options=["default", *DTYPES], default="default", advanced=True,
                    tooltip="Precision of CFLD's own networks, which run once a picture. default: the file's, or fp32 "
                    "where the device cannot compute in it.",
                ),
            ],
            outputs=[CFLDType.Output("cfld", tooltip="The loaded CFLD, for the other CFLD nodes.")],
        )

    @classmethod
    def validate_inputs(
        cls, cfld_name: str | None = None, weight_dtype: str | None = None, input_types: dict | None = None
    ) -> bool:
        """See `CFLDLoadPose.validate_inputs`."""
        if cfld_name is not None:
            checkpoint_path(NODE, cfld_name)
        if weight_dtype is not None:
            check_widgets(cls, weight_dtype=weight_dtype)
        return True

    @classmethod
    def fingerprint_inputs(cls, cfld_name: str | None, weight_dtype: str | None) -> list:
        return checkpoint_dates(NODE, cfld_name)

    @classmethod
    def execute(cls, cfld_name: str, weight_dtype: str) -> io.NodeOutput:
        check_widgets(cls, weight_dtype=weight_dtype)
        with about_input(NODE, "cfld_name", CheckpointError):
            checkpoint = load_checkpoint(checkpoint_path(NODE, cfld_name))
            networks = build_networks(checkpoint)
        with about_input(NODE, "weight_dtype", CheckpointError):
            cast(networks, DTYPES.get(weight_dtype) or _supported(networks.dtype))
        return io.NodeOutput(
            LoadedCFLD(cfld_name, checkpoint.config, host_networks(networks), checkpoint.key_values)
        )


def checkpoint_names() -> list[str]:
    """Files below models/cfld that may be checkpoints, by their endings alone."""
    endings = (".safetensors", *PICKLED)
    names = folder_paths.get_filename_list("cfld")
    return [name for name in names if name.lower().endswith(endings) and any(map(os.path.isfile, _places(name)))]


def checkpoint_choices() -> list[str]:
    """For a node's list; a page shows "undefined" for an empty one."""
    return checkpoint_names() or [NO_FILE]


def checkpoint_path(node: str, name: object) -> str:
    """The file of this name in `checkpoint_names`, for a node's input `cfld_name`; else a ValueError that says why."""
    if isinstance(name, str) and name in checkpoint_names():
        return next(filter(os.path.isfile, _places(name)))
    name = name if isinstance(name, str) else short(name)
    problem = (
        "is not in models/cfld. Put the authors' pytorch_model.bin and pytorch_model_1.bin in a folder there, or a "
        ".safetensors made by CFLD Convert, and reload the page"
    )
    if any(map(os.path.isdir, _places(name))):
        problem = "is a folder; choose a file in it"
    elif any(map(os.path.islink, _places(name))):
        problem = "is a link to a file that is not there any more; put the file itself into models/cfld"
    raise ValueError(shortened(f"{node}: input 'cfld_name': '{name}' {problem}."))


def checkpoint_dates(node: str, name: str | None) -> list[tuple[str, float]]:
    """What a node's result hangs on beside its inputs: the file and when it was changed; of all, while a wire names it.
    """
    paths = [checkpoint_path(node, one) for one in ([name] if name is not None else checkpoint_names())]
    return [(path, os.path.getmtime(path)) for path in paths]


def _places(name: str) -> list[str]:
    """Where it may lie; nowhere when the name leads out of models/cfld, of which nothing is told."""
    folders = folder_paths.get_folder_paths("cfld")
    if "\0" in name or os.path.isabs(name) or ".." in name.replace("\\", "/").split("/"):
        return []
    return [os.path.join(folder, name) for folder in folders]


def _supported(dtype: torch.dtype) -> torch.dtype:
    device = comfy.model_management.get_torch_device()
    if dtype.itemsize == 1:  # nothing computes in the 8-bit ones
        return torch.float32
    if dtype == torch.float16 and not comfy.model_management.should_use_fp16(device):
        return torch.float32
    if dtype == torch.bfloat16 and not comfy.model_management.should_use_bf16(device):
        return torch.float32
    return dtype
