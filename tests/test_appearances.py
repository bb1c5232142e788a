"""Two people blended, and people kept in files: exact where promised, refused by name where they do not belong."""

import base64
import io
import json

import pytest
import skimage.data
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cfld_modules.checkpoints.appearance_file import checkpoint_identity, load_appearance, save_appearance
from cfld_modules.checkpoints.cfld_checkpoint import Checkpoint, build_networks
from cfld_modules.errors import CheckpointError
from cfld_modules.networks.appearance_blend import blend_appearances
from cfld_modules.networks.config import read_config
from cfld_modules.networks.model import Appearance
from tests import golden


@pytest.fixture(scope="module")
def networks():
    state = golden.networks_state()
    config = read_config({name: tuple(tensor.shape) for name, tensor in state.items()})
    return build_networks(Checkpoint(config, state, {}))


@pytest.fixture(scope="module")
def people(networks):
    """The goldens' two people, each alone."""
    with torch.no_grad():
        pixels = golden.as_cond(golden.golden()["in.img_cond_u8"])
        return [networks.encode_source(picture[None]) for picture in pixels]


def tensors(appearance):
    return {"prompt": appearance.prompt} | appearance.residuals


def assert_equal(first, second):
    assert tensors(first).keys() == tensors(second).keys()
    assert all(torch.equal(tensor, tensors(second)[name]) for name, tensor in tensors(first).items())


# Blends


def test_the_ends_are_bit_for_bit_the_two_people_and_the_middle_is_their_mean(people):
    assert_equal(blend_appearances(*people, [0.0]), people[0])
    assert_equal(blend_appearances(*people, [1.0]), people[1])
    for name, mean in tensors(blend_appearances(*people, [0.5])).items():
        assert (mean - (tensors(people[0])[name] + tensors(people[1])[name]) / 2).abs().max() < 1e-5


def test_a_strip_is_a_batch_of_its_blends(people):
    strip = blend_appearances(*people, [0.0, 0.25, 1.0])
    for number, amount in enumerate((0.0, 0.25, 1.0)):
        one = Appearance(
            strip.prompt[number, None], {block: tokens[number, None] for block, tokens in strip.residuals.items()}
        )
        assert_equal(one, blend_appearances(*people, [amount]))


def batch(appearance, count):
    return Appearance(*(
        {block: tokens.expand(count, -1, -1) for block, tokens in part.items()} if isinstance(part, dict)
        else part.expand(count, -1, -1) for part in (appearance.prompt, appearance.residuals)
    ))  # fmt: skip


def test_groups_of_people_blend_one_by_one(people):
    pairs = blend_appearances(batch(people[0], 3), batch(people[1], 3), [0.3])
    assert_equal(pairs, batch(blend_appearances(*people, [0.3]), 3))


def test_people_who_do_not_belong_together_are_an_error(people):
    residuals = {block: tokens.repeat(1, 4, 1) for block, tokens in people[1].residuals.items()}
    larger = Appearance(people[1].prompt, residuals)
    with pytest.raises(ValueError, match="checkpoints of different sizes"):
        blend_appearances(people[0], larger, [0.5])
    with pytest.raises(ValueError, match="1 and 3 people"):
        blend_appearances(people[0], batch(people[1], 3), [0.5])
    with pytest.raises(ValueError, match="a strip leads from one person"):
        blend_appearances(batch(people[0], 2), batch(people[1], 2), [0.0, 1.0])


# Files


@pytest.fixture
def file(tmp_path, networks, people):
    save_appearance(tmp_path / "anna.safetensors", networks, people[0], [skimage.data.astronaut()])
    return tmp_path / "anna.safetensors"


def test_a_person_comes_back_to_fp16(file, networks, people):
    loaded, learnt = load_appearance(file, networks)
    for name, tensor in tensors(loaded).items():
        assert torch.equal(tensor, tensors(people[0])[name].half().float())
    assert torch.equal(learnt, networks.learnable_vector.half().float())
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    values = sum(tensor.numel() for tensor in tensors(loaded).values()) + learnt.numel()
    assert file.stat().st_size < 2 * values + 60_000, "fp16, a thumbnail and little else"


def test_the_thumbnail_is_where_hosts_look_for_it(file):
    with safe_open(file, framework="pt") as stored:
        (encoded,) = json.loads(stored.metadata()["ssmd_cover_images"])
    thumbnail = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (256, 256))


def test_a_file_converted_to_fp16_is_the_same_checkpoint_and_other_tensors_are_another(networks):
    state = golden.networks_state()
    halved = build_networks(Checkpoint(networks.config, {name: tensor.half() for name, tensor in state.items()}, {}))
    assert checkpoint_identity(halved) == checkpoint_identity(networks)
    changed = state | {"decoder.query_feat": state["decoder.query_feat"] * 1.01}
    other = build_networks(Checkpoint(networks.config, changed, {}))
    assert checkpoint_identity(other) != checkpoint_identity(networks)


def rewrite(file, change):
    with safe_open(file, framework="pt") as stored:
        metadata = dict(stored.metadata())
    content = load_file(file)
    change(content, metadata)
    save_file(content, file, metadata)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content, metadata: metadata.update(checkpoint="0" * 64), "made with another CFLD checkpoint"),
        (lambda content, metadata: metadata.pop("format"), "is no saved appearance"),
        (lambda content, metadata: metadata.update(version="2"), "has version 2 of the format, not 1"),
        (lambda content, metadata: content.pop("residual.7"), "'residual.7' is missing"),
        (lambda content, metadata: content.update(prompt=content["prompt"].int()), "'prompt' is I32"),
        (lambda content, metadata: content.update(prompt=torch.zeros(()).half()), "'prompt' is F16 \\[\\]"),
        (lambda content, metadata: content.update(prompt=torch.zeros(0, 16, 64).half()), "'prompt' is F16 \\[0"),
        (lambda content, metadata: content.update(extra=torch.zeros(1)), "'extra' does not belong"),
        (lambda content, metadata: content["prompt"].fill_(torch.nan), "not finite"),
    ],
)
def test_a_wrong_file_is_refused_by_name(file, networks, change, words):
    rewrite(file, change)
    with pytest.raises(CheckpointError, match=f"'anna.safetensors' cannot be used: .*{words}") as raised:
        load_appearance(file, networks)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("size", [0, 7, 1000, -1])
def test_a_damaged_file_is_refused_by_name(file, networks, size):
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="'anna.safetensors' is damaged"):
        load_appearance(file, networks)


def test_a_person_beyond_fp16_is_saved_in_fp32(tmp_path, networks, people):
    huge = Appearance(people[0].prompt * 1e9, people[0].residuals)
    save_appearance(tmp_path / "huge.safetensors", networks, huge, [])
    loaded, _ = load_appearance(tmp_path / "huge.safetensors", networks)
    assert torch.equal(loaded.prompt, huge.prompt)


def test_a_person_with_nan_is_not_saved(tmp_path, networks, people):
    broken = Appearance(people[0].prompt * torch.nan, people[0].residuals)
    with pytest.raises(ValueError, match="'prompt' of this person"):
        save_appearance(tmp_path / "broken.safetensors", networks, broken, [])
    assert not list(tmp_path.iterdir())
