"""The house stands as AGENTS.md says: arrows run downwards, the host is met in its own room, what is cited exists."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# In cfld_modules a room imports from itself and from those after it.
ROOMS = (
    "__main__", "command_line", "commands", "training", "evaluation", "data", "studio", "people",
    "deepfashion_tables", "pipeline", "checkpoints", "networks", "demo_people", "poses", "guidance", "saliency",
    "settings", "photographs", "demo_model", "errors", "__init__",
)  # fmt: skip
# Those that nodes do without: they are for the shell and for training, and need packages that no host brings.
NOT_FOR_NODES = {"__main__", "command_line", "commands", "training", "evaluation", "data", "pipeline"}
HOST = {"app", "comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "nodes", "server"}
# What nodes know of the host themselves; its patcher, conditioning and sampler are met in nodes/host/ alone.
HOST_OF_NODES = {"comfy.model_management", "comfy.utils", "comfy_api", "folder_paths"}

Modules = Mapping[str, str]


def modules_of(folder: str) -> Modules:
    """{dotted name: source} of the Python files below a folder; `pack` stands for the pack's own folder."""
    files = (ROOT / folder).rglob("*.py")
    return {".".join(("pack", *file.relative_to(ROOT).with_suffix("").parts)): file.read_text() for file in files}


def imports(module: str, source: str, at_once: bool = False) -> Iterator[str]:
    """Dotted names of all that a module imports, wherever in it; of `from a import b`, which may be a module, `a.b`.

    Args:
        at_once: only what is imported with the module, not what its functions import.
    """
    tree = ast.parse(source)
    for node in tree.body if at_once else ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=origin, names=names, level=level):
                start = "." * level + (f"{origin}." if origin else "")
                yield from (_absolute(module, start + name.name) for name in names)
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                if ast.unparse(function).split(".")[-1] in ("import_module", "__import__"):
                    yield _absolute(module, name)


def _absolute(module: str, name: str) -> str:
    inner = name.lstrip(".")
    level = len(name) - len(inner)
    return ".".join([*module.split(".")[:-level], inner]) if level else inner


def room_of(name: str) -> str | None:
    """The room of cfld_modules that a dotted name lies in."""
    parts = name.removeprefix("pack.").split(".")
    return parts[1] if parts[0] == "cfld_modules" and len(parts) > 1 else None


def forbidden_imports(modules: Modules) -> list[str]:
    return [
        f"{module} imports {name}"
        for module, source in modules.items()
        for name in imports(module, source)
        if (_is_upward(module, name) if room_of(module) else _is_wrong_in_nodes(module, name))
    ]


def _is_upward(module: str, name: str) -> bool:
    to = room_of(name)
    upward = to in ROOMS and ROOMS.index(to) < ROOMS.index(room_of(module))
    return upward or name.split(".")[0] in HOST or name.startswith("pack.nodes")


def _is_wrong_in_nodes(module: str, name: str) -> bool:
    if room_of(name) in NOT_FOR_NODES:
        return True
    if module.startswith("pack.nodes.host."):
        return name.startswith("pack.nodes.") and not name.startswith("pack.nodes.host.")
    return name.split(".")[0] in HOST and not any(f"{name}.".startswith(f"{known}.") for known in HOST_OF_NODES)


def test_every_room_has_its_place_among_the_arrows() -> None:
    assert {room_of(module) for module in modules_of("cfld_modules")} == set(ROOMS)


@pytest.mark.parametrize("folder", ["cfld_modules", "nodes"])
def test_arrows_run_downwards_and_the_host_is_met_in_its_room(folder: str) -> None:
    assert forbidden_imports(modules_of(folder)) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cfld_modules.evaluation.sheet", "from ..training.loop import run_training"),
        ("cfld_modules.poses.framing", "def late():\n    from .. import networks"),
        ("cfld_modules.data.pairs", "import cfld_modules.commands.train"),
        ("cfld_modules.settings", "import importlib\nimportlib.import_module('.poses.keypoints', __package__)"),
        ("cfld_modules.guidance", "from importlib import import_module\nimport_module('cfld_modules.networks')"),
        ("cfld_modules.networks.hga", "import comfy.ops"),
        ("cfld_modules.networks.hga", "from ...nodes import types"),
        ("nodes.hga", "import comfy.samplers"),
        ("nodes.hga", "from ..cfld_modules.pipeline.lora import fuse_lora"),
        ("nodes.host.appearance", "def late():\n    from ...cfld_modules import evaluation"),
        ("nodes.hga", "from comfy import model_patcher"),
        ("nodes.host.appearance", "from .. import hga"),
        ("nodes.host.appearance", "from ..types import read_poses"),
        ("nodes.host.appearance", "from ..hga import CFLDApplyHGA"),
    ],
)  # fmt: skip
def test_a_planted_arrow_is_seen(module: str, source: str) -> None:
    """Beside one that is allowed."""
    assert len(forbidden_imports({f"pack.{module}": f"from . import *\n{source}"})) == 1


def test_what_is_imported_of_the_pack_exists() -> None:
    modules = modules_of("cfld_modules") | modules_of("nodes")
    packages = {name.removesuffix(".__init__") for name in modules}
    known = packages | {name.rpartition(".")[0] for name in packages}
    missing = [
        f"{module} imports {name}"
        for module, source in modules.items()
        for name in imports(module, source)
        if name.startswith("pack.") and not {name, name.rpartition(".")[0]} & known
    ]
    assert missing == []


def folders_in(folder: Path) -> set[str]:
    ignored = [line.removesuffix("/") for line in (ROOT / ".gitignore").read_text().split()]
    return {
        f"{entry.relative_to(ROOT)}/"
        for entry in folder.iterdir()
        if entry.is_dir() and entry.name[0] != "." and entry.name not in ignored
    }


def test_the_table_of_rooms_is_the_folders() -> None:
    """Rows that begin with a space are below cfld_modules."""
    rows = re.findall(r"^\| `([ \w/]+/)`", (ROOT / "AGENTS.md").read_text(), re.MULTILINE)
    told = {row.replace(" ", "cfld_modules/") for row in rows}
    assert told == folders_in(ROOT) | folders_in(ROOT / "cfld_modules") | folders_in(ROOT / "nodes")


def test_the_key_points_walk_goes_through_what_there_is() -> None:
    text = (ROOT / "AGENTS.md").read_text()
    steps = re.search(r"^One key point's walk.*\n((?:\d+\. .*\n)+)", text, re.MULTILINE)[1]
    assert len(steps.splitlines()) <= 10
    for file, name in re.findall(r"`([\w/]+\.py)` `([\w.]+)`", steps):
        defined = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if hasattr(node, "name")}
        assert set(name.split(".")) <= defined, f"{file} has no {name}"


def test_what_is_cited_of_the_method_exists() -> None:
    sections = set(re.findall(r"^## (\d+)\. ", (ROOT / "docs/method.md").read_text(), re.MULTILINE))
    for folder in ("cfld_modules", "nodes", "tests"):
        for module, source in modules_of(folder).items():
            cited = re.findall(r"docs/method\.md,\s+sections? (\d+)(?: (?:and|to) (\d+))?", source)
            assert {number for pair in cited for number in pair if number} <= sections, module
            assert "facts " + "sheet" not in source.lower(), module


PACKAGE_NAMES = {"PIL": "Pillow", "yaml": "pyyaml"}


def packages_of_nodes() -> set[str]:
    """What must be installed for the pack to be imported: all that is imported at once with a module of the nodes."""
    modules = modules_of("cfld_modules") | modules_of("nodes")
    reached, left, packages = set(), [module for module in modules if not room_of(module)], set()
    while left:
        module = left.pop()
        reached.add(module)
        for name in imports(module, modules[module], at_once=True):
            if name.startswith("pack."):
                known = {name, name.rpartition(".")[0], f"{name}.__init__"} & modules.keys()
                left += known - reached - set(left)
            else:
                packages.add(name.split(".")[0])
    return {PACKAGE_NAMES.get(name, name) for name in packages - HOST - sys.stdlib_module_names}


def requirements(file: str) -> list[str]:
    return [line for line in (ROOT / file).read_text().splitlines() if line and line[0] not in "#-"]


def test_nodes_need_what_every_host_brings_and_requirements_txt_names() -> None:
    """Its server and torch are never named, since they belong to the host."""
    named = {re.match(r"[\w-]+", line)[0] for line in requirements("requirements.txt")}
    assert packages_of_nodes() - {"aiohttp", "torch"} == named


def test_the_registry_is_told_what_requirements_txt_says() -> None:
    table = (ROOT / "pyproject.toml").read_text().split("\ndependencies = [\n")[1].split("\n]\n")[0]
    assert re.findall(r'"([^"]+)"', table) == requirements("requirements.txt")


def test_the_tests_that_keep_the_promises_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/reliability.md").read_text()))
    defined = {
        node.name for source in modules_of("tests").values() for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }  # fmt: skip
    assert named and named <= defined, named - defined
