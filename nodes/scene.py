"""CFLD Scene Guider and Scene Saliency: a person in a scene that a text describes, for SamplerCustomAdvanced."""

from typing import Any

import torch
from comfy_api.latest import io

from .host.conditioning import APPEARANCE_ROW
from .host.guidance import UNCONDITIONAL_PROMPT
from .host.scene import SceneGuider
from .types import SCENES, check_widgets

NODE = "CFLD Scene Guider"
SALIENCY_NODE = "Scene Saliency"


class CFLDSceneGuiderNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDSceneGuider",
            display_name=NODE,
            category=SCENES,
            description="A person in a scene that a text describes: first the scene alone, then both by "
            "saliency-adaptive noise fusion, then the person alone. In the fusion each place of the picture is left to "
            "the one whose guidance has more to say there.",
            search_aliases=[
                "face-diffuser", "saliency-adaptive noise fusion", "text scene", "background prompt", "pose transfer",
                "dual model guider",
            ],
            inputs=[
                io.Model.Input("model", tooltip="The model from HGA Apply. It predicts the person."),
                io.Conditioning.Input("positive", tooltip="positive of Pose Conditioning."),
                io.Conditioning.Input("negative", tooltip="negative of Pose Conditioning."),
                io.Conditioning.Input("scene_positive", tooltip="The text of the scene, from CLIP Text Encode."),
                io.Conditioning.Input("scene_negative", tooltip="What the scene should not be, from CLIP Text Encode."),
                io.Model.Input(
                    "scene_model", optional=True,
                    tooltip="Another model for the scene, or the same with other LoRAs. Without it, model draws the "
                    "scene as it would without HGA Apply.",
                ),
                io.Float.Input(
                    "scene_guidance", default=5.0, min=0.0, max=100.0, step=0.1, round=0.01,
                    tooltip="The cfg of the scene.",
                ),
                io.Float.Input(
                    "person_guidance", default=2.0, min=0.0, max=100.0, step=0.1, round=0.01,
                    tooltip="The cfg of the person: the paper's w_app. Its w_pose is pose_guidance of HGA Apply.",
                ),
                io.Float.Input(
                    "fusion_start_percent", default=0.3, min=0.0, max=1.0, step=0.001, advanced=True,
                    tooltip="Share of the sampling before which the scene is drawn alone.",
                ),
                io.Float.Input(
                    "fusion_end_percent", default=1.0, min=0.0, max=1.0, step=0.001, advanced=True,
                    tooltip="Share of the sampling after which the person is drawn alone. CFLD knows studios only, so "
                    "what it draws alone loses the scene.",
                ),
            ],
            outputs=[io.Guider.Output(tooltip="For SamplerCustomAdvanced, and for Scene Saliency.")],
        )

    @classmethod
    def execute(
        cls, model: Any, positive: list, negative: list, scene_positive: list, scene_negative: list,
        scene_guidance: float, person_guidance: float, fusion_start_percent: float, fusion_end_percent: float,
        scene_model: Any = None,
    ) -> io.NodeOutput:
        check_widgets(
            cls, scene_guidance=scene_guidance, person_guidance=person_guidance,
            fusion_start_percent=fusion_start_percent, fusion_end_percent=fusion_end_percent,
        )
        if fusion_start_percent > fusion_end_percent:
            raise ValueError(
                f"{NODE}: input 'fusion_start_percent' is {fusion_start_percent:g}, after 'fusion_end_percent', "
                f"{fusion_end_percent:g}; make it that or less"
            )
        if model.get_attachment(UNCONDITIONAL_PROMPT) is None:
            raise ValueError(f"{NODE}: input 'model' has no HGA Apply; connect the output of HGA Apply")
        if not _is_cfld(positive):
            raise ValueError(
                f"{NODE}: input 'positive' is not CFLD's; connect positive of Pose Conditioning, and the text of the "
                "scene to 'scene_positive'"
            )
        scene = model if scene_model is None else scene_model
        _check_scene(model, scene, {"scene_positive": scene_positive, "scene_negative": scene_negative})
        guider = SceneGuider(
            model, scene, person_guidance, scene_guidance, (fusion_start_percent, fusion_end_percent)
        )
        guider.set_conds(positive, negative)
        guider.set_scene(scene_positive, scene_negative)
        return io.NodeOutput(guider)


def _is_cfld(conditioning: list) -> bool:
    return any(APPEARANCE_ROW in options.get("model_conds", {}) for _, options in conditioning)


def _check_scene(model: Any, scene_model: Any, conditionings: dict[str, list]) -> None:
    """That the scene's model has the person's latents, and can read its own conditioning."""
    persons, scenes = (type(one.get_model_object("latent_format")).__name__ for one in (model, scene_model))
    if persons != scenes:
        raise ValueError(
            f"{NODE}: input 'scene_model' is a {type(scene_model.model).__name__} with latents of {scenes}, and "
            f"'model' has those of {persons}; connect a model of Stable Diffusion 1.5, or none"
        )
    context = scene_model.model.model_config.unet_config["context_dim"]
    for name, conditioning in conditionings.items():
        if _is_cfld(conditioning) and scene_model.get_attachment(UNCONDITIONAL_PROMPT) is None:
            raise ValueError(
                f"{NODE}: input '{name}' is CFLD's, but 'scene_model' has no HGA Apply to read it with; connect the "
                "text of the scene from CLIP Text Encode"
            )
        for width in {prompt.shape[-1] for prompt, _ in conditioning} - {context}:
            raise ValueError(
                f"{NODE}: input '{name}' is a text of width {width}, and the model of the scene reads {context}; "
                "encode it with the CLIP of that model's checkpoint"
            )


class CFLDSceneSaliency(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDSceneSaliency",
            display_name=SALIENCY_NODE,
            category=SCENES,
            description="Shows which places were the person's: the others were the scene's, in the last fused step of "
            "a sampling with CFLD Scene Guider.",
            search_aliases=["saliency map", "person mask", "face-diffuser", "scene guider preview"],
            inputs=[
                io.Guider.Input("guider", tooltip="The CFLD Scene Guider that the sampler has."),
                io.Latent.Input("samples", tooltip="output of that SamplerCustomAdvanced, so that it runs first."),
            ],
            outputs=[
                io.Mask.Output("mask", tooltip="White where the person was drawn, in the picture's size."),
                io.Image.Output(
                    "image", tooltip="How salient each place was to the person (red) and to the scene (blue)."
                ),
            ],
        )

    @classmethod
    def execute(cls, guider: Any, samples: dict) -> io.NodeOutput:
        if not isinstance(guider, SceneGuider):
            raise ValueError(
                f"{SALIENCY_NODE}: input 'guider' is a {type(guider).__name__}; connect the output of {NODE}"
            )
        fusion = guider.fusion
        if fusion is None:
            raise ValueError(
                f"{SALIENCY_NODE}: input 'guider' has fused no step; connect 'samples' from the sampler that has this "
                "guider, and widen fusion_start_percent and fusion_end_percent until a step lies between them"
            )
        size = tuple(samples["samples"].shape[2:])
        if size != tuple(fusion.person.shape[2:]):
            raise ValueError(
                f"{SALIENCY_NODE}: input 'samples' has latents of {size[1]}x{size[0]}, and 'guider' last sampled "
                f"{fusion.person.shape[3]}x{fusion.person.shape[2]}; connect the output of the sampler that has it"
            )
        return io.NodeOutput(*_pictures(fusion, guider.model_patcher.get_model_object("latent_format")))


def _pictures(fusion: Any, latent_format: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The mask (B, H, W), and both saliencies as red and blue (B, H, W, 3), in pixels of the picture."""
    scale = latent_format.spacial_downscale_ratio
    shares = torch.cat([fusion.person, torch.full_like(fusion.person, -torch.inf), fusion.scene], dim=1).exp()
    shares = shares / shares.flatten(1).amax(dim=1).reshape(-1, 1, 1, 1)
    maps = torch.cat([fusion.is_person.float(), shares], dim=1).cpu()
    maps = maps.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    return maps[:, 0], maps[:, 1:].movedim(1, -1).contiguous()
