"""Whatever comes on a picture's, a mask's or a number's wire: read as what it is, or refused by node and input."""

import logging
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import tiny_host
import torch
from tiny_host import nodes

pytestmark = pytest.mark.usefixtures("no_gradients")
pictures = tiny_host.importlib.import_module("cfld_pack.nodes.pictures")
photographs = tiny_host.importlib.import_module("cfld_pack.cfld_modules.photographs")
keypoints = tiny_host.importlib.import_module("cfld_pack.cfld_modules.poses.keypoints")
reading = tiny_host.importlib.import_module("cfld_pack.cfld_modules.poses.reading")

WALL = torch.tensor(photographs.STUDIO_WALL) / 255.0
NAN, INFINITY = float("nan"), float("inf")
COLOURS = torch.rand(2, 6, 5, 3, generator=torch.Generator().manual_seed(1))
HALF = torch.zeros(6, 5)
HALF[:, 2:] = 1.0


def with_one(tensor, value):
    spoilt = tensor.clone()
    spoilt.view(-1)[-1] = value
    return spoilt


# --- Pictures and masks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_rgb_pictures_of_any_dtype_keep_their_values(dtype):
    read = pictures.read_pictures("Node", "image", COLOURS.to(dtype))
    assert torch.equal(read, COLOURS.to(dtype).float())


def test_bytes_one_channel_and_opacity():
    image = (COLOURS * 255).to(torch.uint8)
    assert torch.equal(pictures.read_pictures("Node", "image", image), image / 255.0)
    grey = pictures.read_pictures("Node", "image", COLOURS[..., :1])
    assert torch.equal(grey, COLOURS[..., :1].expand(-1, -1, -1, 3))
    cut_out = torch.cat([COLOURS, HALF[None, ..., None].expand(2, -1, -1, -1)], dim=-1)
    read = pictures.read_pictures("Node", "image", cut_out)
    assert torch.equal(read[:, :, 2:], COLOURS[:, :, 2:])
    assert torch.equal(read[:, :, :2], WALL.expand(2, 6, 2, 3))


@pytest.mark.parametrize("wrong", [
    COLOURS[0], COLOURS[0, ..., 0], COLOURS[..., :2], COLOURS[..., :1].expand(-1, -1, -1, 5), COLOURS[:0],
    COLOURS[:, :0], COLOURS[:, :, :0], COLOURS[..., :0], COLOURS.to(torch.int32), COLOURS > 0.5, COLOURS.numpy(),
    "a text", None, [],
    with_one(COLOURS, NAN), with_one(COLOURS, INFINITY), with_one(COLOURS, -INFINITY), with_one(COLOURS.half(), NAN),
], ids=lambda wrong: str(getattr(wrong, "shape", wrong)))
def test_any_other_picture_is_refused_by_every_node(encoded, wrong):
    frame = tiny_host.golden.pose_keypoints("side")
    for call, words in [
        (lambda: nodes.CFLDPromptEncoder.execute(encoded.cfld, wrong, "pad"), "PRD Prompt Encoder: input 'image' "),
        (lambda: nodes.CFLDDetectPose.execute(wrong), "Detect Pose: input 'image' "),
        (lambda: pictures.read_pictures("Pose Editor", "background", wrong), "Pose Editor: input 'background' "),
        *([(lambda: nodes.CFLDPoseEditor.execute("", 20, 30, frame, wrong), "Pose Editor: input 'background' ")]
          if wrong is not None else []),
    ]:
        with pytest.raises(ValueError, match=f"^{words}") as raised:
            call()
        assert len(str(raised.value)) <= 500


@pytest.mark.parametrize("wrong", [
    HALF[0], HALF[None, None], HALF[:0], HALF[:, :0], HALF.to(torch.uint8), HALF.numpy(), "a text",
    with_one(HALF, NAN), with_one(HALF, INFINITY),
], ids=lambda wrong: str(getattr(wrong, "shape", wrong)))
def test_any_other_mask_is_refused_by_every_node(model, encoded, wrong):
    with pytest.raises(ValueError, match="^HGA Apply: input 'mask' "):
        encoded.patched(model, mask=wrong)
    with pytest.raises(ValueError, match="^PRD Prompt Encoder: input 'mask' "):
        nodes.CFLDPromptEncoder.execute(encoded.cfld, COLOURS, "pad", mask=wrong)


@pytest.mark.parametrize(("values", "expected"), [
    (lambda: HALF * 255, HALF), (lambda: HALF.half() * 255, HALF), (lambda: HALF * 251 + 0.5, (HALF * 251 + 0.5) / 255),
    (lambda: HALF * 1.15 - 0.1, (HALF * 1.15 - 0.1).clamp(0, 1)),
], ids=["0 and 255", "half", "blurred bytes", "overshoot"])
def test_mask_of_another_range_is_brought_to_it_where_certain(values, expected):
    assert torch.allclose(pictures.read_masks("Node", "mask", values()), expected[None], atol=1e-6)


@pytest.mark.parametrize("wrong", [
    lambda: HALF * 3, lambda: HALF - 1, lambda: HALF * 2 - 1, lambda: HALF * 65535, lambda: HALF * 20,
], ids=["three", "negative", "-1 to 1", "16 bits", "labels"])
def test_mask_of_an_uncertain_range_is_refused_by_every_node(model, encoded, wrong):
    with pytest.raises(ValueError, match="^HGA Apply: input 'mask' goes from .*; a MASK holds floats from 0 to 1"):
        encoded.patched(model, mask=wrong())
    with pytest.raises(ValueError, match="^PRD Prompt Encoder: input 'mask' goes from "):
        nodes.CFLDPromptEncoder.execute(encoded.cfld, COLOURS, "pad", mask=wrong())


@pytest.mark.parametrize(("values", "expected"), [
    (lambda: (COLOURS * 255).round(), (COLOURS * 255).round() / 255), (lambda: COLOURS * 254.7, COLOURS * 254.7 / 255),
    (lambda: (COLOURS * 90).round(), (COLOURS * 90).round() / 255), (lambda: COLOURS * 2 - 1, COLOURS),
    (lambda: COLOURS * 1.2 - 0.1, (COLOURS * 1.2 - 0.1).clamp(0, 1)),
], ids=["bytes", "resized bytes", "dark bytes", "-1 to 1", "overshoot"])
def test_picture_of_another_range_is_brought_to_it_where_certain(values, expected):
    assert torch.allclose(pictures.read_pictures("Node", "image", values()), expected, atol=1e-6)


@pytest.mark.parametrize("wrong", [
    lambda: COLOURS * 5, lambda: COLOURS * 65535, lambda: COLOURS * 300 - 20,
    lambda: torch.cat([COLOURS, HALF[None, ..., None].expand(2, -1, -1, -1) * 3], dim=-1),
], ids=["light beyond white", "16 bits", "both ends beyond", "opacity of three"])
def test_picture_of_an_uncertain_range_is_refused(wrong):
    with pytest.raises(ValueError, match="^Node: input 'image' goes from .* to .*; "):
        pictures.read_pictures("Node", "image", wrong())


def test_opacity_of_bytes_beside_colours_of_floats_is_read_by_itself():
    cut_out = torch.cat([COLOURS, HALF[None, ..., None].expand(2, -1, -1, -1)], dim=-1)
    mixed = torch.cat([cut_out[..., :3], cut_out[..., 3:] * 255], dim=-1)
    assert torch.equal(pictures.read_pictures("Node", "image", mixed), pictures.read_pictures("Node", "image", cut_out))


def test_a_mask_of_two_axes_is_one_mask(model, encoded):
    assert torch.equal(pictures.read_masks("Node", "mask", HALF), HALF[None])
    assert torch.equal(pictures.read_masks("Node", "mask", HALF[None] > 0), HALF[None])
    patched = encoded.patched(model, mask=HALF * 0)
    assert not [name for name in patched.object_patches if "attn2" in name], "nothing is to be done"


# --- The studio's wall ------------------------------------------------------------------------------------------------


def encode(encoded, image, **inputs):
    return nodes.CFLDPromptEncoder.execute(encoded.cfld, image, "pad", **inputs).result[2].prompt


def says(output):
    """What a node's result says in the page and in the API's answer."""
    return "".join(output.ui["text"])


def test_a_mask_an_opacity_and_a_wall_in_the_picture_mean_the_same(encoded):
    hidden = COLOURS.clone()
    hidden[:, :, :2] = 0.0  # what an editor leaves under the transparency
    wall = COLOURS.clone()
    wall[:, :, :2] = WALL
    opaque = HALF[None, ..., None].expand(2, -1, -1, -1)
    expected = encode(encoded, wall)
    assert torch.equal(encode(encoded, hidden, mask=HALF), expected)
    assert torch.equal(encode(encoded, hidden, mask=HALF[None].expand(2, -1, -1)), expected)
    assert torch.equal(encode(encoded, torch.cat([hidden, opaque], dim=-1)), expected)
    assert torch.equal(encode(encoded, torch.cat([hidden, opaque], dim=-1), mask=HALF), expected)
    assert not torch.equal(encode(encoded, hidden), expected)
    assert torch.equal(encode(encoded, COLOURS, mask=torch.ones(3, 4)), encode(encoded, COLOURS))


def test_masks_pair_up_with_images_and_show_somebody(encoded):
    with pytest.raises(ValueError, match="input 'mask' has 3 masks for 2 images; give one, or one an image"):
        encode(encoded, COLOURS, mask=HALF.expand(3, -1, -1))
    with pytest.raises(ValueError, match="input 'mask' is black everywhere.*white is the person"):
        encode(encoded, COLOURS, mask=torch.zeros(1, 64, 64))  # Load Image's, of a picture without transparency


def test_a_mask_the_other_way_round_is_warned_of(encoded, caplog):
    mask = torch.zeros(1, 6, 5)
    mask[:, 1:5, 1:4] = 1.0
    with caplog.at_level(logging.WARNING, "cfld"):
        encode(encoded, COLOURS, mask=mask)
        assert not caplog.records
        encode(encoded, COLOURS, mask=1 - mask)
    assert "white along the picture's border" in caplog.text and "Invert Mask" in caplog.text
    output = nodes.CFLDPromptEncoder.execute(encoded.cfld, COLOURS, "pad", mask=1 - mask)
    assert "white along the picture's border" in says(output) and "Invert Mask" in says(output)
    assert says(nodes.CFLDPromptEncoder.execute(encoded.cfld, COLOURS, "pad", mask=mask)) == ""


def test_a_black_mask_on_hga_apply_is_warned_of(model, encoded):
    def output(mask):
        return nodes.CFLDApplyHGA.execute(model, encoded.cfld, encoded.appearance, 1.0, 2.0, 0.0, 1.0, mask)

    assert says(output(torch.zeros(1, 6, 5))).startswith("HGA Apply: input 'mask' is black everywhere")
    assert says(output(HALF)) == ""


# --- The person in the picture ----------------------------------------------------------------------------------------


def person_at(x, y, width, height, joints=18):
    points = np.full((18, 2), np.nan)
    points[:joints] = np.linspace((x, y), (x + 20, y + 40), joints)
    return keypoints.write_pose_keypoints([keypoints.Pose(points, width, height)])


def test_a_far_joint_does_not_make_the_frame_larger(encoded):
    frame, = person_at(10, 10, 60, 80)
    stray = [*frame["people"][0]["pose_keypoints_2d"]]
    stray[:3] = 900_000.0, 60.0, 1.0
    far = [frame | {"people": [{"pose_keypoints_2d": stray}]}]
    image = torch.rand(1, 80, 60, 3, generator=torch.Generator().manual_seed(2))
    tracemalloc.start()
    encode(encoded, image, person=far)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6


def test_a_person_of_another_picture_is_refused_or_warned_of(encoded, caplog):
    image = torch.rand(1, 80, 60, 3, generator=torch.Generator().manual_seed(2))
    with pytest.raises(ValueError, match="^PRD Prompt Encoder: input 'person': "):
        encode(encoded, image, person=person_at(55, 50, 60, 80))
    with caplog.at_level(logging.WARNING, "cfld"):
        encode(encoded, image, person=person_at(10, 10, 60, 80))
        assert not caplog.records
        encode(encoded, image, person=person_at(10, 10, 80, 60))
    assert "canvas of 80x60, and the picture is 60x80" in caplog.text


# --- Numbers and choices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY, "1", None])
def test_a_number_that_is_none_is_refused_by_its_name(model, encoded, value):
    for name in ("strength", "pose_guidance", "start_percent", "end_percent"):
        with pytest.raises(ValueError, match=f"^HGA Apply: input '{name}' is .*; give a finite number"):
            encoded.patched(model, **{name: value})
    for name in ("strength", "start_percent", "end_percent"):
        with pytest.raises(ValueError, match=f"^Pose Conditioning: input '{name}' is .*; give a finite number"):
            encoded.posed(encoded.prompt, encoded.learnt, **{name: value})
    mode = {"mode": "uc_down_full", "down_scale": 2.0, "full_scale": 2.0}
    for name, changes, percents in [
        ("mode.full_scale", {"full_scale": value}, (0.0, 1.0)), ("mode.down_scale", {"down_scale": value}, (0.0, 1.0)),
        ("guidance_start_percent", {}, (value, 1.0)), ("guidance_end_percent", {}, (0.0, value)),
    ]:
        with pytest.raises(ValueError, match=f"^CFLD Guider: input '{name}' is .*; give a finite number"):
            nodes.CFLDGuiderNode.execute(model, encoded.positive, encoded.negative, mode | changes, *percents)


def test_a_choice_that_is_none_is_refused_by_its_name(model, encoded):
    frame = tiny_host.golden.pose_keypoints("side")
    for call, words in [
        (lambda: nodes.CFLDPromptEncoder.execute(encoded.cfld, COLOURS, "fill"), "PRD Prompt Encoder: input 'fit' is"),
        (lambda: encoded.posed(encoded.prompt, encoded.learnt, fit=COLOURS), "Pose Conditioning: input 'fit' is"),
        (lambda: nodes.CFLDDrawPose.execute(frame, 8, 8, "dwpose"), "Draw Pose: input 'style' is 'dwpose'"),
        (lambda: nodes.CFLDGuiderNode.execute(model, [], []), "CFLD Guider: input 'mode' is missing.*uc_down_full"),
    ]:
        with pytest.raises(ValueError, match=f"^{words}"):
            call()


# --- Memory -----------------------------------------------------------------------------------------------------------


def traced_share(make, monkeypatch):
    """Peak memory over that of the result. numpy's is traced; torch's is given numpy's for the result."""
    monkeypatch.setattr(torch, "empty", lambda *shape: torch.from_numpy(np.empty(shape, np.float32)))
    make()  # what is imported and cached once
    tracemalloc.start()
    image = make()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / (image.numel() * 4)


def largest_allocation(make):
    """Bytes of the largest tensor that torch makes meanwhile, those inside its own operations too."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        make()
    return max(event.self_cpu_memory_usage for event in profile.events())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_pictures_and_masks_are_judged_without_a_copy(dtype):
    image, mask = torch.rand(1, 300, 200, 3).to(dtype), torch.rand(1, 300, 200).to(dtype)
    judge = {torch.float32: 0, torch.float16: 4}[dtype]  # half precision becomes float32, bytes a number
    assert largest_allocation(lambda: pictures.read_pictures("Node", "image", image)) <= judge * image.numel() + 1000
    assert largest_allocation(lambda: pictures.read_masks("Node", "mask", mask)) <= judge * mask.numel() + 1000


def test_a_background_takes_no_more_than_the_drawings_have():
    frame, background = tiny_host.golden.pose_keypoints("side"), torch.rand(1, 900, 600, 3)
    result = nodes.CFLDPoseEditor.execute("", 600, 900, frame, background).result[1]
    batch = result.numel() * 4
    put_behind = largest_allocation(lambda: pictures.picture_array(background[0]))
    assert put_behind <= 0.3 * batch, "a picture of bytes, not one of floats"


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_drawings_hold_little_more_than_their_result(frames, monkeypatch):
    poses = tiny_host.golden.pose_keypoints("side") * frames
    background = torch.rand(1, 100, 70, 3)
    for make in (
        lambda: nodes.CFLDDrawPose.execute(poses, 600, 900, "cfld").result[0],
        lambda: nodes.CFLDDrawPose.execute(poses, 600, 900, "openpose").result[0],
        lambda: nodes.CFLDPoseEditor.execute("", 600, 900, poses).result[1],
        lambda: nodes.CFLDPoseEditor.execute("", 600, 900, poses, background).result[1],
    ):
        assert 1.0 <= traced_share(make, monkeypatch) <= 1.3


def test_drawings_that_cannot_fit_are_refused_before_they_begin(monkeypatch):
    """A batch that is enlarged asks for 14,643,363,840 bytes (ComfyUI_Comfyroll_CustomNodes 92)."""
    poses = tiny_host.golden.pose_keypoints("side") * 200
    monkeypatch.setattr("comfy.model_management.get_free_memory", lambda device: 1e9)
    drawn = "200 pictures of 16384x16384 need 805.3 GB of memory, and 1.0 GB are free"
    with pytest.raises(ValueError, match=f"^Draw Pose: {drawn}"):
        nodes.CFLDDrawPose.execute(poses, 16384, 16384, "cfld")
    with pytest.raises(ValueError, match=f"^Pose Editor: {drawn}"):
        nodes.CFLDPoseEditor.execute("", 16384, 16384, poses)


@pytest.mark.parametrize(("width", "height"), [(16, 4096), (4096, 16), (16, 16), (176, 256)])
def test_a_demo_person_of_any_aspect_is_in_the_picture(width, height):
    image, frames, mask = nodes.CFLDDemoPerson.execute(3, 2, width, height).result
    assert image.shape == (1, height, width, 3) and image.std() > 0
    assert mask.shape == (1, height, width) and set(mask.unique().tolist()) == {0.0, 1.0}
    wall = image[0, :, :1].expand(-1, width, -1)
    difference = (image[0] - wall).abs().amax(dim=-1)
    assert difference[mask[0] == 1].mean() > 3 * difference[mask[0] == 0].mean(), "the mask lies elsewhere"
    pose, = reading.read_pose_keypoints(frames)
    points = pose.points[pose.visible]
    assert (points >= -0.5).all() and (points <= (width, height)).all()


WRONG_COUNTS = [NAN, 1.5, "many", None, True, 10**9, -(10**9), np.float32(2)]


@pytest.mark.parametrize("value", WRONG_COUNTS, ids=repr)
def test_a_count_by_wire_has_the_bounds_of_its_widget(encoded, value):
    """`frames` of a thousand million took all memory; a node that is no longer whole gives None for a number
    (ComfyUI-HunyuanVideoWrapper 452)."""
    frame, person = tiny_host.golden.pose_keypoints("side"), (encoded.positive, encoded.appearance)
    for name, call in [
        ("frames", lambda: nodes.CFLDBlendAppearance.execute(*person, *person, 0.5, value)),
        ("frames", lambda: nodes.CFLDTurnPose.execute(frame, 45.0, 0.0, value)),
        ("width", lambda: nodes.CFLDPoseMask.execute(frame, "head", value, 512, 0, 0, "pad")),
        ("height", lambda: nodes.CFLDPoseMask.execute(frame, "head", 512, value, 0, 0, "pad")),
        ("grow", lambda: nodes.CFLDPoseMask.execute(frame, "head", 512, 512, value, 0, "pad")),
        ("feather", lambda: nodes.CFLDPoseMask.execute(frame, "head", 512, 512, 0, value, "pad")),
        ("width", lambda: nodes.CFLDDrawPose.execute(frame, value, 512, "cfld")),
        ("height", lambda: nodes.CFLDPoseEditor.execute("", 512, value, frame)),
        ("number", lambda: nodes.CFLDChoosePerson.execute(frame, "number", value, "error")),
        ("person", lambda: nodes.CFLDDemoPerson.execute(value, 0, 64, 64)),
    ]:
        with pytest.raises(ValueError, match=rf"^[A-Z][\w ]+: input '{name}' is .*; give a whole number from -?\d+ "):
            call()


def test_numbers_that_no_precision_of_the_model_holds_are_refused(model, encoded):
    appearance = encoded.appearance
    for factor, words in [(NAN, "holds NaN or infinite numbers; encode the person again with weight_dtype fp32"),
                          (INFINITY, "holds NaN or infinite numbers")]:
        spoilt = replace(appearance, residuals={b: tokens * factor for b, tokens in appearance.residuals.items()})
        with pytest.raises(ValueError, match=f"^HGA Apply: input 'appearance' {words}"):
            nodes.CFLDApplyHGA.execute(model, encoded.cfld, spoilt, 1.0, 2.0, 0.0, 1.0)
    large = replace(appearance, residuals={b: tokens + 1e5 for b, tokens in appearance.residuals.items()})
    half = model.clone()
    half.model_dtype = lambda: torch.float16
    nodes.CFLDApplyHGA.execute(model, encoded.cfld, large, 1.0, 2.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="^HGA Apply: input 'appearance' holds numbers that the model's fp16 can"):
        nodes.CFLDApplyHGA.execute(half, encoded.cfld, large, 1.0, 2.0, 0.0, 1.0)


def test_a_prompt_that_is_not_finite_is_refused(encoded):
    spoilt = [[context * NAN, options] for context, options in encoded.prompt]
    for name, given in (("positive", (spoilt, encoded.learnt)), ("negative", (encoded.prompt, spoilt))):
        with pytest.raises(ValueError, match=f"^Pose Conditioning: input '{name}' holds NaN or infinite numbers"):
            encoded.posed(*given)


def test_a_picture_that_is_encoded_to_no_numbers_is_refused_with_the_remedy(encoded):
    spoilt = tiny_host.tiny_cfld()
    queries = spoilt.networks.model.networks.decoder.query_feat
    queries.data = queries.data * INFINITY
    with pytest.raises(ValueError, match="^PRD Prompt Encoder: input 'cfld' encodes this picture to NaN .*; copy the"):
        nodes.CFLDPromptEncoder.execute(spoilt, COLOURS, "pad")


def test_a_wide_picture_is_encoded_in_bands(encoded):
    wide = torch.full((1, 20, 20_000, 3), 0.5)
    before = encode(encoded, torch.full((1, 64, 64, 3), 0.5))
    tracemalloc.start()
    assert torch.allclose(encode(encoded, wide), before, atol=1e-4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000
