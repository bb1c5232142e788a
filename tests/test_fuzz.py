"""An extract of `make fuzz`, and what its campaigns found: each file of data/fuzz/ once broke its folder's target."""

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings

from cfld_modules.command_line import main
from cfld_modules.errors import DataError
from tests.fuzz.data_sets import ANNOTATIONS, FASHION, PAIRS
from tests.fuzz.meter import measured
from tests.fuzz.settings import CONFIGS
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

FOUND = sorted(file for file in (Path(__file__).parent / "data" / "fuzz").glob("*/*"))


@pytest.mark.parametrize("file", FOUND, ids=lambda file: f"{file.parent.name}/{file.name}")
@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged pictures
def test_what_was_found_is_read_or_refused(file: Path) -> None:
    TARGETS[file.parent.name].try_one(file.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_any_input_is_read_or_refused_at_a_cost_that_goes_with_its_size(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=100 if target.is_cheap else 4, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(target.inputs)
    def extract(content: bytes) -> None:
        target.try_one(content)

    extract()


@pytest.mark.parametrize("file", [file for file in FOUND if file.parent.name == "settings"], ids=lambda file: file.name)
def test_a_damaged_configuration_is_one_line_and_exit_status_2(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert file.name in line and len(line) <= 500


TABLES = [
    *(file.read_bytes() for file in FOUND if file.parent.name == "tables"), b"", b"\0" * 99, b"\xff\xfe\0\xd8" * 9,
    ANNOTATIONS.replace(b"43", b"NaN") + b"\n\n" + PAIRS, ANNOTATIONS + b'\n\nfrom,to\n"a.jpg',
]  # fmt: skip


@pytest.mark.parametrize("content", TABLES, ids=range(len(TABLES)))
def test_a_damaged_table_is_one_line_and_exit_status_2(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(DataError):
        TARGETS["tables"].read(content)
    changes = {"data": {"format": "deepfashion", "root": str(FASHION)}, "output": str(tmp_path / "run")}
    settings = yaml.safe_load((CONFIGS / "demo" / "1_decoder.yaml").read_bytes()) | changes
    settings["training"]["mixed_precision"] = "no"  # as for every other test of this process
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(settings))
    assert main(["train-autoencoder", str(tmp_path / "x.yaml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "-train.csv'" in line and len(line) <= 500


@pytest.mark.parametrize("costly", [lambda: [len("x") for _ in range(1000)], lambda: bytearray(100_000)])
def test_what_costs_too_much_is_seen(costly) -> None:
    with measured() as cost:
        costly()
    assert cost.calls >= 1000 or cost.memory >= 100_000
    target = Target(TARGETS["key_points"].inputs, lambda content: costly(), (ValueError,), 500, 0, 50_000, 0)
    with pytest.raises(AssertionError, match="for 3 bytes"):
        target.try_one(b"abc")


def test_an_error_that_is_not_the_pack_s_own_comes_out() -> None:
    target = Target(TARGETS["key_points"].inputs, lambda content: {}["x"], (ValueError,), 500, 0, 10**6, 0)
    with pytest.raises(KeyError):
        target.try_one(b"abc")
