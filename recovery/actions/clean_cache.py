"""Empty a cache folder, oldest files first, until it is within its limit.

Nothing outside the folder is ever touched: every folder on the way is opened by name under its parent's descriptor and
without following links, so no link, and no exchange of a folder for a link meanwhile, leads out. Files on other file
systems mounted inside are left alone, and so are folders, links, and whatever is not a regular file.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from recovery.errors import UnsafeFolderError
from recovery.model import Measurement

_PASSED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # a folder that may be entered, if not listed
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _File(NamedTuple):
    modified: float
    size: int
    folder: tuple[str, ...]  #: below the cache folder
    name: str
    inode: int


@dataclass(frozen=True, slots=True)
class CleanCache:
    """Empties `folder` down to `max_bytes`, leaving files younger than `min_age` seconds."""

    name: ClassVar[str] = "clean_cache"

    target: str
    folder: Path
    max_bytes: int
    min_age: float = 60.0

    def check(self) -> None:
        """Looks whether the folder may be emptied; one that is not there yet may.

        Raises:
            UnsafeFolderError: it may not.
        """
        with suppress(OSError), _opened(self.folder):
            pass

    def measure(self) -> Measurement:
        """The bytes in the folder's files, and those free on its file system."""
        with _opened(self.folder) as root:
            used = sum(file.size for file in _files(root))
            space = os.fstatvfs(root)
        return Measurement(used, space.f_bavail * space.f_frsize)

    def is_healthy(self, measured: Measurement) -> bool:
        """Whether the folder is within its limit."""
        return measured.used <= self.max_bytes

    def act(self, now: float) -> str:
        """Remove the oldest files until the folder is within its limit."""
        removed = freed = kept = 0
        with _opened(self.folder) as root:
            files = sorted(_files(root))
            excess = sum(file.size for file in files) - self.max_bytes
            for file in files:
                if freed >= excess or file.modified > now - self.min_age:
                    break
                if _remove(root, file):
                    removed, freed = removed + 1, freed + file.size
                else:
                    kept += 1
        return f"removed {removed} files of {freed} bytes; {kept} could not be removed"


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A descriptor of a folder that may be emptied.

    Raises:
        UnsafeFolderError: for one that is no folder of its own: reached through a link, too near the root, or a home.
    """
    path = Path(os.path.abspath(folder))  # noqa: PTH100  # resolve() would follow links
    if len(path.parts) < 3:
        raise UnsafeFolderError(f"{path} is too near the root")
    if Path.home().is_relative_to(path):
        raise UnsafeFolderError(f"{path} holds a home")
    root = os.open("/", _PASSED)
    try:
        fd = _descend(root, path.parts[1:])
    except NotADirectoryError as error:
        raise UnsafeFolderError(f"{path} is not a folder, or is reached through a link") from error
    finally:
        os.close(root)
    try:
        yield fd
    finally:
        os.close(fd)


def _descend(root: int, parts: tuple[str, ...]) -> int:
    """A descriptor of the folder `parts` below `root`; the caller closes it."""
    fd = os.dup(root)
    for depth, part in enumerate(parts, start=1):
        try:
            below = os.open(part, _PASSED if depth < len(parts) else _FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def _files(root: int) -> Iterator[_File]:
    """The regular files below `root`, on its own file system.

    Raises:
        OSError: a folder cannot be read: what its files take up is not known, so the limit cannot be said to be kept.
    """
    device = os.fstat(root).st_dev
    for folder, folders, names, fd in os.fwalk(".", dir_fd=root, follow_symlinks=False, onerror=_unread):
        folders[:] = [name for name in folders if _is_on(device, name, fd)]
        for name in names:
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield _File(status.st_mtime, status.st_size, Path(folder).parts, name, status.st_ino)


def _unread(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # gone meanwhile
        raise error


def _is_on(device: int, name: str, folder: int) -> bool:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_dev == device
    except FileNotFoundError:
        return False


def _remove(root: int, file: _File) -> bool:
    """Remove a file if it is still the one that was seen; a folder that became a link is not entered."""
    try:
        folder = _descend(root, file.folder)
    except OSError:
        return False
    try:
        status = os.stat(file.name, dir_fd=folder, follow_symlinks=False)
        if (status.st_ino, status.st_mtime) != (file.inode, file.modified) or not stat.S_ISREG(status.st_mode):
            return False
        os.unlink(file.name, dir_fd=folder)
    except OSError:  # gone, or not ours to remove: the others may be enough
        return False
    finally:
        os.close(folder)
    return True
