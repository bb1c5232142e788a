"""Saliency-adaptive noise fusion at its edges; the formulas themselves are in tests/host/test_scene_guider.py."""

import torch

from cfld_modules.saliency import fuse


def test_equal_saliency_is_the_scene_s() -> None:
    response = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert not fuse(response, response.clone()).is_person.any()


def test_a_model_that_predicts_nothing_somewhere_has_no_share_there() -> None:
    generator = torch.Generator().manual_seed(0)
    fusion = fuse(*(torch.randn(1, 4, 8, 8, generator=generator) for _ in range(2)))
    everywhere, left_half = torch.ones(1, 1, 8, 8, dtype=torch.bool), torch.arange(8).expand(1, 1, 8, 8) < 4
    assert not fusion.within(left_half, everywhere).is_person[..., 4:].any()
    assert fusion.within(everywhere, left_half).is_person[..., 4:].all()
