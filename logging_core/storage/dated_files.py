"""One file of JSON lines for each day, UTC, on which lines are written: `realtime_2026-02-19.jsonl`.

The files are `FileSink`'s, so several processes may write to the same ones.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from logging_core.background import Line
from logging_core.forks import renew_in_child
from logging_core.storage.file_sink import FileSink, Route
from logging_core.storage.rotation import Rotation

_WINDOW = 10.0  #: seconds over which the rate is taken
_SAMPLES = 1000  #: lines whose latency is known


class GivenUpError(Exception):
    """A batch was tried again and again, and there is no room left in which it could wait."""


class Probe(NamedTuple):
    """A line on its way to the file."""

    body: bytes
    put_at: float  #: monotonic seconds


class DatedFiles:
    """A sink that tries again, counts, and takes the time.

    Args:
        log_dir: the folder; it is made.
        prefix: of the files' names.
        max_retries: after so many, a batch that still cannot be written is given up once `is_crowded`.
        sync_interval: seconds; so often what was written is forced to the disk, too, while lines keep coming.
        is_crowded: whether there is hardly room for new lines.
        clock: Unix seconds.

    Raises:
        OSError: the folder, or the file of today, cannot be made or written to.
    """

    def __init__(
        self,
        log_dir: Path,
        prefix: str,
        *,
        max_retries: int,
        sync_interval: float,
        is_crowded: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log_dir = log_dir
        self._prefix = prefix
        self._max_retries = max_retries
        self._sync_interval = sync_interval
        self._is_crowded = is_crowded
        self._clock = clock
        self._day: date | None = None
        self._begin()
        self._files = self._file_of(self._today())
        renew_in_child(self._begin)

    def _begin(self) -> None:
        self.probe: Probe | None = None  #: the line whose way is timed just now
        self.latencies: deque[float] = deque(maxlen=_SAMPLES)  #: seconds from `put` to the file
        self.retries = self.failures = 0  #: attempts after the first one; batches given up
        self._tries = 0  # of this batch, that failed
        self._synced_at = time.monotonic()
        self._writes: deque[tuple[float, int]] = deque()  # (monotonic seconds, lines), of the last while

    def path(self, day: date) -> Path:
        """The file of a day."""
        return self._log_dir / f"{self._prefix}_{day.isoformat()}.jsonl"

    def write(self, lines: Sequence[Line]) -> None:
        """Append lines to the file of today.

        Raises:
            OSError: none of them is in it.
            GivenUpError: nor will they be.
        """
        self.retries += self._tries > 0
        try:
            self._file_of(self._today()).write(lines)
        except OSError as error:
            self._tries += 1
            if self._tries <= self._max_retries or not self._is_crowded():
                raise
            self._tries, self.probe = 0, None
            self.failures += 1
            raise GivenUpError(f"{error}, {self._max_retries} retries") from error
        self._tries = 0
        self._take_time(lines)

    def close(self) -> None:
        """Force what was written to the disk, and let go of the file."""
        self._sync()
        self._files.close()

    def rate(self) -> float:
        """Lines a second, over the last ten."""
        now, writes = time.monotonic(), list(self._writes)
        recent = [(moment, lines) for moment, lines in writes if moment > now - _WINDOW]
        if not recent:
            return 0.0
        return sum(lines for _, lines in recent) / max(now - recent[0][0], 1.0)

    def _file_of(self, day: date) -> FileSink:
        if day != self._day:
            files = FileSink(self._log_dir, [Route(self.path(day).name, rotation=Rotation(max_bytes=0))])
            if self._day is not None:
                self.close()
            self._day, self._files = day, files
        return self._files

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def _take_time(self, lines: Sequence[Line]) -> None:
        now, probe = time.monotonic(), self.probe
        if probe is not None and any(line.body is probe.body for line in lines):
            self.latencies.append(now - probe.put_at)
            self.probe = None
        self._writes.append((now, len(lines)))
        while self._writes[0][0] < now - _WINDOW:
            self._writes.popleft()
        if now - self._synced_at >= self._sync_interval:
            self._sync()

    def _sync(self) -> None:
        self._synced_at = time.monotonic()
        if self._day is not None:
            with suppress(OSError):  # moved away: whoever did so has it
                descriptor = os.open(self.path(self._day), os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
