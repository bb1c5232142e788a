"""Files and their numbers, with writers that are killed and others beside them."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cfld_modules.checkpoints.atomic_files import numbered_file, written_whole

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
@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_a_killed_writer_leaves_no_file_and_the_next_one_removes_what_it_left(tmp_path: Path, moment: str) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, 'tests')\n"
        "def killed(*_, **__): os.kill(os.getpid(), 9)\n"
        f"{'os.fsync' if moment == 'fsync' else 'Path.replace'} = killed\n"
        "from test_atomic_files import write\n"
        "write(Path(sys.argv[1]), 'text')"
    )
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "x"], cwd=ROOT)
    assert killed.returncode == -9
    assert {path.suffix for path in tmp_path.iterdir()} == {".claim", ".part"}
    assert write(tmp_path / "x", "next").read_text() == "next"
    assert [path.name for path in tmp_path.iterdir()] == ["x_00001.json"]


def test_processes_at_once_have_a_number_each_while_some_are_killed(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, 'tests')\n"
        "from test_atomic_files import write\n"
        "print('begun', flush=True)\n"
        "for number in range(200): print(write(Path(sys.argv[1]), f'{sys.argv[2]} {number}').name, flush=True)"
    )
    commands = [[sys.executable, "-c", program, str(tmp_path / "x"), str(number)] for number in range(4)]
    writers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    for writer in writers[:2]:
        for _ in range(20):
            writer.stdout.readline()
        writer.kill()
    said = [writer.communicate()[0].split() for writer in writers]
    names = [name for lines in said for name in lines if name.endswith(".json")]
    assert len(set(names)) == len(names) >= 400
    write(tmp_path / "x", "last")
    files = sorted(tmp_path.glob("*.json"))
    assert len({file.read_text() for file in files}) == len(files) > 400


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
