"""CFLD among other nodes (see `composition`): other patches of the model, and ControlNets."""

import pytest
import tiny_host
import torch
from comfy_extras import nodes_attention_multiply, nodes_model_downscale, nodes_model_merging
from composition import CFG, guide, guided, having, predict
from test_host_patches import OtherControl
from tiny_host import nodes

pytestmark = pytest.mark.usefixtures("no_gradients")


def test_a_model_merged_before_or_after_hga_gives_the_same(model, person, text, figure):
    other = tiny_host.stock_model()
    for parameter in other.model.parameters():
        parameter.mul_(0.9)
    merge = nodes_model_merging.ModelMergeSimple().merge
    (merged,) = merge(model, other, 0.4)
    before, (after,) = person.hga(merged), merge(person.hga(model), other, 0.4)
    first, second = (predict(patched, person.positive, person.negative) for patched in (before, after))
    figure("merge before and after HGA: the same", first, second, 1e-5)
    assert (first - predict(person.hga(model), person.positive, person.negative)).abs().max() > 0.01
    trained = tiny_host.stock_model()  # by hand: CFLD's matrices in the merged weights
    merged_state = merged.get_key_patches()
    for name, parameter in trained.model.named_parameters():
        parameter.copy_(0.4 * merged_state[name][0][0] + 0.6 * dict(other.model.named_parameters())[name])
    put_in_trained(trained, person)
    figure(
        "merge: the person by the trained matrices",
        first,
        predict(bare_of_key_values(person.hga(trained)), person.positive, person.negative),
        1e-5,
    )
    figure("merge: text by the merged ones", predict(after, text, text, 1.0), predict(merged, text, text, 1.0), 0)


def put_in_trained(model, person):
    names = tiny_host.comfy.utils.unet_to_diffusers(tiny_host.UNET_CONFIG)
    state = dict(model.model.diffusion_model.named_parameters())
    for name, matrix in person.cfld.key_values.items():
        state[names[name]].copy_(matrix)


def bare_of_key_values(patched):
    patched = patched.clone()
    patched.object_patches = {
        name: patch for name, patch in patched.object_patches.items() if ".to_k." not in name and ".to_v." not in name
    }
    return patched


def test_attention_multiplied_before_and_after(model, person, figure):
    def multiplied(patched):
        return nodes_attention_multiply.UNetCrossAttentionMultiply.execute(patched, 1.0, 1.5, 0.7, 1.0).result[0]

    before, after = (
        predict(patched, person.positive, person.negative)
        for patched in (person.hga(multiplied(model)), multiplied(person.hga(model)))
    )
    figure("UNetCrossAttentionMultiply before and after HGA: the same", before, after, 1e-5)


def test_a_saved_model_is_the_users_own(model, person):
    saved = person.hga(model).model_state_dict("diffusion_model.")
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.model_state_dict("diffusion_model.").items())


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_level_of_the_pose_arrives_in_a_shrunken_unet(model, person, level):
    shrunken = nodes_model_downscale.PatchModelAddDownscale.execute(
        person.hga(model), 3, 2.0, 0.0, 1.0, True, "bicubic", "bicubic"
    ).result[0]
    control = person.positive[0][1]["control"]
    only = type(control)(
        tuple(features * (number == level) for number, features in enumerate(control.features)), 1.0, (0.0, 1.0)
    )
    none = type(control)(tuple(features * 0 for features in control.features), 1.0, (0.0, 1.0))
    with_level, without = (
        predict(shrunken, *(having(entry, control=one) for entry in (person.positive, person.negative)))
        for one in (only, none)
    )
    assert (with_level - without).abs().max() > 0.01


def test_a_wrapper_that_drops_what_it_does_not_know(model, person, rows, figure):
    """As DeepCache and others rebuild the call."""

    def rebuild(apply_model, arguments):
        known = {
            key: arguments["c"][key]
            for key in ("c_crossattn", "control", "transformer_options")
            if key in arguments["c"]
        }
        return apply_model(arguments["input"], arguments["timestep"], **known)

    for place in ("before", "after"):
        patched = (person.hga(model) if place == "after" else model).clone()
        patched.set_model_unet_function_wrapper(rebuild)
        patched = person.hga(patched) if place == "before" else patched
        figure(
            f"a wrapper that rebuilds the call, {place} HGA",
            predict(patched, person.positive, person.negative),
            guided(rows),
            1e-5,
        )


class Couple:
    """As attention couples do it: rows of the positive repeated with a further context before `to_q`, then merged."""

    def __init__(self, context, share):
        self.context, self.share = context, share

    def before(self, query, context, value, options):
        self.kinds = options["cond_or_uncond"]
        tokens = context.shape[1] * self.context.shape[1]
        queries, contexts = [], []
        for kind, rows, own in zip(
            self.kinds, query.chunk(len(self.kinds)), context.chunk(len(self.kinds)), strict=True
        ):
            own = own.repeat(1, tokens // own.shape[1], 1)
            more = self.context.repeat(len(rows), tokens // self.context.shape[1], 1)
            queries.append(rows if kind else rows.repeat(2, 1, 1))
            contexts.append(own if kind else torch.cat([own, more]))
        contexts = torch.cat(contexts)
        return torch.cat(queries), contexts, contexts

    def after(self, out, options):
        size, rows, merged = sum(1 if kind else 2 for kind in self.kinds), [], out
        parts = list(merged.chunk(size))
        for kind in self.kinds:
            rows.append(parts.pop(0) if kind else (1 - self.share) * parts.pop(0) + self.share * parts.pop(0))
        return torch.cat(rows)

    def on(self, model):
        patched = model.clone()
        patched.set_model_attn2_patch(self.before)
        patched.set_model_attn2_output_patch(self.after)
        return patched


@pytest.mark.parametrize("place", ["before", "after"])
def test_attention_couples_share_out_person_and_text(model, person, text, rows, figure, place):
    """All of the person's share: as without it. All of the text's: every attention to context is the plain model's."""

    def coupled(share):
        couple = Couple(text[0][0], share)
        return person.hga(couple.on(model)) if place == "before" else couple.on(person.hga(model))

    figure(
        f"attention couple, {place} HGA, the person's share",
        predict(coupled(0.0), person.positive, person.negative),
        guided(rows),
        1e-5,
    )
    expected = full_of(person.hga(model), person, having(text, **pose_of(person)))
    figure(f"attention couple, {place} HGA, the text's share", full_of(coupled(1.0), person), expected, 1e-5)


def pose_of(person):
    options = person.positive[0][1]
    conds = {key: cond for key, cond in options["model_conds"].items() if key == "cfld_pose"}
    return {"control": options["control"], "model_conds": conds}


def full_of(model, person, positive=None):
    """The positive's row alone: guidance's share of the sampling is over."""
    guider = nodes.CFLDGuiderNode.execute(
        model, positive or person.positive, person.negative, {"mode": "uc_full", "full_scale": CFG}, 0.0, 0.0
    ).result[0]
    return guide(guider)


def old_controlnet(conditioning):
    """What core's older ControlNetApply does."""
    control = OtherControl()
    control.set_previous_controlnet(conditioning[0][1].get("control"))
    return having(conditioning, control=control, control_apply_to_uncond=True)


def test_the_older_controlnet_node_before_and_after(model, person, figure):
    hga = person.hga(model)
    after = predict(hga, old_controlnet(person.positive), person.negative)
    before = predict(hga, *person.posed(old_controlnet(person.prompt), person.learnt))
    figure("core's older ControlNetApply before and after Pose Conditioning", after, before, 1e-5)


class TwoKinds(OtherControl):
    """As Advanced-ControlNet takes hold of the kinds of rows before it asks the control before it."""

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
        kinds = transformer_options["cond_or_uncond"]
        result = super().get_control(x_noisy, t, cond, batched_number, transformer_options)
        self.seen = list(kinds)
        return result


def test_a_controlnet_sees_two_kinds_of_rows(model, person):
    control = TwoKinds()
    control.set_previous_controlnet(person.positive[0][1]["control"])
    predict(person.hga(model), *(having(entry, control=control) for entry in (person.positive, person.negative)))
    assert control.seen == [1, 1, 0]
