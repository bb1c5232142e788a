"""For the whole suite: on a busy machine spinning OpenMP threads cost far more than they bring.

Hypothesis tries the same examples every time, however long one takes: what it finds, whoever changed the code finds.
"""

import importlib.util
import os

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if importlib.util.find_spec("hypothesis"):  # the host's Python need not have it
    from hypothesis import settings

    settings.register_profile("suite", derandomize=True, deadline=None)
    settings.load_profile("suite")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What training tests train on: `people/` and `autoencoder/`."""
    from tests.bundled_people import write_people
    from tests.tiny_models import tiny_autoencoder

    folder = tmp_path_factory.mktemp("training")
    write_people(folder / "people", people=3, test_people=1, pictures=2)
    tiny_autoencoder().save_pretrained(folder / "autoencoder")
    return folder


@pytest.fixture
def pair(tmp_path):
    """The authors' folder, of the second file only the trained tensors."""
    from tests import golden

    return golden.write_authors_pair(tmp_path / "authors", unet=golden.key_values())


@pytest.fixture
def converted(tmp_path):
    """A converted checkpoint of tiny networks."""
    from cfld_modules.checkpoints.cfld_checkpoint import save_checkpoint
    from tests.checkpoint_files import tiny_checkpoint

    save_checkpoint(tmp_path / "cfld.safetensors", tiny_checkpoint())
    return tmp_path / "cfld.safetensors"
