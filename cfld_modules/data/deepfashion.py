"""DeepFashion In-shop as the paper uses it, and whatever is laid out like it (docs/method.md, section 10)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .pairs import BadRows, Pairs, Split, existing, read_annotated_pairs

CANVAS = (176, 256)


@dataclass(frozen=True)
class DeepFashionData:
    """A folder with `train_highres/`, `test_highres/` and four CSV files, named fashion-... or fasion-..."""

    format: Literal["deepfashion"]
    root: Path
    bad_rows: BadRows = "error"

    def pairs(self, split: Split) -> Pairs:
        """Raises DataError."""
        annotations, pairs = (
            existing(self.root, *(f"{spelling}-resize-{kind}-{split}.csv" for spelling in ("fashion", "fasion")))
            for kind in ("annotation", "pairs")
        )
        return read_annotated_pairs(self.root / f"{split}_highres", annotations, pairs, CANVAS, self.bad_rows)
