"""The command line does what it promises, and a mistake of the user's ends in one line that helps."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from cfld_modules import settings
from cfld_modules.checkpoints.cfld_checkpoint import load_checkpoint
from cfld_modules.command_line import COMMANDS, main
from cfld_modules.commands import CommandError
from cfld_modules.commands.training import training_requirements
from tests import golden, tiny_models
from tests.bundled_people import write_people
from tests.ldm_layout import write_ldm_file

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "diffusers", "transformers")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photograph, pose files, both forms of the base model and of the checkpoint, and a LoRA."""
    folder = tmp_path_factory.mktemp("files")
    Image.fromarray(skimage.data.astronaut()).save(folder / "astronaut.jpg", quality=95)
    for count, names in ((1, ["front"]), (2, ["front", "side"]), (3, ["front", "side", "half"])):
        (folder / f"{count}_poses.json").write_text(json.dumps(golden.pose_keypoints(*names)))
    golden.write_authors_pair(folder / "authors", unet=golden.key_values())
    tiny_models.write_base_folder(folder / "sd15")
    write_ldm_file(folder / "sd15.safetensors", tiny_models.tiny_unet(), tiny_models.tiny_vae())
    tiny_models.write_lora(folder / "lora.safetensors")
    assert main(["convert", str(folder / "authors"), str(folder / "cfld.safetensors")]) == 0
    return folder


@pytest.fixture(scope="module")
def plain(files: Path) -> np.ndarray:
    """The transfer with no option changed."""
    assert transfer(files, files / "plain.png") == 0
    return pixels(files / "plain.png")


@pytest.fixture(scope="module")
def three(files: Path) -> list[Path]:
    """The transfers of three poses, with no other option changed."""
    assert transfer(files, files / "three.png", pose=files / "3_poses.json") == 0
    return sorted(files.glob("three*"))


def transfer_options(files: Path, out: Path, **changes: object) -> list[str]:
    """A transfer of two small steps; a change of None leaves the option out, a list gives it several values."""
    options = {
        "source": files / "astronaut.jpg", "pose": files / "1_poses.json", "base": files / "sd15",
        "cfld": files / "cfld.safetensors", "out": out, "steps": 2, "scheduler": "ddim", "size": "88x128",
        "device": "cpu",
    } | changes  # fmt: skip
    arguments = ["transfer"]
    for name, value in options.items():
        if value is not None:
            values = value if isinstance(value, list) else [value]
            arguments += [f"--{name.replace('_', '-')}", *map(str, values)]
    return arguments


def transfer(files: Path, out: Path, **changes: object) -> int:
    return main(transfer_options(files, out, **changes))


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path)).astype(int)


# Transfer and convert


def test_a_photograph_through_a_shell_and_both_forms_of_base_and_checkpoint(files: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cfld_modules", *transfer_options(files, tmp_path / "shell.png", size=None)]
    shell = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert shell.returncode == 0, shell.stderr
    assert shell.stdout == f"{tmp_path / 'shell.png'}\n"
    assert "2/2" in shell.stderr, "the progress bar"
    assert "Traceback" not in shell.stderr and "arning" not in shell.stderr
    picture = Image.open(tmp_path / "shell.png")
    assert (picture.format, picture.size, picture.mode) == ("PNG", (352, 512), "RGB")
    assert np.array(picture).std() > 5

    single = {"base": files / "sd15.safetensors", "cfld": files / "authors", "size": None}
    assert transfer(files, tmp_path / "single.png", **single) == 0
    assert abs(pixels(tmp_path / "single.png") - pixels(tmp_path / "shell.png")).max() <= 1


def test_many_poses_make_numbered_pictures_that_do_not_depend_on_their_number(
    three: list[Path], plain: np.ndarray
) -> None:
    assert [path.name for path in three] == ["three-000.png", "three-001.png", "three-002.png"]
    pictures = list(map(pixels, three))
    assert plain.shape == (128, 88, 3)
    assert np.array_equal(pictures[0], plain)
    assert abs(pictures[0] - pictures[1]).max() > 5


def test_frames_are_one_animated_picture_of_the_results(files: Path, three: list[Path], tmp_path: Path) -> None:
    assert transfer(files, tmp_path / "clip.png", pose=files / "3_poses.json", frames=8) == 0
    with Image.open(tmp_path / "clip.png") as clip:
        assert clip.n_frames == 3 and clip.info["duration"] == 125
        for number in range(3):
            clip.seek(number)
            alone = Image.open(three[number]).convert("RGB")
            assert np.array_equal(np.asarray(clip.convert("RGB")), np.asarray(alone))
    assert not (tmp_path / "clip-000.png").exists()


def test_the_nth_photo_goes_with_the_nth_pose(files: Path, plain: np.ndarray, tmp_path: Path) -> None:
    Image.open(files / "astronaut.jpg").crop((0, 0, 176, 256)).save(tmp_path / "crop.png")
    sources = [files / "astronaut.jpg", tmp_path / "crop.png"]
    assert transfer(files, tmp_path / "both.png", source=sources, pose=files / "2_poses.json") == 0
    assert np.array_equal(pixels(tmp_path / "both-000.png"), plain)
    assert abs(pixels(tmp_path / "both-001.png") - pixels(tmp_path / "both-000.png")).max() > 5


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1}, {"scheduler": "dpm++"}, {"guidance_type": "down_full"}, {"full_scale": 4.0}, {"fit": "crop"},
        {"steps": 3}, {"lora": "{files}/lora.safetensors"},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_changing_any_option_of_transfer_changes_the_picture(
    files: Path, plain: np.ndarray, tmp_path: Path, changes: dict
) -> None:
    filled = {name: value.format(files=files) if name == "lora" else value for name, value in changes.items()}
    assert transfer(files, tmp_path / "changed.png", **filled) == 0
    assert not np.array_equal(pixels(tmp_path / "changed.png"), plain)


def test_a_phones_photo_is_turned_upright(files: Path, tmp_path: Path) -> None:
    photo = Image.open(files / "astronaut.jpg").crop((0, 0, 176, 256))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright, its sensor lies on its side
    photo.save(tmp_path / "upright.png")
    photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    for name in ("upright", "turned"):
        assert transfer(files, tmp_path / f"{name}_result.png", source=tmp_path / f"{name}.png") == 0
    assert np.array_equal(pixels(tmp_path / "upright_result.png"), pixels(tmp_path / "turned_result.png"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_convert_writes_the_authors_numbers_in_the_precision_asked_for(
    files: Path, tmp_path: Path, dtype: torch.dtype, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.safetensors"
    name = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}[dtype]
    assert main(["convert", str(files / "authors"), str(out), "--dtype", name]) == 0
    shown = capfd.readouterr()
    count = len(golden.networks_state()) + 18
    assert f"{count}/{count}" in shown.err and "100%" in shown.err, "the progress bar"
    assert shown.out == f"{out}: {out.stat().st_size / 1e6:.0f} MB\n"
    checkpoint = load_checkpoint(out)
    expected = golden.networks_state() | golden.key_values()
    written = checkpoint.networks | checkpoint.key_values
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[key], expected[key].to(dtype)) for key in expected)
    assert list(tmp_path.iterdir()) == [out]


# Mistakes


def blame(capfd: pytest.CaptureFixture[str], code: int, *words: str) -> None:
    """Exit code 2 and a single line that holds the words."""
    shown = capfd.readouterr().err
    assert code == 2
    assert shown.count("\n") == 1 and shown.startswith("python -m cfld_modules "), shown
    for word in words:
        assert word in shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "none.jpg"}, ["--source", "'none.jpg' does not exist", "give a file that ends in", ".jpg"]),
        ({"source": "{files}/1_poses.json"}, ["--source", "cannot identify image"]),
        ({"pose": "none.json"}, ["--pose", "'none.json' does not exist", "give a file that ends in .json"]),
        ({"pose": "{files}/astronaut.jpg"}, ["--pose", "is no text"]),
        ({"pose": "{tmp}/bad.json"}, ["--pose", "no canvas_width", "Add canvas_width"]),
        ({"base": "none"}, ["--base", "'none' does not exist", "give a diffusers folder"]),
        ({"base": "{files}/authors"}, ["--base", "unet/config.json"]),
        ({"base": "{files}/cfld.safetensors"}, ["--base", "give a full SD 1.5 checkpoint"]),
        ({"base": "{tmp}/other"}, ["--base", "give the Stable Diffusion 1.5 it was trained on"]),
        ({"cfld": "none.safetensors"}, ["--cfld", "'none.safetensors' does not exist", "convert"]),
        ({"cfld": "{files}/sd15.safetensors"}, ["--cfld", "not one made by", "choose another"]),
        ({"lora": "none.safetensors"}, ["--lora", "'none.safetensors' does not exist"]),
        ({"lora": "{files}/cfld.safetensors"}, ["--lora", "no LoRA for this base model", "give one for Stable"]),
        ({"out": "{tmp}/none/out.png"}, ["--out", "in a folder that exists"]),
        ({"out": "{tmp}"}, ["--out", "end it in .png"]),
        ({"out": "{tmp}/folder.png"}, ["--out", "cannot be written"]),
        ({"out": "{tmp}/clip.jpg", "frames": 8}, ["--out", "cannot be an animated picture; end it in .webp"]),
        ({"frames": 0}, ["--frames", "'0' is no number of frames a second"]),
        ({"out": "{tmp}/out.psd"}, ["--out", "end it in .png"]),
        ({"source": ["{files}/astronaut.jpg"] * 2, "pose": "{files}/3_poses.json"}, ["--source, --pose", "2 photos"]),
        ({"device": "cuda:77"}, ["--device", "'cuda:77' cannot be used", "give cpu"]),
        ({"device": "gpu"}, ["--device", "'gpu' cannot be used", "give cpu"]),
        ({"all_scale": 2.0}, ["--all-scale", "--down-scale and --full-scale"]),
        ({"size": "352"}, ["--size", "352x512"]),
        ({"size": "0x9"}, ["--size", "352x512"]),
        ({"steps": 0}, ["--steps", "1 to 1000"]),
        ({"seed": -1}, ["--seed", "whole number"]),
        ({"steps": 1000}, ["--steps", "ddim cannot sample in 1000 steps", "give 999"]),
        ({"steps": 600}, ["--steps", "ddim cannot sample in 600 steps", "give 500 or 940"]),
        ({"steps": 60, "scheduler": "lcm"}, ["--steps", "lcm cannot sample in 60 steps", "give 50"]),
        ({"full_scale": "nan"}, ["--full-scale", "'nan' is no scale; give a finite number"]),
        ({"size": "88x1000000000"}, ["--size", "each from 8 to 16384"]),
        ({"pose": "{tmp}/folder.png"}, ["--pose", "is a folder with no file that ends in .json"]),
        ({"source": "{tmp}/folder.png"}, ["--source", "is a folder with no file that ends in", ".jpg"]),
        ({"scheduler": "eulre"}, ["--scheduler", "euler"]),
        ({"guidance_type": "full"}, ["--guidance-type", "uc_down_full"]),
        ({"pose": None}, ["--pose", "required"]),
    ],
    ids=lambda argument: "" if isinstance(argument, list) else "-".join(f"{k} {v}"[:40] for k, v in argument.items()),
)
def test_a_wrong_option_is_named_with_its_remedy(
    files: Path, tmp_path: Path, changes: dict, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.json").write_text('[{"people": []}]')
    (tmp_path / "folder.png").mkdir()
    if changes == {"base": "{tmp}/other"}:
        tiny_models.write_other_base(tmp_path / "other")

    def filled(value: object) -> object:
        if isinstance(value, list):
            return [filled(part) for part in value]
        return value.format(files=files, tmp=tmp_path) if isinstance(value, str) else value

    options = {"out": tmp_path / "out.png"} | {name: filled(value) for name, value in changes.items()}
    before = set(tmp_path.rglob("*"))
    capfd.readouterr()
    try:
        code = transfer(files, **options)
    except SystemExit as exit:  # argparse's own
        code = exit.code
    blame(capfd, code, *words)
    assert set(tmp_path.rglob("*")) == before, "nothing was written"


def test_transfer_on_a_mac_takes_its_gpu(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Here it only says so, since there is none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    blame(capfd, transfer(files, tmp_path / "out.png", device=None), "--device", "'mps' cannot be used")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("data people --out x --count 0", ["--count", "'0' is no number of people; give a whole number of 1 or"]),
        ("data people --out x --count 1 --pictures -2", ["--pictures", "'-2' is no number of pictures"]),
        ("evaluate --batch 0 --base b --cfld c --data d --out o", ["--batch", "'0' is no number of pairs"]),
        ("evaluate --limit 0 --base b --cfld c --data d --out o", ["--limit", "'0' is no number of pairs"]),
        ("evaluate-turning --people -1", ["--people", "'-1' is no number of people"]),
        ("augment --batch 0 --base b --cfld c --data d --out o", ["--batch", "'0' is no number of pictures"]),
        ("augment --retries x --base b --cfld c --data d --out o", ["--retries", "'x' is no number of times"]),
        ("demo --steps 0", ["--steps", "give a whole number from 1 to 1000"]),
        ("demo --person 1.5", ["--person", "'1.5' is no number of a person"]),
    ],
)
def test_a_count_out_of_bounds_is_named_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, words: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        main(arguments.split())
    blame(capfd, exit.value.code, *words)
    assert not list(tmp_path.iterdir())


def test_folders_of_poses_and_photos_are_read_in_the_order_of_their_numbers(
    files: Path, three: list[Path], tmp_path: Path
) -> None:
    """CMU OpenPose writes a file a frame."""
    for folder in ("poses", "photos"):
        (tmp_path / folder).mkdir()
    frames = golden.pose_keypoints("front", "side", "half")
    for number, frame in zip((9, 10, 100), frames, strict=True):
        (tmp_path / "poses" / f"v_{number}_keypoints.json").write_text(json.dumps([frame]))
        shutil.copy(files / "astronaut.jpg", tmp_path / "photos" / f"{number}.jpg")
    (tmp_path / "poses" / "readme.txt").write_text("no pose")
    assert transfer(files, tmp_path / "b.png", pose=tmp_path / "poses", source=tmp_path / "photos") == 0
    for number in range(3):
        assert np.array_equal(pixels(three[number]), pixels(tmp_path / f"b-00{number}.png"))


@pytest.mark.parametrize(
    ("source", "out", "words"),
    [
        ("{files}/none", "{tmp}/x.safetensors", ["AUTHORS_FOLDER", "'none' does not exist", "give the folder"]),
        ("{tmp}", "{tmp}/x.safetensors", ["AUTHORS_FOLDER", "pytorch_model.bin (the encoders) is missing"]),
        ("{files}/authors", "{tmp}/x.bin", ["OUT", "must end in .safetensors"]),
        ("{files}/authors", "{tmp}/none/x.safetensors", ["OUT", "in a folder that exists"]),
        ("{files}/authors", "/proc/x.safetensors", ["OUT"]),
    ],
)
def test_a_wrong_conversion_is_named_with_its_remedy(
    files: Path, tmp_path: Path, source: str, out: str, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    code = main(["convert", source.format(files=files, tmp=tmp_path), out.format(tmp=tmp_path)])
    if out.startswith("/proc"):  # only found when writing, after the progress bar
        assert code == 2 and "error: OUT" in capfd.readouterr().err.splitlines()[-1]
    else:
        blame(capfd, code, *words)
    assert not list(tmp_path.iterdir())


def test_an_interrupt_ends_without_a_traceback(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cfld_modules.pipeline.cfld_pipeline.CFLDPipeline.__call__", interrupted)
    assert transfer(files, tmp_path / "out.png") == 130


# Training


@pytest.mark.parametrize(
    ("command", "content", "words"),
    [
        ("train", {"training": {"steps": 1}, "modle": {}}, ["modle"]),
        ("train-autoencoder", {"size": 64, "training": {"steps": 0.5}}, ["training.steps", "0.5"]),
        (
            "train-autoencoder",
            {"size": 64, "crop": 64, "training": {"steps": 1}, "decoder_of": "autoencoder",
             "denoised": {"base": "{files}/sd15", "cfld": "none.safetensors"}},
            ["'none.safetensors' does not exist"],
        ),
    ],
)  # fmt: skip
def test_a_training_command_names_its_file_and_the_mistake(
    files: Path, tmp_path: Path, command: str, content: dict, words: list[str], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_models.tiny_autoencoder().save_pretrained("autoencoder")
    write_people(tmp_path / "people", people=1, test_people=1, pictures=2)
    settings = {"output": "run", "data": {"format": "deepfashion", "root": "people"}} | content
    Path("run.yaml").write_text(json.dumps(settings).replace("{files}", str(files)))
    capfd.readouterr()
    blame(capfd, main([command, "run.yaml"]), "error: run.yaml: ", *words)


def test_a_missing_requirement_is_named_with_its_remedy() -> None:
    with pytest.raises(CommandError, match="no_such_package is not installed; run 'pip install -r requirements-train"):
        with training_requirements():
            import no_such_package  # noqa: F401


# Help and data sets


def test_help_and_wrong_options_need_no_heavy_library() -> None:
    code = f"""
import sys
from cfld_modules.command_line import COMMANDS, main
for command in COMMANDS:
    try:
        main([command, "--help"])
    except SystemExit:
        pass
print([name for name in {HEAVY} if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.count("usage: ") == len(COMMANDS) and told.endswith("[]\n")


def test_numbers_are_read_with_types_that_settings_have() -> None:
    """A name that `settings` lacks would only be met by whoever gives that option."""
    for file in (ROOT / "cfld_modules" / "commands").glob("*.py"):
        for kind in re.findall(r'\bnumber\(\s*"(\w+)"', file.read_text()):
            assert hasattr(settings, kind), f"{file.name}: {kind}"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_its_usage(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main([command, "--help"])
    shown = capfd.readouterr().out
    assert exit.value.code == 0
    assert f"usage: python -m cfld_modules {command}" in shown and "None" not in shown
