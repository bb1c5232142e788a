"""The README names what there is, in the order a newcomer needs it."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "workflows/README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))))
ORDER = (
    "Install", "The demo", "Your own photo", "Models", "The pose editor", "Nodes", "When something goes wrong",
    "What works badly, and what to do", "From a shell", "Licences",
)  # fmt: skip


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_sections_stand_in_the_order_a_newcomer_needs() -> None:
    assert tuple(re.findall(r"^## (.+)$", README, re.MULTILINE)) == ORDER


def test_readme_is_read_in_a_few_minutes() -> None:
    assert len(README.split()) <= 1400


def test_every_template_has_its_row() -> None:
    text = (ROOT / "workflows" / "README.md").read_text(encoding="utf-8")
    table = text.split("| workflow | API file")[1].split("\n## ")[0]
    named = dict(re.findall(r"^\| \*\*([^*]+)\*\* \| `(\w+)`", table, re.MULTILINE))
    files = (ROOT / "workflows").glob("*.json")
    assert named == {file.stem: json.loads(file.read_text(encoding="utf-8"))["extra"]["api"] for file in files}


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_to_files_and_headings(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, section = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), target
        if section:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in map(anchor, headings), target


def test_the_film_of_the_editor_moves_and_is_small() -> None:
    file = ROOT / "docs/pose_editor.webp"
    assert file.stat().st_size < 400_000
    assert Image.open(file).n_frames > 10
