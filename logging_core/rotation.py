"""Rotation by size: `app.log` becomes `app.log.1`, the newest sealed generation; `app.log.<backups>` is the oldest.

Whoever moves a generation, or puts a compressed one in its place, holds the lock of `LOG_DIR` meanwhile. Each step is
one rename, and all can be taken again from wherever a crash ended them: a generation moves only to a number that is
free, so what has already moved has left a free number behind it.
"""

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from logging_core.journal import locked, sync_folder

COMPRESSED = ".gz"
_SEALED = re.compile(r"(?P<name>.+)\.(?P<number>[1-9][0-9]{0,2})(\.gz)?")  # longer numbers are somebody's dates


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is sealed, and how many of its generations are kept."""

    max_bytes: int = 100 * 1024 * 1024
    backups: int = 7


def moving(log_dir: Path) -> AbstractContextManager[bool]:
    """Hold the right to move generations; yields whether we got it. It is held for moments only."""
    return locked(log_dir, "rotation")


def generations(path: Path) -> dict[int, list[Path]]:
    """The sealed generations of a file, by number; one has two files where somebody else compresses them too."""
    found: dict[int, list[Path]] = {}
    for each in path.parent.iterdir():
        match = _SEALED.fullmatch(each.name)
        if match and match["name"] == path.name:
            found.setdefault(int(match["number"]), []).append(each)
    return found


def seal(path: Path, inode: int, backups: int) -> None:
    """Make the file with this inode the newest generation, unless it is so already; the oldest ones go.

    Raises:
        OSError: to be done again.
    """
    if not path.exists() or path.stat().st_ino != inode:
        return
    _free_first(path, backups)
    path.rename(_numbered(path, 1))
    sync_folder(path.parent)


def _free_first(path: Path, backups: int) -> None:
    """Move generations up by one, as far as the first free number, so that the number 1 is free."""
    found = generations(path)
    free = next(number for number in range(1, len(found) + 2) if number not in found)
    for number in sorted(found):
        if number > backups or number == backups < free:
            for each in found[number]:
                each.unlink()
    for number in range(min(free, backups) - 1, 0, -1):
        for each in found[number]:
            each.rename(_numbered(path, number + 1, each.suffix if each.suffix == COMPRESSED else ""))


def _numbered(path: Path, number: int, suffix: str = "") -> Path:
    return path.with_name(f"{path.name}.{number}{suffix}")
