"""Files that BlazePose's networks are read from: wheels, bundles and .safetensors, whole and damaged; and `get`."""

import dataclasses
import hashlib
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from cfld_modules.checkpoints import blazepose_file
from cfld_modules.checkpoints.blazepose_file import BLAZEPOSE_FILE, convert_blazepose, load_blazepose, read_blazepose
from cfld_modules.command_line import main
from cfld_modules.commands import CommandError, get
from cfld_modules.errors import CheckpointError, MissingDetectorError
from tests.fuzz.meter import measured
from tests.smallest_blazepose import (
    bundle_content,
    safetensors_content,
    smallest_blazepose,
    smallest_bundle,
    smallest_tflite,
)

PICTURE = np.zeros((64, 64, 3), np.uint8)
COMMAND = (
    "pip download --no-deps --only-binary=:all: --platform manylinux_2_28_x86_64 --python-version 3.11 "
    '-d "{}" mediapipe==0.10.21'
)


def wheel_content(**members):
    """As MediaPipe's: other files, networks of other tasks, and BlazePose's two somewhere."""
    return bundle_content(
        {
            "mediapipe/__init__.py": b"import nothing", "mediapipe/short": b"TFL", "mediapipe/empty": b"",
            "mediapipe/modules/iris.tflite": smallest_tflite("detector").replace(b"TFL3", b"TFL2"),
            "mediapipe/modules/broken.tflite": b"\x1c\0\0\0TFL3" + bytes(200),
            "mediapipe/modules/a": smallest_tflite("landmarks"), "mediapipe/modules/b": smallest_tflite("detector"),
        } | members
    )  # fmt: skip


def test_host_tests_have_the_bundle_that_is_made_here():
    assert (Path(__file__).parent / "data" / "smallest_blazepose.task").read_bytes() == smallest_bundle()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl", wheel_content()),
        ("pose_landmarker_lite.task", smallest_bundle()), ("pose.task", b"\0\0" + smallest_bundle()),
        (BLAZEPOSE_FILE, safetensors_content(smallest_blazepose())),
    ],
)  # fmt: skip
def test_networks_are_read_out_of_any_of_the_files(tmp_path, name, content):
    """A bundle may begin with two bytes that align it."""
    (tmp_path / name).write_bytes(content)
    for network, expected in smallest_blazepose().items():
        read = read_blazepose(tmp_path / name)[network]
        assert read.layout.outputs.keys() == expected.layout.outputs.keys()
        assert sum(map(torch.numel, read.weights.values())) == sum(map(torch.numel, expected.weights.values()))
    assert load_blazepose([tmp_path / "none", tmp_path]).find_people(PICTURE).poses == []


def test_networks_are_told_by_what_they_give_whatever_their_order_and_names(tmp_path):
    file = tmp_path / "x.task"
    file.write_bytes(bundle_content({"b": smallest_tflite("detector"), "a": smallest_tflite("landmarks")}, 0))
    assert read_blazepose(file).keys() == {"detector", "landmarks"}


def test_first_file_that_holds_them_is_taken_and_the_bundle_of_another_task_passed_over(tmp_path):
    (tmp_path / "a_hand_landmarker.task").write_bytes(bundle_content({"hand.tflite": b"\x1c\0\0\0TFL3" + bytes(99)}))
    (tmp_path / "b.whl").write_bytes(b"no zip file")
    (tmp_path / "c.task").write_bytes(smallest_bundle())
    read = []
    load_blazepose([tmp_path], lambda file: read.append(file.name) or read_blazepose(file))
    assert read == ["b.whl", "a_hand_landmarker.task", "c.task"]
    (tmp_path / "c.task").unlink()
    with pytest.raises(CheckpointError, match="^'b.whl' does not hold"):
        load_blazepose([tmp_path])


def test_no_file_is_an_error_that_says_what_to_type(tmp_path):
    with pytest.raises(MissingDetectorError) as caught:
        load_blazepose([tmp_path])
    assert str(caught.value) == f"no file of BlazePose's is there; get it by: {COMMAND.format(tmp_path)}"


def test_a_wheel_without_networks_says_why_and_what_to_type(tmp_path):
    file = tmp_path / "mediapipe-1.2.2-cp39-abi3-manylinux_2_28_x86_64.whl"
    file.write_bytes(bundle_content({"mediapipe/__init__.py": b"import nothing"}))
    with pytest.raises(CheckpointError) as caught:
        read_blazepose(file)
    message = str(caught.value)
    assert message.startswith(f"'{file.name}' does not hold BlazePose's networks or is damaged (its detector and landm")
    assert "0.10.30 and later carry none" in message and message.endswith(COMMAND.format(tmp_path))
    assert len(message) <= 490


# --- Damaged files ----------------------------------------------------------------------------------------------------


def refused(file, content):
    """What it cost, and the reason."""
    file.write_bytes(content)
    with measured() as cost, pytest.raises(CheckpointError, match="does not hold BlazePose's networks or is") as told:
        read_blazepose(file)
    assert COMMAND.format(file.parent) in str(told.value)
    assert cost.memory < 50e6 and cost.calls < 500_000
    return str(told.value)


def with_directory_changed(content, **fields):
    """A zip file in whose directory these fields of every member are changed, by their place in an entry."""
    places = {"compressed": (20, "<I"), "size": (24, "<I"), "offset": (42, "<I"), "method": (10, "<H"),
              "name_length": (28, "<H")}  # fmt: skip
    changed = bytearray(content)
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        for name, value in fields.items():
            struct.pack_into(places[name][1], changed, place + places[name][0], value)
        place = content.find(b"PK\x01\x02", place + 4)
    return bytes(changed)


BUNDLE = smallest_bundle()
DAMAGED = {
    "empty": b"", "text": b"<!DOCTYPE html>", "cut": BUNDLE[:-300], "directory alone": BUNDLE[-200:],
    "lying offset": with_directory_changed(BUNDLE, offset=2**31 - 1),
    "lying sizes": with_directory_changed(BUNDLE, compressed=2**31 - 1, size=2**31 - 1),
    "lying size": with_directory_changed(BUNDLE, size=39_999_999),
    "short size": with_directory_changed(BUNDLE, size=100), "lzma": with_directory_changed(BUNDLE, method=14),
    "long name": with_directory_changed(BUNDLE, name_length=60_000),
    "bad checksum": bundle_content({"a": smallest_tflite("detector")}, 0).replace(b"input_1", b"input_2"),
    "bomb": bundle_content({"a": b"\x1c\0\0\0TFL3" + bytes(39_000_000)}),
    "bombs": bundle_content({str(n): b"\x1c\0\0\0TFL3" + bytes(900_000) for n in range(99)}),
    "no landmarks": bundle_content({"a": smallest_tflite("detector")}),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_wheel_is_one_clear_error_at_a_bounded_cost(tmp_path, name):
    refused(tmp_path / "x.whl", DAMAGED[name])


def test_a_zip_file_of_more_members_than_any_wheel_is_not_looked_through(tmp_path):
    content = bundle_content({str(number): b"" for number in range(6_000)}, 0)
    assert "more than 5000 members" in refused(tmp_path / "x.whl", content)


def test_a_directory_of_many_entries_for_one_bomb_is_not_unpacked_again_and_again(tmp_path):
    one = bundle_content({"a": b"\x1c\0\0\0TFL3" + bytes(900_000)})
    start, end = one.find(b"PK\x01\x02"), one.find(b"PK\x05\x06")
    entries = one[start:end] * 4_000
    tail = bytearray(one[end:])
    struct.pack_into("<HHI", tail, 8, 4_000, 4_000, len(entries))
    assert "unpack to more than 4 times its size" in refused(tmp_path / "x.whl", one[:start] + entries + bytes(tail))


def test_weights_that_a_small_file_says_are_large_are_not_made(tmp_path):
    from tests.tflite_writer import BUILTIN, Step, Tensor, tflite_content

    tensors = [Tensor("input_1", (1, 224, 224, 3)), Tensor("", (5_000, 40, 30, 3), np.zeros(9, np.float16)),
               Tensor("", (5_000,), np.zeros(9, np.float16)), Tensor("Identity", (1, 2254, 12)),
               Tensor("Identity_1", (1, 2254, 1))]  # fmt: skip
    steps = [Step(BUILTIN.CONV_2D, [0, 1, 2], 3, "Conv2DOptions", {"Padding": 1, "StrideW": 1, "StrideH": 1})]
    content = bundle_content({"a": tflite_content(tensors, steps, [0], [3, 4])})
    assert "tensor of the shape (5000, 40, 30, 3)" in refused(tmp_path / "x.task", content)


def test_networks_that_give_something_else_or_take_more_are_refused(tmp_path):
    def operation(networks, place, **changes):
        steps = networks["landmarks"].layout.operations
        steps[place] = dataclasses.replace(steps[place], **changes)

    for change in (
        lambda networks: networks["landmarks"].layout.operations.pop(),
        lambda networks: networks["detector"].layout.outputs.pop("Identity_1"),
        lambda networks: operation(networks, 1, options={"shape": [194]}),
        lambda networks: operation(networks, 0, options={"stride": 1, "padding": [10**5] * 4, "groups": 1}),
        lambda networks: operation(networks, 0, options={"stride": 256.0, "padding": [0] * 4, "groups": 1}),
        lambda networks: operation(networks, 0, kind="x"),
        lambda networks: networks["detector"].weights[1].fill_(np.nan),
        lambda networks: networks["detector"].weights.pop(1),
        lambda networks: networks["detector"].weights.update({"x": torch.zeros(1)}),
    ):
        networks = smallest_blazepose()
        change(networks)
        refused(tmp_path / "x.safetensors", safetensors_content(networks))


# --- get ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_pip(monkeypatch):
    """Whoever starts another program fails the test."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something was downloaded"))


def test_a_file_that_is_there_is_kept(tmp_path, no_pip, capsys):
    file = tmp_path / "annotators" / BLAZEPOSE_FILE
    file.parent.mkdir()
    file.write_bytes(b"as it is")
    assert main(["get", "blazepose", "--models", str(tmp_path)]) == 0
    assert file.read_bytes() == b"as it is"
    assert "was there already" in capsys.readouterr().out


def test_the_models_folder_is_asked_for_outside_of_comfyui(tmp_path, no_pip, capsys):
    assert main(["get", "blazepose"]) == 2
    assert "--models is needed" in capsys.readouterr().err
    assert main(["get", "blazepose", "--models", str(tmp_path / "gone")]) == 2
    assert "is no folder; give the folder 'models'" in capsys.readouterr().err


def test_a_download_that_fails_is_told_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main(["get", "blazepose", "--models", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert "pip could not download mediapipe==0.10.21" in message and "on another machine" in message
    assert len(message) < 620 and not list(tmp_path.iterdir())


def test_a_wheel_becomes_a_file_of_ours_with_its_licence(tmp_path, monkeypatch):
    wheel, file = tmp_path / "mediapipe.whl", tmp_path / "annotators" / BLAZEPOSE_FILE
    wheel.write_bytes(wheel_content(**{get.LICENCE: b"a licence"}))
    with pytest.raises(CommandError, match="mediapipe.whl is not the wheel of mediapipe==0.10.21 that is known here"):
        get.put_blazepose(wheel, file)
    assert list(tmp_path.iterdir()) == [wheel]
    monkeypatch.setattr(get, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    get.put_blazepose(wheel, file)
    assert (file.parent / get.LICENCE_FILE).read_text().endswith("a licence")
    for name, network in read_blazepose(wheel).items():
        assert read_blazepose(file)[name].layout == network.layout
        assert all(torch.equal(read_blazepose(file)[name].weights[n], weight) for n, weight in network.weights.items())


def test_a_wheel_that_is_damaged_is_not_converted(tmp_path):
    (tmp_path / "x.whl").write_bytes(BUNDLE[:-300])
    with pytest.raises(CheckpointError, match="does not hold BlazePose's networks"):
        convert_blazepose(tmp_path / "x.whl", tmp_path / BLAZEPOSE_FILE)
    assert not (tmp_path / BLAZEPOSE_FILE).exists()


def test_pip_is_told_the_same_as_the_user():
    words = blazepose_file.how_to_get(Path("folder")).split()
    assert words == ["pip", "download", *blazepose_file.WHEEL_OPTIONS.split(), "-d", '"folder"', blazepose_file.WHEEL]
