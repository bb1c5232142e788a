"""Makes the README's pictures anew: `python -m docs.make_pictures demo`, or `editor`.

demo.png is the first row of the sheet that `make demo` draws, whatever it looks like. pose_editor.webp is filmed in the
real page by docs/film_editor.mjs, which needs what `make browser` needs.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from cfld_modules.command_line import main
from cfld_modules.evaluation.demo import HEIGHT, SHEET_SCALE
from cfld_modules.evaluation.sheet import TITLE_HEIGHT

DOCS = Path(__file__).parent
FRAME_MILLISECONDS, LAST_FRAME_MILLISECONDS = 150, 1500


def make_demo(folder: Path) -> None:
    if main(["demo", "--out", str(folder / "sheet.png")]):
        sys.exit(1)
    sheet = Image.open(folder / "sheet.png")
    sheet.crop((0, 0, sheet.width, TITLE_HEIGHT + HEIGHT * SHEET_SCALE)).save(DOCS / "demo.png")


def make_editor(folder: Path) -> None:
    subprocess.run(["node", DOCS / "film_editor.mjs", folder], check=True)
    first, *others = [Image.open(file).convert("RGB") for file in sorted(folder.glob("*.png"))]
    durations = [FRAME_MILLISECONDS] * len(others) + [LAST_FRAME_MILLISECONDS]
    first.save(
        DOCS / "pose_editor.webp", save_all=True, append_images=others, duration=durations, loop=0, quality=60, method=6
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        {"demo": make_demo, "editor": make_editor}[sys.argv[1]](Path(temporary))
