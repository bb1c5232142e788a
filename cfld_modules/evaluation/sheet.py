"""Contact sheets: pictures in rows, with a title above each column."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

GAP, TITLE_HEIGHT = 4, 16
PAPER, INK = 255, (60, 60, 60)


def contact_sheet(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> Image.Image:
    """RGB uint8 pictures (H, W, 3), all of one size, as many in each row as there are titles."""
    height, width = rows[0][0].shape[:2]
    sheet_height = TITLE_HEIGHT + len(rows) * (height + GAP)
    sheet = np.full((sheet_height, len(titles) * (width + GAP) - GAP, 3), PAPER, np.uint8)
    for column, title in enumerate(titles):
        left = column * (width + GAP)
        cv2.putText(sheet, title, (left + 2, TITLE_HEIGHT - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.35, INK, 1, cv2.LINE_AA)
        for row, pictures in enumerate(rows):
            top = TITLE_HEIGHT + row * (height + GAP)
            sheet[top : top + height, left : left + width] = pictures[column]
    return Image.fromarray(sheet)
