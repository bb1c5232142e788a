"""What users notice when it breaks: neutral settings, other packs beside ours, batches, sizes, clones, cancelling."""

import comfy.controlnet
import comfy.model_management
import comfy.samplers
import pytest
import tiny_host
import torch
from tiny_host import BATCH, count_calls, golden, ksample, nodes, noise

pytestmark = pytest.mark.usefixtures("no_gradients")
TO_K = "diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.fixture(scope="module")
def plain(model, encoded):
    return ksample(model, encoded.prompt, encoded.learnt)


@pytest.fixture(scope="module")
def full(model, encoded):
    return ksample(encoded.patched(model), encoded.positive, encoded.negative)


def test_a_patched_model_samples_another_picture(plain, full):
    assert full.isfinite().all() and (full - plain).abs().max() > 1


@pytest.mark.parametrize("neutral", [
    {"strength": 0.0}, {"start_percent": 1.0}, {"start_percent": 0.5, "end_percent": 0.5},
    {"mask": torch.zeros(1, 64, 64)},
])
def test_neutral_hga_is_the_graph_without_it(model, encoded, plain, neutral):
    assert torch.equal(ksample(encoded.patched(model, **neutral), encoded.prompt, encoded.learnt), plain)


@pytest.mark.parametrize("neutral", [{"strength": 0.0}, {"start_percent": 0.7, "end_percent": 0.3}])
def test_neutral_pose_is_the_graph_without_it(model, encoded, plain, neutral):
    positive, negative = encoded.posed(encoded.prompt, encoded.learnt, **neutral)
    assert torch.equal(ksample(model, positive, negative), plain)


def test_a_clone_and_the_original_do_not_leak(model, encoded, plain, full):
    patched = encoded.patched(model)
    clone = patched.clone()
    assert torch.equal(ksample(clone, encoded.positive, encoded.negative), full)
    assert torch.equal(ksample(model, encoded.prompt, encoded.learnt), plain)
    assert torch.equal(ksample(patched, encoded.positive, encoded.negative), full)


def test_cancelling_half_way_leaves_nothing_behind(model, encoded, plain, full):
    patched = encoded.patched(model)

    def cancel(step, *_):
        if step == 1:
            raise comfy.model_management.InterruptProcessingException

    with pytest.raises(comfy.model_management.InterruptProcessingException):
        ksample(patched, encoded.positive, encoded.negative, callback=cancel)
    assert torch.equal(ksample(model, encoded.prompt, encoded.learnt), plain)
    assert torch.equal(ksample(patched, encoded.positive, encoded.negative), full)


def held_tensors(patched, positive):
    """What the pack has prepared for sampling and not given back."""
    queries, keys = (
        patched.object_patches[f"diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_{part}.forward"]
        for part in "qk"
    )
    products = dict(enumerate(keys.differences.products))
    return queries.queries.prepared | keys.differences.prepared | products | positive[0][1]["control"].prepared


@pytest.mark.parametrize("where", ["in a layer", "in a step"])
def test_out_of_memory_inside_a_step_leaves_nothing_behind(model, encoded, plain, full, where):
    """In the second step, as PyTorch raises it, with what the host does then; what was prepared is gone."""
    patched, calls = encoded.patched(model), []

    def run_out(h, *_):
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return h

    failing = patched.clone()
    if where == "in a layer":
        failing.set_model_input_block_patch_after_skip(lambda h, options: run_out(h) if options["block"][1] == 8 else h)
    callback = (lambda *_: run_out(None)) if where == "in a step" else None
    with pytest.raises(torch.OutOfMemoryError):
        ksample(failing, encoded.positive, encoded.negative, callback=callback)
    assert not held_tensors(failing, encoded.positive)
    comfy.model_management.unload_all_models()
    assert torch.equal(ksample(model, encoded.prompt, encoded.learnt), plain)
    assert torch.equal(ksample(patched, encoded.positive, encoded.negative), full)
    assert not held_tensors(patched, encoded.positive)


def test_out_of_memory_while_people_and_poses_are_encoded_leaves_nothing_behind(encoded, monkeypatch):
    def run_out(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    networks = encoded.cfld.networks.model.networks
    for part, again in (
        (networks.decoder, lambda: nodes.CFLDPromptEncoder.execute(
            encoded.cfld, tiny_host.source_pictures(), "stretch").result[0][0][0]),
        (networks.pose_encoder, lambda: encoded.posed(encoded.prompt, encoded.learnt)[0][0][1]["control"].features[0]),
    ):
        before = again()
        with monkeypatch.context() as patch, pytest.raises(torch.OutOfMemoryError):
            patch.setattr(type(part), "forward", run_out)
            again()
        comfy.model_management.unload_all_models()
        assert torch.equal(again(), before)


def test_lora_before_or_after_is_the_same(model, encoded, full):
    difference = torch.from_numpy(golden.value("lora.weight", (256, 64)))

    def with_lora(some_model):
        patched = some_model.clone()
        assert patched.add_patches({TO_K: ("diff", (difference,))}, 0.5)
        return patched

    before = ksample(encoded.patched(with_lora(model)), encoded.positive, encoded.negative)
    after = ksample(with_lora(encoded.patched(model)), encoded.positive, encoded.negative)
    assert (before - after).abs().max() < tiny_host.LATENT_SCALE * 1e-2
    assert (before - full).abs().max() > 0.1


class OtherPack:
    """Owns an attn2 slot as IPAdapter does: two embeddings, indexed by cond_or_uncond, which must be 0 or 1."""

    def __init__(self):
        self.seen = set()
        self.keys = [torch.from_numpy(golden.normal(f"other.{kind}", (1, 4, 256))) for kind in range(2)]

    def __call__(self, q, k, v, extra_options):
        self.seen.add(tuple(extra_options["cond_or_uncond"]))
        rows = len(q) // len(extra_options["cond_or_uncond"])
        extra = torch.cat([self.keys[kind].repeat(rows, 1, 1) for kind in extra_options["cond_or_uncond"]])
        attention = comfy.ldm.modules.attention.optimized_attention
        return attention(q, k, v, extra_options["n_heads"]) + attention(q, extra, extra, extra_options["n_heads"])


def test_beside_another_owner_of_attn2_before_or_after(model, encoded, full):
    other = OtherPack()

    def with_other(some_model):
        patched = some_model.clone()
        patched.set_model_attn2_replace(other, "output", 4)
        return patched

    guided = {"pose_guidance": 3.0}  # three rows: the pose-only one must look unconditional to the other pack
    before = ksample(encoded.patched(with_other(model), **guided), encoded.positive, encoded.negative)
    after = ksample(with_other(encoded.patched(model, **guided)), encoded.positive, encoded.negative)
    assert torch.equal(before, after) and (before - full).abs().max() > 0.1
    assert all(sorted(seen) == [0, 1, 1] for seen in other.seen)


class OtherControl(comfy.controlnet.ControlBase):
    """An ordinary ControlNet's behaviour: additions to the skips and the middle of every row."""

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
        previous = None
        if self.previous_controlnet is not None:
            previous = self.previous_controlnet.get_control(x_noisy, t, cond, batched_number, transformer_options)
        return self.control_merge(
            {
                "middle": [torch.full((len(x_noisy), 256, 4, 4), 0.3)],
                "input": [None] * 11 + [torch.full((len(x_noisy), 64, 32, 32), 0.2)],  # taken off the end
            },
            previous, None,
        )

    def copy(self):
        copied = OtherControl()
        self.copy_to(copied)
        return copied


def controlled(positive, negative):
    """What core's ControlNetApplyAdvanced does with its two conditionings."""
    controls, out = {}, []
    for conditioning in (positive, negative):
        entries = []
        for prompt, options in conditioning:
            previous = options.get("control")
            if previous not in controls:
                controls[previous] = OtherControl()
                controls[previous].set_previous_controlnet(previous)
            entries.append([prompt, options | {"control": controls[previous]}])
        out.append(entries)
    return out


def test_chains_with_controlnets_either_way(model, encoded, full):
    patched, calls = count_calls(encoded.patched(model, pose_guidance=3.0))
    after = ksample(patched, *controlled(encoded.positive, encoded.negative))
    before = ksample(patched, *encoded.posed(*controlled(encoded.prompt, encoded.learnt)))
    assert (before - after).abs().max() < 1e-3
    assert calls == [3 * BATCH] * 4
    alone = ksample(patched, encoded.positive, encoded.negative)
    assert (after - alone).abs().max() > 0.1


@pytest.mark.parametrize(("height", "width"), [(24, 40), (44, 64), (33, 17)])
def test_latents_of_other_sizes_are_sampled_in_one_call_a_step(model, encoded, height, width):
    start = golden.input_tensor(f"noise.{height}x{width}", (BATCH, 4, height, width))
    patched, calls = count_calls(encoded.patched(model, pose_guidance=3.0))
    latents = ksample(patched, encoded.positive, encoded.negative, steps=2, start=start)
    assert latents.shape == start.shape and latents.isfinite().all()
    assert calls == [3 * BATCH] * 2


def test_one_source_with_many_poses_and_many_with_many(model, encoded, full):
    """Image i of a batch is what source i (or the only one) in pose i gives alone."""
    pose = golden.pose_keypoints("side", "front", "half")
    start = golden.input_tensor("noise.3", (3, 4, 32, 32))
    prompt, learnt, appearance = nodes.CFLDPromptEncoder.execute(
        encoded.cfld, tiny_host.source_pictures()[:1], "stretch"
    ).result
    patched = nodes.CFLDApplyHGA.execute(model, encoded.cfld, appearance, 1.0, 3.0, 0.0, 1.0).result[0]
    batch = ksample(patched, *encoded.posed(prompt, learnt, pose=pose), start=start)
    alone = ksample(patched, *encoded.posed(prompt, learnt, pose=pose[2:]), start=start[2:])
    assert (batch[2:] - alone).abs().max() < 1e-3
    one = ksample(
        nodes.CFLDApplyHGA.execute(model, encoded.cfld, appearance, 1.0, 2.0, 0.0, 1.0).result[0],
        *encoded.posed(prompt, learnt, pose=encoded.pose[:1]), start=noise()[:1],
    )
    assert (full[:1] - one).abs().max() < 1e-3


def test_the_count_is_what_the_latent_needs(encoded):
    def count(people, pose):
        prompt, learnt = ([[one[0][0][:people], one[0][1]]] for one in (encoded.prompt, encoded.learnt))
        return nodes.CFLDPoseConditioning.execute(
            encoded.cfld, prompt, learnt, golden.pose_keypoints(*pose), 1.0, 0.0, 1.0, "pad"
        ).result[2]

    assert [count(1, ["side"]), count(1, ["side", "front", "half"]), count(2, ["side"])] == [1, 3, 2]


def test_numbers_that_do_not_pair_up_are_an_error(encoded):
    with pytest.raises(ValueError, match="Pose Conditioning: input 'pose' has 3 poses for 2 source people"):
        encoded.posed(encoded.prompt, encoded.learnt, pose=golden.pose_keypoints("side", "front", "half"))


def test_a_latent_batch_that_would_drop_some_is_an_error(model, encoded):
    pose = golden.pose_keypoints("side", "front", "half")
    prompt, learnt, appearance = nodes.CFLDPromptEncoder.execute(
        encoded.cfld, tiny_host.source_pictures()[:1], "stretch"
    ).result
    patched = nodes.CFLDApplyHGA.execute(model, encoded.cfld, appearance, 1.0, 2.0, 0.0, 1.0).result[0]
    with pytest.raises(ValueError, match="Pose Conditioning: 3 poses for a latent batch of 2; .* batch_size to 3"):
        ksample(patched, *encoded.posed(prompt, learnt, pose=pose))
    with pytest.raises(ValueError, match="HGA Apply: 2 source people for a latent batch of 1"):
        ksample(encoded.patched(model), encoded.prompt, encoded.learnt, start=noise()[:1])


def test_a_second_pose_is_an_error_and_the_same_one_is_not_added_twice(encoded):
    with pytest.raises(ValueError, match="input 'positive' already carries another pose"):
        encoded.posed(encoded.positive, encoded.negative, pose=golden.pose_keypoints("half", "half"))
    again, _ = encoded.posed(encoded.positive, encoded.negative)
    assert again[0][1]["control"] is encoded.positive[0][1]["control"]


def test_percent_range_limits_the_appearance(model, encoded, full):
    early = ksample(encoded.patched(model, end_percent=0.5), encoded.positive, encoded.negative)
    late = ksample(encoded.patched(model, start_percent=0.5), encoded.positive, encoded.negative)
    assert (early - full).abs().max() > 0.1 and (late - full).abs().max() > 0.1
    assert (early - late).abs().max() > 0.1


def test_mask_limits_the_appearance_to_its_half(model, encoded):
    """After one step (before anything spreads) with a left-half mask, full and masked agree more on the left."""
    mask = torch.zeros(1, 64, 64)
    mask[..., :32] = 1
    masked = ksample(encoded.patched(model, mask=mask), encoded.positive, encoded.negative, steps=1)
    everywhere = ksample(encoded.patched(model), encoded.positive, encoded.negative, steps=1)
    ones = ksample(encoded.patched(model, mask=torch.ones(1, 64, 64)), encoded.positive, encoded.negative, steps=1)
    assert (ones - everywhere).abs().max() < 1e-3
    difference = (masked - everywhere).abs().mean(dim=(0, 1, 2))
    assert difference[:16].mean() < difference[16:].mean()


def test_two_people_share_one_set_of_matrices(model, encoded, full):
    """Two HGA Apply nodes: the trained matrices go in once, and the masks part the appearances."""
    left = torch.zeros(1, 64, 64)
    left[..., :32] = 1
    once = encoded.patched(model, mask=left)
    both = encoded.patched(once, mask=1 - left)
    assert {key: len(patches) for key, patches in both.patches.items()} == {
        key: len(patches) for key, patches in once.patches.items()
    }
    together = ksample(both, encoded.positive, encoded.negative)
    assert (together - full).abs().max() < 1  # halves meet where the mask is resampled


def test_inpainting_keeps_what_is_outside_the_mask(model, encoded):
    original = golden.input_tensor("original", noise().shape)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 16:] = 1
    patched = encoded.patched(model, pose_guidance=3.0)
    latents = ksample(patched, encoded.positive, encoded.negative, latents=original, noise_mask=mask)
    assert (latents - original)[..., :16].abs().max() < 1e-3
    assert (latents - original)[..., 16:].abs().max() > 0.1


def test_two_checkpoints_on_one_model_are_an_error(model, encoded):
    other = tiny_host.host_networks.LoadedCFLD("other", *list(vars(encoded.cfld).values())[1:])
    with pytest.raises(ValueError, match="already carries the CFLD checkpoint 'tiny', and 'cfld' is 'other'"):
        nodes.CFLDApplyHGA.execute(encoded.patched(model), other, encoded.appearance, 1.0, 2.0, 0.0, 1.0)


def test_a_clone_onto_other_weights_uses_those(model, encoded, full):
    """As the host does for several GPUs and, with dynamic memory, for conditioning hooks."""
    other = tiny_host.stock_model()
    for block in range(3, 12):
        layer = other.get_model_object(f"diffusion_model.output_blocks.{block}.1.transformer_blocks.0.attn2.to_q")
        layer.weight.mul_(0.5)
    expected = ksample(encoded.patched(other), encoded.positive, encoded.negative)
    moved = encoded.patched(model).clone(model_override=other.get_clone_model_override())
    assert torch.equal(ksample(moved, encoded.positive, encoded.negative), expected)
    assert (expected - full).abs().max() > 0.1


def test_a_controlnet_meant_for_both_stays_on_both(model, encoded):
    """Core's older ControlNet node marks the positive prompt alone; the negative one is to get it too, in one call."""
    marked = [[prompt, options | {"control": OtherControl(), "control_apply_to_uncond": True}]
              for prompt, options in encoded.prompt]
    patched, calls = count_calls(encoded.patched(model))
    latents = ksample(patched, *encoded.posed(marked, encoded.learnt))
    both = ksample(patched, *encoded.posed(*controlled(encoded.prompt, encoded.learnt)))
    assert torch.equal(latents, both)
    assert calls == [2 * BATCH] * 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_networks_of_half_precision_encode_nearly_the_same_prompt(encoded, dtype):
    cfld = tiny_host.tiny_cfld()
    cfld.networks.model.networks.to(dtype)
    prompt, _, _ = nodes.CFLDPromptEncoder.execute(cfld, tiny_host.source_pictures(), "stretch").result
    difference = (prompt[0][0] - encoded.prompt[0][0]).abs().mean() / encoded.prompt[0][0].std()
    assert prompt[0][0].dtype == torch.float32 and difference < 0.1


def test_masks_that_do_not_pair_up_are_an_error(model, encoded):
    with pytest.raises(ValueError, match="HGA Apply: input 'mask' has 3 masks for 2 source people"):
        encoded.patched(model, mask=torch.ones(3, 8, 8))


def test_a_model_of_other_sizes_is_an_error(model, encoded, monkeypatch):
    wider = {name: torch.zeros(320, 768) for name in encoded.cfld.key_values}
    cfld = tiny_host.host_networks.LoadedCFLD("wide", encoded.cfld.config, encoded.cfld.networks, wider)
    with pytest.raises(ValueError, match="HGA Apply: input 'model' is a BaseModel .* 'wide' needs \\(320, 768\\)"):
        nodes.CFLDApplyHGA.execute(model, cfld, encoded.appearance, 1.0, 2.0, 0.0, 1.0)


def test_guidance_outside_its_range_is_the_full_row_alone(model, encoded):
    patched, calls = count_calls(encoded.patched(model))
    mode = {"mode": "uc_down_full", "down_scale": 2.2, "full_scale": 2.6}
    guider = nodes.CFLDGuiderNode.execute(patched, encoded.positive, encoded.negative, mode, 0.0, 0.5).result[0]
    sigmas = tiny_host.sigmas_of(model, 4)
    guider.sample(noise(), torch.zeros_like(noise()), comfy.samplers.ksampler("euler"), sigmas, seed=1)
    assert calls == [3 * BATCH, 3 * BATCH, BATCH, BATCH]
