"""Rotation: `app.log` becomes `app.log.1`, the newest sealed generation; `app.log.<backups>` is the oldest.

A file is sealed when it has grown to a size, or when a new period begins. Periods are counted from 1970 in UTC, so one
of a day begins at midnight; in which one a file was written, the time of its last line tells, after a restart too.

Whoever moves a generation, or puts a compressed one in its place, holds the lock of `LOG_DIR` meanwhile. Each step is
one rename, and all can be taken again from wherever a crash ended them: a generation moves only to a number that is
free, so what has already moved has left a free number behind it.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from logging_core.storage.journal import locked, sync_folder

DAY = 86_400.0  #: seconds
MAX_BACKUPS = 999  #: sealed files of one name
COMPRESSED = (".gz", ".zst")
_SEALED = re.compile(r"(?P<name>.+)\.(?P<number>[1-9][0-9]{0,2})(\.gz|\.zst)?")  # longer numbers are somebody's dates


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is sealed, and how many of its generations are kept.

    Raises:
        ValueError: out of bounds.
    """

    max_bytes: int = 100 * 1024 * 1024  #: 0: whatever its size
    backups: int = 7
    interval: float | None = None  #: seconds of a period; `DAY`: from midnight to midnight, UTC; None: whatever its age

    def __post_init__(self) -> None:
        if self.max_bytes < 0:
            raise ValueError(f"max_bytes is at least 0, not {self.max_bytes}")
        if not 1 <= self.backups <= MAX_BACKUPS:
            raise ValueError(f"backups is 1 to {MAX_BACKUPS}, not {self.backups}")
        if self.interval is not None and not self.interval >= 1:
            raise ValueError(f"interval is at least 1 second, not {self.interval}")

    def is_due(self, size: int, last_written: float, now: float, coming: int = 1) -> bool:
        """Whether a file is sealed before `coming` more bytes are written to it.

        Args:
            size: of the file, bytes; an empty one never is.
            last_written: Unix seconds.
            now: Unix seconds; a clock that went back seals nothing.
            coming: bytes.
        """
        if not size:
            return False
        if self.max_bytes and size + coming > self.max_bytes:
            return True
        return self.interval is not None and last_written // self.interval < now // self.interval


@contextmanager
def moving(log_dir: Path, patience: float = 0.0) -> Iterator[bool]:
    """Hold the right to move generations; yields whether we got it, within so many seconds.

    It is held for moments only.
    """
    deadline = time.monotonic() + patience
    while True:
        with locked(log_dir, "rotation") as held:
            if held or time.monotonic() >= deadline:
                yield held
                return
        time.sleep(0.005)


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
            each.rename(_numbered(path, number + 1, each.suffix if each.suffix in COMPRESSED else ""))


def _numbered(path: Path, number: int, suffix: str = "") -> Path:
    return path.with_name(f"{path.name}.{number}{suffix}")
