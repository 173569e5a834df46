"""How far each log file was scanned, kept so that every byte is looked at once.

Keys, of each source its own, so that a file of two sources counts for both; in the slot of the series and of the due
steps, which move in the same step as a position:
    tocsin:{0}:scan:position:<source>:<device>:<inode>  hash  path, offset, cut (0 or 1), head, revision; expiry 30 days
    tocsin:{0}:scan:begun:<source>                      hash  glob -> 1, once it was looked at; expiry 30 days

Each scan renews the expiries. A file is known by its inode, so that one that was renamed by rotation is neither read
again nor left half read; `head`, its first bytes, tells when an inode is used again or a file was written anew.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import redis

from logging_core.streams.stream import Change, coded, script_text
from rules.siblings import Sibling, identity

EXPIRY = 30 * 86400  #: seconds
HEAD = 256  #: bytes
_TAIL = 65_536  # bytes in which the last line's beginning is looked for

_ADVANCE = script_text(Path(__file__).with_name("advance.lua"))


@dataclass(frozen=True, slots=True)
class Position:
    """How far one file was read."""

    path: str
    identity: str  #: `<device>:<inode>`
    offset: int = 0
    cut: bool = False  #: whether `offset` is inside a line whose rest is to be skipped
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
    """The positions of one source that Redis holds."""

    def __init__(self, client: redis.Redis, source: str) -> None:
        self._redis = client
        self._prefix = f"tocsin:{{0}}:scan:position:{source}:"
        self._begun = f"tocsin:{{0}}:scan:begun:{source}"
        self._advance = client.register_script(_ADVANCE)

    def resume(self, fd: int, path: str) -> Position:
        """Where to go on in an open file: at its start when it is new or was written anew.

        One that is shorter than it was, and begins as it did, was cut: then its end is where it goes on.
        """
        status = os.fstat(fd)
        start = Position(path, identity(status))
        known = self._known(start.identity)
        if not known:
            return start
        start, offset, head = replace(start, revision=int(known[b"revision"])), int(known[b"offset"]), known[b"head"]
        if not head.startswith(os.pread(fd, len(head), 0)):
            return start
        if status.st_size < offset:  # noted at once: it may have grown beyond `offset` when it is looked at again
            cut_off = replace(start, offset=status.st_size)
            return self.advance(fd, start, status.st_size, cut=False, changes=()) or cut_off
        return replace(start, offset=offset, cut=known[b"cut"] == b"1")

    def begun(self) -> set[str]:
        """The globs that were looked at before: a file of theirs that is not known is new."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hkeys(self._begun)
        pipe.expire(self._begun, EXPIRY)
        found, _ = pipe.execute()
        return {pattern.decode() for pattern in found}

    def begin(self, patterns: Iterable[str]) -> None:
        """From now on, files of these globs are new."""
        pipe = self._redis.pipeline(transaction=True)
        for pattern in patterns:
            pipe.hset(self._begun, pattern, 1)
        pipe.expire(self._begun, EXPIRY)
        pipe.execute()

    def skip(self, fd: int, path: str) -> None:
        """Take the whole lines of a file that is not known as read."""
        start = Position(path, identity(os.fstat(fd)))
        if self._known(start.identity):
            return
        size = os.fstat(fd).st_size
        begin = max(0, size - _TAIL)
        tail = os.pread(fd, size - begin, begin)
        line = tail.rfind(b"\n") + 1
        inside = begin > 0 and not line
        self.advance(fd, start, size if inside else begin + line, cut=inside, changes=())

    def behind(self, siblings: Sequence[Sibling], named: Iterable[str]) -> list[str]:
        """The paths of those siblings that are not read to their end, though they once bore one of the names.

        These are files that were read before, and new ones with a number; a copy of a named file is read from where
        that one was read to, since copying and truncating is a way of rotation too.
        """
        pipe = self._redis.pipeline(transaction=False)
        for sibling in siblings:
            pipe.hget(self._key(sibling.identity), "offset")
            pipe.expire(self._key(sibling.identity), EXPIRY)
        offsets = cast("list[bytes | None]", pipe.execute()[::2])
        behind = []
        for sibling, offset in zip(siblings, offsets, strict=True):
            if offset is not None:
                behind += [sibling.path] if int(offset) != sibling.size else []
            elif sibling.is_numbered:
                with suppress(OSError):  # gone, or not ours to read: whoever reads it next will say so
                    self._skip_copied(sibling, named)
                behind.append(sibling.path)
        return behind

    def advance(
        self, fd: int, position: Position, offset: int, *, cut: bool, changes: Sequence[Change]
    ) -> Position | None:
        """Move a position and apply what was found on the way, in one atomic step.

        Returns None, and changes nothing, where another scan has moved the position meanwhile.
        """
        names, steps = coded(changes, first=2)
        moved = self._advance(
            keys=[self._key(position.identity), *names],
            args=[
                *(position.revision, os.fsencode(position.path)),
                *(offset, int(cut), os.pread(fd, min(HEAD, offset), 0), EXPIRY, steps),
            ],
        )
        return replace(position, offset=offset, cut=cut, revision=position.revision + 1) if moved else None

    def _skip_copied(self, copy: Sibling, named: Iterable[str]) -> None:
        folder = Path(copy.path).parent
        with opened(copy.path) as fd:
            head = os.pread(fd, HEAD, 0)
            for original in (path for path in map(Path, named) if path.parent == folder and path.exists()):
                known = self._known(identity(original.stat()))
                if len(head) == HEAD and known.get(b"head") == head:  # what is shorter may begin alike by chance
                    start, offset = Position(copy.path, copy.identity), min(int(known[b"offset"]), copy.size)
                    self.advance(fd, start, offset, cut=known[b"cut"] == b"1", changes=())
                    return

    def _known(self, of: str) -> dict[bytes, bytes]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(self._key(of))
        pipe.expire(self._key(of), EXPIRY)
        known, _ = pipe.execute()
        return cast("dict[bytes, bytes]", known)

    def _key(self, of: str) -> str:
        return f"{self._prefix}{of}"
