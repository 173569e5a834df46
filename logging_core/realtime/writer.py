"""The thread that writes the realtime log."""

import re
import statistics
import time
from pathlib import Path
from typing import Any

from logging_core.background import BackgroundHandler
from logging_core.default_encoder import default_encoder
from logging_core.errors import ConfigError
from logging_core.realtime.entry import Entry
from logging_core.storage.dated_files import DatedFiles, Probe

_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_BATCHES = 10  #: of `buffer_size`, that may wait


class AsyncLogWriter(BackgroundHandler):
    """Writes records to one file a day, `<file_prefix>_2026-02-19.jsonl`, in a thread of its own.

    What comes is written at once, hundreds of records with one call. It is a `logging.Handler` too, for whoever wants
    to hang it on a logger.

    Args:
        log_dir: the folder; it is made.
        file_prefix: letters, digits, `_`, `.` and `-`.
        buffer_size: records; ten times as many may wait for a disk that is slow, then new ones are refused.
        auto_flush_interval: seconds; so often what was written is forced to the disk (fsync), so that not even a power
            cut takes it. What only the application's end could take is in the file long before.
        max_retries: a batch that cannot be written is tried again at least so often, ever more slowly. After that it
            is given up when the buffer is nearly full, so that newer records have room.

    Raises:
        ValueError: an argument is out of bounds.
        ConfigError: the folder cannot be made, or not be written to.
    """

    def __init__(
        self,
        log_dir: str | Path = "logs/realtime",
        file_prefix: str = "realtime",
        *,
        buffer_size: int = 1000,
        auto_flush_interval: float = 5.0,
        max_retries: int = 3,
    ) -> None:
        if not _PREFIX.fullmatch(file_prefix):
            raise ValueError(f"file_prefix: letters, digits, '_', '.' and '-', not {file_prefix!r}")
        if buffer_size < 1:
            raise ValueError(f"buffer_size is at least 1, not {buffer_size}")
        if not auto_flush_interval > 0:
            raise ValueError(f"auto_flush_interval is more than 0 seconds, not {auto_flush_interval}")
        if max_retries < 0:
            raise ValueError(f"max_retries is at least 0, not {max_retries}")
        try:
            self._files = DatedFiles(
                Path(log_dir),
                file_prefix,
                max_retries=max_retries,
                sync_interval=auto_flush_interval,
                is_crowded=self._is_crowded,
            )
        except OSError as error:
            raise ConfigError([f"{error.filename or log_dir}: {error.strerror or error}"]) from error
        super().__init__(self._files, default_encoder(), max_records=buffer_size * _BATCHES)

    def accept(self, entry: Entry) -> bool:
        """Take an entry; whether it was taken. It never raises."""
        try:
            return self.put(entry.encoded(self.encoder), entry.call[0])
        except Exception as error:  # noqa: BLE001  # the application must never notice
            self.count_error(error)
            return False

    def put(self, line: bytes, level: int) -> bool:  # type: ignore[override]  # as of the base
        """Queue a line, or count it as refused; of some, how long they take is noted."""
        if self._files.probe is not None:
            return super().put(line, level)
        self._files.probe = Probe(line, time.monotonic())  # before it can be written
        taken = super().put(line, level)
        if not taken:
            self._files.probe = None
        return taken

    def stats(self) -> dict[str, Any]:
        """What `BackgroundHandler.stats` says, and of the files.

        Returns:
            Besides: `retries`: attempts to write a batch again; `failures`: batches given up; `latency_ms`: from the
            call to the file, `mean` and `p99` of up to 1000 records; `records_per_second`, written, over the last ten
            seconds.
        """
        latencies = sorted(self._files.latencies)
        return {
            **super().stats(),
            "retries": self._files.retries,
            "failures": self._files.failures,
            "latency_ms": {
                "mean": round(statistics.fmean(latencies) * 1000, 3) if latencies else None,
                "p99": round(latencies[len(latencies) * 99 // 100] * 1000, 3) if latencies else None,
            },
            "records_per_second": round(self._files.rate(), 1),
        }

    def _is_crowded(self) -> bool:
        return self._nearly_full
