"""HGA Apply: patches the user's MODEL with CFLD's keys and values and a person's appearance."""

import torch
from comfy_api.latest import io

from ..cfld_modules.networks.model import Appearance
from .host.appearance import apply_hga, tracked_clone
from .host.networks import LoadedCFLD
from .host.notices import warn_on_node
from .pictures import read_masks
from .types import CATEGORY, AppearanceType, cfld_input, check_numbers, check_widgets, percent_inputs

NODE = "HGA Apply"


class CFLDApplyHGA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDApplyHGA",
            display_name=NODE,
            category=CATEGORY,
            description="Patches a Stable Diffusion 1.5 model for CFLD: its trained key/value matrices, the source "
            "person's appearance in the cross-attention queries, and the three-branch guidance under any sampler.",
            search_aliases=["pose transfer", "hybrid-granularity attention", "appearance", "apply cfld"],
            inputs=[
                io.Model.Input(
                    "model", tooltip="Any Stable Diffusion 1.5 model, with LoRA or other patches as you like."
                ),
                cfld_input(),
                AppearanceType.Input("appearance", tooltip="The source person, from PRD Prompt Encoder."),
                io.Float.Input(
                    "strength", default=1.0, min=0.0, max=10.0, step=0.01, advanced=True,
                    tooltip="Weight of the appearance in the queries; 1.0 is the trained one, 0 leaves the model as it "
                    "is.",
                ),
                io.Float.Input(
                    "pose_guidance", default=2.0, min=0.0, max=100.0, step=0.1, round=0.01,
                    tooltip="The paper's w_pose, for samplers with one cfg (which is its w_app). When both are equal, "
                    "as in the paper, a step costs two U-Net rows instead of three. CFLD Guider has scales of its own.",
                ),
                *percent_inputs("the appearance"),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="Where in the picture the appearance is applied (white). Without it, everywhere.",
                ),
            ],
            outputs=[io.Model.Output("model", tooltip="The patched model, for KSampler or a guider.")],
        )

    @classmethod
    def execute(
        cls, model: object, cfld: LoadedCFLD, appearance: Appearance, strength: float, pose_guidance: float,
        start_percent: float, end_percent: float, mask: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        check_widgets(
            cls, strength=strength, pose_guidance=pose_guidance, start_percent=start_percent, end_percent=end_percent
        )
        check_numbers(
            NODE, "appearance", appearance.residuals.values(),
            "holds NaN or infinite numbers; encode the person again with weight_dtype fp32 in CFLD Loader",
        )
        mismatch = (
            "holds numbers that the model's fp16 cannot; start ComfyUI with --bf16-unet or --fp32-unet, or load the "
            "model in another precision"
        )
        if (precision := _precision(model)) is not None:
            check_numbers(NODE, "appearance", appearance.residuals.values(), mismatch, precision)
            check_numbers(NODE, "cfld", cfld.key_values.values(), mismatch, precision)
        people = len(appearance.prompt)
        mask = None if mask is None else read_masks(NODE, "mask", mask)
        if mask is not None and len(mask) not in (1, people):
            raise ValueError(
                f"{NODE}: input 'mask' has {len(mask)} masks for {people} source people; give one, or as many"
            )
        warnings = []
        if mask is not None and not mask.any():
            warnings.append(
                f"{NODE}: input 'mask' is black everywhere, so that nobody's appearance is applied; white is where"
            )
        if warnings or strength == 0 or start_percent >= end_percent:
            patched = tracked_clone(model, cfld)
        else:
            patched = apply_hga(model, cfld, appearance, strength, pose_guidance, (start_percent, end_percent), mask)
        return io.NodeOutput(patched, ui=warn_on_node(*warnings))


def _precision(model: object) -> torch.dtype | None:
    """What the model computes in, where that ends before fp32 does."""
    base = model.model
    dtype = getattr(base, "manual_cast_dtype", None) or model.model_dtype()
    return dtype if dtype == torch.float16 else None
