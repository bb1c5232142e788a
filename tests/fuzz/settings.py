"""Configurations: whatever a YAML file holds, it is read or refused in one line that names the file."""

import copy
import json
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import yaml
from hypothesis import strategies as st

from cfld_modules.errors import SettingsError
from cfld_modules.settings import read_settings
from cfld_modules.training.autoencoder import AutoencoderSettings
from cfld_modules.training.distil import DistilSettings
from cfld_modules.training.lifter import LifterSettings
from cfld_modules.training.train import TrainSettings
from cfld_modules.training.upscaler import UpscalerSettings
from tests.fuzz.mutations import CHANGES, changed_bytes, changed_documents
from tests.fuzz.target import MOST_MEMORY, Target

CONFIGS = Path(__file__).parents[2] / "configs"
KINDS = {
    "demo/2_model": TrainSettings, "deepfashion": TrainSettings, "demo/1_decoder": AutoencoderSettings,
    "demo/3_lora": DistilSettings, "lifter": LifterSettings, "demo/4_upscaler": UpscalerSettings,
}  # fmt: skip
DOCUMENTS = [yaml.safe_load((CONFIGS / f"{name}.yaml").read_bytes()) for name in KINDS]
KEYS = sorted({key for document in DOCUMENTS for key in (*document, *document.get("training", ()), "format", "root")})
PIECES = [b"{", b"}", b"[", b"]", b"- ", b"? ", b": ", b"&a ", b"*a", b"<<: *a", b"!!int x", b"!!timestamp x", b"|\n",
          b"!!binary x", b"2020-99-99", b'"\\0"', b"\0", b"\xff", b"\xfe\xff", b"0x" + b"f" * 5000, b"1:" * 300,
          b"!!set {a}", b"!!python/object:x", b"---\n", b"%YAML 9.9\n", b"'", b".nan", b"[" * 1500]  # fmt: skip
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-settings-"))
FILE = FOLDER / "x.yaml"


def read_all_kinds(content: bytes) -> None:
    """Raises SettingsError where no command takes it."""
    FILE.write_bytes(content)
    errors = []
    for kind in set(KINDS.values()):
        try:
            return read_settings(FILE, kind, ["training.workers=0"])
        except SettingsError as error:
            errors.append(error)
    raise max(errors, key=lambda error: len(str(error)))


AT_BOUNDS = (
    0, 1, -1, 7, 8, 16384, 16385, 1000, 1001, 10**9, 10**9 + 1, 2**63 - 1, 2**63, 2**64, 10**400, 0.0, -0.0, 1e-320,
    0.999, 1.0, 1.001, 1e308, -1e308, "1e999", "-.inf", ".nan", "1e-4", "0x10", "1_000", "1:30", True, None, [8], "8",
)  # fmt: skip


def _with_numbers_at_bounds(changes: list[int]) -> bytes:
    """A configuration of which up to four numbers are just at, or beyond, what they may be."""
    random = Random(sum(changes))
    document = copy.deepcopy(random.choice(DOCUMENTS))
    for change in changes:
        random = Random(change)
        place: Any = document
        while True:
            key = random.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not isinstance(place[key], dict | list) or not place[key]:
                break
            place = place[key]
        place[key] = random.choice(AT_BOUNDS)
    return json.dumps(document).encode()


TARGETS = {
    "settings": Target(
        changed_bytes([(CONFIGS / f"{name}.yaml").read_bytes()[:600] for name in KINDS], PIECES)
        | st.builds(lambda document: json.dumps(document).encode(), changed_documents(DOCUMENTS, KEYS))
        | st.builds(_with_numbers_at_bounds, CHANGES),
        read_all_kinds, (SettingsError,), most_calls=100_000, calls_a_byte=4_000, most_memory=MOST_MEMORY,
        memory_a_byte=5_000,
    ),
}  # fmt: skip
