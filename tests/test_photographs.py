"""Whatever a photograph is saved as, it is read as people see it, or refused by name."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cfld_modules.errors import LONGEST_MESSAGE, PhotographError, shortened
from cfld_modules.photographs import STUDIO_WALL, check_photograph, decode_photograph, read_photograph, rgb_pixels
from tests.fuzz.meter import measured

ROOT = Path(__file__).resolve().parents[1]
ORIENTATION = 0x0112
RAMP = np.linspace(0, 255, 48 * 64).reshape(64, 48).astype(np.uint8)  # 48 wide
PHOTO = Image.fromarray(np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "webp", "tiff"])
def test_a_photo_is_turned_upright_as_its_exif_says(tmp_path: Path, orientation: int, ending: str) -> None:
    turns = (None, 0, 3, 1, 5, 2, 6, 4)  # what makes each orientation, in PIL's numbers of Transpose
    turn = turns[orientation - 1]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = PHOTO if turn is None else PHOTO.transpose(Image.Transpose(turn))
    file = tmp_path / f"photo.{ending}"
    stored.save(file, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    assert np.array_equal(read_photograph(file), np.asarray(PHOTO))
    assert check_photograph(file) == PHOTO.size


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "L"])
def test_grey_of_sixteen_bits_keeps_its_shades(mode: str) -> None:
    wide = RAMP if mode == "L" else RAMP.astype({"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]) * 257
    assert np.array_equal(rgb_pixels(Image.fromarray(wide)), np.repeat(RAMP[..., None], 3, axis=2))


def test_a_sixteen_bit_file_is_not_white(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / "grey.png")
    assert np.array_equal(read_photograph(tmp_path / "grey.png")[..., 1], RAMP)


def see_through() -> Image.Image:
    """The left half is transparent, over red that nobody shall see."""
    pixels = np.dstack([np.asarray(PHOTO), np.full(RAMP.shape, 255, np.uint8)])
    pixels[:, :24] = (255, 0, 0, 0)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("save", [
    lambda file: see_through().save(file),
    lambda file: see_through().convert("LA").save(file),
    lambda file: see_through().quantize(32, Image.Quantize.FASTOCTREE).save(file),
    lambda file: Image.fromarray(np.asarray(see_through())[..., :3]).save(file, transparency=(255, 0, 0)),
], ids=["RGBA", "LA", "palette", "one colour"])
def test_what_is_transparent_is_the_studio_wall(tmp_path: Path, save) -> None:
    save(tmp_path / "cut_out.png")
    pixels = read_photograph(tmp_path / "cut_out.png")
    assert (pixels[:, :24] == STUDIO_WALL).all()
    assert not (pixels[:, 24:] == STUDIO_WALL).all(axis=2).any()


def test_half_transparent_is_half_the_wall_and_opaque_is_untouched() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, :, 3], pixels[1] = 128, (10, 20, 30, 255)
    blended = rgb_pixels(Image.fromarray(pixels))
    assert np.abs(blended[0] - np.array(STUDIO_WALL) * 127 / 255).max() <= 1
    assert (blended[1] == (10, 20, 30)).all()


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("read", [read_photograph, check_photograph])
def test_a_file_that_ends_too_early_is_named(tmp_path: Path, ending: str, share: float, read) -> None:
    file = tmp_path / f"cut.{ending}"
    PHOTO.save(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PhotographError, match=rf"cut\.{ending}' cannot be read"):
        read(file)


def test_bytes_are_read_as_the_file_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    PHOTO.save(file, exif=Image.Exif())
    content = file.read_bytes()
    np.testing.assert_array_equal(decode_photograph(content), read_photograph(file))
    for damaged in (b"", b"a text", content[:300]):
        with pytest.raises(PhotographError, match="^the "):
            decode_photograph(damaged)


@pytest.mark.parametrize("read", [read_photograph, check_photograph])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_more_pixels_than_fit_are_refused_before_one_is_read(tmp_path: Path, read) -> None:
    file = tmp_path / "large.gif"
    Image.new("P", (16, 16)).save(file)
    content = file.read_bytes()
    file.write_bytes(content[:6] + b"\x11\x27" + b"\x11\x27" + content[10:])  # width and height of the whole
    with measured() as cost, pytest.raises(PhotographError, match="10001x10001 pixels, more than 100 million; make it"):
        read(file)
    assert cost.memory < 5_000_000


@pytest.mark.parametrize("read", [read_photograph, check_photograph])
def test_what_is_no_picture_is_named(tmp_path: Path, read) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "text.jpg").write_text("a text")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIH!R" + bytes(20))
    for file in tmp_path.iterdir():
        with pytest.raises(PhotographError, match=f"{file.name}' cannot be read"):
            read(file)
    with pytest.raises(PhotographError, match="gone.jpg' cannot be read"):
        read(tmp_path / "gone.jpg")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("name", ["photo.jpg", "photo.eps", "photo.png"])
def test_eps_of_any_name_starts_no_program(tmp_path: Path, monkeypatch, name: str) -> None:
    """Pillow's reader of EPS, which goes by the content, hands the file to Ghostscript."""
    def start(*arguments: object, **options: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", start)
    monkeypatch.setattr("subprocess.Popen", start)
    (tmp_path / name).write_bytes(EPS)
    for read in (read_photograph, check_photograph):
        with pytest.raises(PhotographError, match=f"{name}' cannot be read: cannot identify image of a kind"):
            read(tmp_path / name)
    with pytest.raises(PhotographError, match="bytes cannot be read: cannot identify image of a kind"):
        decode_photograph(EPS)


@pytest.mark.parametrize("kind", ["PPM", "TGA", "PCX", "ICO", "PDF"])
def test_kinds_beyond_the_closed_list_are_refused(tmp_path: Path, kind: str) -> None:
    PHOTO.resize((32, 32)).save(tmp_path / "photo.png", kind)
    with pytest.raises(PhotographError, match="cannot identify image of a kind that is read"):
        read_photograph(tmp_path / "photo.png")


@pytest.mark.parametrize("kind", ["AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "TIFF", "WEBP"])
def test_kinds_of_the_closed_list_are_read_whatever_the_name(tmp_path: Path, kind: str) -> None:
    more = {"save_all": True, "append_images": [PHOTO.rotate(90)]} if kind == "MPO" else {}
    PHOTO.save(tmp_path / "photo.jpg", kind, **more)
    assert check_photograph(tmp_path / "photo.jpg") == PHOTO.size
    assert np.abs(read_photograph(tmp_path / "photo.jpg").astype(int) - np.asarray(PHOTO)).mean() < 30


def heic() -> bytes:
    stream = BytesIO()
    pytest.importorskip("pillow_heif").from_pillow(PHOTO).save(stream, quality=90)
    return stream.getvalue()


def test_heic_is_read_by_the_optional_package_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(heic())
    assert check_photograph(tmp_path / "photo.jpg") == PHOTO.size
    assert np.abs(read_photograph(tmp_path / "photo.jpg").astype(int) - np.asarray(PHOTO)).mean() < 30


def test_heic_without_the_package_names_it(tmp_path: Path, monkeypatch) -> None:
    content = heic()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "photo.heic").write_bytes(content)
    with pytest.raises(PhotographError, match="photo.heic' cannot be read: .* HEIC photo.*pip install pillow-heif"):
        read_photograph(tmp_path / "photo.heic")


def test_avif_where_pillow_has_none_says_so(monkeypatch) -> None:
    stream = BytesIO()
    PHOTO.save(stream, "AVIF")
    monkeypatch.setitem(sys.modules, "PIL.AvifImagePlugin", None)
    monkeypatch.delitem(Image.OPEN, "AVIF")
    with pytest.raises(PhotographError, match="it is an AVIF picture, which Pillow reads from 11.3 on"):
        decode_photograph(stream.getvalue())


def test_reading_a_photo_loads_no_other_readers_of_pillow(tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "photo.webp")
    code = (
        "import sys; from pathlib import Path; from PIL import Image; from cfld_modules.photographs import "
        "read_photograph; read_photograph(Path(sys.argv[1])); print(*Image.OPEN)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "photo.webp"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert "WEBP" in loaded and "EPS" not in loaded


@pytest.mark.parametrize("pixels", [RAMP.astype(np.float32), RAMP.astype(np.int32) * 70_000])
def test_numbers_that_are_no_shades_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="32 bits from 0 to .* not of 8 or 16"):
        rgb_pixels(Image.fromarray(pixels))


@given(start=st.text(max_size=60), middle=st.text(max_size=2000), end=st.text(max_size=60))
def test_messages_are_one_line_of_limited_length_that_keeps_both_ends(start: str, middle: str, end: str) -> None:
    message = shortened(f"first {start} {middle} {end} last")
    assert len(message) <= LONGEST_MESSAGE and message.splitlines() == [message]
    assert message.startswith("first") and message.endswith("last")
