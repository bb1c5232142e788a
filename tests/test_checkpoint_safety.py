"""Checkpoint files that are damaged, foreign or hostile: refused by name, at a small cost, with nothing in them run."""

import json
import math
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from cfld_modules.checkpoints import cfld_checkpoint
from cfld_modules.checkpoints.cfld_checkpoint import load_checkpoint
from cfld_modules.errors import CheckpointError
from tests import golden
from tests.checkpoint_files import assert_same, tiny_checkpoint

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("kept", [0, 1])
def test_a_missing_half_is_named(pair: Path, kept: int) -> None:
    names = ["pytorch_model.bin", "pytorch_model_1.bin"]
    (pair / names[1 - kept]).unlink()
    for path in (pair, pair / names[kept]):
        with pytest.raises(CheckpointError, match=rf"'{path.name}' cannot be used: {names[1 - kept]} .*is missing"):
            load_checkpoint(path)


def test_an_empty_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="pytorch_model.bin .* is missing; .* pytorch_model_1.bin"):
        load_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="'none.bin' does not exist"):
        load_checkpoint(tmp_path / "none.bin")


def test_two_pairs_in_one_folder_are_not_mixed(pair: Path) -> None:
    golden.write_authors_pair(pair, ("epoch_5.bin", "unet_5.bin"), unet=golden.key_values())
    with pytest.raises(CheckpointError, match="epoch_5.bin and pytorch_model.bin .* keep one pair"):
        load_checkpoint(pair)


def test_another_model_beside_the_pair_is_not_taken_for_it(pair: Path) -> None:
    torch.save({"weight": torch.ones(2)}, pair / "lora.bin")
    load_checkpoint(pair)
    with pytest.raises(CheckpointError, match="'lora.bin' cannot be used: it holds no CFLD tensors"):
        load_checkpoint(pair / "lora.bin")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model_1.bin"])
def test_a_damaged_half_is_named(pair: Path, name: str, share: float) -> None:
    content = (pair / name).read_bytes()
    (pair / name).write_bytes(content[: int(len(content) * share)])
    for path in (pair, pair / name):
        with pytest.raises(CheckpointError, match=f"'{name}' is damaged.*(copy|download)"):
            load_checkpoint(path)


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.99])
def test_a_damaged_safetensors_is_named(converted: Path, share: float) -> None:
    content = converted.read_bytes()
    converted.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match="'cfld.safetensors' is damaged"):
        load_checkpoint(converted)


class Code:
    """What a malicious file holds: unpickling it runs a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model_1.bin"])
def test_code_in_a_pickle_is_not_run(pair: Path, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "it ran"
    torch.save(golden.networks_state() | golden.key_values() | {"evil": Code(marker)}, pair / name)
    for path in (pair, pair / name):
        with pytest.raises(CheckpointError, match=f"'{name}' holds something other than tensors and was not opened"):
            load_checkpoint(path)
    assert not marker.exists()


def test_code_in_another_file_is_not_run_and_not_in_the_way(pair: Path, tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    torch.save({"evil": Code(marker)}, pair / "another.pt")
    assert_same(load_checkpoint(pair), tiny_checkpoint())
    assert not marker.exists()


def test_another_safetensors_is_refused_by_name(tmp_path: Path) -> None:
    save_file({"model.diffusion_model.out.2.bias": torch.zeros(4)}, tmp_path / "sd15.safetensors")
    with pytest.raises(CheckpointError, match="'sd15.safetensors' cannot be used: .* not one made by .* convert"):
        load_checkpoint(tmp_path / "sd15.safetensors")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {"state": {"a": 1}}, 7])
def test_a_pickle_of_no_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="'x.pt' is not a flat table of tensors"):
        load_checkpoint(tmp_path / "x.pt")


def write_changed(path: Path, changes: dict[str, torch.Tensor | None]) -> Path:
    """The tiny checkpoint with some tensors replaced, or left out where None."""
    state = golden.networks_state() | {f"unet.{name}": tensor for name, tensor in golden.key_values().items()}
    save_file({name: tensor for name, tensor in (state | changes).items() if tensor is not None}, path)
    return path


ATTENTION = "attentions.{}.transformer_blocks.0.attn2.to_{}.weight"


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("decoder.blocks.3.ff.net.2.bias", None, "1 tensors are missing.*'decoder.blocks.3.ff.net.2.bias'"),
        ("appearance_encoder.zero_conv_outs.4.bias", torch.zeros(127), r"zero_conv_outs.4.bias' has shape \(127,\)"),
        ("something", torch.zeros(1), "1 tensors are not CFLD's, the first is 'something'"),
        ("decoder.query_feat", None, "no tensor 'decoder.query_feat', so it is not a CFLD checkpoint"),
        ("unet.up_blocks.1." + ATTENTION.format(0, "k"), None, "1 of the 18 U-Net matrices are missing"),
        ("unet.up_blocks.3." + ATTENTION.format(2, "v"), torch.zeros(64, 65), r"has shape \(64, 65\), not"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    tmp_path: Path, name: str, tensor: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(write_changed(tmp_path / "x.safetensors", {name: tensor}))


SIZES = [
    "backbone.patch_embed.proj.weight", "backbone.layers.0.blocks.0.attn.relative_position_bias_table",
    "backbone.layers.2.blocks.0.attn.relative_position_bias_table", "decoder.kv_pos_embed", "decoder.query_feat",
    "appearance_encoder.zero_conv_ins.3.weight", "appearance_encoder.zero_conv_outs.6.weight",
    "pose_encoder.conv_in.weight", "pose_encoder.resnets.1.conv1.weight", "learnable_vector",
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(SIZES), shape=st.lists(st.sampled_from([0, 1, 2, 3, 16, 33, 64]), max_size=4))
def test_whatever_shape_is_read_or_refused(name: str, shape: list[int]) -> None:
    """Sizes are read from the shapes, so a strange shape reaches the construction of the networks."""
    state = golden.networks_state()
    assume(tuple(shape) != tuple(state[name].shape))
    with pytest.raises(CheckpointError):
        networks = state | {name: torch.zeros(shape)}
        cfld_checkpoint.checked_checkpoint(cfld_checkpoint._config_of(networks), networks, golden.key_values())


READER = """
import json, os, re, resource, sys, threading
from cfld_modules.checkpoints.cfld_checkpoint import build_networks, load_checkpoint
from cfld_modules.networks.config import CheckpointError

def memory(): return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1000
def seconds(): return resource.getrusage(resource.RUSAGE_SELF).ru_utime

for line in sys.stdin:
    if child := os.fork():
        print(os.waitpid(child, 0)[1], flush=True)
        continue
    before, done, answer = (memory(), seconds()), threading.Event(), "it was read"
    peaks = [before[0]]
    def watch():
        while not done.wait(0.001): peaks.append(memory())
    watcher = threading.Thread(target=watch)
    watcher.start()
    try: build_networks(load_checkpoint(line.rstrip()))
    except CheckpointError as error: answer = str(error)
    done.set()
    watcher.join()
    print(json.dumps([answer, max(peaks) - before[0], seconds() - before[1]]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def reader() -> Iterator[subprocess.Popen]:
    """What reads each file named to it in a new process, and says what it said and took; imports cost once for all."""
    reader = subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    yield reader
    reader.communicate()


def assert_refused_cheaply(reader: subprocess.Popen, file: Path, message: str, most_megabytes: int = 50) -> None:
    """In a process of its own, whose memory grows by less than that, and whose processor time by less than 5 s.

    Pages of the mapped file, of which the system keeps as many as it likes, are no memory of the process.
    """
    reader.stdin.write(f"{file}\n")
    reader.stdin.flush()
    lines = [reader.stdout.readline()]
    while not re.fullmatch(r"\d+\n", lines[-1]):
        lines.append(reader.stdout.readline())
    assert lines[-1] == "0\n", lines
    answer, megabytes, seconds = json.loads(lines[0])
    assert re.search(message, answer), answer
    assert len(answer) < 500
    assert megabytes < most_megabytes
    assert seconds < 5


def write_shapes(file: Path, shapes: dict[str, list[int]]) -> Path:
    """A .safetensors of those shapes that takes no room on the disk: its numbers are a hole."""
    header, end = {}, 0
    for name, shape in shapes.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end := end + 4 * math.prod(shape)]}
    encoded = json.dumps(header).encode()
    file.write_bytes(len(encoded).to_bytes(8, "little") + encoded)
    os.truncate(file, 8 + len(encoded) + end)
    return file


def published(changes: dict[str, list[int]]) -> dict[str, list[int]]:
    return {name: list(shape) for name, shape in golden.keys("full").networks.items()} | changes


TABLE = "backbone.layers.{}.blocks.0.attn.relative_position_bias_table"


BOMBS = {
    "a window of a thousand": ({TABLE.format(0): [1999**2, 4]}, "source.window"),
    "a million channels": ({"backbone.patch_embed.proj.weight": [2**20, 3, 4, 4]}, "source.width"),
    "24 stages": ({TABLE.format(stage): [49, 4] for stage in range(24)}, "24 stages"),
    "4000 blocks": ({f"decoder.blocks.{n}.norm1.bias": [1] for n in range(3500)}, "decoder.depth"),
    "20000 blocks": ({f"decoder.blocks.{n}.norm1.bias": [1] for n in range(20_000)}, "more than 5000 tensors"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_a_small_file_asks_for_is_not_made(reader: subprocess.Popen, tmp_path: Path, bomb: str) -> None:
    changes, message = BOMBS[bomb]
    assert_refused_cheaply(reader, write_shapes(tmp_path / "x.safetensors", published(changes)), message)


def test_a_small_file_of_large_tensors_is_refused(reader: subprocess.Popen, pair: Path) -> None:
    """All are one number, seen again and again. Whoever casts them would need 1 GB, and 500 for the networks."""
    number = torch.zeros(1, dtype=torch.float16)
    torch.save({name: number.expand(shape) for name, shape in published({}).items()}, pair / "pytorch_model.bin")
    assert_refused_cheaply(reader, pair / "pytorch_model.bin", "is much smaller than what its tensors say", 30)


def test_sizes_of_a_cfld_cost_no_more_than_empty_networks(reader: subprocess.Popen, tmp_path: Path) -> None:
    """The published weights are 950 MB."""
    deeper = published({f"decoder.blocks.{n}.norm1.bias": [1] for n in range(12)})
    assert_refused_cheaply(reader, write_shapes(tmp_path / "x.safetensors", deeper), "tensors are missing")


def test_a_pickle_that_unpacks_to_gigabytes_and_one_that_asks_for_them(
    reader: subprocess.Popen, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "unpacks.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("archive/data.pkl", "w") as stream:
            for _ in range(300):
                stream.write(b"]" * 1_000_000)
    assert_refused_cheaply(reader, tmp_path / "unpacks.bin", "has been compressed")
    for name, pickled in {
        "asks.bin": b"\x80\x02cbuiltins\nbytearray\nJ\x00\x00\x00\x60\x85R.",
        "lists.bin": b"\x80\x02" + b"]" * 1_900_000 + b".",
    }.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("archive/data.pkl", pickled)
            archive.writestr("archive/version", "3\n")
        assert_refused_cheaply(reader, tmp_path / name, "not opened|names more than")


def test_a_safetensors_of_many_names_or_a_long_header(reader: subprocess.Popen, tmp_path: Path) -> None:
    number = torch.zeros(1)
    save_file({f"backbone.layers.{n}.x": number.clone() for n in range(20_000)}, tmp_path / "many.safetensors")
    (tmp_path / "long.safetensors").write_bytes((90_000_000).to_bytes(8, "little") + b"{" + b" " * 90_000_100)
    for name in ("many", "long"):
        assert_refused_cheaply(reader, tmp_path / f"{name}.safetensors", "names more than 5000 tensors")


def test_a_compressed_pair_is_refused(pair: Path) -> None:
    """Memory mapping would take the packed bytes for numbers."""
    file = pair / "pytorch_model.bin"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(CheckpointError, match="'pytorch_model.bin' has been compressed"):
        load_checkpoint(pair)


def test_old_files_are_read_and_tar_is_named(pair: Path) -> None:
    torch.save(golden.networks_state(), pair / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    assert_same(load_checkpoint(pair), tiny_checkpoint())
    torch.save(golden.networks_state() | {"x": bytearray(9)}, pair / "old.bin", _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match="'old.bin' holds something other than tensors"):
        load_checkpoint(pair / "old.bin")
    with tarfile.open(pair / "pytorch_model.bin", "w") as archive:
        archive.add(pair / "pytorch_model_1.bin", "x")
    with pytest.raises(CheckpointError, match="is a tar archive"):
        load_checkpoint(pair)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.full((1, 16, 64), torch.nan), "NaN or infinite"),
        (torch.full((1, 16, 64), -torch.inf), "NaN or infinite"),
        (torch.full((1, 16, 64), torch.nan).to(torch.float8_e4m3fn), "NaN or infinite"),
        (torch.zeros(1, 16, 64, dtype=torch.complex64), "torch.complex64, not floating"),
        (torch.zeros(1, 16, 64, dtype=torch.int32), "torch.int32, not floating"),
        (torch.zeros(1, 16, 64, dtype=torch.bool), "torch.bool, not floating"),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_numbers_that_are_no_weights_are_named(pair: Path, tensor: torch.Tensor, message: str, suffix: str) -> None:
    file = pair / f"pytorch_model{suffix}"
    if suffix == ".bin":
        torch.save(golden.networks_state() | {"learnable_vector": tensor}, file)
    elif tensor.dtype == torch.complex64:
        pytest.skip("older safetensors cannot hold them")
    else:
        write_changed(file, {"learnable_vector": tensor})
    with pytest.raises(CheckpointError, match=f"'learnable_vector' holds.*{message}"):
        load_checkpoint(file)
