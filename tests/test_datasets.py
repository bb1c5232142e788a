"""Reading data sets: layouts, spellings, splits, and rows that cannot be used."""

import json
import logging
import sys

import numpy as np
import pytest
from PIL import Image

from cfld_modules.data.deepfashion import DeepFashionData
from cfld_modules.data.folder import FolderData
from cfld_modules.data.market1501 import MarketData
from cfld_modules.data.pose_files import read_pose_files
from cfld_modules.demo_people import POSES, demo_photo, photo_name
from cfld_modules.errors import DataError
from cfld_modules.evaluation.ground_truth import silhouette_file
from cfld_modules.poses.keypoints import Pose, write_pose_keypoints
from tests.bundled_people import held_out_pairs

ROWS, COLUMNS = [30 + joint for joint in range(18)], [50 + joint for joint in range(18)]


def write_picture(file, width=176, height=256, shade=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (shade, 100, 200)).save(file)


def annotation(name, rows=ROWS, columns=COLUMNS):
    return f"{name}:{rows}:{columns}"


@pytest.fixture
def fashion(tmp_path):
    """A DeepFashion folder with pictures a, b, c and the pairs a-b, b-a, b-c."""
    for shade, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
        write_picture(tmp_path / "train_highres" / name, 750, 1101, shade)
    lines = ["name:keypoints_y:keypoints_x", *(annotation(name) for name in ("a.jpg", "b.jpg", "c.jpg"))]
    (tmp_path / "fasion-resize-annotation-train.csv").write_text("\n".join(lines))
    (tmp_path / "fasion-resize-pairs-train.csv").write_text("from,to\na.jpg,b.jpg\nb.jpg,a.jpg\nb.jpg,c.jpg\n")
    return tmp_path


@pytest.mark.parametrize("size", [(256, 256), (1101, 750), (750, 1200)], ids=["padded", "on its side", "another cut"])
def test_a_picture_of_another_aspect_than_its_key_points_is_refused(fashion, size):
    """PIDM's set has 40 blank columns on each side, and the key points of the others."""
    write_picture(fashion / "train_highres" / "c.jpg", *size)
    with pytest.raises(DataError, match=f"line 4: it is {size[0]}x{size[1]} as one sees it, .* of another aspect"):
        DeepFashionData("deepfashion", fashion).pairs("train")
    assert len(DeepFashionData("deepfashion", fashion, bad_rows="skip").pairs("train")) == 2


def test_points_of_a_picture_of_another_size_are_refused(fashion, caplog):
    """PISE's annotations are of pictures that were squashed to 256x256 (Zhangjinso/PISE 14)."""
    file = fashion / "fasion-resize-annotation-train.csv"
    squashed = annotation("c.jpg", columns=list(range(90, 210, 7))[:18])
    file.write_text(file.read_text().replace(annotation("c.jpg"), squashed))
    with pytest.raises(DataError, match="line 4: the key points reach x 209 and y 47 on a canvas of 176x256; whoever"):
        DeepFashionData("deepfashion", fashion).pairs("train")
    assert len(DeepFashionData("deepfashion", fashion, bad_rows="skip").pairs("train")) == 2


def append(file, line):
    file.write_text(file.read_text().rstrip("\n") + f"\n{line}\n")


@pytest.mark.parametrize("spelling", ["fashion", "fasion"])
def test_deepfashion_of_either_spelling_gives_its_pairs_poses_and_pictures(fashion, spelling):
    for file in list(fashion.glob("*.csv")):
        file.rename(fashion / file.name.replace("fasion", spelling))
    pairs = DeepFashionData("deepfashion", fashion).pairs("train")
    assert [(source.name, target.name) for source, target in pairs] == [
        ("a.jpg", "b.jpg"), ("b.jpg", "a.jpg"), ("b.jpg", "c.jpg"),
    ]  # fmt: skip
    source, _ = pairs[0]
    assert source.picture().shape == (1101, 750, 3)
    pose = source.pose()
    assert (pose.width, pose.height) == (176, 256)
    assert pose.points[0].tolist() == [50, 30]
    assert pairs.fit == "stretch"


def test_a_point_is_missing_where_either_coordinate_is(fashion):
    append(fashion / "fasion-resize-annotation-train.csv", annotation("a.jpg", [-1, *ROWS[1:]]))
    source, _ = DeepFashionData("deepfashion", fashion).pairs("train")[0]
    assert source.pose().visible.tolist() == [False] + [True] * 17


BAD_ANNOTATIONS = [
    (annotation("missing.jpg"), "there is no picture 'missing.jpg'"),
    ("c.jpg:[1, 2]:[3, 4]", "must be a list of 18 numbers"),
    ("c.jpg:[1, 2", "not as many fields"),
    ("c.jpg:[1, 2:[3, 4]", "no JSON list"),
    (annotation("c.jpg") + ":9", "not as many fields"),
    (annotation("c.jpg", [-1] * 18), "nobody"),
]


@pytest.mark.parametrize(("row", "message"), BAD_ANNOTATIONS)
def test_a_bad_annotation_names_file_and_line(fashion, row, message, caplog):
    append(fashion / "fasion-resize-annotation-train.csv", row)
    place = "fasion-resize-annotation-train.csv', line 5"
    with pytest.raises(DataError, match=message) as raised:
        DeepFashionData("deepfashion", fashion, bad_rows="error").pairs("train")
    assert place in str(raised.value)
    with caplog.at_level(logging.WARNING, "cfld"):
        assert len(DeepFashionData("deepfashion", fashion, bad_rows="skip").pairs("train")) == 3
    assert place in caplog.text


def test_a_bad_pair_names_file_and_line(fashion, caplog):
    append(fashion / "fasion-resize-pairs-train.csv", "a.jpg,nobody.jpg")
    with pytest.raises(DataError, match="pairs-train.csv', line 5: 'nobody.jpg' has no"):
        DeepFashionData("deepfashion", fashion).pairs("train")
    with caplog.at_level(logging.WARNING, "cfld"):
        assert len(DeepFashionData("deepfashion", fashion, bad_rows="skip").pairs("train")) == 3
    assert "line 5 is left out" in caplog.text


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: (root / "fasion-resize-pairs-train.csv").unlink(), "has no fashion-resize-pairs-train.csv or"),
        (lambda root: (root / "fasion-resize-pairs-train.csv").write_text("a,b\n"), "line 1: no column from, to"),
        (lambda root: (root / "fasion-resize-pairs-train.csv").write_text("from,to\n"), "gives no pair"),
        (lambda root: (root / "train_highres").rename(root / "elsewhere"), "is no folder"),
    ],
)
def test_what_is_missing_is_named_even_where_bad_rows_are_skipped(fashion, break_it, message):
    break_it(fashion)
    with pytest.raises(DataError, match=message):
        DeepFashionData("deepfashion", fashion, bad_rows="skip").pairs("train")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_files_as_a_spreadsheet_saves_them(fashion, encoding):
    for file in fashion.glob("*.csv"):
        file.write_bytes(file.read_text().encode(encoding))
    assert len(DeepFashionData("deepfashion", fashion).pairs("train")) == 3


def cut_short(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(("spoil", "message"), [
    (cut_short, "c.jpg' cannot be read"),
    (lambda file: file.write_text("no picture"), "c.jpg' cannot be read"),
    (lambda file: (file.unlink(), file.mkdir()), "c.jpg' cannot be read"),
    (lambda file: (file.unlink(), file.symlink_to("gone.jpg")), "c.jpg' cannot be read"),
], ids=["truncated", "no picture", "a folder", "a dangling link"])
def test_a_picture_that_cannot_be_read_is_a_bad_row(fashion, spoil, message, caplog):
    spoil(fashion / "train_highres" / "c.jpg")
    place = "fasion-resize-annotation-train.csv', line 4"
    with pytest.raises(DataError, match=message) as raised:
        DeepFashionData("deepfashion", fashion).pairs("train")
    assert place in str(raised.value)
    with caplog.at_level(logging.WARNING, "cfld"):
        assert len(DeepFashionData("deepfashion", fashion, bad_rows="skip").pairs("train")) == 2
    assert place in caplog.text


def test_bytes_that_are_no_text_spoil_their_row_alone(fashion, caplog):
    file = fashion / "fasion-resize-pairs-train.csv"
    file.write_bytes(file.read_bytes() + b"caf\xe9.jpg,b.jpg\n")
    with caplog.at_level(logging.WARNING, "cfld"):
        assert len(DeepFashionData("deepfashion", fashion, bad_rows="skip").pairs("train")) == 3
    assert "pairs-train.csv', line 5" in caplog.text


def test_a_quotation_mark_left_open_is_named(fashion):
    file = fashion / "fasion-resize-pairs-train.csv"
    file.write_text(file.read_text() + '"' + "a.jpg,b.jpg\n" * 20_001)
    with pytest.raises(DataError, match=r"pairs-train\.csv', line \d+: field larger .* quotation mark left open"):
        DeepFashionData("deepfashion", fashion).pairs("train")


def test_market_key_points_are_in_its_small_pictures(tmp_path):
    for name in ("0002_c1.jpg", "0002_c2.jpg"):
        write_picture(tmp_path / "bounding_box_test" / name, 64, 128)
    lines = ["name:keypoints_y:keypoints_x", annotation("0002_c1.jpg"), annotation("0002_c2.jpg")]
    (tmp_path / "market-annotation-test.csv").write_text("\n".join(lines))
    (tmp_path / "market-pairs-test.csv").write_text("from,to\n0002_c1.jpg,0002_c2.jpg\n")
    source, target = MarketData("market1501", tmp_path).pairs("test")[0]
    assert (source.pose().width, source.pose().height) == (64, 128)
    assert target.picture().shape == (128, 64, 3)


def write_person(file, width=300, height=200):
    write_picture(file, width, height)
    pose = Pose(np.stack([COLUMNS, ROWS], axis=1).astype(float), width, height)
    file.with_suffix(".json").write_text(json.dumps(write_pose_keypoints([pose])))


def test_a_folder_tells_people_by_subfolder_or_prefix_and_keeps_every_tenth(tmp_path):
    for person in range(11):
        for number in range(2):
            subfolder = tmp_path / f"p{person:02d}" / f"{number}.png"
            write_person(subfolder if person % 2 else tmp_path / f"p{person:02d}_{number}.jpg")
    train, test = (FolderData("folder", tmp_path).pairs(split) for split in ("train", "test"))
    people = [{name[:3] for pair in pairs for name in (pair[0].name, pair[1].name)} for pairs in (train, test)]
    assert people == [{f"p{person:02d}" for person in range(1, 10)}, {"p00", "p10"}]
    assert len(train) == 9 * 2 and len(test) == 2 * 2
    assert all(source.name[:3] == target.name[:3] and source.name != target.name for source, target in train)
    assert train.fit == "pad"


def test_a_picture_without_key_points_is_a_bad_row(tmp_path, caplog):
    for name in ("a_1.jpg", "a_2.jpg", "b_1.jpg", "b_2.jpg"):
        write_person(tmp_path / name)
    write_picture(tmp_path / "b_3.jpg")
    with pytest.raises(DataError, match="b_3.jpg': its key points are missing; put them into b_3.json"):
        FolderData("folder", tmp_path).pairs("train")
    with caplog.at_level(logging.WARNING, "cfld"):
        assert len(FolderData("folder", tmp_path, bad_rows="skip").pairs("train")) == 2
    assert "b_3.jpg' is left out" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_key_points_in_any_encoding_and_with_any_spelling_of_the_ending(tmp_path, encoding):
    for name in ("a_1.jpg", "a_2.jpg", "b_1.jpg", "b_2.JPG"):
        write_person(tmp_path / name)
        key_points = (tmp_path / name).with_suffix(".json")
        key_points.with_suffix(".JSON").write_bytes(key_points.read_text().encode(encoding))
        key_points.unlink()
    assert len(FolderData("folder", tmp_path).pairs("train")) == 2


def test_a_turned_photo_and_its_key_points_agree_or_are_a_bad_row(tmp_path):
    for name in ("a_1.jpg", "a_2.jpg", "b_1.jpg", "b_2.jpg"):
        write_person(tmp_path / name, 200, 300)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (300, 200)).save(tmp_path / "b_2.jpg", exif=exif)
    _, turned = FolderData("folder", tmp_path).pairs("train")[0]
    assert turned.picture().shape == (300, 200, 3)
    write_person(tmp_path / "b_2.jpg", 300, 200)
    Image.new("RGB", (300, 200)).save(tmp_path / "b_2.jpg", exif=exif)
    with pytest.raises(DataError, match="b_2.jpg': it is 200x300 as one sees it, .* on a canvas of 300x200"):
        FolderData("folder", tmp_path).pairs("train")


@pytest.mark.parametrize("ending", [".heic", ".avif", ".tiff", ".gif", ".TIF"])
def test_folder_with_pictures_of_phones_reads_and_counts_them(tmp_path, caplog, ending):
    for person in ("anna", "ben", "cleo"):
        for number in "12":
            write_person(tmp_path / person / f"{number}.jpg")
    (tmp_path / "ben" / "2.jpg").rename(tmp_path / "ben" / f"2{ending}")
    (tmp_path / "ben" / "raw.dng").write_bytes(b"")
    with caplog.at_level(logging.INFO, "cfld"):
        assert len(FolderData("folder", tmp_path).pairs("train")) == 4
    assert f"pictures: 5 .jpg, 1 {ending.lower()}; not read: 1 .dng" in caplog.text


def test_folder_with_a_phones_picture_that_cannot_be_read_names_it(tmp_path, monkeypatch):
    for number in "12":
        write_person(tmp_path / "anna" / f"{number}.jpg")
    (tmp_path / "anna" / "2.jpg").unlink()
    (tmp_path / "anna" / "2.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError, match="2.heic' .*pip install pillow-heif"):
        FolderData("folder", tmp_path).people()


def test_a_folder_of_single_pictures_has_no_pairs(tmp_path):
    for name in ("a_1.jpg", "b_1.jpg"):
        write_person(tmp_path / name)
    with pytest.raises(DataError, match="nobody with two usable pictures"):
        FolderData("folder", tmp_path).pairs("train")


def test_bundled_people_are_a_data_set_and_the_photos_that_the_demo_shows():
    pairs = held_out_pairs()
    assert len(pairs) == 84 and len(pairs.photographs) == 96
    for place, photograph in enumerate(pairs.photographs):
        photo = demo_photo(*divmod(place, POSES))
        assert photograph.name == photo_name(*divmod(place, POSES))
        assert np.array_equal(photograph.picture(), photo.image)
        np.testing.assert_allclose(photograph.pose().points * 2, photo.pose.points)
        assert silhouette_file(photograph).is_file()
    for source, target in pairs:
        assert source.name.split("_")[0] == target.name.split("_")[0] and source.name.endswith("_pose0.webp")


def test_a_folder_of_key_points_is_read_in_the_order_of_its_numbers(tmp_path):
    """As OpenPose's `--write_json` makes them, a file a frame; numbers without zeros before them, too."""
    frame = write_pose_keypoints([Pose(np.stack([COLUMNS, ROWS], axis=1).astype(float), 176, 256)])
    for number in (10, 9, 100):
        (tmp_path / f"video_{number}_keypoints.json").write_text(json.dumps(frame))
    (tmp_path / "notes.txt").write_text("no pose")
    names = [pose.name for pose in read_pose_files([tmp_path])]
    assert names == [f"video_{number}_keypoints.json#1" for number in (9, 10, 100)]
