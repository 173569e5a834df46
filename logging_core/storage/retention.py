"""Retention: how long what is sealed is kept, and how much of it, besides the number of generations (rotation.py).

Files that are being written count towards a total and are never removed, whatever their age: a budget of 10 MB a day
for a week is `max_total_bytes=70_000_000`, or `max_age=7 * 86_400`, or both. The oldest generation goes first,
whichever file it is of.
"""

import logging
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from logging_core.storage.rotation import generations, moving

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept of the sealed files of one folder.

    Raises:
        ValueError: out of bounds.
    """

    max_age: float | None = None  #: seconds since the last line of a file
    max_total_bytes: int | None = None  #: of all files of the folder, sealed or not

    def __post_init__(self) -> None:
        for name in ("max_age", "max_total_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is more than 0, not {value}")

    @property
    def is_endless(self) -> bool:
        """Whether nothing is ever removed."""
        return self.max_age is None and self.max_total_bytes is None


class Sealed(NamedTuple):
    """A sealed file."""

    last_written: float  #: Unix seconds
    path: Path
    size: int  #: bytes


def expired(sealed: Sequence[Sealed], live_bytes: int, retention: Retention, now: float) -> list[Sealed]:
    """Those of a folder's sealed files that are to go, oldest first.

    Args:
        sealed: all of them.
        live_bytes: of the folder's files that are being written.
        retention: the limits.
        now: Unix seconds.
    """
    total = live_bytes + sum(each.size for each in sealed)
    gone = []
    for each in sorted(sealed):
        too_old = retention.max_age is not None and now - each.last_written > retention.max_age
        too_much = retention.max_total_bytes is not None and total > retention.max_total_bytes
        if too_old or too_much:
            gone.append(each)
            total -= each.size
    return gone


def retain(
    log_dir: Path, names: Collection[str], retention: Retention, now: float, in_use: Collection[int] = ()
) -> int:
    """Remove what is expired of the files with these names below `LOG_DIR`; how many went.

    Nothing is removed while somebody else moves generations: the next run does. `in_use` are inodes that are written
    to, whatever the files are called.

    Raises:
        OSError: a folder that cannot be read.
    """
    if retention.is_endless:
        return 0
    removed = 0
    with moving(log_dir) as held:
        for folder in sorted({(log_dir / name).parent for name in names}) if held else ():
            if folder.is_dir():
                paths = [log_dir / name for name in names if (log_dir / name).parent == folder]
                sealed, live_bytes = _files(paths, in_use)
                removed += sum(_remove(each.path) for each in expired(sealed, live_bytes, retention, now))
    return removed


def _remove(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _logger.warning("%s is not removed: %s", path, error)
        return False
    return True


def _files(paths: Sequence[Path], in_use: Collection[int]) -> tuple[list[Sealed], int]:
    """The sealed generations of these files, and the bytes of what is still written to."""
    sealed, live_bytes = [], 0
    for path, is_sealed in _named(paths):
        with suppress(FileNotFoundError):
            status = path.stat(follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                continue
            if is_sealed and status.st_ino not in in_use:
                sealed.append(Sealed(status.st_mtime, path, status.st_size))
            else:
                live_bytes += status.st_size
    return sealed, live_bytes


def _named(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    for path in paths:
        yield path, False
        for files in generations(path).values():
            yield from ((each, True) for each in files)
