"""CFLD Scene Guider against its formulas (see `scene_reference`), on random weights."""

import pytest
import tiny_host
import torch
from scene_reference import (
    SIGMAS,
    EverySigma,
    fused,
    fused_noise,
    guided_person,
    guided_scene,
    in_double,
    noise_of,
    other_checkpoint,
    sample,
    scene_guider,
    scene_text,
)

pytestmark = pytest.mark.usefixtures("no_gradients")


@pytest.fixture
def same_steps(figure):
    """Samples, and holds every step's denoised latents to those of `noise_at(x, sigma)`, in their own spread."""

    def hold(what, guider, start, noise_at, given=lambda x, sigma: x, kept=lambda denoised: denoised, **to):
        every = EverySigma()
        sample(guider, start, every, **to)
        found, expected = [], []
        for x, sigma, denoised in every.steps:
            x = given(x, sigma)
            expected.append(kept(x - sigma * noise_at(x, sigma)))
            found.append(denoised)
            found[-1], expected[-1] = (one / expected[-1].std() for one in (found[-1], expected[-1]))
        figure(f"scene guider, {what}", torch.stack(found), torch.stack(expected), 1e-5)

    return hold


@pytest.fixture(scope="module")
def model():
    """The goldens' tiny U-Net in double precision: what is left is the rounding of its output, which is float32."""
    return in_double(tiny_host.stock_model())


@pytest.fixture(scope="module")
def texts(no_gradients):
    return scene_text("scene"), scene_text("not in it")


@pytest.fixture(scope="module")
def hga(model, person):
    """The person's model, without guidance of its own: its rows."""
    return person.hga(model, 1.0)


@pytest.fixture(scope="module")
def other():
    return other_checkpoint()


STAGES = {"all fused": (0.0, 1.0), "three stages": (0.3, 0.7), "switched": (0.5, 0.5), "person": (0.0, 0.0),
          "scene": (1.0, 1.0)}  # fmt: skip


CASES = [(*stages, False) for stages in STAGES.values()] + [(*STAGES["three stages"], True)]


@pytest.mark.parametrize(("begin", "end", "second"), CASES, ids=[*STAGES, "another model"])
def test_each_step_fuses_noise_by_the_published_formulas(
    model, other, person, hga, texts, same_steps, begin, end, second, request
):
    scene_model = other if second else None
    guider = scene_guider(
        person.hga(model), person, texts, scene_model=scene_model,
        fusion_start_percent=begin, fusion_end_percent=end,
    )  # fmt: skip
    highest, lowest = (model.model.model_sampling.percent_to_sigma(percent) for percent in (begin, end))
    masks = []

    def noise_at(x, sigma):
        if sigma > highest:
            return guided_scene(scene_model or model, texts, x, sigma)[0]
        if sigma <= lowest:
            return guided_person(hga, person, x, sigma)[0]
        noise, mask = fused_noise(
            guided_person(hga, person, x, sigma), guided_scene(scene_model or model, texts, x, sigma)
        )
        masks.append(mask)
        return noise

    same_steps(request.node.callspec.id, guider, noise_of(1, 16, 16), noise_at)
    if begin < end:
        assert torch.equal(guider.fusion.is_person[:, 0], masks[-1]) and 0.1 < masks[-1].float().mean() < 0.9
    else:
        assert not masks and guider.fusion is None


@pytest.mark.parametrize(("batch", "height", "width"), [(2, 16, 16), (1, 17, 23), (1, 2, 9)])
def test_scene_guider_at_any_size_and_batch_fuses_noise(model, person, hga, texts, same_steps, batch, height, width):
    guider = scene_guider(person.hga(model), person, texts)
    what = f"{batch} of {width}x{height}"
    same_steps(what, guider, noise_of(batch, height, width), fused(model, hga, person, texts), sigmas=SIGMAS[1:])


def test_the_mask_of_the_sampler(model, person, hga, texts, same_steps):
    start, latent = noise_of(1, 24, 24), noise_of(2, 24, 24)[1:]
    mask = torch.zeros(1, 1, 24, 24)
    mask[..., 6:20, 4:15] = 1
    same_steps(
        "the sampler's mask", scene_guider(person.hga(model), person, texts), start, fused(model, hga, person, texts),
        given=lambda x, sigma: x * mask + (latent + sigma * start) * (1 - mask),
        kept=lambda denoised: denoised * mask + latent * (1 - mask),
        latent=latent / tiny_host.LATENT_SCALE, denoise_mask=mask, sigmas=SIGMAS[1:],
    )
