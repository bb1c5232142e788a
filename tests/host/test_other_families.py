"""Models of other families, tiny and in their own shapes: refused by HGA Apply, before anything is sampled."""

import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models
import pytest
import torch
from tiny_host import UNET_CONFIG, nodes

LAYERS_OF_SDXL = {
    "num_res_blocks": [2, 2, 2], "channel_mult": [1, 2, 4], "transformer_depth": [0, 0, 1, 1, 2, 2],
    "transformer_depth_middle": 2, "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2], "num_heads": -1,
    "num_head_channels": 64, "use_linear_in_transformer": True, "num_classes": "sequential", "adm_in_channels": 2816,
}  # fmt: skip
FAMILIES = {  # class, what its U-Net is made of, a word of the refusal
    "SD2": ("SD20", UNET_CONFIG | {"context_dim": 85, "num_heads": -1, "num_head_channels": 64,
                                   "use_linear_in_transformer": True}, r"\(256, 85\) at"),
    "SDXL": ("SDXL", UNET_CONFIG | LAYERS_OF_SDXL | {"context_dim": 2048}, "a SDXL with"),
    "SDXL with CFLD's context": ("SDXL", UNET_CONFIG | LAYERS_OF_SDXL | {"context_dim": 64}, "a SDXL with"),
    "SD3": ("SD3", {"in_channels": 16, "depth": 1, "patch_size": 2, "adm_in_channels": 16, "pos_embed_max_size": 8,
                    "num_patches": 64, "pos_embed_scaling_factor": None, "input_size": None,
                    "context_embedder_config": {"target": "torch.nn.Linear",
                                                "params": {"in_features": 64, "out_features": 64}}}, "a SD3 with no"),
    "Flux": ("Flux", {"image_model": "flux", "guidance_embed": True, "in_channels": 16, "patch_size": 2,
                      "vec_in_dim": 16, "context_in_dim": 64, "hidden_size": 64, "mlp_ratio": 1.0, "num_heads": 1,
                      "depth": 1, "depth_single_blocks": 1, "axes_dim": [16, 24, 24], "txt_ids_dims": [],
                      "theta": 10000, "qkv_bias": True, "out_channels": 16}, "a Flux with no"),
}  # fmt: skip


def model_of(family):
    name, config, _ = FAMILIES[family]
    model_config = getattr(comfy.supported_models, name)(dict(config))
    model_config.unet_config = dict(config)
    model_config.set_inference_dtype(torch.float32, None)
    base = model_config.get_model({})
    return comfy.model_patcher.ModelPatcher(
        base, comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_another_family_is_refused_by_name(encoded, family):
    with pytest.raises(ValueError, match=FAMILIES[family][2]) as refused:
        encoded.patched(model_of(family))
    message = str(refused.value)
    assert message.startswith("HGA Apply: input 'model' is a ") and "\n" not in message and len(message) <= 500
    assert "connect the Stable Diffusion 1.5 model this checkpoint was trained for" in message


@pytest.mark.parametrize("family", FAMILIES)
def test_the_guider_takes_no_model_without_hga(encoded, family):
    mode = {"mode": "uc_down_full", "down_scale": 2.0, "full_scale": 2.0}
    with pytest.raises(ValueError, match="CFLD Guider: input 'model' has no HGA Apply"):
        nodes.CFLDGuiderNode.execute(model_of(family), encoded.positive, encoded.negative, mode)


def test_a_model_of_sd15_is_taken(model, encoded):
    assert encoded.patched(model) is not model
