"""The handler that applications hang on their loggers: encode, put, and nothing else on the caller's thread."""

import importlib
import logging
import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from logging_core import redaction
from logging_core.buffers import spill
from logging_core.buffers.buffer import Buffer, MemoryBuffer
from logging_core.buffers.overflow import OVERFLOWS, Overflow, Policy
from logging_core.buffers.spill import SpillPlace
from logging_core.buffers.spool import SPILL_DIR, SpoolBuffer, spill_root, spool_root
from logging_core.complaints import complain
from logging_core.forks import call_before_child_ends, renew_in_child
from logging_core.line_handler import LineHandler
from logging_core.record import Encoder
from logging_core.redaction import Redactor
from logging_core.service import service_name
from logging_core.streams import connection
from logging_core.streams.shipper import Shipper
from logging_core.streams.stream import DEFAULT_REDIS_URL

if TYPE_CHECKING:
    from logging_core.sampling import Sampler

_DRAIN = 2.0  #: seconds that `close`, and `flush` by default, may take
_COURTESY = 0.25  #: seconds


class RedisStreamHandler(LineHandler):
    """Ships every record to Tocsin's workers by way of Redis.

    It never raises, never waits for the network or a disk (save with `overflow="block"`, and then so long at most), and
    never logs into itself. What the spool accepted survives `kill -9` of the application; what cannot be accepted is
    counted, by reason, in `stats()`.

    Args:
        redis_url: where Redis is (see connection.py: a server, a cluster, or Sentinels); by default `REDIS_URL`, else
            the server that `tocsin up` starts.
        service: the folder of the log files and the label of every series: letters, digits, `_`, `.`, `-`, at most 64.
            By default `TOCSIN_SERVICE`, else the name of the running program.
        buffer: "spool" (mapped memory on tmpfs) or "memory" (a bounded deque; lost if the process is killed).
        spool_dir: a folder for the spool instead of /dev/shm. It costs the survival of a dead container if it is inside
            one, and calls as slow as its disk if it is on one.
        max_bytes: of the spool, for this process.
        max_records: of the memory buffer.
        overflow: what happens when the buffer is full of records that are not in the stream. "drop_newest" refuses the
            new one, "drop_oldest" drops the oldest ones, "drop_lowest" refuses DEBUG as it fills, then INFO, then
            WARNING, and ERROR only when it is full; "block" has the caller wait.
        block_timeout: seconds a caller waits at most, for each record.
        spill_dir: a folder on a disk, to which a spool more than half full moves on while Redis is away; None: no such.
        spill_max_bytes: of what is spilled, for this process; then the spool fills, and `overflow` applies.
        spill_max_age: seconds; what waits for longer while Redis is away is dropped.
        redact: whether secrets are taken out (redaction.py), or by which rules.
        sampler: which records are kept (sampling.py); None: all.
        call_site: whether lines have module, function and line.
        level: as of any handler.

    Raises:
        ValueError: a bad URL, service name, buffer or policy, at construction and never later.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        service: str | None = None,
        buffer: Literal["spool", "memory"] = "spool",
        spool_dir: str | os.PathLike[str] | None = None,
        *,
        max_bytes: int = 16 * 1024 * 1024,
        max_records: int = 10_000,
        overflow: Overflow = "drop_newest",
        block_timeout: float = 1.0,
        spill_dir: str | os.PathLike[str] | None = SPILL_DIR,
        spill_max_bytes: int = spill.MAX_BYTES,
        spill_max_age: float = spill.MAX_AGE,
        redact: bool | Redactor = True,
        sampler: "Sampler | None" = None,
        call_site: bool = True,
        level: int | str = logging.NOTSET,
    ) -> None:
        if buffer not in ("spool", "memory"):
            raise ValueError(f"buffer is 'spool' or 'memory', not {buffer!r}")
        if max_bytes < 2 * 1024 * 1024:
            raise ValueError(f"max_bytes is at least 2 MiB (two segments), not {max_bytes}")
        if overflow not in OVERFLOWS:
            raise ValueError(f"overflow is one of {', '.join(OVERFLOWS)}, not {overflow!r}")
        self.service = service_name(service)
        super().__init__(Encoder(self.service, redactor=redaction.chosen(redact), call_site=call_site), level, sampler)
        self._redis_url = redis_url or os.environ.get("REDIS_URL") or DEFAULT_REDIS_URL
        self._kind = buffer
        self._root = spool_root(self._redis_url, spool_dir)
        _import_what_the_shipper_needs(self._redis_url)
        self._limits = (max_bytes, max_records)
        self._policy = Policy(overflow, block_timeout)
        self._offers = self._policy.asks
        self._spill: SpillPlace | None = None
        if spill_dir is not None:
            self._spill = SpillPlace(spill_root(self._redis_url, spill_dir), spill_max_bytes, spill_max_age)
        self._starting = threading.RLock()
        self._closed = False
        self._buffer: Buffer | None = None
        self._shipper: Shipper | None = None
        renew_in_child(self._after_fork)

    def put(self, line: bytes, level: int) -> None:
        """Accept a line, or count it as refused."""
        buffer = self._buffer
        if buffer is None:
            buffer = self._start()
        if self._offers:
            buffer.offer(line, level)
        else:
            buffer.put(line)
        shipper = self._shipper
        if shipper is not None and shipper.resting:
            shipper.wake()

    def flush(self, timeout: float | None = None, *, written: bool = False) -> bool:  # type: ignore[override]
        """Wait until all that was accepted so far is in the stream, or with `written` fsynced in the files.

        Args:
            timeout: seconds; by default two, or none at all while Redis is known to be away.
            written: wait for the files.

        Returns:
            Whether it is.
        """
        buffer, shipper = self._buffer, self._shipper
        if buffer is None or not buffer.accepted:
            return True
        if shipper is None:
            return False
        if timeout is None:
            timeout = 0.0 if shipper.failing else _DRAIN
        return shipper.wait(buffer.accepted, timeout, written=written)

    def close(self) -> None:
        """Ship what is left within two seconds.

        A spool that could not be shipped is left to be adopted; how much a memory buffer loses is said on stderr.
        """
        if self.installed:
            self.flush()
            return
        with self._starting:
            first, self._closed = not self._closed, True
        buffer, shipper = self._buffer, self._shipper
        if first and buffer is not None:
            if shipper is not None:
                self._drain(buffer, shipper)
            else:
                buffer.close(0)
        super().close()

    def _drain(self, buffer: Buffer, shipper: Shipper) -> None:
        deadline = time.monotonic() + _DRAIN
        if shipper.alive and not shipper.failing and shipper.wait(buffer.accepted, _DRAIN, written=False):
            # A courtesy: a spool whose records are written leaves nothing to be adopted.
            shipper.wait(buffer.accepted, min(_COURTESY, deadline - time.monotonic()), written=True)
        shipper.stop(max(deadline - time.monotonic(), _COURTESY))
        if not buffer.durable and (left := shipper.feed.waiting) > 0:
            place = connection.shown(self._redis_url)
            complain(f"{left} log records were not shipped: {place} did not take them in time")

    def stats(self) -> dict[str, Any]:
        """The counts of this process; a forked child counts anew.

        Returns:
            `accepted`; `shipped`: in the stream; `waiting`: accepted and not shipped; `dropped`: {reason: n},
            what was refused, and what was accepted and dropped on purpose; `depth` of the buffer, and `max_depth` so
            far, in records.
        """
        buffer, shipper = self._buffer, self._shipper
        accepted = buffer.accepted if buffer else 0
        shipped = shipper.feed.appended if shipper else 0
        waiting = max(accepted - shipped, 0)
        return {
            "accepted": accepted,
            "shipped": shipped,
            "waiting": waiting,
            "dropped": dict(self.errors + buffer.refused + buffer.dropped if buffer else self.errors),
            "depth": waiting,
            "max_depth": max(shipper.max_depth if shipper else 0, waiting),
        }

    def _start(self) -> Buffer:
        """The buffer and the thread, made with the first record of a process."""
        with self._starting:
            if self._buffer is None:
                if self._closed:
                    self._buffer = MemoryBuffer(self.service, 0)
                    self._buffer.close(0)  # refuses, and counts it
                else:
                    buffer = self._make_buffer()
                    root = self._root if buffer.durable else None
                    self._shipper = Shipper(
                        buffer, self._redis_url, root, self._spill, self.own_threads, self.tell_repeated
                    )
                    self._buffer = buffer
                    call_before_child_ends(self.flush)
            return self._buffer

    def _make_buffer(self) -> Buffer:
        max_bytes, max_records = self._limits
        if self._kind == "spool":
            try:
                return SpoolBuffer(self._root, self.service, max_bytes, self._policy, self._spill)
            except OSError as error:
                complain(f"no spool, records are kept in memory only: {error}")
        return MemoryBuffer(self.service, max_records, self._policy)

    def _after_fork(self) -> None:
        """In a child: a new producer, begun with its first record."""
        if self._buffer is not None:
            self._buffer.abandon()
        if self._shipper is not None:
            self._shipper.abandon()
        self._starting = threading.RLock()
        self._buffer = self._shipper = None
        self.own_threads.clear()
        self.errors = Counter()


def _import_what_the_shipper_needs(redis_url: str) -> None:
    """Before there is a thread: a module that one imports at the moment of a fork stays locked in the child for ever.

    And while the interpreter shuts down, nothing can be imported any more.
    """
    for module in connection.modules_to_ship(redis_url):
        importlib.import_module(module)
