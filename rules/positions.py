"""How far each log file was scanned, kept so that every byte is looked at once.

Keys, of each source its own, so that a file of two sources counts for both, and of each place (a host, or rather its
`LOG_DIR`) its own, since hosts have files with the same paths and inodes; in the slot of the series and of the due
steps, which move in the same step as a position:

    tocsin:{0}:scan:position:<place>:<source>:<device>:<inode>  hash    path; offset; cut (0 or 1); head, tail: see
                                                                        file_marks.py; archived: see `Position`;
                                                                        revision; and while it is read in ranges:
                                                                        ranges (JSON: start -> end), those that are not
                                                                        read yet; end of them all; end_tail; 30 days
    tocsin:{0}:scan:begun:<place>:<source>                      hash    glob -> 1, once it was looked at; 30 days
    tocsin:{0}:scan:lease:<place>:<source>:<device>:<inode>:<what>
                                                                string  1: somebody reads it; as long as was asked

Each scan renews the expiries. A file is known by its inode, so that one that was renamed by rotation is neither read
again nor left half read. Offsets are those of the text: of the unpacked one, if it is an archive.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import orjson
import redis

from logging_core.streams.stream import Change, coded, script_text
from rules import copies, file_marks
from rules.file_marks import Fate, fate, head_of, tail_at
from rules.position import Position, opened
from rules.ranges import Range
from rules.reading.packed import is_archive
from rules.siblings import Sibling, identity, originals, siblings

EXPIRY = 30 * 86400  #: seconds
_TAIL = 65_536  # bytes in which the last line's beginning is looked for
_SCRIPTS = ("advance", "split", "finish_range", "hand_over")


class Positions:
    """The positions of one source at one place that Redis holds."""

    def __init__(self, client: redis.Redis, source: str, place: str) -> None:
        self._redis = client
        self._prefix = f"tocsin:{{0}}:scan:position:{place}:{source}:"
        self._lease = f"tocsin:{{0}}:scan:lease:{place}:{source}:"
        self._begun = f"tocsin:{{0}}:scan:begun:{place}:{source}"
        folder = Path(__file__).parent
        self._script = {name: client.register_script(script_text(folder / f"{name}.lua")) for name in _SCRIPTS}

    # -- which files ---------------------------------------------------------------------------------------------

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
        status = os.fstat(fd)
        start = Position(path, identity(status), head=head_of(fd))
        if self._known(start):
            return
        if start.is_archive:
            self.advance(fd, start, 0, archived=status.st_size)
            return
        begin = max(0, status.st_size - _TAIL)
        line = os.pread(fd, status.st_size - begin, begin).rfind(b"\n") + 1
        inside = begin > 0 and not line
        self.advance(fd, start, status.st_size if inside else begin + line, cut=inside)

    def behind(self, siblings: Sequence[Sibling]) -> list[str]:
        """The paths of those siblings that are not read to their end, though they once bore one of the names.

        These are files that were read before, and new ones with a number.
        """
        pipe = self._redis.pipeline(transaction=False)
        for sibling in siblings:
            pipe.hmget(self._key(sibling.identity), "offset", "archived")
            pipe.expire(self._key(sibling.identity), EXPIRY)
        found = cast("list[tuple[bytes | None, bytes | None]]", pipe.execute()[::2])
        behind = []
        for sibling, (offset, archived) in zip(siblings, found, strict=True):
            read = None if offset is None else int(archived or 0) or int(offset)
            if read != sibling.size and (read is not None or sibling.is_numbered):
                behind.append(sibling.path)
        return behind

    # -- where to go on ------------------------------------------------------------------------------------------

    def resume(self, fd: int, path: str) -> Position | None:
        """Where to go on in an open file: at its start when it is new or was written anew.

        One that is shorter than it was, and begins as it did, was cut: then its end is where it goes on. None: it is a
        copy of a file that is still there as it was. It has nothing of its own until that one is emptied.
        """
        now = Position(path, identity(os.fstat(fd)), head=head_of(fd))
        known = self._known(now)
        if known is None:
            if self._is_a_copy(fd, path):
                return None
            known = self._known(now)
            if known is None:
                return now
        here = replace(known, path=path, head=now.head)
        became = self._fate(fd, known, here)
        if became is Fate.SAME:
            return here
        start = replace(here, offset=0, cut=False, tail=b"", archived=0, ranges=(), end=0)
        if known.reach and self._give_to_copy(known, path):  # then it was emptied, even if it begins alike
            return replace(start, revision=known.revision + 1)
        return self._cut_off(fd, here) if became is Fate.CUT else self.advance(fd, start, 0) or start

    def _fate(self, fd: int, known: Position, here: Position) -> Fate:
        if known.is_archive or here.is_archive:
            return Fate.SAME if known.head and here.head.startswith(known.head) else Fate.ANEW
        return fate(fd, known.head, known.tail, known.offset, known.reach)

    def _cut_off(self, fd: int, here: Position) -> Position:
        """Note that it was cut, at once: it may have grown beyond what was read when it is looked at again."""
        size = os.fstat(fd).st_size
        left = [Range(each.start, min(each.end, size)) for each in here.ranges if each.start < size]
        noted = self.split(fd, here, left) if left else self.advance(fd, here, size)
        return noted or here  # moved by another scan: then nothing that is read from here can be noted either

    def _give_to_copy(self, known: Position, path: str) -> bool:
        """Have the copy that was made of a file, before it became another one, take its position over."""
        for copy in siblings([path]):
            if copy.is_numbered and self._known(Position(copy.path, copy.identity)) is None:
                with suppress(OSError), opened(copy.path) as fd:  # not ours to read: whoever does will say so
                    if copies.holds(fd, known) and self._hand_over(known, copy, fd):
                        return True
        return False

    def _is_a_copy(self, fd: int, path: str) -> bool:
        """Whether an unknown file is a copy of one that still holds the same.

        Where it is one of a file that was emptied, or an archive of one that is gone, it has that one's position then.
        """
        for original in originals(path):
            with suppress(OSError), opened(original) as other:
                self.resume(other, original)
                if file_marks.is_prefix(fd, other):
                    return True
        return is_archive(head_of(fd)) and self._is_archive_of_living(fd, path)

    def _is_archive_of_living(self, fd: int, path: str) -> bool:
        copy = Sibling(path, identity(os.fstat(fd)), 0, is_numbered=True)
        if self._known(Position(path, copy.identity)):
            return False
        with suppress(OSError):  # a damaged archive: whoever reads it will say so
            if known := copies.made_of(fd, self._beside(path)):
                if known.identity in {each.identity for each in siblings([path])}:
                    return True
                self._hand_over(known, copy, fd)
        return False

    def _beside(self, path: str) -> list[Position]:
        """The positions of the plain files in the folder of `path`, those that are gone among them."""
        keys = cast("list[bytes]", list(self._redis.scan_iter(f"{self._prefix}*", count=1000)))
        pipe = self._redis.pipeline(transaction=False)
        for key in keys:
            pipe.hgetall(key)
        folder = os.path.dirname(path)  # noqa: PTH120  # as glob writes it
        found = [
            Position.decoded(key.decode().removeprefix(self._prefix), fields)
            for key, fields in zip(keys, cast("list[dict[bytes, bytes]]", pipe.execute()), strict=True)
            if fields and os.path.dirname(os.fsdecode(fields[b"path"])) == folder  # noqa: PTH120
        ]
        return [each for each in found if each.head and each.reach and not each.is_archive]

    # -- moving on -----------------------------------------------------------------------------------------------

    def advance(
        self,
        fd: int,
        position: Position,
        offset: int,
        *,
        cut: bool = False,
        changes: Sequence[Change] = (),
        archived: int = 0,
        tail: bytes | None = None,
    ) -> Position | None:
        """Move a position and apply what was found on the way, in one atomic step.

        Args:
            fd: the file.
            position: from where.
            offset: to where.
            cut: see `Position`.
            changes: what was found.
            archived: see `Position`.
            tail: the last bytes that were read; None: those that the file has there now.

        Returns:
            Where it is now; None where another scan has moved it meanwhile, and nothing was changed.
        """
        names, steps = coded(changes, first=2)
        if tail is None:
            tail = b"" if position.is_archive else tail_at(fd, offset)
        head = position.head if position.is_archive else position.head[:offset]
        moved = self._script["advance"](
            keys=[self._key(position.identity), *names],
            args=[
                *(position.revision, os.fsencode(position.path)),
                *(offset, int(cut), head, tail, archived, EXPIRY, steps),
            ],
        )
        if not moved:
            return None
        revision = position.revision + 1
        return replace(
            position, offset=offset, cut=cut, revision=revision, tail=tail, archived=archived, ranges=(), end=0
        )

    def split(self, fd: int, position: Position, ranges: Sequence[Range]) -> Position | None:
        """Have these ranges read, then go on behind the last one; None where there are none, or as of `advance`."""
        if not ranges:
            return None
        end = ranges[-1].end
        coded_ranges = orjson.dumps({str(each.start): each.end for each in ranges})
        moved = self._script["split"](
            keys=[self._key(position.identity)],
            args=[
                *(position.revision, os.fsencode(position.path), position.head),
                *(EXPIRY, coded_ranges, end, tail_at(fd, end)),
            ],
        )
        return replace(position, revision=position.revision + 1, ranges=tuple(ranges), end=end) if moved else None

    def finish(self, position: Position, start: int, changes: Sequence[Change]) -> bool:
        """Note that the range at `start` was read, and what was found in it, in one atomic step; False: nobody asked.

        With the last one of them the position moves to their end.
        """
        names, steps = coded(changes, first=2)
        keys = [self._key(position.identity), *names]
        return bool(self._script["finish_range"](keys=keys, args=[position.revision, start, EXPIRY, steps]))

    def lease(self, position: Position, what: str, seconds: float) -> bool:
        """Take the right to read a part of a file; False where somebody has it. Without him it ends by itself."""
        key = f"{self._lease}{position.identity}:{what}"
        return bool(self._redis.set(key, 1, nx=True, px=int(seconds * 1000)))

    def give_up(self, position: Position, what: str) -> None:
        """Give that right back."""
        self._redis.delete(f"{self._lease}{position.identity}:{what}")

    def _hand_over(self, known: Position, copy: Sibling, fd: int) -> bool:
        keys = [self._key(known.identity), self._key(copy.identity)]
        return bool(
            self._script["hand_over"](keys=keys, args=[known.revision, os.fsencode(copy.path), head_of(fd), EXPIRY])
        )

    def _known(self, of: Position) -> Position | None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(self._key(of.identity))
        pipe.expire(self._key(of.identity), EXPIRY)
        fields, _ = pipe.execute()
        return Position.decoded(of.identity, fields) if fields else None

    def _key(self, of: str) -> str:
        return f"{self._prefix}{of}"
