"""Files and their numbers, with writers that are killed and others beside them."""

import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import BinaryIO

import pytest

from cfld_modules.checkpoints import atomic_files
from cfld_modules.checkpoints.atomic_files import replace_folder, write_numbered, written_whole

ROOT = Path(__file__).parent.parent


def write(stem: Path, text: str) -> Path:
    return write_numbered(stem, ".json", lambda stream: stream.write(text.encode()))


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


@pytest.mark.parametrize("moment", ["fsync", "link"])
@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_a_killed_writer_leaves_no_file_and_the_next_one_removes_what_it_left(tmp_path: Path, moment: str) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, 'tests')\n"
        "def killed(*_, **__): os.kill(os.getpid(), 9)\n"
        f"os.{moment} = killed\n"
        "from test_atomic_files import write\n"
        "write(Path(sys.argv[1]), 'text')"
    )
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "x"], cwd=ROOT)
    assert killed.returncode == -9
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
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


def refuse(number: int):
    def call(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


@pytest.fixture(params=["no locks", "no module of locks", "no links", "no fsync", "no fsync of folders"])
def poor_file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def of_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refuse(errno.EINVAL)()
        fsync(descriptor)

    match request.param:
        case "no locks":
            monkeypatch.setattr(atomic_files.fcntl, "flock", refuse(errno.ENOLCK))
        case "no module of locks":
            monkeypatch.setattr(atomic_files, "fcntl", None)
        case "no links":
            monkeypatch.setattr(os, "link", refuse(errno.EPERM))
        case "no fsync":
            monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
        case "no fsync of folders":
            monkeypatch.setattr(os, "fsync", of_files)


@pytest.mark.usefixtures("poor_file_system")
def test_files_and_folders_are_saved_on_a_poor_file_system(tmp_path: Path) -> None:
    assert [write(tmp_path / "x", text).read_text() for text in "ab"] == ["a", "b"]
    for text in (b"first", b"second"):
        with written_whole(tmp_path / "whole") as stream:
            stream.write(text)
    with pytest.raises(FileExistsError), written_whole(tmp_path / "whole", may_replace=False) as stream:
        stream.write(b"third")
    (tmp_path / "made.part").mkdir()
    (tmp_path / "made.part" / "file").write_text("in a folder")
    replace_folder(tmp_path / "made.part", tmp_path / "made")
    assert (tmp_path / "whole").read_bytes() == b"second"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["made", "whole", "x_00001.json", "x_00002.json"]


def test_a_full_disk_is_an_error_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x", "before")
    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "x", "after")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device"])
def test_a_target_that_is_no_file_is_written_into_and_stays_what_it_is(tmp_path: Path, kind: str) -> None:
    """As root, /dev/null was replaced by a file."""
    target = tmp_path / "out"
    if kind == "pipe":
        os.mkfifo(target)
        reader = subprocess.Popen([sys.executable, "-c", "import sys; print(open(sys.argv[1]).read())", target],
                                  stdout=subprocess.PIPE, text=True)  # fmt: skip
    elif kind == "device":
        target = Path("/dev/null")
    else:
        target.symlink_to("/dev/null")
    before = os.stat(target).st_mode
    assert not stat.S_ISREG(before)
    with written_whole(target) as stream:
        stream.write(b"text")
    assert os.stat(target).st_mode == before
    if kind == "pipe":
        assert reader.communicate()[0] == "text\n"


def test_of_writers_that_may_replace_nothing_one_is_first(tmp_path: Path) -> None:
    """All of them have seen that there is no such file before one of them has written it."""
    all_have_seen = Barrier(8)

    def write_once(number: int) -> bool:
        try:
            with written_whole(tmp_path / "x", may_replace=False) as stream:
                stream.write(str(number).encode())
                all_have_seen.wait()
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as writers:
        winners = [number for number, has_won in enumerate(writers.map(write_once, range(8))) if has_won]
    assert [path.read_text() for path in tmp_path.iterdir()] == [str(number) for number in winners]
    assert len(winners) == 1


def test_leftovers_where_nobody_can_tell_go_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_files, "fcntl", None)
    old, new, other = (tmp_path / name for name in (f".cfld-{'0' * 16}.part", f".cfld-{'1' * 16}.part", "my.part"))
    for file in (old, new, other):
        file.touch()
    os.utime(old, (0, 0))
    write(tmp_path / "x", "text")
    assert {path.name for path in tmp_path.iterdir()} == {new.name, other.name, "x_00001.json"}


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_a_writer_whose_new_file_is_taken_for_a_leftover_takes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one has locked the file before its writer could, and removes it when that is writing."""
    lock, others = atomic_files._lock, []

    def lock_late(stream: BinaryIO) -> bool | None:
        if not others:
            others.append(open(stream.name, "rb"))
            assert lock(others[0])
        return lock(stream)

    def write_while_it_is_removed(stream: BinaryIO) -> None:
        os.unlink(others[0].name)
        others[0].close()
        stream.write(b"text")

    monkeypatch.setattr(atomic_files, "_lock", lock_late)
    file = write_numbered(tmp_path / "x", ".json", write_while_it_is_removed)
    assert file.read_text() == "text" and list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_a_leftover_is_removed_while_its_lock_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leftover, unlink, could_be_locked = tmp_path / f".cfld-{'0' * 16}.part", Path.unlink, []

    def unlink_and_see(path: Path, missing_ok: bool = False) -> None:
        if path == leftover:
            with open(path, "rb") as stream:
                could_be_locked.append(atomic_files._lock(stream))
        unlink(path, missing_ok)

    leftover.touch()
    monkeypatch.setattr(Path, "unlink", unlink_and_see)
    write(tmp_path / "x", "text")
    assert could_be_locked == [False] and not leftover.exists()


def test_a_name_as_long_as_the_system_allows_is_written(tmp_path: Path) -> None:
    with written_whole(tmp_path / ("x" * 255)) as stream:
        stream.write(b"text")
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]
