"""Blend Appearance: mixes two encoded people, or makes the strip of people that leads from one to the other."""

import torch
from comfy_api.latest import io

from ..cfld_modules.networks.model import Appearance
from .host.conditioning import APPEARANCE_ROW, POSE_ROW, prompt_conditioning
from .types import PEOPLE, AppearanceType, check_widgets

NODE = "Blend Appearance"


class CFLDBlendAppearance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDBlendAppearance",
            display_name=NODE,
            category=PEOPLE,
            description="Mixes two encoded people: one between them, or the strip from one to the other, linear in the "
            "coarse-grained prompt and in the multi-scale appearance, as the paper interpolates styles.",
            search_aliases=["interpolate people", "style interpolation", "mix appearance", "morph", "average persons"],
            inputs=[
                io.Conditioning.Input("positive_a", tooltip="positive of the first person, from PRD Prompt Encoder."),
                AppearanceType.Input("appearance_a", tooltip="appearance of the first person."),
                io.Conditioning.Input("positive_b", tooltip="positive of the second person, from PRD Prompt Encoder."),
                AppearanceType.Input("appearance_b", tooltip="appearance of the second person."),
                io.Float.Input(
                    "amount", default=0.5, min=0.0, max=1.0, step=0.01,
                    tooltip="0 is the first person, 1 the second, exactly. Not heeded when frames is more than 1.",
                ),
                io.Int.Input(
                    "frames", default=1, min=1, max=4096,
                    tooltip="More than 1: so many people in equal steps from the first to the second, both included, "
                    "as a batch; set the latent's batch size to as many.",
                ),
            ],
            outputs=[
                io.Conditioning.Output("positive", tooltip="The blended prompt, for Pose Conditioning."),
                AppearanceType.Output("appearance", tooltip="The blended appearance, for HGA Apply."),
            ],
        )

    @classmethod
    def execute(
        cls, positive_a: list, appearance_a: Appearance, positive_b: list, appearance_b: Appearance, amount: float,
        frames: int,
    ) -> io.NodeOutput:
        from ..cfld_modules.networks.appearance_blend import blend, blend_appearances  # here, for a small start

        check_widgets(cls, amount=amount, frames=frames)
        prompts = [
            _prompt(side, positive, len(appearance.prompt))
            for side, positive, appearance in (("a", positive_a, appearance_a), ("b", positive_b, appearance_b))
        ]
        amounts = [amount] if frames == 1 else torch.linspace(0, 1, frames).tolist()
        try:
            appearance = blend_appearances(appearance_a, appearance_b, amounts)
        except ValueError as error:
            raise ValueError(f"{NODE}: inputs 'appearance_a' and 'appearance_b': {error}") from error
        positive, _ = prompt_conditioning(blend(*prompts, amounts), appearance.prompt)
        return io.NodeOutput(positive, appearance)


def _prompt(side: str, positive: list, people: int) -> torch.Tensor:
    """The prompt (people, tokens, width) in the `positive` of PRD Prompt Encoder."""
    name = f"{NODE}: input 'positive_{side}'"
    rows = [entry[1].get("model_conds", {}) for entry in positive]
    if not rows or not all(APPEARANCE_ROW in row and row[APPEARANCE_ROW].cond.any() for row in rows):
        raise ValueError(f"{name} is a text prompt, or a negative one; connect positive of PRD Prompt Encoder")
    if len(rows) > 1 or POSE_ROW in rows[0]:
        raise ValueError(
            f"{name} was already posed or combined; connect positive of PRD Prompt Encoder, and blend before that"
        )
    prompt = positive[0][0]
    if len(prompt) != people:
        raise ValueError(
            f"{name} has {len(prompt)} people, and 'appearance_{side}' has {people}; take both from the same node"
        )
    return prompt
