"""Data sets: tables, key points and pictures of any bytes are read, or refused as the pack's own errors."""

import io
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from PIL import Image

from cfld_modules.data.deepfashion import DeepFashionData
from cfld_modules.data.folder import FolderData
from cfld_modules.errors import DataError, PhotographError
from cfld_modules.photographs import LARGEST_PIXELS, check_photograph, read_photograph
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


def read_picture(content: bytes) -> object:
    PHOTOGRAPH.write_bytes(content)
    check_photograph(PHOTOGRAPH)
    return read_photograph(PHOTOGRAPH)


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
}  # fmt: skip
