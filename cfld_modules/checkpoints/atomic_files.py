"""Files and folders that are there whole or not at all, also after a kill or a power cut.

A file is written beside its place under a name of its own, brought to the disk, and then renamed or, where nothing may
be overwritten, linked, which fails if the name is taken.
"""

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

UNFINISHED = re.compile(r"\.cfld-[0-9a-f]{16}\.part")
ABANDONED_AFTER = 24 * 3600  # seconds without a byte, where nobody can tell whether the writer lives


@contextmanager
def written_whole(file: Path, may_replace: bool = True) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of `file` when all of it is on the disk; an error leaves what was there.

    Where `file` is a link, what it points to is replaced; a device or a pipe is written into. Several writers at once
    do not disturb each other, and the content of the last stays. Raises FileExistsError when it is there and may not be
    replaced; also when another writer was faster.
    """
    if file.exists() and not file.is_file() and not file.is_dir():
        with open(file, "wb") as stream:
            yield stream
        return
    file = file.resolve()
    if not may_replace and file.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file))
    with _unfinished(file.parent) as (stream, unfinished):
        yield stream
        _sync(stream)
        if may_replace:
            _close_where_open_files_stay(stream)
            os.replace(unfinished, file)
        else:
            _link(unfinished, file)
    sync_folder(file.parent)


def write_numbered(stem: Path, ending: str, write: Callable[[BinaryIO], None]) -> Path:
    """Write `stem`_00001`ending`, or the next number that is free, and return its path.

    However many write at once, each gets a number of its own, and no number is lost to a writer that is killed.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    pattern = rf"{re.escape(stem.name)}_(\d+){re.escape(ending)}"
    with _unfinished(stem.parent) as (stream, unfinished):
        write(stream)
        _sync(stream)
        numbers = [int(match[1]) for path in stem.parent.iterdir() if (match := re.fullmatch(pattern, path.name))]
        for number in count(max(numbers, default=0) + 1):
            file = stem.with_name(f"{stem.name}_{number:05}{ending}")
            try:
                _link(unfinished, file)
                break
            except FileExistsError:
                continue
    sync_folder(stem.parent)
    return file


def replace_folder(unfinished: Path, folder: Path) -> None:
    """Put the folder `unfinished` in the place of `folder`, which is removed only when that is done."""
    for path in unfinished.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as stream:
                _sync(stream)
    for path in (unfinished, *unfinished.rglob("*/")):
        sync_folder(path)
    former = folder.with_name(f"{folder.name}.before")
    if folder.exists():
        shutil.rmtree(former, ignore_errors=True)
        folder.rename(former)
    unfinished.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(former, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """See that a folder's own entries are on the disk, where the system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # on Windows, and where it may not be read
        return
    try:
        os.fsync(descriptor)
    except OSError:  # of many file systems in networks; the files themselves are in place
        pass
    finally:
        os.close(descriptor)


@contextmanager
def _unfinished(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file in the folder, gone in the end; what killed writers left there goes at the beginning.

    Its name has nothing of the file to come, which can be as long as the system allows.
    """
    for leftover in folder.iterdir():
        if UNFINISHED.fullmatch(leftover.name):
            _remove_if_abandoned(leftover)
    while True:
        unfinished = folder / f".cfld-{secrets.token_hex(8)}.part"
        with open(unfinished, "xb") as stream:
            if _lock(stream) is False or not unfinished.exists():  # somebody took it for a leftover before that
                continue
            try:
                yield stream, unfinished
            finally:
                _close_where_open_files_stay(stream)
                unfinished.unlink(missing_ok=True)
            return


def _remove_if_abandoned(leftover: Path) -> None:
    try:
        with open(leftover, "rb") as stream:
            is_abandoned = _lock(stream)
            if is_abandoned:  # as long as the lock is held, since its writer may be about to take it
                leftover.unlink()
        if is_abandoned is None and time.time() - leftover.stat().st_mtime > ABANDONED_AFTER:
            leftover.unlink()
    except OSError:  # another writer was faster, or it is another user's
        pass


def _lock(stream: BinaryIO) -> bool | None:
    """Whether nobody else has locked it, who is then alive; None where the system cannot tell."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _link(unfinished: Path, file: Path) -> None:
    """Give the file its name, unless that is taken. Raises FileExistsError when it is."""
    try:
        os.link(unfinished, file)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a file system without links, such as FAT
        open(file, "xb").close()
        os.replace(unfinished, file)


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    try:
        os.fsync(stream.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # not of a full or broken disk
            raise


def _close_where_open_files_stay(stream: BinaryIO) -> None:
    """On Windows an open file is neither renamed nor removed."""
    if os.name == "nt":
        stream.close()
