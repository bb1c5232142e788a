"""Files and folders that are there whole or not at all, also after a kill or a power cut."""

import glob
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":  # where a file that someone writes cannot be removed

    def _begin(unfinished: Path) -> BinaryIO:
        return open(unfinished, "wb")

    def _put_in_place(stream: BinaryIO, unfinished: Path, file: Path) -> None:
        stream.close()
        unfinished.replace(file)

    def _remove_unless_being_written(leftover: Path) -> None:
        leftover.unlink()

    @contextmanager
    def _claimed(claim: Path) -> Iterator[bool]:
        """Whether nobody has claimed it, who may have been killed since."""
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            yield False
            return
        try:
            yield True
        finally:
            claim.unlink()

else:
    import fcntl

    def _begin(unfinished: Path) -> BinaryIO:
        while True:
            stream = open(unfinished, "wb")
            fcntl.flock(stream, fcntl.LOCK_EX)
            if unfinished.exists():  # nobody removed it before it was locked
                return stream
            stream.close()

    def _put_in_place(stream: BinaryIO, unfinished: Path, file: Path) -> None:
        unfinished.replace(file)  # while it is locked

    def _remove_unless_being_written(leftover: Path) -> None:
        with open(leftover, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()

    @contextmanager
    def _claimed(claim: Path) -> Iterator[bool]:
        """Whether nobody has claimed it; a killed process claims nothing any more."""
        with open(claim, "ab") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_ours = os.path.samestat(os.fstat(stream.fileno()), claim.stat())  # not the one that was just removed
            except (BlockingIOError, FileNotFoundError):
                is_ours = False
            try:
                yield is_ours
            finally:
                if is_ours:
                    claim.unlink()


@contextmanager
def written_whole(file: Path) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of `file` when all of it is on the disk; an error leaves what was there.

    Where `file` is a link, what it points to is replaced. What killed writers of the same file left beside it is
    removed; several writers at once do not disturb each other, and the content of the last stays.
    """
    file = file.resolve()
    for leftover in file.parent.glob(f"{glob.escape(file.name)}.*.part"):
        try:
            _remove_unless_being_written(leftover)
        except OSError:
            continue
    unfinished = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
    try:
        with _begin(unfinished) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            _put_in_place(stream, unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(file.parent)


@contextmanager
def numbered_file(stem: Path, ending: str) -> Iterator[Path]:
    """`stem`_00001`ending`, or the next number that is free: nobody else gets it, and the body writes it whole.

    A claim beside it holds the number meanwhile. A killed writer's is taken over; on Windows it costs a number.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    pattern = rf"{re.escape(stem.name)}_(\d+){re.escape(ending)}"
    taken = [int(match[1]) for path in stem.parent.iterdir() if (match := re.fullmatch(pattern, path.name))]
    for number in count(max(taken, default=0) + 1):
        file = stem.with_name(f"{stem.name}_{number:05}{ending}")
        with _claimed(file.with_name(f"{file.name}.claim")) as is_ours:
            if is_ours and not file.exists():  # else somebody has just written it
                yield file
                return


def replace_folder(unfinished: Path, folder: Path) -> None:
    """Put the folder `unfinished` in the place of `folder`, which is removed only when that is done."""
    sync_tree(unfinished)
    before = folder.with_name(f"{folder.name}.before")
    if folder.exists():
        shutil.rmtree(before, ignore_errors=True)
        folder.rename(before)
    unfinished.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(before, ignore_errors=True)


def sync_tree(folder: Path) -> None:
    """See that all files in a folder are on the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as stream:
                os.fsync(stream.fileno())
    for path in (folder, *folder.rglob("*/")):
        if path.is_dir():
            sync_folder(path)


def sync_folder(folder: Path) -> None:
    """See that a folder's own entries are on the disk, where a folder can be opened for it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
