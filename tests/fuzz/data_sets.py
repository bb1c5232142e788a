"""Data sets: tables, key points and pictures of any bytes are read, or refused as the pack's own errors."""

import io
import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path
from random import Random

from hypothesis import strategies as st
from PIL import Image

from cfld_modules.data.deepfashion import DeepFashionData
from cfld_modules.data.folder import FolderData
from cfld_modules.errors import DataError, PhotographError
from cfld_modules.photographs import LARGEST_PIXELS, check_photograph, read_photograph
from cfld_modules.poses.detection.region import shrink
from cfld_modules.poses.framing import FITS, fit_box, squashed_pixels
from tests.fuzz.key_points import FILES as POSE_FILES
from tests.fuzz.mutations import CHANGES, change_bytes, changed_bytes
from tests.fuzz.target import MOST_MEMORY, Target
from tests.golden import POSES

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-data-"))
FASHION, PEOPLE, PHOTOGRAPH = FOLDER / "fashion", FOLDER / "people", FOLDER / "photograph"
NAMES = ("a.jpg", "b.jpg")


def _annotation(name: str) -> str:
    rows, columns = zip(*POSES["front"], strict=True)
    return f"{name}:{list(rows)}:{list(columns)}"


ANNOTATIONS = "\n".join(["name:keypoints_y:keypoints_x", *map(_annotation, NAMES)]).encode()
PAIRS = b"from,to\na.jpg,b.jpg\nb.jpg,a.jpg\n"
PIECES = [b":", b",", b'"', b"\n", b"\r", b"\0", b"[", b"]", b"-1", b"NaN", b"null", b"\xff\xfe", b"a.jpg", b"1e999",
          b"9" * 5000, b"[" * 3000, b'"' + b"x" * 140_000, b"\xef\xbb\xbf", b"../x", b"\xed\xa0\x80"]  # fmt: skip
TABLES = [ANNOTATIONS + b"\n\n" + PAIRS, *(ANNOTATIONS.replace(b"\n", ending) + b"\n\n" + PAIRS
          for ending in (b"\r\n", b"\r"))]  # fmt: skip


def _write_sets() -> None:
    picture = Image.new("RGB", (11, 16), (90, 100, 200))
    for file in (*(FASHION / "train_highres" / name for name in NAMES), *(PEOPLE / f"a_{name}" for name in NAMES),
                 *(PEOPLE / f"b_{name}" for name in NAMES)):  # fmt: skip
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)


def read_tables(content: bytes) -> object:
    """Of both tables, one after the other, with an empty line between them."""
    if not FASHION.exists():
        _write_sets()
    annotations, _, pairs = content.partition(b"\n\n")
    for kind, table in (("annotation", annotations), ("pairs", pairs)):
        (FASHION / f"fashion-resize-{kind}-train.csv").write_bytes(table)
    return DeepFashionData("deepfashion", FASHION).pairs("train")


def read_folder(content: bytes) -> object:
    if not PEOPLE.exists():
        _write_sets()
    for file in PEOPLE.glob("*.jpg"):
        file.with_suffix(".json").write_bytes(content)
    return FolderData("folder", PEOPLE).pairs("train")


@cache
def _pictures() -> list[bytes]:
    colours = Image.linear_gradient("L").resize((23, 16))
    contents = []
    for mode, kinds in (("RGB", ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "ICO", "PPM")), ("RGBA", ("PNG", "WEBP")),
                        ("L", ("PNG", "JPEG", "TIFF")), ("I;16", ("PNG", "TIFF")), ("P", ("PNG", "GIF")),
                        ("F", ("TIFF",)), ("CMYK", ("JPEG", "TIFF")), ("1", ("PNG", "TIFF"))):  # fmt: skip
        for kind in kinds:
            stream = io.BytesIO()
            exif = Image.Exif()
            exif[0x0112] = 6
            colours.convert(mode).save(stream, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
            contents.append(stream.getvalue())
    return contents


_JPEG, _GIF = 1, 4


def read_picture(content: bytes) -> object:
    PHOTOGRAPH.write_bytes(content)
    check_photograph(PHOTOGRAPH)
    return read_photograph(PHOTOGRAPH)


SIDES = (0, 1, 2, 16, 256, 257, 4095, 4096, 8191, 20_000, 65_535, 65_536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def _png(width: int, height: int, bits: int, colours: int, rows: int) -> bytes:
    """Of one colour, with so many rows in it, whatever it says it has."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = 1 + (width * bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours] + 7) // 8
    pixels = zlib.compress(bytes(min(row * min(rows, height), 40_000_000)), 1)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(6)) if colours == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + header + palette + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _of_extreme_shape(number: int, changes: list[int]) -> bytes:
    """A picture that says it has sides from nothing to beyond all bounds; of some all pixels are there, of some few."""
    random = Random(number)
    width, height = random.choice(SIDES), random.choice(SIDES)
    if random.random() < 0.5:
        height = min(height, max(1, 3_000_000 // max(width, 1)))
    match random.randrange(6):
        case 0 | 1 | 2:
            bits, colours = random.choice(((1, 0), (8, 0), (16, 0), (8, 2), (8, 3), (8, 6), (16, 6), (1, 3)))
            content = _png(width, height, bits, colours, random.choice((0, 1, 9, height)))
        case 3:
            content = bytearray(_pictures()[_GIF])
            content[6:10] = struct.pack("<HH", width % 2**16, height % 2**16)
            content = bytes(content)
        case 4:
            content = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 0, 0, 0, 54, 40, width % 2**31, height % 2**31 - 2**30 *
                                  random.randrange(2), 1, random.choice((1, 8, 24, 32)), 0, 0, 0, 0, 0, 0)
            content += bytes(random.choice((0, 99, 1_000_000)))
        case _:
            content = _pictures()[_JPEG]
            place = content.index(b"\xff\xc0") + 5
            content = content[:place] + struct.pack(">HH", height % 2**16, width % 2**16) + content[place + 4 :]
    return change_bytes(content, changes)


def read_extreme_picture(content: bytes) -> object:
    """As far as the networks' pixels."""
    pixels = read_picture(content)
    height, width = pixels.shape[:2]
    shrink(pixels, 1 + max(height, width) // 3584)
    return [
        squashed_pixels(lambda *part: pixels[part], height, width, fit_box(width, height, fit), 256) for fit in FITS
    ]


def _pixels_said(content: bytes) -> int:
    """That a picture says it has, of one that need not be refused for it."""
    try:
        width, height = Image.open(io.BytesIO(content)).size
    except Exception:  # whatever Pillow raises, the reader has to cope with
        return len(content)
    return max(len(content), width * height * (width * height <= LARGEST_PIXELS))


def _wide(content: bytes, changes: list[int], encoding: str) -> bytes:
    return change_bytes(content.decode("ascii").encode(encoding), changes, PIECES)


TARGETS = {
    "tables": Target(
        changed_bytes(TABLES, PIECES)
        | st.builds(_wide, st.sampled_from(TABLES), CHANGES, st.sampled_from(["utf-8-sig", "utf-16", "utf-16-be"])),
        read_tables, (DataError,), most_calls=20_000, calls_a_byte=100, most_memory=MOST_MEMORY, memory_a_byte=300,
    ),
    "folders": Target(
        changed_bytes(POSE_FILES), read_folder, (DataError,),
        most_calls=20_000, calls_a_byte=300, most_memory=MOST_MEMORY, memory_a_byte=1_000,
    ),
    "pictures": Target(
        changed_bytes(_pictures()), read_picture, (PhotographError,),
        most_calls=20_000, calls_a_byte=100, most_memory=MOST_MEMORY, memory_a_byte=50, size=_pixels_said,
    ),
    "extreme_pictures": Target(
        st.builds(_of_extreme_shape, st.integers(0, 2**32 - 1), CHANGES), read_extreme_picture, (PhotographError,),
        most_calls=20_000, calls_a_byte=100, most_memory=150_000_000, memory_a_byte=50, size=_pixels_said,
    ),
}  # fmt: skip
