"""Makes pictures of the README and the help pages anew: `python -m benchmarks.make_pictures demo|editor|editor_help`.

demo.png is the second row of the sheet that `make demo` draws, whatever it looks like. pose_editor.webp is filmed in
the real page by tests/browser/film_editor.mjs, and the help page's pose_editor.jpg shot by shoot_editor.mjs beside it;
both need what `make browser` needs.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from cfld_modules.command_line import main
from cfld_modules.demo_model import HEIGHT
from cfld_modules.evaluation.demo import SHEET_SCALE
from cfld_modules.evaluation.sheet import GAP as SHEET_GAP
from cfld_modules.evaluation.sheet import TITLE_HEIGHT

ROOT = Path(__file__).parents[1]
DOCS, BROWSER = ROOT / "docs", ROOT / "tests" / "browser"
FRAME_MILLISECONDS, LAST_FRAME_MILLISECONDS = 150, 1500
GAP = 12
ROW = 1  # of the demo's sheet


def make_demo(folder: Path) -> None:
    if main(["demo", "--out", str(folder / "sheet.png")]):
        sys.exit(1)
    sheet, height = Image.open(folder / "sheet.png"), HEIGHT * SHEET_SCALE
    top = TITLE_HEIGHT + ROW * (height + SHEET_GAP)
    picture = sheet.crop((0, 0, sheet.width, TITLE_HEIGHT + height))
    picture.paste(sheet.crop((0, top, sheet.width, top + height)), (0, TITLE_HEIGHT))
    picture.save(DOCS / "demo.png")


def make_editor(folder: Path) -> None:
    subprocess.run(["node", BROWSER / "film_editor.mjs", folder], check=True)
    first, *others = [Image.open(file).convert("RGB") for file in sorted(folder.glob("*.png"))]
    durations = [FRAME_MILLISECONDS] * len(others) + [LAST_FRAME_MILLISECONDS]
    first.save(
        DOCS / "pose_editor.webp", save_all=True, append_images=others, duration=durations, loop=0, quality=60, method=6
    )


def make_editor_help(folder: Path) -> None:
    subprocess.run(["node", BROWSER / "shoot_editor.mjs", folder], check=True)
    shots = [Image.open(file).convert("RGB") for file in sorted(folder.glob("*.png"))]
    picture = Image.new("RGB", (sum(shot.width for shot in shots) + GAP, max(shot.height for shot in shots)))
    picture.paste(shots[0])
    picture.paste(shots[1], (shots[0].width + GAP, 0))
    picture.save(ROOT / "web" / "docs" / "images" / "pose_editor.jpg", quality=82)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        {"demo": make_demo, "editor": make_editor, "editor_help": make_editor_help}[sys.argv[1]](Path(temporary))
