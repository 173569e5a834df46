"""A buffer in mapped memory on tmpfs: what was accepted survives `kill -9` of the application, and no disk stalls it.

    <spool_dir>/<redis>/<producer>/lock           held for as long as somebody ships this producer's records
    <spool_dir>/<redis>/<producer>/shard          link to the number of the shard that they go to
    <spool_dir>/<redis>/<producer>/<n>.segment    its records, in segments of 1 MiB

Sealed segments move on to a disk (spill.py) while Redis is away: always the oldest, so all that is spilled is older
than all that is here. Folders that nobody holds are adopted (adoption.py) by every shipper that shares them.
"""

import os
import secrets
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path

from logging_core.buffers import segment
from logging_core.buffers.buffer import Batch
from logging_core.buffers.claim import Claim
from logging_core.buffers.gap import Gap, Gaps
from logging_core.buffers.overflow import Policy, Room, floor
from logging_core.buffers.segment import Segment
from logging_core.buffers.spill import Spill, SpillPlace
from logging_core.streams.connection import Address

SPILL_DIR = "/var/tmp/tocsin-{uid}"  # noqa: S108  # checked to be ours before use


class SpoolBuffer:
    """The default buffer: segments on tmpfs, one lock, one folder per process."""

    durable = True

    def __init__(
        self,
        root: Path,
        service: str,
        max_bytes: int = 16 * segment.SIZE,
        policy: Policy | None = None,
        spill: SpillPlace | None = None,
    ) -> None:
        """Open a folder of our own under `root`; with a place to spill to, that one is made when it is needed.

        Raises:
            OSError: the folder cannot be made, or is somebody else's.
        """
        self.producer = secrets.token_hex(16)
        self.service = service
        self.shard: int | None = None
        self.refused: Counter[str] = Counter()
        self._policy = policy or Policy()
        self._drops_oldest = self._policy.overflow == "drop_oldest"
        self._claim = Claim.create(root, self.producer)
        self._gaps = Gaps(self._claim.folder / "gaps")
        if self._drops_oldest:
            self._gaps.reserve()
        self._spill = Spill(spill, self.producer, service, self._claim.folder) if spill else None
        self._max_segments = max_bytes // segment.SIZE
        self._segments: deque[Segment] = deque()  # oldest first; the last one is written to
        self._spare: Segment | None = None
        self._names = count(1)
        self._accepted = 0  # before the first segment that is held
        self._appended = 0
        self._reading: Segment | None = None
        self._position, self._next = segment.HEADER, 1
        self._nested: deque[bytes] = deque()
        # Re-entrant, because a signal handler or a finalizer may log while this very thread is in here.
        self._lock = threading.RLock()
        self._room = Room(self._lock)
        self._busy = False
        self._closed = False

    @property
    def accepted(self) -> int:
        """The highest ordinal given out."""
        return self._segments[-1].last if self._segments else self._accepted

    @property
    def dropped(self) -> Counter[str]:
        """By reason: accepted, and dropped on purpose."""
        return self._gaps.dropped + (self._spill.gaps.dropped if self._spill else Counter())

    def put(self, line: bytes) -> bool:
        """Copy a line into the mapped segment: microseconds, no system call, except where a segment begins."""
        with self._lock:
            if self._busy:  # logged from within `put` itself: the outer one takes it along
                self._nested.append(line)
                return True
            self._busy = True
            try:
                segments = self._segments
                kept = (segments[-1].append(line) if segments else False) or self._append_to_next(line)
                while self._nested:
                    nested = self._nested.popleft()
                    _ = (bool(self._segments) and self._segments[-1].append(nested)) or self._append_to_next(nested)
            finally:
                self._busy = False
        return kept

    def offer(self, line: bytes, level: int) -> bool:
        """Accept a line as the policy says."""
        with self._lock:
            if self._busy:
                return self.put(line)
            if self._policy.overflow == "drop_lowest":
                if level < floor(self._fill()):
                    return self._refuse("drop_lowest")
            elif not self._room.wait_for(lambda: self._make_room(len(line)), self._policy.block_timeout):
                return self._refuse("block_timeout")
            return self.put(line)

    def assign(self, shard: int) -> None:
        """Noted in the folders, for adopters."""
        self._claim.assign(shard)
        if self._spill:
            self._spill.assign(shard)
        self.shard = shard

    def take(self, max_bytes: int) -> Batch | None:
        """The next records: one copy out of the map, at most a segment's rest; or from the disk, without the lock."""
        self._room.never_waits()
        if self._spill and (batch := self._spill.files.take(max_bytes)):
            self._next = batch.first + batch.count
            return batch
        with self._exclusively():
            reading = self._segment_to_read()
            if reading is None:
                return None
            end = segment.cut(reading.map, self._position, reading.end, max_bytes)
            body = reading.map[self._position : end]
            batch = Batch(self._next, body.count(b"\n"), body)
            self._position, self._next = end, self._next + batch.count
            return batch

    def seek(self, ordinal: int) -> int:
        """Move the next record to take, past a gap to what comes behind it."""
        if self._spill:
            spilled = self._spill.files.seek(ordinal)
            if self._spill.files.unread:
                self._reading, self._next = None, spilled  # what is here comes behind all that is spilled
                return spilled
        with self._exclusively():
            if self._segments:
                ordinal = min(max(ordinal, self._segments[0].first), self.accepted + 1)
                last = self._segments[-1]
                reading = next((each for each in self._segments if each.last >= ordinal), last)
                self._next = max(ordinal, reading.first)
                self._position = segment.skip(reading.map, self._next - reading.first)
                self._reading = reading
            return self._next

    def release(self, appended: int, committed: int) -> None:
        """Free whole segments that are committed, and keep one ready, so that a caller seldom has to make one."""
        with self._exclusively():
            self._appended = appended
            self._gaps.forget(committed)
            self._drop_through(committed)
            self._room.notify()
            wanted = self._spare is None and bool(self._segments) and self._segments[-1].end > segment.SIZE // 4
        if wanted:
            spare = self._create()  # slow, so outside the lock
            with self._exclusively():
                self._spare, spare = self._spare or spare, self._spare and spare
            if spare:
                spare.remove()
        if self._spill:
            self._spill.gaps.forget(committed)
            self._spill.files.release(committed)

    def relieve(self, *, stalled: bool) -> bool:
        """Move the oldest sealed segments to the disk, once half of the space is taken and none is shipped here."""
        self._room.never_waits()
        spill = self._spill
        if spill is None:
            return False
        if stalled:
            if 4 * len(self._segments) >= self._max_segments:
                spill.prepare()
            spill.expire(self._appended)
        if not (stalled or spill.files.unread) or spill.rests:
            return False
        moving = self._sealed()
        if not moving or 2 * len(self._segments) < self._max_segments:
            return False
        size = len(moving) * segment.SIZE
        if not spill.make_room(size, appended=self._appended, drop=self._drops_oldest):
            return False
        try:
            self._move(spill, moving)
        except OSError:
            return False  # what is full then is dealt with as the policy says
        return True

    def gaps(self, after: int, before: int) -> list[Gap]:
        """What was dropped on purpose and touches the ordinals between two."""
        spilled = self._spill.gaps.between(after, before) if self._spill else []
        return spilled + self._gaps.between(after, before)

    def close(self, committed: int) -> None:
        """Remove the folders where everything is committed; otherwise leave them for others to adopt."""
        with self._exclusively():
            self._closed = True
            self._room.notify()
            done = committed >= self.accepted
            self._accepted = self.accepted
            self._unmap()
        if self._spill:
            self._spill.close(done=done)
        if done:
            self._claim.remove()
        else:
            self._claim.let_go()

    def abandon(self) -> None:
        """In a forked child: unmap what the parent writes to."""
        self._unmap()

    def _unmap(self) -> None:
        for each in (*self._segments, *((self._spare,) if self._spare else ())):
            each.close()
        self._segments.clear()
        self._spare = self._reading = None

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """The lock, for what is done rarely; what this very thread logs meanwhile is taken along by the next `put`."""
        with self._lock:
            self._busy = True
            try:
                yield
            finally:
                self._busy = False

    def _segment_to_read(self) -> Segment | None:
        """The segment that holds the next record, or None where there is none yet."""
        if self._reading is None and self._segments:
            self._read_on(self._segments[0])
        while self._reading is not None and self._position == self._reading.end:
            if self._reading is self._segments[-1]:
                return None
            self._read_on(self._segments[self._segments.index(self._reading) + 1])
        return self._reading

    def _read_on(self, reading: Segment) -> None:
        self._reading, self._position, self._next = reading, segment.HEADER, reading.first

    def _append_to_next(self, line: bytes) -> bool:
        """Begin the next segment with this line; refuse it where there is no space for one."""
        if self._closed:
            return self._refuse("closed")
        if len(line) > segment.LONGEST_LINE:
            return self._refuse("too_long")
        if len(self._segments) >= self._max_segments:
            self._drop_through(self._appended)
        if len(self._segments) >= self._max_segments and not self._drop_oldest():
            return self._refuse("buffer_full")
        fresh = self._spare or self._create()
        if fresh is None and self._drop_oldest():
            fresh = self._spare
        if fresh is None:
            return self._refuse("spool_full")
        self._spare = None
        fresh.start(self.accepted + 1)
        fresh.append(line)
        self._segments.append(fresh)
        return True

    def _refuse(self, reason: str) -> bool:
        self.refused[reason] += 1
        return False

    def _create(self) -> Segment | None:
        try:
            path = self._claim.folder / f"{next(self._names):08d}.segment"
            return Segment(path, bytes.fromhex(self.producer), self.service)
        except OSError:
            return None

    def _drop_through(self, ordinal: int) -> None:
        """Drop the whole segments up to an ordinal; the one that is written to or read from stays."""
        while len(self._segments) > 1 and self._segments[0].last <= ordinal:
            if self._segments[0] is self._reading:
                if self._position < self._segments[0].end:
                    break
                self._read_on(self._segments[1])
            self._let_go(self._segments[0])

    def _drop_oldest(self) -> bool:
        """Drop a segment that is not in the stream, if the policy is so; the one that is being sent only at last."""
        sealed = list(self._segments)[:-1] if self._drops_oldest else []
        victim = next((each for each in sealed if each is not self._reading), sealed[0] if sealed else None)
        if victim is None:
            return False
        self._gaps.declare(max(victim.first, self._appended + 1), victim.last, "drop_oldest")
        self._let_go(victim)
        return True

    def _let_go(self, dropped: Segment) -> None:
        self._segments.remove(dropped)
        if self._reading is dropped:
            self._reading = None
        if self._spare is None:
            dropped.start(0)  # emptied at once: whoever adopts this folder must not take its lines for waiting ones
            self._spare = dropped
        else:
            dropped.remove()

    def _fill(self) -> float:
        """How many of the segments that can be sealed are, and are not in the stream; 1: the last one is in use."""
        with self._exclusively():
            sealed = islice(self._segments, max(len(self._segments) - 1, 0))
            return sum(each.last > self._appended for each in sealed) / (self._max_segments - 1)

    def _make_room(self, size: int) -> bool:
        """Whether a line can be put now, or is refused for another reason than want of room."""
        with self._exclusively():
            if self._closed or size > segment.LONGEST_LINE:
                return True
            if self._segments and self._segments[-1].end + size <= segment.SIZE:
                return True
            if len(self._segments) >= self._max_segments:
                self._drop_through(self._appended)
            if len(self._segments) >= self._max_segments:
                return False
            self._spare = self._spare or self._create()
            return self._spare is not None

    def _sealed(self) -> list[tuple[Segment, int]]:
        """Segments to move to the disk together, each with its first ordinal: the oldest ones, without a gap."""
        with self._exclusively():
            sealed = list(self._segments)[:-1][: segment.SPILLED_AT_ONCE]
        whole = [each for each, before in zip(sealed[1:], sealed, strict=False) if each.first == before.last + 1]
        return [(each, each.first) for each in (*sealed[:1], *whole)]

    def _move(self, spill: Spill, moving: list[tuple[Segment, int]]) -> None:
        """Copy segments to the disk, then let go of them here.

        Raises:
            OSError: they are here still.
        """
        bodies, count = [], 0
        for each, first in moving:
            with self._exclusively():
                if each.first != first or each not in self._segments:  # dropped by a caller, and perhaps in use again
                    break
                bodies.append(each.lines)
                count += each.count
        if not bodies:
            return
        spill.keep(moving[0][1], count, bodies)
        with self._exclusively():
            for each, first in moving[: len(bodies)]:
                if each.first == first and each in self._segments:
                    self._let_go(each)
            self._room.notify()
        spill.files.seek(self._next)


def spool_root(redis_url: str, spool_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where the producers of one Redis keep their folders: tmpfs, unless a folder is given."""
    if spool_dir is None:
        shared = Path("/dev/shm")  # noqa: S108  # checked to be ours before use
        base = shared if shared.is_dir() and os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
        spool_dir = base / f"tocsin-{os.geteuid()}"
    return Path(spool_dir) / Address.of(redis_url).name


def spill_root(redis_url: str, spill_dir: str | os.PathLike[str] = SPILL_DIR) -> Path:
    """Where they spill: `{uid}` in the folder's name stands for the user's number."""
    return Path(os.fspath(spill_dir).replace("{uid}", str(os.geteuid()))) / Address.of(redis_url).name
