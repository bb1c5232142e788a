"""What a template says and asks for, as its file has it; how it looks is in tests/browser."""

import ast
import json
import re
from pathlib import Path

import pytest

from cfld_modules.demo_model import LORA_FILE, UPSCALER_FILE

WORKFLOWS = sorted((Path(__file__).parents[1] / "workflows").glob("*.json"), key=lambda file: file.stem.lower())
TWINS = sorted((Path(__file__).parents[1] / "workflows" / "api").glob("*.json"))
TITLES = [file.stem for file in WORKFLOWS]


def nodes_of(file: Path, node_type: str) -> list[dict]:
    return [node for node in json.loads(file.read_text(encoding="utf-8"))["nodes"] if node["type"] == node_type]


def test_the_first_template_is_the_demo() -> None:
    assert nodes_of(WORKFLOWS[0], "CFLDDemoModels") and "Start here" in TITLES[0]


@pytest.mark.parametrize("file", WORKFLOWS, ids=TITLES)
def test_title_is_a_file_name_on_every_system_and_says_what_it_is_before_the_page_cuts_it(file: Path) -> None:
    assert file.stem.isascii() and not set(file.stem) & set('<>:"/\\|?*#%&_')
    assert len(file.stem.split(" - ")[0]) <= 26


@pytest.mark.parametrize(("words", "first"), [
    ("reposing", "1 Start here"), ("character sheet", "Character sheet"), ("turn around", "Turn around"),
    ("openpose editor", "Draw a pose"), ("same person other pose", "2 Your photo"), ("outfit swap", "Outfit swap"),
    ("dwpose", "Pose from a picture"), ("skeleton", "Draw a pose"), ("pose transfer", "1 Start here"),
    ("try on", "Outfit swap"), ("hires fix", "Upscale"), ("inpaint", "Person into a photo"),
])  # fmt: skip
def test_search_for_what_users_call_it_finds_the_template(words: str, first: str) -> None:
    """The page searches titles alone, which are the files' names."""
    assert next(title for title in TITLES if words in title.lower()).startswith(first)


@pytest.mark.parametrize("file", WORKFLOWS, ids=TITLES)
def test_the_note_says_what_a_user_asks_first(file: Path) -> None:
    (note,) = nodes_of(file, "MarkdownNote")
    (text,) = note["widgets_values"]
    assert "`" not in text, "back-ticks are blue on blue in Nodes 2.0"
    for words in ("**What to expect:**", "**What to change first:**", "**Time and memory:**"):
        assert words in text, words


@pytest.mark.parametrize("twin", TWINS, ids=[twin.stem for twin in TWINS])
def test_the_example_client_finds_the_photo_where_there_is_one_person(twin: Path) -> None:
    client = (twin.parent / "client.py").read_text(encoding="utf-8")
    photo_titles = ast.literal_eval(re.search(r"PHOTO_TITLES = (.+)", client)[1])
    nodes = json.loads(twin.read_text(encoding="utf-8")).values()
    people = [node for node in nodes if node["class_type"] == "CFLDPromptEncoder"]
    photos = [node for node in nodes if node["_meta"]["title"] in photo_titles]
    assert len(photos) == (1 if len(people) == 1 else 0)


@pytest.mark.parametrize("file", WORKFLOWS, ids=TITLES)
def test_the_page_can_say_where_missing_models_are_from(file: Path) -> None:
    for node_type in ("CheckpointLoaderSimple", "CFLDLoader", "ControlNetLoader", "UpscaleModelLoader"):
        for node in nodes_of(file, node_type):
            if node["widgets_values"][0] == UPSCALER_FILE.name:
                continue  # comes along
            (model,) = node["properties"]["models"]
            assert model["name"] == node["widgets_values"][0]
            assert model["url"].startswith("https://") and model["directory"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=TITLES)
def test_a_file_of_the_user_s_own_is_not_in_the_way(file: Path) -> None:
    """A photo and a LoRA wait muted or bypassed: nobody has them under the name written here."""
    loras = [node for node in nodes_of(file, "LoraLoaderModelOnly") if node["widgets_values"][0] != LORA_FILE.name]
    assert all(node["mode"] == 4 for node in loras)
    for node in nodes_of(file, "LoadImage"):
        assert node["mode"] == 2 or node["title"] != "Source person"
