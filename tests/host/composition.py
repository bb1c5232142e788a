"""CFLD among other nodes: what a graph gives, against its rows one by one, put together by hand.

One step of Euler to no noise gives the prediction itself, so that a graph's result is a sum of its rows' results.
Figures are the largest difference of latents, whose spread is 0.26 to 0.32; `make composition` writes them down.
"""

import comfy.samplers
import tiny_host
import torch
from tiny_host import golden, ksample, nodes, noise

POSE_SCALE, CFG = 3.0, 2.0
LEFT = torch.zeros(1, 32, 32)
LEFT[..., :16] = 1
RIGHT = 1 - LEFT


class Person:
    """One of the goldens' people with a pose, and each of the rows that guidance knows, alone."""

    def __init__(self, encoded, number, pose):
        self.cfld = encoded.cfld
        self.pose = golden.pose_keypoints(pose)
        self.prompt, self.learnt, self.appearance = nodes.CFLDPromptEncoder.execute(
            encoded.cfld, tiny_host.source_pictures()[number : number + 1], "stretch"
        ).result
        self.positive, self.negative = self.posed(self.prompt, self.learnt)

    def posed(self, positive, negative, **changes):
        arguments = {"pose": self.pose, "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0, "fit": "pad"}
        return nodes.CFLDPoseConditioning.execute(self.cfld, positive, negative, **(arguments | changes)).result[:2]

    def hga(self, model, pose_guidance=POSE_SCALE, **changes):
        arguments = {"strength": 1.0, "pose_guidance": pose_guidance, "start_percent": 0.0, "end_percent": 1.0}
        return nodes.CFLDApplyHGA.execute(model, self.cfld, self.appearance, **(arguments | changes)).result[0]


def text_conditioning():
    return [[torch.from_numpy(golden.normal("text", (1, 77, 64))), {}]]


def rows_alone(model, person, text):
    """The prediction of each row alone, on a model whose guidance adds nothing at a cfg of 1."""
    hga = person.hga(model, 1.0)
    alone = {
        "full": person.positive,
        "uc": person.negative,
        "down": person.posed(person.learnt, person.learnt)[0],
    }
    return {name: predict(hga, entry, person.negative, 1.0) for name, entry in alone.items()} | {
        "text": predict(model, text, text, 1.0)
    }


def predict(model, positive, negative, cfg=CFG, start=None):
    return ksample(model, positive, negative, cfg, 1, start=noise()[:1] if start is None else start)


def guided(rows, cfg=CFG, uncond="uc"):
    """The paper's three branches, of rows alone."""
    return rows[uncond] + POSE_SCALE * (rows["down"] - rows[uncond]) + cfg * (rows["full"] - rows["down"])


def guider_of(model, person, mode="uc_down_full", **scales):
    widgets = {"mode": mode, "down_scale": POSE_SCALE, "full_scale": CFG} | scales
    return nodes.CFLDGuiderNode.execute(model, person.positive, person.negative, widgets, 0.0, 1.0).result[0]


def guide(guider, start=None):
    start = noise()[:1] if start is None else start
    sigmas = tiny_host.sigmas_of(guider.model_patcher, 1)
    return guider.sample(start, torch.zeros_like(start), comfy.samplers.ksampler("euler"), sigmas, seed=1)


def having(conditioning, **options):
    return [[prompt, old | options] for prompt, old in conditioning]


def masked(conditioning, mask):
    return having(conditioning, mask=mask, mask_strength=1.0)


def beside_text(rows, pose_guidance=POSE_SCALE):
    figure_side = guided(rows) + (pose_guidance - POSE_SCALE) * (rows["down"] - rows["uc"])
    return LEFT * figure_side + RIGHT * (rows["uc"] + CFG * (rows["text"] - rows["uc"]))
