"""Blends, saved people and regions of clothing in the real host."""

import errno
import os
from dataclasses import replace

import folder_paths
import numpy as np
import pytest
import tiny_host
import torch
from tiny_host import golden, ksample, nodes

pytestmark = pytest.mark.usefixtures("no_gradients")


@pytest.fixture(scope="module")
def people(encoded):
    """(positive, appearance) of the goldens' two people, each alone."""
    return [one_person(encoded.cfld, number) for number in range(2)]


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """The output folder, which is also a models folder of appearances."""
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    saved = tmp_path / "cfld_appearances"
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "cfld_appearances", ([str(saved)], set()))
    folder_paths.filename_list_cache.pop("cfld_appearances", None)
    return saved


def one_person(cfld, number):
    picture = tiny_host.source_pictures()[number, None]
    positive, _, appearance = nodes.CFLDPromptEncoder.execute(cfld, picture, "stretch").result
    return positive, appearance


def blend(people, amount=0.5, frames=1):
    (positive_a, appearance_a), (positive_b, appearance_b) = people
    return nodes.CFLDBlendAppearance.execute(
        positive_a, appearance_a, positive_b, appearance_b, amount=amount, frames=frames
    ).result


def one_negative(encoded):
    """The learnt prompt as it comes with one person."""
    learnt = encoded.learnt[0][0][:1]
    return tiny_host.conditioning.prompt_conditioning(learnt, learnt)[1]


def sample(model, encoded, positive, appearance, start=None, mask=None, learnt=None, **options):
    """Two steps of the person in the goldens' first pose."""
    posed = encoded.posed(positive, learnt or one_negative(encoded), pose=encoded.pose[:1])
    patched = nodes.CFLDApplyHGA.execute(model, encoded.cfld, appearance, 1.0, 2.0, 0.0, 1.0, mask).result[0]
    start = golden.input_tensor("noise", (1, 4, 32, 32)) if start is None else start
    return ksample(patched, *posed, steps=2, start=start, **options)


# --- Blend Appearance -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [0, 1])
def test_the_ends_give_the_latents_of_the_people_bit_for_bit(model, encoded, people, end):
    assert torch.equal(sample(model, encoded, *blend(people, float(end))), sample(model, encoded, *people[end]))


def test_a_strip_leads_from_one_person_to_the_other_in_one_batch(model, encoded, people):
    start = golden.input_tensor("noise", (1, 4, 32, 32)).expand(3, -1, -1, -1)
    strip = sample(model, encoded, *blend(people, frames=3), start=start)
    alone = [sample(model, encoded, *blend(people, amount)) for amount in (0.0, 0.5, 1.0)]
    assert (strip - torch.cat(alone)).abs().max() < 1e-3
    assert min((alone[1] - alone[end]).abs().max() for end in (0, 2)) > 0.1


def test_blends_of_what_does_not_belong_together_are_an_error(encoded, people):
    text = [[torch.zeros(1, 77, 64), {}]]
    both = (encoded.prompt, encoded.appearance)
    other = (people[1][0], type(people[1][1])(people[1][1].prompt, {}))
    for pair, words in (
        ((people[0], (text, people[1][1])), "input 'positive_b' is a text prompt, or a negative one"),
        (((encoded.learnt, both[1]), both), "input 'positive_a' is a text prompt, or a negative one"),
        (((encoded.positive, both[1]), both), "input 'positive_a' was already posed or combined"),
        (((encoded.prompt, people[0][1]), people[1]), "input 'positive_a' has 2 people, and 'appearance_a' has 1"),
        ((people[0], both), "1 and 2 people; give as many"),
        ((people[0], other), "CFLD checkpoints of different sizes"),
    ):
        with pytest.raises(ValueError, match=f"Blend Appearance: .*{words}"):
            blend(pair)
    with pytest.raises(ValueError, match="a strip leads from one person to one other"):
        blend((both, both), frames=3)


# --- Save Appearance, Load Appearance ---------------------------------------------------------------------------------


def save(encoded, appearance, prefix="person", **options):
    saved = nodes.CFLDSaveAppearance.execute(encoded.cfld, appearance, prefix, **options)
    return saved.ui["appearances"][0]


def test_a_saved_person_is_found_and_gives_the_same_latents(model, encoded, people, outputs):
    entry = save(encoded, people[0][1], "friends/anna", image=tiny_host.source_pictures()[:1])
    assert entry == {
        "filename": "anna_00001_.safetensors", "subfolder": "cfld_appearances/friends", "type": "output",
    }  # fmt: skip
    name = "friends/anna_00001_.safetensors"
    assert nodes.appearance_files.appearance_names() == [name]
    assert nodes.CFLDLoadAppearance.validate_inputs(name)
    positive, negative, appearance = nodes.CFLDLoadAppearance.execute(encoded.cfld, name).result
    photo, loaded = sample(model, encoded, *people[0]), sample(model, encoded, positive, appearance, learnt=negative)
    assert 0 < (loaded - photo).abs().max() < 0.02 * photo.std()
    again = [sample(model, encoded, *blend([(positive, appearance)] * 2, frames=1)) for _ in range(2)]
    assert torch.equal(*again)


def test_the_next_file_has_the_next_number_and_none_leaves_the_folder(encoded, people, outputs):
    names = [save(encoded, people[0][1])["filename"] for _ in range(2)]
    assert names == ["person_00001_.safetensors", "person_00002_.safetensors"]
    with pytest.raises(Exception, match="outside the output folder"):
        save(encoded, people[0][1], "../../elsewhere")


@pytest.mark.parametrize("prefix", ["", ".", "..", "a/", "/a", "dots.", "人" * 90, "x" * 200, None, 7])
def test_a_prefix_that_nobody_would_find_is_refused(encoded, people, outputs, prefix):
    with pytest.raises(ValueError, match="^Save Appearance: input 'filename_prefix' is .*; use letters"):
        save(encoded, people[0][1], prefix)
    assert prefix is None or nodes.CFLDSaveAppearance.validate_inputs(prefix) is not True
    assert not outputs.exists() or not list(outputs.rglob("*.safetensors"))


def test_a_disk_that_takes_no_person_is_told(encoded, people, outputs, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ValueError, match="^Save Appearance: input 'filename_prefix': 'person' cannot be written: No"):
        save(encoded, people[0][1])


def test_a_person_beyond_fp16_is_kept_in_fp32_and_one_that_is_not_finite_is_refused(encoded, people, outputs):
    appearance = people[0][1]
    large = replace(appearance, prompt=appearance.prompt + 1e5)
    save(encoded, large)
    loaded = nodes.CFLDLoadAppearance.execute(encoded.cfld, "person_00001_.safetensors").result[2]
    assert torch.equal(loaded.prompt, large.prompt)
    with pytest.raises(ValueError, match="input 'appearance': 'prompt' .* NaN .*; encode the person again, .* fp32"):
        save(encoded, replace(appearance, prompt=appearance.prompt * float("nan")))


def test_a_group_is_saved_as_a_group(encoded, outputs):
    save(encoded, encoded.appearance)
    positive, negative, appearance = nodes.CFLDLoadAppearance.execute(encoded.cfld, "person_00001_.safetensors").result
    assert len(positive[0][0]) == len(negative[0][0]) == len(appearance.prompt) == 2
    encoded.posed(positive, negative)


def test_a_file_of_another_checkpoint_or_none_at_all_is_refused_by_name(encoded, people, outputs):
    save(encoded, people[0][1])
    other = tiny_host.tiny_cfld()
    query = other.networks.model.networks.decoder.query_feat
    query.data = query.data * 1.1  # not in place: the goldens are read once
    with pytest.raises(ValueError, match="'appearance_name': 'person_00001_.safetensors' .*another CFLD"):
        nodes.CFLDLoadAppearance.execute(other, "person_00001_.safetensors")
    for asked in (nodes.CFLDLoadAppearance.validate_inputs, lambda name: nodes.CFLDLoadAppearance.execute(other, name)):
        with pytest.raises(ValueError, match="'gone.safetensors' is in neither output/cfld_appearances nor models/"):
            asked("gone.safetensors")


# --- Pose Mask --------------------------------------------------------------------------------------------------------


def pose_mask(pose, region, side=256, grow=0, feather=0, fit="pad"):
    return nodes.CFLDPoseMask.execute(pose, region, side, side, grow, feather, fit).result[0]


def bundled(name):
    return nodes.CFLDLoadPose.execute(name).result[0][0]


def test_a_mask_a_pose_framed_as_pose_conditioning_frames_it():
    whole, masks = bundled("a_pose"), pose_mask([bundled("a_pose"), bundled("waving")], "whole figure")
    assert masks.shape == (2, 256, 256) and masks.dtype == torch.float32
    assert 0 <= masks.min() and masks.max() == 1 and not torch.equal(*masks)
    wide = whole | {"canvas_width": 2 * whole["canvas_width"]}
    assert pose_mask([wide], "whole figure").sum() < 0.4 * masks[0].sum(), "padded, the person is half as large"


def test_a_pose_without_the_region_is_an_error():
    pose = bundled("a_pose")
    body = pose["people"][0]["pose_keypoints_2d"]
    bust = [pose | {"people": [{"pose_keypoints_2d": body[: 3 * 8] + [0] * 3 * 6 + body[3 * 14 :]}]}]
    with pytest.raises(ValueError, match="Pose Mask: input 'pose': no key point of the lower body .*another region"):
        pose_mask(bust, "lower body")


def test_two_stacked_hga_apply_give_each_person_where_its_mask_is(model, encoded, people):
    """In the first step, before convolutions carry anything over: each half is nearer its own person's picture."""
    lower = pose_mask(encoded.pose[:1], "lower body")
    (prompt, first), (_, second) = people
    arguments = (1.0, 2.0, 0.0, 1.0)
    upper_body = nodes.CFLDApplyHGA.execute(model, encoded.cfld, first, *arguments, 1 - lower).result[0]
    posed = encoded.posed(prompt, one_negative(encoded), pose=encoded.pose[:1])
    start = golden.input_tensor("noise", (1, 4, 32, 32))

    def step(some_model, appearance, mask=None):
        patched = nodes.CFLDApplyHGA.execute(some_model, encoded.cfld, appearance, *arguments, mask).result[0]
        return ksample(patched, *posed, steps=1, start=start)

    both, only_first, only_second = step(upper_body, second, lower), step(model, first), step(model, second)
    nearer_first = ((both - only_first).abs() < (both - only_second).abs()).float().mean(dim=(0, 1))
    inside = torch.nn.functional.interpolate(lower[None], size=(32, 32), mode="area")[0, 0]
    assert nearer_first[inside == 0].mean() > 0.5 > nearer_first[inside == 1].mean()
    everywhere = step(model, first, torch.ones(1, 8, 8))
    halves = step(nodes.CFLDApplyHGA.execute(model, encoded.cfld, first, *arguments, 1 - lower).result[0], first, lower)
    assert np.allclose(everywhere, halves, atol=1e-3), "one person in both regions is that person everywhere"
