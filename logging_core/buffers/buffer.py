"""Between the thread that logs and the thread that ships: the `Buffer` contract, and a buffer in memory.

Records are numbered 1, 2, 3, ... in the order in which they were accepted. Three marks move through them:

    released <= committed <= appended < next to take <= accepted

`appended` is in the stream, `committed` is fsynced in the files. Space below `committed` is free; where there is no
other space left, what is `appended` goes too, rather than a new record. What is neither is dropped by one policy alone
(overflow.py), and declared. Redis that comes back older moves the marks back: `seek`.
"""

import secrets
import threading
from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from logging_core.buffers.gap import Gap, Gaps
from logging_core.buffers.overflow import Policy, Room, floor


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one producer, as newline-delimited JSON."""

    first: int
    count: int
    body: bytes


class Source(Protocol):
    """One producer's records, as they are shipped."""

    producer: str  #: 32 hex digits, random: a process's (a fork's) own numbering
    service: str  #: whose records these are
    durable: bool  #: survives the process
    shard: int | None  #: that its records go to, all of them; None: none yet
    refused: Counter[str]  #: by reason; these were never numbered

    @property
    def accepted(self) -> int:
        """The highest ordinal given out."""

    def assign(self, shard: int) -> None:
        """From now on the records go to this shard, whoever ships them."""

    def take(self, max_bytes: int) -> Batch | None:
        """The next records, at most so many bytes (but at least one record)."""

    def seek(self, ordinal: int) -> int:
        """Go back (or forth) to this record, or to the first that is still held after it; which one it is."""

    def release(self, appended: int, committed: int) -> None:
        """Everything up to `committed` may go; up to `appended` when there is need."""

    def relieve(self, *, stalled: bool) -> bool:
        """Make room that costs time, of which the shipper has some; whether there may be more to do.

        `stalled` says that the stream takes nothing now.
        """

    def gaps(self, after: int, before: int) -> list[Gap]:
        """What was dropped on purpose and touches the ordinals between two."""

    def close(self, committed: int) -> None:
        """Let go of what is held: a durable one leaves to others what is not committed."""


class Buffer(Source, Protocol):
    """What holds the records that a process has accepted until they are written."""

    def put(self, line: bytes) -> bool:
        """Accept and number a line (with its newline); False: refused and counted. Never blocks on anything slow."""

    def offer(self, line: bytes, level: int) -> bool:
        """The same, for policies that look at a record's level, or wait for room: bounded, and without the lock."""

    @property
    def dropped(self) -> Counter[str]:
        """By reason: accepted, and dropped on purpose."""

    def abandon(self) -> None:
        """In a forked child: let go of the parent's buffer without touching what the parent holds."""


class MemoryBuffer:
    """A bounded deque, for where the caller wants nothing outside the process."""

    durable = False

    def __init__(self, service: str, max_records: int = 10_000, policy: Policy | None = None) -> None:
        self.producer = secrets.token_hex(16)
        self.service = service
        self.shard: int | None = None
        self.refused: Counter[str] = Counter()
        self._policy = policy or Policy()
        self._max_records = max_records
        self._lines: deque[bytes] = deque()
        self._first = 1  # ordinal of the leftmost line
        self._next = 1  # ordinal to take next
        self._appended = 0
        self._gaps = Gaps()
        self._closed = False
        # Re-entrant: a signal handler or a finalizer may log while this very thread is in here.
        self._lock = threading.RLock()
        self._room = Room(self._lock)

    @property
    def accepted(self) -> int:
        """The highest ordinal given out."""
        return self._first + len(self._lines) - 1

    @property
    def dropped(self) -> Counter[str]:
        """By reason: accepted, and dropped on purpose."""
        return self._gaps.dropped

    def put(self, line: bytes) -> bool:
        """Accept a line unless the buffer is full of what is not in the stream yet."""
        with self._lock:
            if self._closed:
                return self._refuse("closed")
            if len(self._lines) >= self._max_records and not self._make_room():
                return self._refuse("buffer_full")
            self._lines.append(line)
            return True

    def offer(self, line: bytes, level: int) -> bool:
        """Accept a line as the policy says."""
        with self._lock:
            if self._policy.overflow == "drop_lowest":
                waiting = self.accepted - max(self._appended, self._first - 1)
                if level < floor(waiting / max(self._max_records, 1)):
                    return self._refuse("drop_lowest")
            elif not self._room.wait_for(self._has_room, self._policy.block_timeout):
                return self._refuse("block_timeout")
            return self.put(line)

    def assign(self, shard: int) -> None:
        """For the life of this process."""
        self.shard = shard

    def take(self, max_bytes: int) -> Batch | None:
        """The next records as one batch."""
        with self._lock:
            self._room.never_waits()
            start = self._next - self._first
            size, count = 0, 0
            for line in islice(self._lines, start, None):
                size += len(line)
                if count and size > max_bytes:
                    break
                count += 1
            if not count:
                return None
            batch = Batch(self._next, count, b"".join(islice(self._lines, start, start + count)))
            self._next += count
            return batch

    def seek(self, ordinal: int) -> int:
        """Move the next record to take."""
        with self._lock:
            self._next = min(max(ordinal, self._first), self.accepted + 1)
            return self._next

    def release(self, appended: int, committed: int) -> None:
        """Free what is committed."""
        with self._lock:
            self._appended = appended
            self._gaps.forget(committed)
            self._drop_through(committed)
            self._room.notify()

    def relieve(self, *, stalled: bool) -> bool:
        """There is nowhere to go."""
        self._room.never_waits()
        return False

    def gaps(self, after: int, before: int) -> list[Gap]:
        """What was dropped on purpose and touches the ordinals between two."""
        return self._gaps.between(after, before)

    def close(self, committed: int) -> None:
        """What is left dies with the process."""
        with self._lock:
            self._closed = True
            self._room.notify()

    def abandon(self) -> None:
        """Nothing is shared with the parent."""

    def _refuse(self, reason: str) -> bool:
        self.refused[reason] += 1
        return False

    def _has_room(self) -> bool:
        droppable = self._lines and self._first <= min(self._appended, self._next - 1)
        return self._closed or len(self._lines) < self._max_records or bool(droppable)

    def _make_room(self) -> bool:
        before = len(self._lines)
        self._drop_through(self._appended)
        if len(self._lines) == before and before and self._policy.overflow == "drop_oldest":
            self._gaps.declare(self._first, self._first, "drop_oldest")
            self._lines.popleft()
            self._first += 1
            self._next = max(self._next, self._first)
        return len(self._lines) < before

    def _drop_through(self, ordinal: int) -> None:
        while self._lines and self._first <= min(ordinal, self._next - 1):
            self._lines.popleft()
            self._first += 1
