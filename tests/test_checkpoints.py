"""Checkpoints keep their values, are told by their content, and a file that is none is refused and never run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cfld_modules.checkpoints import cfld_checkpoint, tensor_files
from cfld_modules.checkpoints.cfld_checkpoint import (
    KEY_VALUE_NAMES,
    Checkpoint,
    build_networks,
    cast,
    convert_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from cfld_modules.errors import CheckpointError
from cfld_modules.networks.config import (
    AppearanceConfig,
    CFLDConfig,
    DecoderConfig,
    PoseAdapterConfig,
    SourceEncoderConfig,
)
from cfld_modules.networks.model import CFLD
from cfld_modules.networks.swin import SourceEncoder
from tests import golden
from tests.checkpoint_files import assert_same, tiny_checkpoint

ROOT = Path(__file__).parent.parent


def test_the_authors_files_as_accelerate_leaves_them(tmp_path: Path) -> None:
    folder = golden.write_authors_pair(tmp_path)
    torch.save({"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-4}]}, folder / "optimizer.bin")
    torch.save({"scale": 65536.0}, folder / "scaler.pt")
    (folder / "random_states_0.pkl").write_bytes(b"\x80\x04K\x01.")
    assert_same(load_checkpoint(folder), tiny_checkpoint())


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("names", [("b.pth", "a.ckpt"), ("pytorch_model_1.bin", "pytorch_model.bin")])
def test_the_pair_is_told_by_its_keys_and_found_by_either_file(
    tmp_path: Path, names: tuple[str, str], prefix: str
) -> None:
    folder = golden.write_authors_pair(tmp_path, names, prefix, unet=golden.key_values())
    for path in (folder, folder / names[0], folder / names[1]):
        assert_same(load_checkpoint(path), tiny_checkpoint())


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.float16, torch.bfloat16])
def test_converting_to_any_dtype_keeps_every_value(pair: Path, tmp_path: Path, dtype: torch.dtype | None) -> None:
    counted: list[str] = []
    file = tmp_path / "x.safetensors"
    convert_checkpoint(pair, file, dtype, lambda names: (counted.append(name) or name for name in names))
    assert_same(load_checkpoint(file), tiny_checkpoint(), dtype or torch.float32)
    assert len(counted) == len(tiny_checkpoint().networks) + 18
    with safe_open(file, framework="pt") as opened:
        assert opened.metadata()["format"] == "cfld"


@pytest.mark.parametrize("option", [{"_use_new_zipfile_serialization": False}, {}])
def test_files_of_old_torch_and_endings_in_capitals(tmp_path: Path, option: dict) -> None:
    folder = golden.write_authors_pair(tmp_path, unet=golden.key_values())
    for file in list(folder.iterdir()):
        torch.save(torch.load(file), file.with_suffix(".BIN"), **option)
        file.unlink()
    assert_same(load_checkpoint(folder), tiny_checkpoint())
    save_checkpoint(tmp_path / "CFLD.SAFETENSORS", tiny_checkpoint())
    assert_same(load_checkpoint(tmp_path / "CFLD.SAFETENSORS"), tiny_checkpoint())


def test_a_conversion_in_portions_is_the_file_written_at_once(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path / "at once.safetensors", load_checkpoint(pair))
    read, portions = cfld_checkpoint._read, []
    monkeypatch.setattr(cfld_checkpoint, "PORTION_BYTES", 500_000)
    monkeypatch.setattr(cfld_checkpoint, "_read", lambda path: portions.append(path) or read(path))
    convert_checkpoint(pair, tmp_path / "in portions.safetensors")
    assert len(portions) > 5
    assert (tmp_path / "in portions.safetensors").read_bytes() == (tmp_path / "at once.safetensors").read_bytes()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_conversion_of_no_numbers_leaves_nothing_behind(pair: Path, tmp_path: Path, number: float) -> None:
    state = torch.load(pair / "pytorch_model_1.bin")
    torch.save(state | {f"model.{KEY_VALUE_NAMES[-1]}": torch.full((64, 64), number)}, pair / "pytorch_model_1.bin")
    with pytest.raises(CheckpointError, match=f"'authors' cannot .*{KEY_VALUE_NAMES[-1]}' holds NaN or infinite"):
        convert_checkpoint(pair, tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == [pair]


def test_a_converted_file_needs_no_metadata(converted: Path, tmp_path: Path) -> None:
    save_file(tensor_files.read_tensors(converted), tmp_path / "bare.safetensors")
    assert_same(load_checkpoint(tmp_path / "bare.safetensors"), tiny_checkpoint())


def test_built_networks_compute_the_goldens_whatever_the_buffers_in_the_file(pair: Path) -> None:
    networks = build_networks(load_checkpoint(pair))
    assert not any(parameter.is_meta for parameter in (*networks.parameters(), *networks.buffers()))
    prompt = networks.encode_source(golden.as_cond(golden.golden()["in.img_cond_u8"])).prompt
    rows = torch.cat([networks.learnable_vector.expand(2, -1, -1), prompt])
    assert golden.golden().difference("c", rows) < 1e-4


def test_empty_networks_of_any_window_take_no_memory() -> None:
    config = SourceEncoderConfig(image_size=64, width=32, depths=(2, 2, 2, 2), heads=(1, 2, 4, 8), window=4)
    with torch.device("meta"):
        empty = SourceEncoder(config)
    assert all(tensor.is_meta for tensor in (*empty.parameters(), *empty.buffers()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_cast_weights_are_the_same_numbers_in_one_block(pair: Path, dtype: torch.dtype) -> None:
    networks = build_networks(load_checkpoint(pair))
    networks.learnable_vector.data = networks.learnable_vector.to(torch.bfloat16)
    expected = {name: parameter.to(dtype) for name, parameter in networks.named_parameters()}
    untouched = {name for name, parameter in networks.named_parameters() if parameter.dtype == dtype}
    places = {name: parameter.data_ptr() for name, parameter in networks.named_parameters()}
    cast(networks, dtype)
    for name, parameter in networks.named_parameters():
        assert parameter.dtype == dtype and torch.equal(parameter, expected[name])
        assert (parameter.data_ptr() == places[name]) == (name in untouched)
    blocks = {parameter.untyped_storage().data_ptr() for name, parameter in networks.named_parameters()
              if name not in untouched}  # fmt: skip
    assert len(blocks) == 1


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux to measure the peak of memory")
def test_the_unet_is_never_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    padding = {"conv_in.weight": torch.zeros(100_000_000)}
    folder = golden.write_authors_pair(tmp_path, unet=golden.key_values() | padding)
    del padding
    assert (folder / "pytorch_model_1.bin").stat().st_size > 400e6

    def growth() -> int:
        """Megabytes that loading and building take at their peak."""
        before = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        networks = build_networks(load_checkpoint(folder))
        peak = _memory("VmHWM")
        assert networks.dtype == torch.float32
        return peak - before

    assert growth() < 100
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *arguments, **options: load(*arguments, **options | {"mmap": False}))
    assert growth() > 300, "the measure notices a file that is read whole"


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux to measure the peak of memory")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_conversion_holds_a_small_part_of_the_file_at_a_time(tmp_path: Path, dtype: torch.dtype) -> None:
    config = CFLDConfig(
        source=SourceEncoderConfig(width=64, heads=(2, 4, 8, 16)), decoder=DecoderConfig(depth=2),
        appearance=AppearanceConfig(depth=1), pose=PoseAdapterConfig(widths=(64, 128, 256)),
    )  # fmt: skip
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in CFLD(config).state_dict().items()}
    widths = [width for width in (1280, 640, 320) for _ in range(6)]
    unet = {f"model.{name}": torch.ones(width, 768) for name, width in zip(KEY_VALUE_NAMES, widths, strict=True)}
    torch.save({name: torch.ones(shape) for name, shape in shapes.items()}, tmp_path / "pytorch_model.bin")
    torch.save(unet, tmp_path / "pytorch_model_1.bin")
    del unet
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    convert_checkpoint(tmp_path, tmp_path / "cfld.safetensors", dtype)
    growth = _memory("VmHWM") - before
    assert (tmp_path / "cfld.safetensors").stat().st_size > 50e6 * dtype.itemsize
    assert growth < 100


def _memory(field: str) -> int:
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1000


@pytest.mark.parametrize("existing", [b"", b"an older file"])
def test_an_interrupted_write_leaves_what_was_there(
    tmp_path: Path, existing: bytes
) -> None:
    file = tmp_path / "cfld.safetensors"
    if existing:
        file.write_bytes(existing)

    def interrupted(names: Iterable[str]) -> Iterator[str]:
        yield from list(names)[:10]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(file, tiny_checkpoint(), progress=interrupted)
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == ([(file, existing)] if existing else [])


def test_the_same_tensors_give_the_same_bytes_and_a_link_is_written_through(tmp_path: Path, pair: Path) -> None:
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "target.safetensors", tmp_path / "link.safetensors"
    link.symlink_to(target)
    save_checkpoint(link, load_checkpoint(pair))
    assert link.is_symlink()
    checkpoint = load_checkpoint(pair)
    shuffled = Checkpoint(checkpoint.config, dict(reversed(checkpoint.networks.items())), checkpoint.key_values)
    save_checkpoint(tmp_path / "again.safetensors", shuffled)
    assert target.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    assert_same(load_checkpoint(link), tiny_checkpoint())


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    program = (
        "import os, sys, torch; from pathlib import Path\n"
        "from cfld_modules.checkpoints.tensor_files import write_tensors\n"
        "def killed(names): yield from list(names)[:1]; os.kill(os.getpid(), 9)\n"
        "write_tensors(Path(sys.argv[1]), {'a': torch.zeros(9), 'b': torch.zeros(9)}, progress=killed)"
    )
    subprocess.run([sys.executable, "-c", program, file], cwd=ROOT)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]

    def another_writer(names: Iterable[str]) -> Iterator[str]:
        tensor_files.write_tensors(file, {"other": torch.ones(2)})
        assert torch.equal(tensor_files.read_tensors(file)["other"], torch.ones(2))
        yield from names

    tensor_files.write_tensors(file, {"a": torch.zeros(1)}, progress=another_writer)
    assert list(tmp_path.iterdir()) == [file]
    assert list(tensor_files.read_tensors(file)) == ["a"]
