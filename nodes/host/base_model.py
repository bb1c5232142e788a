"""A base model made by diffusers, as the host's MODEL and VAE."""

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import comfy.utils
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel

from ...cfld_modules.pipeline.taesd import taesd_state

# Stable Diffusion 1.5 as the host describes it, but for its widths.
SD15_LAYOUT = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "num_res_blocks": [2, 2, 2, 2],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1,
    "transformer_depth_output": [1] * 9 + [0] * 3, "use_linear_in_transformer": False,
    "use_spatial_transformer": True, "legacy": False, "adm_in_channels": None, "use_temporal_attention": False,
}


def host_unet(unet: UNet2DConditionModel) -> comfy.model_patcher.ModelPatcher:
    """A diffusers U-Net of SD 1.5's layout, of any widths, as a MODEL in float32.

    The host's own loaders know only the published widths.
    """
    widths = unet.config.block_out_channels
    layout = SD15_LAYOUT | {
        "model_channels": widths[0], "channel_mult": [width // widths[0] for width in widths],
        "context_dim": unet.config.cross_attention_dim,
    }
    config = comfy.supported_models.SD15(layout)
    config.set_inference_dtype(torch.float32, None)
    names = comfy.utils.unet_to_diffusers(config.unet_config)
    state = {names[name]: tensor for name, tensor in unet.state_dict().items()}
    model = config.get_model(state, "")
    patcher = comfy.model_patcher.CoreModelPatcher(
        model, comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    )
    model.load_model_weights(state, "", assign=patcher.is_dynamic())
    return patcher


def host_vae(autoencoder: AutoencoderTiny) -> comfy.sd.VAE:
    """A TAESD as a VAE."""
    return comfy.sd.VAE(sd=taesd_state(autoencoder))
