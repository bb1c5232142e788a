"""Computing in 16 bits: what is loaded, and the warning where a processor takes minutes for it."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from cfld_modules.command_line import main
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline
from cfld_modules.pipeline.half_precision import warn_if_emulated
from cfld_modules.training import loop
from tests import golden, tiny_models

CPU = torch.device("cpu")


@pytest.fixture
def capability(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: request.param)


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_transfer_in_half_precision_computes_with_every_network_in_it(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden.write_authors_pair(tmp_path / "authors", unet=golden.key_values())
    tiny_models.write_base_folder(tmp_path / "sd15")
    (tmp_path / "pose.json").write_text(json.dumps(golden.pose_keypoints("front")))
    Image.new("RGB", (88, 128)).save(tmp_path / "photo.png")
    called: list[CFLDPipeline] = []

    def call(pipeline: CFLDPipeline, *arguments: object, **options: object) -> list[Image.Image]:
        called.append(pipeline)
        return [Image.new("RGB", (88, 128))]

    monkeypatch.setattr(CFLDPipeline, "__call__", call)
    options = {
        "source": "photo.png", "pose": "pose.json", "base": "sd15", "cfld": "authors", "out": "out.png",
    }  # fmt: skip
    files = [part for name, file in options.items() for part in (f"--{name}", str(tmp_path / file))]
    assert main(["transfer", *files, "--steps", "2", "--scheduler", "ddim", "--device", "cpu", "--dtype", dtype]) == 0
    (pipeline,) = called
    expected = {"fp16": torch.float16, "bf16": torch.bfloat16}[dtype]
    for network in (pipeline.unet, pipeline.vae, pipeline.cfld):
        assert {parameter.dtype for parameter in network.parameters()} == {expected}


@pytest.mark.parametrize("capability", ["AVX2"], indirect=True)
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_without_avx512_is_warned_of_with_its_remedy(
    capability: None, precision: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_if_emulated(CPU, precision, "leave out --dtype")
    (record,) = caplog.records
    assert precision in record.getMessage() and "leave out --dtype" in record.getMessage()


@pytest.mark.parametrize(
    ("capability", "device", "precision"),
    [("AVX512", "cpu", "bf16"), ("AVX2", "cpu", "fp32"), ("AVX2", "cpu", "no"), ("AVX2", "cuda", "fp16")],
    indirect=["capability"],
)
def test_precision_that_is_as_fast_as_expected_is_not_warned_of(
    capability: None, device: str, precision: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_if_emulated(torch.device(device), precision, "")
    assert not caplog.records


@pytest.mark.parametrize("capability", ["AVX2"], indirect=True)
def test_training_in_bf16_without_avx512_is_warned_of(
    capability: None, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process has one precision, which the first accelerator in it settles.
    monkeypatch.setattr(loop, "Accelerator", lambda **options: SimpleNamespace(device=CPU))
    loop.build_accelerator(loop.LoopSettings(steps=1, mixed_precision="bf16"), tmp_path)
    assert "training.mixed_precision=no" in caplog.text
