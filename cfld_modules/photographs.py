"""Photographs in files: upright, RGB, eight bits, and the studio's wall behind what is transparent."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from .errors import PhotographError

# Behind a cut-out person. DeepFashion's photographs are of studios, with a plain wall between light grey and white;
# black, or a colour hidden under the transparency, is nothing CFLD ever saw.
STUDIO_WALL = (226, 227, 231)
LARGEST_PIXELS = 100_000_000  # some hundred bytes can say more, and each takes ten bytes while it is read
LARGEST_SIDE = 65_535  # as JPEG allows
BAND_PIXELS = 2_000_000  # that are taken from Pillow's picture at a time
_TURNED_ORIENTATIONS = range(5, 9)  # of EXIF: the picture's sides change places

# Pillow opens a file by its content, whatever its name, and has readers that start programs: EPS is Ghostscript's.
# `Image.init` would load all of its forty, which takes longer than to read a photo.
READERS = ("Avif", "Bmp", "Gif", "Jpeg", "Mpo", "Png", "Tiff", "WebP")
ENDINGS = (".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Of files that are read; those of phones (.heic) with the package pillow-heif."""

NO_PICTURE = "cannot identify image of a kind that is read (JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, HEIC)"

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


def read_photograph(file: Path) -> np.ndarray:
    """A picture file as people see it, RGB uint8 (H, W, 3); see `rgb_pixels`.

    Raises PhotographError when it is no picture, is damaged, ends too early, or has more than `LARGEST_PIXELS`.
    """
    with _readable(f"the picture '{file}'"), _opened(file.read_bytes()) as image:
        return rgb_pixels(image)


def decode_photograph(content: bytes) -> np.ndarray:
    """The bytes of a picture file, as `read_photograph` reads files. Raises PhotographError as there."""
    with _readable(f"the picture of {len(content)} bytes"), _opened(content) as image:
        return rgb_pixels(image)


def check_photograph(file: Path) -> tuple[int, int]:
    """(width, height) of the upright picture, or PhotographError; reads all of the file, in half of the time."""
    with _readable(f"the picture '{file}'"), _opened(file.read_bytes()) as image:
        width, height = image.size
        image.draft("RGB", (width // 8, height // 8))  # of a JPEG every pixel is decoded, an eighth of them made
        image.load()
        is_turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED_ORIENTATIONS
    return (height, width) if is_turned else (width, height)


def rgb_pixels(image: Image.Image) -> np.ndarray:
    """A picture of any mode as RGB uint8 (H, W, 3).

    It is turned upright as its EXIF data say, 16 bits of grey become 8, and what is transparent becomes `STUDIO_WALL`.
    Raises ValueError when a number a pixel is not one of 16 bits.
    """
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.has_transparency_data:
        wall = Image.new("RGBA", image.size, STUDIO_WALL)
        image = Image.alpha_composite(wall, image.convert("RGBA"))
    return _array(image if image.mode == "RGB" else image.convert("RGB"))


def _array(image: Image.Image) -> np.ndarray:
    """RGB uint8 (H, W, 3), band after band where it is large, since numpy's own way holds the pixels three times."""
    if image.width * image.height <= BAND_PIXELS:
        return np.array(image)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels[top : top + rows] = np.asarray(band)
    return pixels


@contextmanager
def _readable(picture: str) -> Iterator[None]:
    """Around its reading: of a damaged file, Pillow raises whatever its reader ran into."""
    try:
        yield
    except Exception as error:
        reason = NO_PICTURE if isinstance(error, UnidentifiedImageError) else error
        raise PhotographError(f"{picture} cannot be read: {reason}; save or copy it again") from error


def _opened(content: bytes) -> Image.Image:
    """No pixel is decoded yet. Of bytes, since from a file Pillow asks for as many as one of its parts says it has."""
    image = _heif(content) if _is_heif(content) else Image.open(BytesIO(content), formats=_formats(content))
    width, height = image.size
    if width * height > LARGEST_PIXELS:
        limit = f"{LARGEST_PIXELS // 10**6} million"
        raise ValueError(f"it has {width}x{height} pixels, more than {limit}; make it smaller")
    if max(width, height) > LARGEST_SIDE:
        raise ValueError(f"it has {width}x{height} pixels, more than {LARGEST_SIDE} on a side; cut a part out of it")
    return image


def _is_heif(content: bytes) -> bool:
    """By the brands at its beginning; AVIF has the same container, and may name HEIF's brands beside its own."""
    brands = _brands(content)
    return any(brand in _HEIF_BRANDS for brand in brands) and not any(brand in _AVIF_BRANDS for brand in brands)


def _brands(content: bytes) -> list[bytes]:
    if content[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(content[:4]), len(content), 1024)
    return [content[place : place + 4] for place in range(8, end, 4)]


def _heif(content: bytes) -> Image.Image:
    """A phone's photograph, by a package that is not Pillow's own; its opener stays unregistered."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise ValueError(
            "it is a HEIC photo, which Pillow reads with the package pillow-heif; 'pip install pillow-heif', or save "
            "it as JPEG"
        ) from error
    return HeifImageFile(BytesIO(content))


def _formats(content: bytes) -> tuple[str, ...]:
    """Those of `READERS` that this Pillow has. Raises ValueError for AVIF, where it has not."""
    for reader in READERS:
        with suppress(ModuleNotFoundError):  # AVIF before 11.3
            import_module(f"PIL.{reader}ImagePlugin")
    if any(brand in _AVIF_BRANDS for brand in _brands(content)) and "AVIF" not in Image.OPEN:
        raise ValueError(
            "it is an AVIF picture, which Pillow reads from 11.3 on; 'pip install -U pillow', or save it as PNG"
        )
    return tuple(name for name in map(str.upper, READERS) if name in Image.OPEN)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, which Pillow's own conversion would cut off at 255."""
    grey = np.asarray(image)
    if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
        raise ValueError(f"its pixels are numbers of 32 bits from {grey.min():g} to {grey.max():g}, not of 8 or 16")
    return Image.fromarray(((grey.astype(np.int32) + 128) // 257).astype(np.uint8))
