"""CFLD Scene Guider's formulas, written out and fed with U-Net calls of one row each."""

import comfy.samplers
import tiny_host
import torch
import torch.nn.functional as functional
from composition import POSE_SCALE
from tiny_host import golden, nodes

SCENE_CFG, PERSON_CFG = 5.0, 2.0
SIGMAS = torch.tensor([14.6146, 3.0, 0.5, 0.0])  # a step in each of the three stages


def scene_text(seed="scene", width=64):
    return [[torch.from_numpy(golden.normal(seed, (1, 77, width))), {}]]


def in_double(patcher):
    unet = patcher.model.diffusion_model.double()
    unet.dtype = torch.float64
    return patcher


def other_checkpoint():
    """The stock U-Net with other numbers in every matrix."""
    patcher = in_double(tiny_host.stock_model())
    generator = torch.Generator().manual_seed(5)
    for weight in patcher.model.diffusion_model.parameters():
        if weight.dim() > 1:
            weight.data += 0.2 * weight.std() * torch.randn(weight.shape, generator=generator)
    return patcher


class Noted(comfy.samplers.Sampler):
    """A sampler that asks once, and keeps what it is told: one row's denoised latents."""

    def __init__(self, x, sigma):
        self.x, self.sigma = x, sigma

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, *args):
        self.denoised = model_wrap(self.x, self.sigma.repeat(len(self.x)), **extra_args)
        return noise


def row(model, conditioning, x, sigma):
    """The noise that a model predicts with one conditioning and no guidance."""
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(conditioning, conditioning)
    guider.set_cfg(1.0)
    noted = Noted(x, sigma)
    guider.sample(x, torch.zeros_like(x), noted, torch.stack([sigma, 0 * sigma]), seed=1)
    return (x - noted.denoised) / sigma


def guided_person(hga, person, x, sigma, scale=PERSON_CFG, pose_scale=POSE_SCALE):
    """epsilon, and all that guidance adds: w_pose (down - uc) + w_app (full - down)."""
    full, uc = (row(hga, conditioning, x, sigma) for conditioning in (person.positive, person.negative))
    down = row(hga, person.posed(person.learnt, person.learnt)[0], x, sigma)
    response = pose_scale * (down - uc) + scale * (full - down)
    return uc + response, response


def guided_scene(model, texts, x, sigma, scale=SCENE_CFG):
    text, empty = (row(model, conditioning, x, sigma) for conditioning in texts)
    return empty + scale * (text - empty), scale * (text - empty)


def saliency(response):
    blurred = functional.avg_pool2d(response.abs(), kernel_size=4, stride=1, padding=1)
    mean = functional.interpolate(blurred, size=response.shape[2:], mode="bilinear").mean(dim=1)
    return mean.flatten(1).softmax(dim=1).view(mean.shape)


def fused_noise(person, scene):
    """Each of (epsilon, response) -> the fused epsilon, and where it is the person's."""
    mask = saliency(person[1]) > saliency(scene[1])
    return torch.where(mask[:, None], person[0], scene[0]), mask


class EverySigma:
    """Euler's method, as a sampler of the host's; keeps what each step was given and predicted."""

    def __init__(self):
        self.steps = []

    def __call__(self, model, x, sigmas, extra_args=None, callback=None, disable=None):
        for sigma, following in zip(sigmas[:-1], sigmas[1:], strict=True):
            denoised = model(x, sigma.repeat(len(x)), **extra_args)
            self.steps.append((x, sigma, denoised))
            x = denoised + following / sigma * (x - denoised)
        return x


def scene_guider(model, person, texts, **changes):
    arguments = {
        "scene_guidance": SCENE_CFG, "person_guidance": PERSON_CFG, "fusion_start_percent": 0.0,
        "fusion_end_percent": 1.0,
    }  # fmt: skip
    return nodes.CFLDSceneGuiderNode.execute(
        model, person.positive, person.negative, *texts, **(arguments | changes)
    ).result[0]


def sample(guider, start, sampler="euler", sigmas=SIGMAS, latent=None, **changes):
    sampler = comfy.samplers.sampler_object(sampler) if isinstance(sampler, str) else comfy.samplers.KSAMPLER(sampler)
    return guider.sample(
        start, torch.zeros_like(start) if latent is None else latent, sampler, sigmas, seed=1, **changes
    )


def noise_of(batch, height, width):
    return torch.randn(batch, 4, height, width, generator=torch.Generator().manual_seed(height * width + batch))


def fused(model, hga, person, texts):
    """The formulas of a sampling all of which is fused."""

    def noise_at(x, sigma):
        return fused_noise(guided_person(hga, person, x, sigma), guided_scene(model, texts, x, sigma))[0]

    return noise_at
