"""Sets for person re-identification: what is drawn, made, kept and written, and that a reader of such sets takes it."""

import csv
import importlib
import importlib.util
import json
import os
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ResNetConfig, ResNetModel

from cfld_modules.command_line import main
from cfld_modules.data.folder import FolderData
from cfld_modules.data.pairs import Pairs
from cfld_modules.data.people import people_of_pairs
from cfld_modules.data.reid import DUKE, MARKET, layout_for, person_numbers
from cfld_modules.evaluation import augment as augmentation
from cfld_modules.evaluation.augment import AugmentError, AugmentSettings, augment, draw_transfers
from cfld_modules.evaluation.identity_filter import EmbedderError, clothes_confidence, load_embedder
from cfld_modules.poses.framing import pose_distance
from cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from tests.bundled_people import training_pairs, write_people
from tests.keypoint_files import mirror

DEMO = Path(__file__).parents[1] / "demo_model"
SETTINGS = AugmentSettings(
    pictures=2, width=44, height=64, fit="stretch", least_distance=0.02, least_confidence=0.5, retries=2, steps=1,
    test_share=0.4, seeds=(1, 2),
)  # fmt: skip


@pytest.fixture(scope="module")
def people():
    return people_of_pairs(training_pairs(people=3, pictures=2))


@pytest.fixture(scope="module")
def poses(people):
    return [photograph for person in people for photograph in person.photographs]


class Pipeline:
    """In the place of a pipeline: pictures of noise, and a note of how many were asked for at once."""

    def __init__(self):
        self.calls = []

    def to(self, device):
        return self

    def set_progress_bar_config(self, **options):
        pass

    def __call__(self, sources, poses, *, generator, width, height, **options):
        self.calls.append(len(sources))
        shape = (len(sources), height, width, 3)
        noise = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).numpy()
        return [Image.fromarray(picture) for picture in noise]


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(file):
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


# What is drawn


def test_people_are_whom_pairs_connect():
    photographs = training_pairs(people=2, pictures=3).photographs
    pairs = Pairs(photographs, [(0, 2), (2, 1), (4, 5)])
    found = people_of_pairs(pairs)
    assert [list(person.photographs) for person in found] == [list(photographs[:3]), list(photographs[4:])]


def test_a_folder_is_taken_whole_with_single_pictures(tmp_path, people):
    for name in ("anna_1", "anna_2", "bert_1"):
        Image.new("RGB", (176, 256)).save(tmp_path / f"{name}.png")
        pose = write_pose_keypoints([people[0].photographs[0].pose()])
        (tmp_path / f"{name}.json").write_text(json.dumps(pose))
    found = FolderData("folder", tmp_path).people()
    assert [(person.name, len(person.photographs)) for person in found] == [("anna", 2), ("bert", 1)]


def test_drawing_is_repeatable_far_enough_and_without_a_pose_twice(people, poses):
    settings = AugmentSettings(pictures=3, seeds=(1, 2), least_distance=0.025, fit="stretch")
    drawn = draw_transfers(people[0], 1, poses, settings)
    assert drawn == draw_transfers(people[0], 1, poses, settings) != draw_transfers(people[0], 2, poses, settings)
    assert [(transfer.sequence, transfer.frame) for transfer in drawn] == [(s, f) for s in (0, 1) for f in range(3)]
    for transfer in drawn:
        assert transfer.source in people[0].photographs
        assert pose_distance(transfer.source.pose(), transfer.target.pose(), "stretch") >= 0.025
    for sequence in (0, 1):
        assert len({transfer.target.name for transfer in drawn if transfer.sequence == sequence}) == 3


def test_too_few_poses_are_an_error(people, poses):
    with pytest.raises(AugmentError, match="of 6 poses only 0 are 0.9 or further .* 1 are wanted; give more"):
        draw_transfers(people[0], 1, poses, AugmentSettings(pictures=1, least_distance=0.9))


def test_pose_distance_ignores_place_and_size_but_not_mirroring(people):
    pose = people[0].photographs[1].pose()
    moved = Pose(pose.points + (9, -5), pose.width, pose.height)
    larger = Pose(pose.points * 2, pose.width * 2, pose.height * 2)
    assert pose_distance(pose, moved, "pad") == pytest.approx(0) == pose_distance(pose, larger, "pad")
    assert pose_distance(pose, mirror(pose), "pad") > 0.02
    few = Pose(np.where(np.arange(18)[:, None] < 5, mirror(pose).points, np.nan), pose.width, pose.height)
    assert pose_distance(pose, few, "pad") == 0


# Names


def test_files_are_named_as_market_or_duke_names_them():
    assert MARKET.file_name(7, 1, 6) == "0007_c1s2_000007_00.jpg"
    assert DUKE.file_name(1607, 0, 7) == "1607_c8_f0100008.jpg"
    assert layout_for([1, 1501]) is MARKET and layout_for([1502]) is DUKE
    assert person_numbers(["0002_c1s1_000451_03.jpg", "0007_c2s1_000001_01.jpg"]) == [2, 7]
    for names in (("a.jpg", "b.jpg"), ("0002_c1.jpg", "0002_c2.jpg"), ("0000_c1.jpg", "0001_c1.jpg"), ("-1_c1", "3_c")):
        assert person_numbers(names) == [1, 2]


def test_people_of_a_folder_with_market_s_names_keep_their_numbers():
    """As a folder tells people: by what stands before the first underscore."""
    assert person_numbers(["0002", "0007", "1500"]) == [2, 7, 1500]
    assert person_numbers(["anna", "0007"]) == [1, 2]


def pairs_named(names, pairs):
    photographs = [types.SimpleNamespace(name=name) for name in names]
    return Pairs(photographs, pairs)


def test_people_of_pairs_are_those_of_their_numbers_whatever_the_pairs_connect():
    names = ["0002_c1s1_000001_00.jpg", "0002_c2s1_000002_00.jpg", "0002_c3s1_000003_00.jpg", "0002_c4s1_000004_00.jpg",
             "0007_c1s1_000005_00.jpg", "0000_c1s1_000006_00.jpg", "-1_c1s1_000007_00.jpg"]  # fmt: skip
    people = people_of_pairs(pairs_named(names, [(0, 1), (2, 3), (3, 4), (4, 5), (5, 6)]))
    assert [[photograph.name[:4] for photograph in person.photographs] for person in people] == [["0002"] * 4, ["0007"]]
    assert person_numbers([person.name for person in people]) == [2, 7]
    others = people_of_pairs(pairs_named(["a", "b", "c", "d"], [(0, 1), (2, 3)]))
    assert [len(person.photographs) for person in others] == [2, 2], "names without numbers: by the pairs"


# What is kept


def test_clothes_tell_a_person_from_others(people, poses):
    views = [(photograph.picture(), photograph.pose()) for photograph in poses]
    same = [clothes_confidence(views[2 * number], views[2 * number + 1]) for number in range(3)]
    others = [clothes_confidence(views[2 * number], views[2 * number - 1]) for number in range(3)]
    assert min(same) > 0.5 > 0.3 > max(others)
    assert clothes_confidence(views[0], views[0]) == 1


class Colour(torch.nn.Module):
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean(dim=(2, 3))


class Nothing(torch.nn.Module):
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures


def plain(colour):
    return np.full((64, 32, 3), colour, np.uint8), None


def test_embedders_of_torchscript_and_transformers(tmp_path):
    torch.jit.script(Colour()).save(tmp_path / "colour.pt")
    ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1])).save_pretrained(tmp_path / "resnet")
    for file in (tmp_path / "colour.pt", tmp_path / "resnet" / "model.safetensors"):
        confidence = load_embedder(file, torch.device("cpu"))
        red, blue = plain((255, 0, 0)), plain((0, 0, 255))
        assert confidence(red, red) == pytest.approx(1) and 0 <= confidence(red, blue) < 0.99


def test_what_is_no_embedder_is_named(tmp_path):
    torch.jit.script(Nothing()).save(tmp_path / "nothing.pt")
    (tmp_path / "text.pt").write_text("no network")
    (tmp_path / "model.safetensors").write_text("no network")
    for name in ("nothing.pt", "text.pt", "model.safetensors", "gone.pt"):
        with pytest.raises(EmbedderError, match=f"{name}' is no embedder .*; give TorchScript"):
            load_embedder(tmp_path / name, torch.device("cpu"))


# What is made and written


def test_a_set_with_its_manifest_and_summary(people, poses, tmp_path):
    pipeline = Pipeline()
    summary = augment(pipeline, people, poses, None, tmp_path, SETTINGS)
    assert pipeline.calls == [4, 4, 4]
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    assert summary == {
        "layout": "market1501", "people": 3, "wanted": 12, "made": 12, "kept": 12, "left_out": 0, "share_kept": 1.0,
        "mean_confidence": None,
    }  # fmt: skip
    rows = table(tmp_path / "manifest.csv")
    pictures = {name: content for name, content in files_of(tmp_path).items() if name.endswith(".jpg")}
    assert sorted(pictures) == sorted(row["file"] for row in rows) and len(set(pictures.values())) == 12
    assert [row["file"].split("/")[0] for row in rows[8:]] == ["query"] + ["bounding_box_test"] * 3
    names = {photograph.name: person for person in people for photograph in person.photographs}
    for row in rows:
        assert re.search(rf"/{int(row['person']):04d}_c[1-6]s", row["file"])
        assert names[row["source"]] is people[int(row["person"]) - 1] and row["pose"] in names
        assert row["seed"] in "12" and row["attempt"] == "1"
    assert Image.open(tmp_path / rows[0]["file"]).size == (44, 64)


def test_a_picture_of_somebody_else_is_made_again_and_then_left_out(people, poses, tmp_path):
    shown = iter([0.9, 0.4, 0.1, 0.6, 0.4, 0.5, 0.3])  # four pictures; two again; one for the third time
    pipeline = Pipeline()
    summary = augment(pipeline, people[:1], poses, lambda result, source: next(shown), tmp_path, SETTINGS)
    assert pipeline.calls == [4, 2, 1]
    assert (summary["made"], summary["kept"], summary["left_out"], summary["share_kept"]) == (7, 3, 1, 0.75)
    rows = table(tmp_path / "manifest.csv")
    assert [(row["attempt"], row["confidence"]) for row in rows] == [("1", "0.9"), ("2", "0.5"), ("1", "0.6")]
    assert summary["mean_confidence"] == pytest.approx((0.9 + 0.5 + 0.6) / 3)


def test_an_interrupted_run_goes_on_and_ends_with_the_same_set(people, poses, tmp_path, monkeypatch):
    augment(Pipeline(), people, poses, None, tmp_path / "whole", SETTINGS)
    put_in_place = os.replace

    def power_cut(source, target):
        if target.name.startswith("0002_") and "_000002_" in target.name:
            raise KeyboardInterrupt
        return put_in_place(source, target)

    monkeypatch.setattr(os, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        augment(Pipeline(), people, poses, None, tmp_path / "cut", SETTINGS)
    assert [path.stem for path in (tmp_path / "cut" / "people").iterdir()] == ["000001"]
    monkeypatch.undo()
    pipeline = Pipeline()
    augment(pipeline, people, poses, None, tmp_path / "cut", SETTINGS)
    assert pipeline.calls == [4, 4], "the first person is not made again"
    assert files_of(tmp_path / "cut") == files_of(tmp_path / "whole")
    augment(pipeline, people, poses, None, tmp_path / "cut", SETTINGS)
    assert pipeline.calls == [4, 4]


def test_augment_by_two_processes_shares_people_between_them(people, poses, tmp_path, monkeypatch):
    """Each of two takes its own; here one after the other, the second one the main process with the summary."""

    class Process:
        device, num_processes = torch.device("cpu"), 2

        def __init__(self, index):
            self.process_index, self.is_main_process = index, index == 0

        def wait_for_everyone(self):
            pass

    augment(Pipeline(), people, poses, None, tmp_path / "one", SETTINGS)
    augmentation._begin(tmp_path / "two", people, poses, SETTINGS)
    calls = []
    for index in (1, 0):
        pipeline = Pipeline()
        monkeypatch.setattr(augmentation, "Accelerator", lambda index=index: Process(index))
        try:
            augment(pipeline, people, poses, None, tmp_path / "two", SETTINGS)
        except FileNotFoundError:
            assert index == 1, "the others' records are not there yet"
        calls.append(len(pipeline.calls))
    assert calls == [1, 2] and files_of(tmp_path / "one") == files_of(tmp_path / "two")


@pytest.mark.parametrize("change", [{"pictures": 1}, {"made_with": {"cfld": "another.safetensors"}}])
def test_a_folder_with_another_set_is_refused(people, poses, tmp_path, change):
    augment(Pipeline(), people, poses, None, tmp_path, SETTINGS)
    with pytest.raises(AugmentError, match="holds a set that was begun with other"):
        augment(Pipeline(), people, poses, None, tmp_path, AugmentSettings(**(vars(SETTINGS) | change)))


@pytest.fixture
def torchreid(monkeypatch):
    """torchreid's readers alone: the package as a whole imports what they do not need."""
    found = importlib.util.find_spec("torchreid")
    if found is None:
        pytest.skip("torchreid is not installed: python -m pip install --no-deps torchreid")
    folder = Path(found.origin).parent
    for name in ("torchreid", "torchreid.reid", "torchreid.reid.data", "torchreid.reid.data.datasets",
                 "torchreid.reid.data.datasets.image", "torchreid.reid.utils"):  # fmt: skip
        package = types.ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
        monkeypatch.setitem(sys.modules, name, package)
    return lambda name: importlib.import_module(f"torchreid.reid.data.datasets.image.{name}")


@pytest.mark.filterwarnings("ignore:The current data structure is deprecated")
def test_torchreid_reads_it_as_market1501(people, poses, tmp_path, torchreid):
    augment(Pipeline(), people, poses, None, tmp_path / "market1501", SETTINGS)
    data = torchreid("market1501").Market1501(root=str(tmp_path))
    assert (len(data.train), len(data.query), len(data.gallery)) == (8, 1, 3)
    assert (data.num_train_pids, data.num_train_cams) == (2, 2)
    _, person, camera, *_ = data.query[0]
    assert all(entry[1] == person for entry in data.gallery) and any(entry[2] != camera for entry in data.gallery)


def test_torchreid_reads_more_people_as_dukemtmc(people, poses, tmp_path, torchreid, monkeypatch):
    monkeypatch.setattr(augmentation, "person_numbers", lambda names: [5, 1600, 1601])
    folder = tmp_path / "dukemtmc-reid" / "DukeMTMC-reID"
    assert augment(Pipeline(), people, poses, None, folder, SETTINGS)["layout"] == "dukemtmc"
    data = torchreid("dukemtmcreid").DukeMTMCreID(root=str(tmp_path))
    assert (len(data.train), len(data.query), len(data.gallery)) == (8, 1, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--retries", "2"], "--retries: nothing is left out without --embedder"),
        (["--min-confidence", "1.5"], "'1.5' is no share; give a number from 0 to 1"),
        (["--pictures", "0"], "'0' is no number of pictures"),
        (["--poses", "gone.json"], "--poses: 'gone.json'"),
        (["--embedder", "gone.pt"], "--embedder: 'gone.pt' is no embedder"),
    ],
)
def test_a_wrong_option_is_named(tmp_path, capfd, options, words):
    write_people(tmp_path / "data", people=1, test_people=1, pictures=2)
    files = ["--base", DEMO / "base", "--cfld", DEMO / "cfld.safetensors", "--data", tmp_path / "data"]
    try:
        code = main(["augment", *map(str, files), "--out", str(tmp_path / "set"), *options])
    except SystemExit as exit:
        code = exit.code
    assert code == 2 and words in capfd.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "set").exists()
