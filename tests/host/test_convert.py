"""CFLD Convert in the real ComfyUI: the authors' pair becomes a file that CFLD Loader lists, with progress."""

import re

import comfy.model_management
import folder_paths
import pytest
from tiny_host import golden, nodes

from cfld_modules.command_line import main

PAIR = "authors/pytorch_model.bin"


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder models/cfld with the tiny pair in it."""
    golden.write_authors_pair(tmp_path / "authors")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "cfld", ([str(tmp_path)], set()))
    folder_paths.filename_list_cache.pop("cfld", None)
    return tmp_path


def convert(name=PAIR, dtype="fp32", filename="cfld"):
    return nodes.CFLDConvert.execute(name, dtype, filename).ui.as_dict()["text"][0]


@pytest.mark.parametrize(("dtype", "filename"), [("fp32", "cfld"), ("fp16", "half.SAFETENSORS"), ("bf16", "v1.5")])
def test_the_file_is_the_one_that_the_command_makes(models, tmp_path_factory, dtype, filename):
    text = convert(dtype=dtype, filename=filename)
    (file,) = models.glob("*.*")
    assert str(file) in text and re.search(r"\d+ MB", text)
    expected = tmp_path_factory.mktemp("command") / "x.safetensors"
    assert main(["convert", str(models / "authors"), str(expected), "--dtype", dtype]) == 0
    assert file.read_bytes() == expected.read_bytes()
    assert file.name in nodes.loader.checkpoint_names()


def test_what_is_there_is_never_overwritten(models):
    (models / "cfld.safetensors").write_bytes(b"precious")
    with pytest.raises(ValueError, match="^CFLD Convert: input 'filename': 'cfld.safetensors' is there already"):
        convert()
    assert (models / "cfld.safetensors").read_bytes() == b"precious"


@pytest.mark.parametrize("filename", ["", "../x", "a/b", "a\\b", "C:x", ".hidden", "x.", "x" * 200, 7, "x\n"])
def test_a_name_stays_in_the_folder(models, filename):
    for asked in (convert, nodes.CFLDConvert.validate_inputs):
        with pytest.raises(ValueError, match="^CFLD Convert: input 'filename' is .*give a name of letters"):
            asked(PAIR, "fp32", filename)
    assert [path.name for path in models.iterdir()] == ["authors"]


def test_convert_with_bad_input_names_it_and_writes_nothing(models):
    with pytest.raises(ValueError, match="^CFLD Convert: input 'cfld_name': 'gone.bin' is not in models/cfld"):
        convert("gone.bin")
    with pytest.raises(ValueError, match="^CFLD Convert: input 'dtype' is 'fp8'; give one of fp32, fp16, bf16"):
        convert(dtype="fp8")
    (models / "authors" / "pytorch_model_1.bin").unlink()
    with pytest.raises(ValueError, match="^CFLD Convert: input 'cfld_name': .*pytorch_model_1.bin .* is missing"):
        convert()
    assert [path.name for path in models.iterdir()] == ["authors"]


def test_a_cancelled_conversion_leaves_nothing(models, monkeypatch):
    cancelled = comfy.model_management.InterruptProcessingException
    turns = iter([None] * 10)

    def interrupted():
        if next(turns, cancelled):
            raise cancelled

    monkeypatch.setattr(comfy.model_management, "throw_exception_if_processing_interrupted", interrupted)
    with pytest.raises(cancelled):
        convert()
    assert [path.name for path in models.iterdir()] == ["authors"]


def test_in_the_page_s_queue_it_shows_progress_and_the_file(plain_server):
    models = plain_server.folder / "models" / "cfld"
    golden.write_authors_pair(models / "authors")
    inputs = {"cfld_name": PAIR, "dtype": "fp16", "filename": "cfld"}
    run = plain_server.run({"1": {"class_type": "CFLDConvert", "inputs": inputs}})
    assert run.error is None, run.error["exception_message"]
    assert run.progress["1"][-1][0] == run.progress["1"][-1][1] > 100
    assert "cfld.safetensors" in run.outputs["1"]["text"][0]
    listed = plain_server.get("/object_info/CFLDLoader")["CFLDLoader"]["input"]["required"]["cfld_name"]
    assert "cfld.safetensors" in str(listed)
    assert (models / "cfld.safetensors").stat().st_size > 1e6
