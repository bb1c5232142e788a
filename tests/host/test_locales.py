"""Every node explains itself: tooltips, search aliases, a help page, in Chinese too; checked against the schemas."""

import re

import host
import node_definitions
import pytest

SCHEMAS = node_definitions.schemas()
DOCS = host.PACK / "web" / "docs"
# What people type who do not know the pack, and which node is one answer. Templates are found by their titles alone.
USERS_SEARCHES = {
    "reposing": "CFLDPromptEncoder", "character sheet": "CFLDTurnPose", "turn around": "CFLDTurnPose",
    "openpose editor": "CFLDPoseEditor", "same person other pose": "CFLDPromptEncoder", "outfit swap": "CFLDPoseMask",
    "dwpose": "CFLDDetectPose", "skeleton": "CFLDDrawPose", "pose transfer": "CFLDPromptEncoder",
    "try on": "CFLDPoseMask",
}
each_node = pytest.mark.parametrize("node", SCHEMAS)


def shape(definition):
    """The keys, without the texts."""
    return {
        part: {key: sorted(texts) for key, texts in value.items()} if isinstance(value, dict) else None
        for part, value in definition.items()
    }


def texts(definition):
    for value in definition.values():
        yield from texts(value) if isinstance(value, dict) else [value]


def help_page(node):
    return (DOCS / f"{node}.md").read_text(encoding="utf-8")


def test_readme_s_table_is_what_the_schemas_say():
    """If it is not: make derived."""
    text = node_definitions.README.read_text(encoding="utf-8")
    assert node_definitions.TABLE.search(text)[0] == node_definitions.readme_table()


@each_node
def test_a_node_s_chinese_texts_cover_every_input_and_output(node):
    definition = node_definitions.read("zh")[node]
    assert shape(definition) == shape(node_definitions.english()[node])
    for text in texts(definition):
        assert text.strip() == text != ""
        assert not re.search(r"[{}@|]", text), "characters with a meaning in the page's message format"


@each_node
def test_a_node_s_chinese_texts_contain_chinese_characters(node):
    definition = node_definitions.read("zh")[node]
    tooltips = [slot["tooltip"] for part in ("inputs", "outputs") for slot in definition[part].values()]
    for text in (definition["display_name"], definition["description"], *tooltips):
        assert re.search("[一-鿿]", text), text


@each_node
def test_every_slot_has_a_tooltip(node):
    schema = SCHEMAS[node]
    for slot in (*(one for _, one in node_definitions.inputs_of(schema)), *schema.outputs):
        assert slot.tooltip, slot.id


@each_node
def test_it_is_found_and_described(node):
    schema = SCHEMAS[node]
    assert schema.category.split("/")[0] == "CFLD" and schema.description
    assert len(schema.search_aliases) >= 3
    assert schema.display_name.lower() not in schema.search_aliases, "an alias is another name"


@pytest.mark.parametrize(("words", "node"), USERS_SEARCHES.items())
def test_what_users_search_for_is_a_node_s_word_and_in_a_template_s_title(words, node):
    assert words in SCHEMAS[node].search_aliases, "a part of an alias comes behind names that are alike"
    assert any(words in path.stem.lower() for path in (host.PACK / "workflows").glob("*.json"))


@each_node
def test_its_help_page_names_every_slot(node):
    page = help_page(node)
    schema = SCHEMAS[node]
    assert page.startswith(f"# {schema.display_name}\n")
    inputs, outputs = page.split("\n## Inputs\n")[1].split("\n## Outputs\n")
    for _, one in node_definitions.inputs_of(schema):
        assert f"`{one.id}`" in inputs, f"input {one.id}"
    for one in schema.outputs:
        assert f"`{one.display_name or one.id or one.io_type}`" in outputs, f"output {one.id}"
    assert "\n## Common mistakes\n" in page


@each_node
def test_its_chinese_help_page_is_as_complete(node):
    page = (DOCS / node / "zh.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {node_definitions.read('zh')[node]['display_name']}\n")
    for names in (r"\n\* \*\*`(\w+)`", r"\n\| `(\w+)`", r"!\[[^\]]*\]\(([^)]+)\)"):
        assert set(re.findall(names, page)) == set(re.findall(names, help_page(node)))
    assert "\n## 常见错误\n" in page


@each_node
def test_its_help_page_has_a_picture(node):
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", help_page(node))
    assert pictures
    for description, path in pictures:
        assert description and (DOCS / path).is_file(), path
        assert (DOCS / path).stat().st_size < 200_000, f"{path} is large for a help page"


def test_chinese_texts_name_only_nodes_that_exist():
    assert node_definitions.read("zh").keys() == SCHEMAS.keys()
