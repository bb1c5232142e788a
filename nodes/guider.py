"""CFLD Guider: the six guidance types of the authors' code, for SamplerCustomAdvanced."""

from comfy_api.latest import io

from ..cfld_modules.guidance import GUIDANCE_TYPES, SCALES_OF
from .host.guidance import UNCONDITIONAL_PROMPT, CFLDGuider
from .types import CATEGORY, check_finite

NODE = "CFLD Guider"
SCALE_TOOLTIPS = {
    "full": "Scale towards the full prediction with prompt, pose and appearance (the paper's w_app).",
    "down": "Scale towards the prediction with the pose alone (the paper's w_pose).",
    "all": "Scale from pose alone towards pose and appearance without the prompt.",
    "guidance": "Scale from pose alone towards pose and prompt without the appearance.",
}


class CFLDGuiderNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        modes = [
            io.DynamicCombo.Option(mode, [
                io.Float.Input(
                    f"{scale}_scale", display_name=f"{scale}_scale", default=2.0, min=0.0, max=100.0, step=0.1,
                    round=0.01, tooltip=SCALE_TOOLTIPS[scale],
                )
                for scale in SCALES_OF[mode]
            ])
            for mode in GUIDANCE_TYPES
        ]
        return io.Schema(
            node_id="CFLDGuider",
            display_name=NODE,
            category=CATEGORY,
            description="Guidance by the six combinations in the authors' code. Rows whose weights cancel are not "
            "computed: with both scales equal, uc_down_full costs two rows a step.",
            search_aliases=["pose transfer", "cfg", "guidance", "disentangled guidance", "dual cfg"],
            inputs=[
                io.Model.Input("model", tooltip="The model from HGA Apply."),
                io.Conditioning.Input("positive", tooltip="positive of Pose Conditioning."),
                io.Conditioning.Input("negative", tooltip="negative of Pose Conditioning."),
                io.DynamicCombo.Input(
                    "mode", options=modes,
                    tooltip="Which predictions are combined: uc (nothing), down (pose), updown (pose and appearance), "
                    "cdown (pose and prompt), full (all). uc_down_full is the paper's.",
                ),
                io.Float.Input(
                    "guidance_start_percent", default=0.0, min=0.0, max=1.0, step=0.001, advanced=True,
                    tooltip="Before this share of the sampling only the full prediction is computed, without guidance.",
                ),
                io.Float.Input(
                    "guidance_end_percent", default=1.0, min=0.0, max=1.0, step=0.001, advanced=True,
                    tooltip="After this share of the sampling only the full prediction is computed, without guidance.",
                ),
            ],
            outputs=[io.Guider.Output(tooltip="For SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(
        cls, model: object, positive: list, negative: list, mode: object = None,
        guidance_start_percent: float = 0.0, guidance_end_percent: float = 1.0,
    ) -> io.NodeOutput:
        # The host leaves out what is none of its options, and hands on what a wire brings.
        if not isinstance(mode, dict) or mode.get("mode") not in GUIDANCE_TYPES:
            raise ValueError(
                f"{NODE}: input 'mode' is missing, wired or unknown; give one of {', '.join(GUIDANCE_TYPES)}"
            )
        guidance_type = mode["mode"]
        scales = {scale: mode[f"{scale}_scale"] for scale in SCALES_OF[guidance_type]}
        check_finite(
            NODE, guidance_start_percent=guidance_start_percent, guidance_end_percent=guidance_end_percent,
            **{f"mode.{scale}_scale": value for scale, value in scales.items()},
        )
        if model.get_attachment(UNCONDITIONAL_PROMPT) is None:
            raise ValueError(f"{NODE}: input 'model' has no HGA Apply; connect the output of HGA Apply")
        guider = CFLDGuider(model, guidance_type, scales, (guidance_start_percent, guidance_end_percent))
        guider.set_conds(positive, negative)
        return io.NodeOutput(guider)
