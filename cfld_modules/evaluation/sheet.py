"""Contact sheets: pictures in rows, with a title above each column."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 4
PAPER, INK = (255, 255, 255), (60, 60, 60)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], font_size: int = 10
) -> Image.Image:
    """RGB uint8 pictures (H, W, 3), all of one size, as many in each row as there are titles."""
    height, width = rows[0][0].shape[:2]
    title_height = round(1.6 * font_size)
    sheet_height = title_height + len(rows) * (height + GAP)
    sheet = Image.new("RGB", (len(titles) * (width + GAP) - GAP, sheet_height), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(font_size)
    for column, title in enumerate(titles):
        left = column * (width + GAP)
        pen.text((left + 2, 2), title, INK, font)
        for row, pictures in enumerate(rows):
            sheet.paste(Image.fromarray(pictures[column]), (left, title_height + row * (height + GAP)))
    return sheet
