"""Makes pictures of the README and the help pages anew: `python benchmarks/make_pictures.py demo|editor|editor_help`.

demo.webp is what the template "Walk" makes, in ComfyUI with its Python. pose_editor.webp is filmed in
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
from comfy_server import running_server  # noqa: E402
from host import need_host  # noqa: E402

from cfld_modules.evaluation.sheet import contact_sheet  # noqa: E402
from cfld_modules.mannequins.benchmark import FIRST_TEST_SEED, sample_identity  # noqa: E402
from cfld_modules.mannequins.walk import draw_walk  # noqa: E402

DOCS, BROWSER = ROOT / "docs", ROOT / "tests" / "browser"
FRAME_MILLISECONDS, LAST_FRAME_MILLISECONDS, CLIP_MILLISECONDS = 150, 1500, 150
GAP = 12
SHOWN = (176, 256)


def make_demo(folder: Path) -> None:
    """Runs the template in ComfyUI, and the same graph from pure noise with nothing pasted, beside the drawn truth."""
    walk = json.loads((ROOT / "workflows" / "api" / "walk.json").read_text(encoding="utf-8"))
    classes = {node["class_type"]: number for number, node in walk.items()}
    titles = {node["_meta"]["title"]: number for number, node in walk.items()}
    photo, poses = titles["Source person"], titles["Walk, sixteen poses"]
    walk = {number: node for number, node in walk.items() if not node["class_type"].startswith(("Save", "Preview"))}
    alone = copy.deepcopy(walk)
    alone[classes["KSampler"]]["inputs"]["denoise"] = 1.0
    walk["drawing"] = {"class_type": "CFLDDrawPose", "inputs": {
        "pose": [poses, 0], "width": 352, "height": 512, "style": "cfld", "hands": False,
    }}
    with running_server(need_host(), folder) as server:

        def pictures(prompt: dict, **wires: list) -> list[list[np.ndarray]]:
            """Those of each wire."""
            shown = {name: {"class_type": "PreviewImage", "inputs": {"images": wire}} for name, wire in wires.items()}
            run = server.finish(prompt | shown)
            names = [[file["filename"] for file in run.outputs[name]["images"]] for name in wires]
            return [[pixels(folder / "temp" / name) for name in group] for group in names]

        person = walk[photo]["inputs"]["person"]
        pasted = [classes["ImageCompositeMasked"], 0]
        photos, drawings, textured = pictures(walk, photo=[photo, 0], pose=["drawing", 0], textured=pasted)
        (plain,) = pictures(alone, alone=[titles["Scale to the person's aspect"], 0])
    truth = [drawn.image for drawn in draw_walk(sample_identity(FIRST_TEST_SEED + person), 360, *SHOWN)]
    order = ("photo", "pose", "CFLD", "with the photo's texture", "truth")
    rows = zip(photos * len(truth), drawings, plain, textured, truth, strict=True)
    first, *others = [contact_sheet([list(row)], order) for row in rows]
    first.save(DOCS / "demo.webp", save_all=True, append_images=others, duration=CLIP_MILLISECONDS, loop=0, quality=75)


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB").resize(SHOWN))


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
