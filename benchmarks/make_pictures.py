"""Makes pictures of the README and the help pages anew: `python benchmarks/make_pictures.py demo|editor|editor_help`.

demo.png is what the template "Keep texture and face" makes, in ComfyUI with its Python. pose_editor.webp is filmed in
the real page by tests/browser/film_editor.mjs, and the help page's pose_editor.jpg shot by shoot_editor.mjs beside it;
both need what `make browser` needs.
"""

import copy
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "host")]
from comfy_server import Run, running_server  # noqa: E402
from host import need_host  # noqa: E402

from cfld_modules.evaluation.sheet import contact_sheet  # noqa: E402

DOCS, BROWSER = ROOT / "docs", ROOT / "tests" / "browser"
FRAME_MILLISECONDS, LAST_FRAME_MILLISECONDS = 150, 1500
GAP = 12
SHOWN = (176, 256)


def make_demo(folder: Path) -> None:
    """Runs the template in ComfyUI, and the same graph from pure noise with nothing pasted."""
    with_texture = json.loads((ROOT / "workflows" / "api" / "texture_from_photo.json").read_text(encoding="utf-8"))
    classes = {node["class_type"]: number for number, node in with_texture.items()}
    titles = {node["_meta"]["title"]: number for number, node in with_texture.items()}
    photo, target = (titles[title] for title in ("Source person", "Target pose and truth"))
    alone = copy.deepcopy(with_texture)
    alone[classes["KSampler"]]["inputs"]["denoise"] = 1.0
    alone[classes["SaveImage"]]["inputs"]["images"] = [titles["Scale to the person's aspect"], 0]
    drawing = {"class_type": "CFLDDrawPose", "inputs": {
        "pose": [target, 1], "width": 352, "height": 512, "style": "cfld", "hands": False,
    }}
    shown = {"photo": [photo, 0], "pose": ["drawing", 0], "truth": [target, 0]}
    previews = {name: {"class_type": "PreviewImage", "inputs": {"images": wire}} for name, wire in shown.items()}
    with running_server(need_host(), folder) as server:

        def picture(run: Run, node: str) -> Image.Image:
            (file,) = run.outputs[node]["images"]
            return Image.open(folder / file["type"] / file["subfolder"] / file["filename"]).convert("RGB").resize(SHOWN)

        first, second = server.finish(with_texture | previews | {"drawing": drawing}), server.finish(alone)
        row = {name: picture(first, name) for name in shown}
        saver = classes["SaveImage"]
        row |= {"CFLD": picture(second, saver), "with the photo's texture": picture(first, saver)}
    order = ("photo", "pose", "CFLD", "with the photo's texture", "truth")
    contact_sheet([[np.asarray(row[name]) for name in order]], order).save(DOCS / "demo.png")


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
