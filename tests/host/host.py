"""The real ComfyUI for the tests: where it is, how it is brought into this process, and models small enough for it."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

PACK = Path(__file__).resolve().parents[2]


def find_host() -> Path | None:
    """ComfyUI's folder: COMFYUI_PATH, else two folders up from an installed custom node, else ~/comfy/ComfyUI."""
    named = os.environ.get("COMFYUI_PATH")
    places = [Path(named)] if named else [PACK.parents[1], Path.home() / "comfy" / "ComfyUI"]
    return next((place for place in places if (place / "comfy" / "samplers.py").is_file()), None)


def need_host() -> Path:
    """`find_host`, for a command, which ends where there is none."""
    return find_host() or sys.exit("no ComfyUI was found; set COMFYUI_PATH")


def find_python(host: Path) -> Path | None:
    """The host's own Python: COMFYUI_PYTHON, else `.venv` or `venv` in its folder."""
    named = os.environ.get("COMFYUI_PYTHON")
    places = [Path(named)] if named else [host / venv / "bin" / "python" for venv in (".venv", "venv")]
    return next((place for place in places if place.exists()), None)


def import_host(host: Path) -> None:
    """Make `import comfy` work in this process, on the CPU unless COMFYUI_OPTIONS says otherwise."""
    sys.path.insert(0, str(host))
    sys.argv = ["main.py", *os.environ.get("COMFYUI_OPTIONS", "--cpu").split(), "--use-pytorch-cross-attention"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import utils.install_util  # noqa: F401  as main.py does, before the host's nodes put a folder with utils.py first


def import_by_path(name: str, path: Path) -> ModuleType:
    """A module or package by its file, whatever its folder is called."""
    if name in sys.modules:
        return sys.modules[name]
    search = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=search)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":  # for the Makefile: the host's Python, or why there is none
    found = find_host()
    python = found and find_python(found)
    if python is None:
        missing = "no ComfyUI was found" if found is None else f"the ComfyUI in {found} has no Python of its own"
        sys.exit(f"{missing}; set COMFYUI_PATH (and COMFYUI_PYTHON)")
    sys.stdout.write(f"{python}\n")
