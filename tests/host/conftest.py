"""Host tests run under the host's own Python (see the Makefile); anywhere else they are skipped, in words."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import host  # noqa: E402

HOST = host.find_host()
HAS_HOST = HOST is not None and host.importlib.util.find_spec("aiohttp") is not None
collect_ignore_glob = [] if HAS_HOST else ["test_*.py"]

if HAS_HOST:
    host.import_host(HOST)
    host.import_by_path("cfld_pack", host.PACK / "__init__.py")


def pytest_terminal_summary(terminalreporter):
    if HAS_HOST:
        terminalreporter.write_line(f"host tests ran in the ComfyUI at {HOST}")
    else:
        terminalreporter.write_line(
            "HOST TESTS SKIPPED: no ComfyUI was found, or this is not its Python; set COMFYUI_PATH and use its Python"
        )


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory):
    """Previews of nodes that run here go into no host's folder."""
    if HAS_HOST:
        import folder_paths

        folder_paths.set_temp_directory(str(tmp_path_factory.mktemp("temp")))


@pytest.fixture(scope="session")
def comfy_path():
    return HOST


@pytest.fixture(scope="session")
def plain_server(comfy_path, tmp_path_factory):
    """ComfyUI with this pack and no model, for all who need no other; its inputs are theirs to write."""
    from comfy_server import running_server

    folder = tmp_path_factory.mktemp("plain server")
    (folder / "input").mkdir()
    with running_server(comfy_path, folder) as server:
        yield server


@pytest.fixture(scope="module")
def no_gradients():
    import torch

    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def model():
    """The goldens' tiny U-Net as a user's MODEL, not yet CFLD's."""
    import tiny_host

    return tiny_host.stock_model()


@pytest.fixture(scope="module")
def encoded(no_gradients):
    """The goldens' people and target poses after the two conditioning nodes."""
    import tiny_host

    return tiny_host.Encoded(tiny_host.tiny_cfld())


@pytest.fixture(scope="module")
def person(encoded):
    import composition

    return composition.Person(encoded, 0, "side")


@pytest.fixture(scope="module")
def text(no_gradients):
    import composition

    return composition.text_conditioning()


@pytest.fixture(scope="module")
def rows(model, person, text):
    """Predictions alone, by the names of `guidance.ROWS`, and of text."""
    import composition

    return composition.rows_alone(model, person, text)


FIGURES: dict[str, tuple[float, float]] = {}


@pytest.fixture(scope="session")
def figure():
    """Holds a graph's latents to what they should be, and keeps the difference for docs/composition.md."""

    def hold(what, found, expected, limit):
        difference = float((found - expected).abs().max())
        FIGURES[what] = (difference, limit)
        assert difference <= limit, f"{what}: {difference:.2g}"

    return hold


def pytest_sessionfinish():
    """`make composition` asks for the figures as a table."""
    if FIGURES and (file := os.environ.get("COMPOSITION_TABLE")):
        rows = [f"| {what} | {difference:.1g} | {limit:g} |" for what, (difference, limit) in FIGURES.items()]
        with open(file, "a", encoding="utf-8") as table:
            table.write("\n".join(rows) + "\n")
