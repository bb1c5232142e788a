"""What the registry hands out, all but what .comfyignore names, is whole: ComfyUI runs the demo with it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from comfy_server import PACK_NAME, running_server
from host import PACK
from PIL import Image

MOST_BYTES = 5_000_000  # beside the demo model's tensors, 20 MB
# What publishers report of the registry's scan of Python files: any of these hides a version.
FLAGGED = (
    r"subprocess", r"os\.system", r"urlopen", r"\brequests\b", r"socket", r"\.connect\(", r"os\.environ",
    r"sys\.modules", r"\beval\(", r"\bexec\(",
)  # fmt: skip


def tracked_files(*options: str) -> set[str]:
    command = ["git", "ls-files", "-z", "--cached", *options]
    return set(subprocess.run(command, cwd=PACK, capture_output=True, text=True, check=True).stdout.split("\0")) - {""}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `comfy node pack` zips it: what git tracks but for the patterns, which are git's own."""
    if not (PACK / ".git").exists():
        pytest.skip("this is no git checkout, so it is not known what would be published")
    folder = tmp_path_factory.mktemp("package")
    for name in tracked_files() - tracked_files("--ignored", f"--exclude-from={PACK / '.comfyignore'}"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACK / name, folder / name)
    return folder


def test_what_users_do_not_need_stays_at_home(package):
    tensors = set((package / "demo_model").rglob("*.safetensors"))
    files = {file for file in package.rglob("*") if file.is_file()} - tensors
    assert tensors and sum(file.stat().st_size for file in files) < MOST_BYTES
    assert not (package / "tests").exists() and not list((package).rglob("curves*.png"))


def flagged(text: str) -> list[str]:
    return [pattern for pattern in FLAGGED if re.search(pattern, text)]


def test_no_python_file_has_what_hides_a_version(package):
    texts = {file.relative_to(package): file.read_text(encoding="utf-8") for file in package.rglob("*.py")}
    assert len(texts) > 100
    assert {file: flagged(text) for file, text in texts.items() if flagged(text)} == {}


@pytest.mark.parametrize("line", [
    "import subprocess", "os.system('ls')", "from urllib.request import urlopen", "import requests", "import socket",
    "client.connect(address)", "os.environ['HOME']", "sys.modules['a']", "eval(text)", "exec(text)",
])
def test_a_planted_line_is_flagged(line):
    assert flagged(f"import os\n{line}\n")


def test_comfyui_lists_its_templates_and_helps_and_runs_the_demo(package, comfy_path, tmp_path):
    prompt = json.loads((package / "workflows/api/demo_no_downloads.json").read_text())
    with running_server(comfy_path, tmp_path, pack=package) as server:
        templates = server.get("/workflow_templates")[PACK_NAME]
        run = server.run(prompt)
        assert run.error is None, run.error["exception_message"]
        (picture,) = server.pictures(run)
        assert np.array(Image.open(picture)).std() > 20
        ours = [name for name, node in server.get("/object_info").items() if node["category"].split("/")[0] == "CFLD"]
    assert sorted(templates) == sorted(file.stem for file in (PACK / "workflows").glob("*.json"))
    assert ours and all((package / "web/docs" / f"{name}.md").is_file() for name in ours)
