"""Names of files that nodes write, below their own folder and good on every system; and errors of the disk."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..cfld_modules.errors import short, shortened

LONGEST_NAME = 100  # letters
LONGEST_BYTES = 200  # in UTF-8; systems allow 255, and a number and an ending follow


def check_prefix(node: str, prefix: object) -> None:
    """Raises ValueError with `prefix_mistake`."""
    if mistake := prefix_mistake(node, prefix):
        raise ValueError(mistake)


def prefix_mistake(node: str, prefix: object) -> str | None:
    """What is wrong with the input `filename_prefix`, a name with folders before it or not: value and remedy."""
    if isinstance(prefix, str) and all(map(is_file_name, prefix.split("/"))):
        return None
    leads = " and leads outside the output folder" if ".." in str(prefix).split("/") else ""
    return shortened(
        f"{node}: input 'filename_prefix' is {short(prefix)}{leads}; use letters, digits, spaces, points, %, - and _, "
        f"and / between folders, each name beginning with a letter or digit, at most {LONGEST_NAME} letters long "
        "(fewer where they are not Latin)"
    )


def is_file_name(name: str) -> bool:
    """Whether it is one on every system."""
    is_short = len(name) <= LONGEST_NAME and len(name.encode("utf-8", "replace")) <= LONGEST_BYTES
    return is_short and bool(re.fullmatch(r"[\w%-][\w %.-]*", name)) and not name.endswith((" ", "."))


@contextmanager
def written_by(node: str, name: str, value: object) -> Iterator[None]:
    """Around the writing of a file that an input names: what the system cannot write is a ValueError of that input."""
    try:
        yield
    except OSError as error:
        raise ValueError(shortened(
            f"{node}: input '{name}': {short(value)} cannot be written: {error.strerror or error}; make room on the "
            "disk, or see that the folder may be written to"
        )) from error
