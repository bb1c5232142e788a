"""Host tests run under the host's own Python (see the Makefile); anywhere else they are skipped, in words."""

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


@pytest.fixture(scope="session")
def comfy_path():
    return HOST


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
