"""How far each log file was scanned, kept so that every byte is looked at once.

Keys:
    tocsin:scan:position:<device>:<inode>  hash    path, offset, cut (0 or 1), head, revision; expiry 30 days
    tocsin:scan:file:<sha1 of path>        string  `<device>:<inode>` of the file last read there; expiry 30 days

A file is known by its inode, so that one that was renamed by rotation is neither read again nor left half read; `head`,
a hash of its first bytes, tells when an inode is used again or a file was emptied and written anew.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b, sha1
from pathlib import Path
from typing import cast

import redis

from logging_core.stream import Change, coded, script_text

EXPIRY = 30 * 86400  #: seconds
HEAD = 256  #: bytes

_ADVANCE = script_text(Path(__file__).with_name("advance.lua"))


@dataclass(frozen=True, slots=True)
class Position:
    """How far one file was read."""

    path: str
    identity: str  #: `<device>:<inode>`
    offset: int = 0
    cut: bool = False  #: whether `offset` is inside a line that was too long
    revision: int = 0  #: of what Redis holds: 0 for nothing


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of the regular file at `path`.

    Raises:
        OSError: where there is none; a pipe or a device is never waited for.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"not a regular file: {path!r}")
        yield fd
    finally:
        os.close(fd)


class Positions:
    """The positions that Redis holds."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._advance = client.register_script(_ADVANCE)

    def resume(self, fd: int, path: str) -> Position:
        """Where to go on in an open file: at its start when it is new, was truncated, or was written anew."""
        status = os.fstat(fd)
        start = Position(path, _identity(status))
        known = cast("dict[bytes, bytes]", self._redis.hgetall(_position_key(start)))
        if not known:
            return start
        start, offset = replace(start, revision=int(known[b"revision"])), int(known[b"offset"])
        if status.st_size < offset or known[b"head"].decode() != _head(fd, offset):
            return start
        return replace(start, offset=offset, cut=known[b"cut"] == b"1")

    def renamed(self, current: Position) -> str | None:
        """The path, in the same folder, of the file that was at `current.path` before it was rotated away."""
        before = cast("bytes | None", self._redis.get(_file_key(current.path)))
        if before is None or before.decode() == current.identity:
            return None
        with os.scandir(Path(current.path).parent) as entries:
            files = (entry for entry in entries if entry.is_file(follow_symlinks=False))
            return next((entry.path for entry in files if _identity(entry.stat()) == before.decode()), None)

    def advance(
        self, fd: int, position: Position, offset: int, *, cut: bool, changes: Sequence[Change]
    ) -> Position | None:
        """Move a position and apply what was found on the way, in one atomic step.

        Returns None, and changes nothing, where another scan has moved the position meanwhile.
        """
        names, steps = coded(changes, first=3)
        moved = self._advance(
            keys=[_position_key(position), _file_key(position.path), *names],
            args=[
                *(position.revision, os.fsencode(position.path), position.identity),
                *(offset, int(cut), _head(fd, offset), EXPIRY, steps),
            ],
        )
        return replace(position, offset=offset, cut=cut, revision=position.revision + 1) if moved else None


def _identity(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}"


def _head(fd: int, offset: int) -> str:
    return blake2b(os.pread(fd, min(HEAD, offset), 0), digest_size=8).hexdigest()


def _position_key(position: Position) -> str:
    return f"tocsin:scan:position:{position.identity}"


def _file_key(path: str) -> str:
    return f"tocsin:scan:file:{sha1(os.fsencode(path), usedforsecurity=False).hexdigest()}"
