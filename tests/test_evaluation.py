"""Metrics against values known otherwise, clothes and outlines of people known to be right or wrong, the files."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors.torch import load_file
from scipy.ndimage import gaussian_filter, uniform_filter

from cfld_modules.checkpoints.cfld_checkpoint import Checkpoint, save_checkpoint
from cfld_modules.demo_people import PEOPLE, POSES, demo_photo
from cfld_modules.evaluation import metrics, real_pictures
from cfld_modules.evaluation.clothes import (
    bare_studio,
    clothes_distance,
    clothes_features,
    find_silhouette,
    intersection_over_union,
)
from cfld_modules.evaluation.evaluate import EvaluationError, EvaluationSettings, evaluate
from cfld_modules.evaluation.generate import truth_picture
from cfld_modules.evaluation.ground_truth import galleries, pose_name, score_against_truth
from cfld_modules.evaluation.models import load_pipeline
from cfld_modules.evaluation.workers import workers
from cfld_modules.networks.config import read_config
from cfld_modules.pipeline.base_model import load_base_model
from tests.bundled_people import held_out_pairs
from tests.golden import key_values, networks_state
from tests.tiny_models import tiny_autoencoder, write_base_folder

ROOT = Path(__file__).parent.parent
WIDTH, HEIGHT = 88, 128


def studio_of(photo):
    return bare_studio(photo.image, photo.silhouette)


@pytest.fixture(scope="module")
def photographs():
    return held_out_pairs()


@pytest.fixture(scope="module")
def result_and_truth(photographs):
    return tuple(truth_picture(photograph, "stretch", WIDTH, HEIGHT) for photograph in photographs[0])


def reference_ssim(first, second, smooth, data_range, unbiased, border):
    """Structural similarity from its definition (Wang et al. 2004), for each channel of float64 pictures."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for x, y in zip(np.moveaxis(first, 2, 0), np.moveaxis(second, 2, 0), strict=True):
        mx, my = smooth(x), smooth(y)
        vx, vy, vxy = (unbiased * (smooth(a * b) - ma * mb) for a, b, ma, mb in (
            (x, x, mx, mx), (y, y, my, my), (x, y, mx, my)))  # fmt: skip
        similarity = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        values.append(similarity[border:-border, border:-border].mean())
    return float(np.mean(values))


def test_ssim_has_the_papers_uniform_window(result_and_truth):
    result, truth = (picture / 255 for picture in result_and_truth)
    count = 51 * 51
    expected = reference_ssim(result, truth, lambda x: uniform_filter(x, 51), 1.0, count / (count - 1), 25)
    assert metrics.ssim(*result_and_truth) == pytest.approx(expected, abs=1e-6)


def test_ssim_256_has_a_gaussian_window_and_the_results_range(result_and_truth):
    dull = (result_and_truth[0] // 2 + 30).astype(np.uint8)
    truth = result_and_truth[1]
    data_range = float(dull.max()) - float(dull.min())
    expected = reference_ssim(
        dull.astype(float), truth.astype(float), lambda x: gaussian_filter(x, 1.5, truncate=3.5), data_range, 1.0, 5
    )
    assert metrics.ssim_256(dull, truth) == pytest.approx(expected, abs=1e-6)


def test_psnr_is_that_of_the_mean_square_error(result_and_truth):
    result, truth = result_and_truth
    error = ((result / 255 - truth / 255) ** 2).mean()
    assert metrics.psnr(result, truth) == pytest.approx(-10 * np.log10(error))
    assert metrics.psnr(truth, truth) == np.inf


def test_inception_gets_what_the_authors_give_it():
    class Recorder(torch.nn.Module):
        def forward(self, pictures):
            self.seen = pictures
            return torch.zeros(len(pictures), 2048)

    recorder = Recorder()
    board = (np.indices((512, 352)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pictures = metrics.unit_tensor(np.stack([board] * 3, axis=2))[None]
    assert metrics.InceptionFeatures(recorder)(pictures).shape == (1, 2048)
    assert recorder.seen.shape == (1, 3, 299, 299)
    assert recorder.seen.min() < 0.1 and recorder.seen.max() > 0.9  # in [0, 1], and no antialias has greyed it


def test_the_frechet_distance_of_known_normal_distributions():
    """In one dimension: squared differences of means and of deviations."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Mean(torch.nn.Module):
        num_features = 1

        def forward(self, pictures):
            return pictures.mean(dim=(1, 2, 3))[:, None]

    distance = FrechetInceptionDistance(feature=Mean())
    real, fake = (torch.tensor(values)[:, None, None, None] for values in ([0.0, 2.0], [3.0, 9.0]))
    distance.update(real, real=True)
    distance.update(fake, real=False)
    deviations = 2**0.5, 18**0.5
    assert distance.compute().item() == pytest.approx(5.0**2 + (deviations[1] - deviations[0]) ** 2, rel=1e-4)


@pytest.mark.parametrize("pair", [0, 8, 33, 68])
def test_a_person_is_told_from_others_in_the_same_pose(photographs, pair):
    _, target = photographs[pair]
    gallery = galleries([target], photographs.photographs)[pose_name(target)]
    assert len(gallery) == PEOPLE
    truth = truth_picture(target, "stretch", WIDTH, HEIGHT)
    stranger = gallery[gallery.index(target) - 3]
    other = truth_picture(stranger, "stretch", WIDTH, HEIGHT)
    blurred = gaussian_filter(truth, (1.5, 1.5, 0))
    assert score_against_truth(truth, truth, target, gallery, "stretch").retrieved
    assert score_against_truth(blurred, truth, target, gallery, "stretch").retrieved
    assert not score_against_truth(other, truth, target, gallery, "stretch").retrieved
    assert score_against_truth(other, other, stranger, gallery, "stretch").retrieved


def test_an_outline_is_found_and_another_pose_is_not_that_outline():
    scores = []
    for person in range(PEOPLE):
        source, *targets = (demo_photo(person, pose, WIDTH, HEIGHT) for pose in range(POSES))
        for target in targets:
            scores.append([
                intersection_over_union(find_silhouette(picture, studio_of(target)), target.silhouette)
                for picture in (target.image, source.image)
            ])
    best, unchanged = np.mean(scores, axis=0)
    assert best > 0.94 and unchanged < 0.75
    empty = np.zeros((HEIGHT, WIDTH), bool)
    assert intersection_over_union(empty, empty) == 0


@pytest.mark.parametrize("colour", [(238, 239, 242), (228, 206, 206), (90, 90, 92)], ids=["white", "pale skin", "dark"])
def test_find_silhouette_clothes_of_any_colour_are_found_without_their_mixed_outline(colour):
    studio = np.full((32, 32, 3), (215, 216, 221), np.uint8)
    picture = studio.copy()
    picture[7:25, 7:25] = 0.7 * studio[0, 0] + 0.3 * np.array(colour)
    picture[8:24, 8:24] = colour
    expected = np.zeros((32, 32), bool)
    expected[8:24, 8:24] = True
    np.testing.assert_array_equal(find_silhouette(picture, studio), expected)


@pytest.mark.parametrize(("colour", "is_found"), [((214, 216, 221), False), ((221, 223, 230), True)])
def test_find_silhouette_a_hole_is_the_person_s_unless_it_is_the_bare_wall(colour, is_found):
    studio = np.full((32, 32, 3), (215, 216, 221), np.uint8)
    picture = studio.copy()
    picture[4:28, 4:28] = (40, 60, 200)
    picture[10:22, 10:22] = colour
    expected = np.zeros((32, 32), bool)
    expected[4:28, 4:28] = True
    expected[10:22, 10:22] = is_found
    np.testing.assert_array_equal(find_silhouette(picture, studio), expected)


def test_bare_studio_shadow_beside_the_person_is_the_studios():
    truth = np.full((32, 32, 3), (215, 216, 221), np.uint8)
    truth[20:28, 4:28] = (178, 179, 184)
    person = np.zeros((32, 32), bool)
    person[4:26, 12:20] = True
    truth[person] = (40, 60, 200)
    np.testing.assert_array_equal(find_silhouette(truth, bare_studio(truth, person)), person)


@pytest.mark.parametrize("person", [0, 9])
def test_people_in_white_are_found(person):
    overlaps = []
    for pose in range(POSES):
        photo = demo_photo(person, pose, WIDTH, HEIGHT)
        overlaps.append(intersection_over_union(find_silhouette(photo.image, studio_of(photo)), photo.silhouette))
    assert np.mean(overlaps) > 0.9


def test_features_of_hidden_parts_do_not_count():
    photo = demo_photo(0, 0, WIDTH, HEIGHT)
    features = clothes_features(photo.image, photo.pose)
    seen = features.copy()
    seen[1:] = np.nan
    assert clothes_distance(features, seen) == 0
    assert clothes_distance(features, np.full_like(features, np.nan)) == np.inf


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """(base, cfld): the goldens' tiny networks as files."""
    folder = tmp_path_factory.mktemp("model")
    write_base_folder(folder / "base", tiny_autoencoder())
    shapes = {name: tuple(tensor.shape) for name, tensor in networks_state().items()}
    save_checkpoint(folder / "cfld.safetensors", Checkpoint(read_config(shapes), networks_state(), key_values()))
    return folder / "base", folder / "cfld.safetensors"


SETTINGS = EvaluationSettings(width=WIDTH, height=HEIGHT, steps=1, batch_size=2, limit=3)


def test_evaluation_writes_pictures_table_and_summary(model, photographs, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nothing"))

    def no_real_pictures():
        raise AssertionError("read without a Fréchet distance")

    summary = evaluate(load_pipeline(*model, "ddim"), photographs, no_real_pictures, tmp_path / "out", SETTINGS)
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert set(summary["missing"]) == {"lpips", "fid", "pck"}
    assert "get blazepose" in summary["missing"].pop("pck")
    assert all("torchvision" in reason or "is missing" in reason for reason in summary["missing"].values())
    rows = table(tmp_path / "out" / "pairs.csv")
    assert [row["number"] for row in rows] == ["0", "1", "2"]
    assert [(row["from"], row["to"]) for row in rows] == [
        tuple(photograph.name for photograph in photographs[number]) for number in range(3)
    ]
    for row in rows:
        source, target = photographs[int(row["number"])]
        result = np.asarray(Image.open(tmp_path / "out" / "images" / f"{int(row['number']):06d}.png"))
        truth, unchanged = (truth_picture(photograph, "stretch", WIDTH, HEIGHT) for photograph in (target, source))
        assert float(row["ssim"]) == pytest.approx(metrics.ssim(result, truth))
        assert float(row["psnr"]) == pytest.approx(metrics.psnr(result, truth))
        assert float(row["ssim_of_source_unchanged"]) == pytest.approx(metrics.ssim(unchanged, truth))
    for name in ("ssim", "silhouette_iou", "ssim_of_source_unchanged"):
        assert summary["scores"][name] == pytest.approx(np.mean([float(row[name]) for row in rows]))
    assert summary["pairs"] == 3
    assert (tmp_path / "out" / "sheet.png").is_file()


def test_results_measured_by_workers_are_those_measured_in_between(model, photographs, tmp_path, monkeypatch):
    """With a distance of batches in LPIPS' place, whose weights are not here."""
    distance = lambda results, truths: (results - truths).abs().mean(dim=(1, 2, 3)).tolist()  # noqa: E731
    monkeypatch.setattr("cfld_modules.evaluation.evaluate.load_lpips", lambda device: distance)
    for count in (0, 1):
        settings = dataclasses.replace(SETTINGS, workers=count)
        evaluate(load_pipeline(*model, "ddim"), photographs, lambda: [], tmp_path / str(count), settings)
    rows = table(tmp_path / "0" / "pairs.csv")
    assert rows == table(tmp_path / "1" / "pairs.csv")
    for row in rows:
        result = np.asarray(Image.open(tmp_path / "1" / "images" / f"{int(row['number']):06d}.png"))
        truth = truth_picture(photographs[int(row["number"])][1], "stretch", WIDTH, HEIGHT)
        assert float(row["lpips"]) == pytest.approx(np.abs(result / 255 - truth / 255).mean(), abs=1e-6)


def test_real_pictures_are_seen_once_and_kept_for_the_next_run(photographs, tmp_path, monkeypatch):
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Means(torch.nn.Module):
        num_features = 3

        def forward(self, pictures):
            return pictures.mean(dim=(2, 3))

    def distance(size):
        fid = FrechetInceptionDistance(feature=Means())
        with workers(0) as run:
            real_pictures.add_real_pictures(
                fid, Accelerator(), photographs.photographs, "stretch", size, 4, tmp_path, run
            )
        fid.update(torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0)), real=False)
        return fid.compute().item()

    first = distance((WIDTH, HEIGHT))
    with monkeypatch.context() as patch:
        patch.setattr(real_pictures, "truth_picture", None)
        assert distance((WIDTH, HEIGHT)) == first
    assert distance((44, 64)) != first
    assert len(list(tmp_path.glob("fid-real-*.safetensors"))) == 2
    for file in tmp_path.iterdir():
        assert load_file(file)["real_features_num_samples"] == len(photographs.photographs)


def table(file):
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def test_sizes_that_cannot_be_measured(model, photographs, tmp_path):
    settings = EvaluationSettings(width=40, height=128, steps=1)
    with pytest.raises(EvaluationError, match="too small"):
        evaluate(load_pipeline(*model), photographs, lambda: [], tmp_path, settings)


def test_the_base_model_gets_the_trained_matrices(model):
    pipeline = load_pipeline(*model)
    plain, _ = load_base_model(model[0])
    for name, matrix in key_values().items():
        assert torch.equal(pipeline.unet.get_parameter(name), matrix)
    assert plain.conv_in.weight.shape == pipeline.unet.conv_in.weight.shape
