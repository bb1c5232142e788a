"""Files and their numbers, with writers that are killed and others beside them."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cfld_modules.checkpoints.whole_files import numbered_file, written_whole

ROOT = Path(__file__).parent.parent


def write(stem: Path, text: str) -> Path:
    with numbered_file(stem, ".json") as file, written_whole(file) as stream:
        stream.write(text.encode())
    return file


def test_numbers_go_on_from_the_last(tmp_path: Path) -> None:
    (tmp_path / "x_00041.json").touch()
    (tmp_path / "x_y_00099.json").touch()
    assert [write(tmp_path / "x", text).name for text in "ab"] == ["x_00042.json", "x_00043.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "x_00041.json", "x_00042.json", "x_00043.json", "x_y_00099.json",
    ]  # fmt: skip


def test_writers_at_once_have_a_number_each(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as writers:
        files = list(writers.map(lambda number: write(tmp_path / "x", str(number)), range(40)))
    assert [file.read_text() for file in files] == [str(number) for number in range(40)]
    assert sorted(tmp_path.iterdir()) == sorted(files)


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_killed_writer_leaves_no_file_and_the_next_one_has_another_number(tmp_path: Path, moment: str) -> None:
    """Before, the number was claimed by an empty file, which stayed and could be chosen."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, 'tests')\n"
        "def killed(*_, **__): os.kill(os.getpid(), 9)\n"
        f"{'os.fsync' if moment == 'fsync' else 'Path.replace'} = killed\n"
        "from test_whole_files import write\n"
        "write(Path(sys.argv[1]), 'text')"
    )
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "x"], cwd=ROOT)
    assert killed.returncode == -9
    assert not list(tmp_path.glob("*.json"))
    assert write(tmp_path / "x", "next").read_text() == "next"


TWO_PROCESSES = """
import json, os, sys, torch
from pathlib import Path
from accelerate import Accelerator
from cfld_modules.training.run_checkpoints import RunCheckpoints
accelerator = Accelerator(cpu=True)
model = accelerator.prepare(torch.nn.Linear(1, 1))
checkpoints = RunCheckpoints(Path(sys.argv[1]), 3)
for step in (1, 2):
    checkpoints.save(accelerator, step)
if accelerator.process_index == 1:  # a machine whose disk fails
    load_state = accelerator.load_state
    def load(folder):
        if folder.endswith("2"):
            raise OSError("Input/output error")
        return load_state(folder)
    accelerator.load_state = load
print(json.dumps([accelerator.num_processes, checkpoints.load_latest(accelerator).name]), flush=True)
"""


def test_where_one_process_cannot_read_a_checkpoint_all_take_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(TWO_PROCESSES)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", tmp_path / "two.py"]
    finished = subprocess.run(
        [sys.executable, *launch, tmp_path / "checkpoints"], capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert [json.loads(line) for line in finished.stdout.splitlines()] == [[2, "step-00000001"]] * 2
