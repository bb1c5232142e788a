"""Market-1501: 128x64 pictures, with annotations and pairs of the same form as DeepFashion's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .pairs import BadRows, Pairs, Split, existing, read_annotated_pairs

CANVAS = (64, 128)
FOLDERS = {"train": ("bounding_box_train", "train"), "test": ("bounding_box_test", "test")}


@dataclass(frozen=True)
class MarketData:
    """A folder with the data set's own two folders (or `train/`, `test/`) and `market-{annotation,pairs}-{split}.csv`.

    Key points are in pixels of the 64x128 (width x height) pictures.
    """

    format: Literal["market1501"]
    root: Path
    bad_rows: BadRows = "error"

    def pairs(self, split: Split) -> Pairs:
        """Raises DataError."""
        images = existing(self.root, *FOLDERS[split])
        annotations, pairs = (existing(self.root, f"market-{kind}-{split}.csv") for kind in ("annotation", "pairs"))
        return read_annotated_pairs(images, annotations, pairs, CANVAS, self.bad_rows)
