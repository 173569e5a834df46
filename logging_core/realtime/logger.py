"""A log of entries, which are dicts, in files of its own: one a day."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from logging_core.realtime.entry import Entry, Intake
from logging_core.realtime.validation import REALTIME, Schema, Validator
from logging_core.realtime.writer import AsyncLogWriter

LOGGER = "realtime"  #: the name that each record has


class RealtimeLogger:
    """Takes entries in microseconds, and has `AsyncLogWriter` write them.

    Each becomes one line of JSON in the same form as every other record: `timestamp` with an offset, `level`,
    `message` (without one, the operation), `error` as `{type, message}`, and its other fields. Once it is made it never
    raises, and never waits for the disk.

    Args:
        log_dir, file_prefix, buffer_size, auto_flush_interval, max_retries: as of `AsyncLogWriter`.
        validate: whether entries that the schema does not allow are refused, and counted.
        schema: a JSON Schema, or the path of its file, instead of the one in `schemas/realtime.json`.

    Raises:
        ValueError: an argument is out of bounds.
        ConfigError: the folder or the schema cannot be used.
    """

    def __init__(
        self,
        log_dir: str | Path = "logs/realtime",
        file_prefix: str = "realtime",
        buffer_size: int = 1000,
        auto_flush_interval: float = 5.0,
        *,
        validate: bool = True,
        max_retries: int = 3,
        schema: Schema = REALTIME,
    ) -> None:
        self._intake = Intake(LOGGER, Validator(schema) if validate else None)
        self._writer = AsyncLogWriter(
            log_dir,
            file_prefix,
            buffer_size=buffer_size,
            auto_flush_interval=auto_flush_interval,
            max_retries=max_retries,
        )
        self.is_shut_down = False

    def log(self, entry: Mapping[str, Any]) -> bool:
        """Take an entry; False: it was refused, which is counted."""
        frame = sys._getframe(1)
        taken = self._intake.read(entry, frame.f_code, frame.f_lasti)
        return taken is not None and self._writer.accept(taken)

    def log_batch(self, entries: Iterable[Mapping[str, Any]]) -> int:
        """Take entries; how many were taken."""
        frame = sys._getframe(1)
        code, instruction = frame.f_code, frame.f_lasti
        taken = (self._intake.read(entry, code, instruction) for entry in entries)
        return sum(each is not None and self._writer.accept(each) for each in taken)

    def take(self, entry: Entry) -> bool:
        """Take an entry that has been read already; whether it was taken."""
        return self._writer.accept(entry)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was taken so far is in the file.

        Args:
            timeout: seconds; by default two, or none at all while the disk is known to fail.

        Returns:
            Whether it is.
        """
        return self._writer.flush(timeout)

    def get_stats(self) -> dict[str, Any]:
        """The counts of this process; a forked child counts anew.

        Returns:
            What `AsyncLogWriter.stats` says, and `invalid`: entries that were refused for what they hold.
        """
        counts = self._intake.counts
        return {**self._writer.stats(), "invalid": counts["invalid"] + counts["error"]}

    def shutdown(self, timeout: float = 2.0) -> None:
        """Write what is left, for so many seconds at most, and let go of the file; what comes later is refused."""
        self.is_shut_down = True
        self._writer.close(timeout)


_PROCESS: dict[str, RealtimeLogger] = {}


def get_realtime_logger() -> RealtimeLogger:
    """The process's own, with the defaults; a new one after the last was shut down.

    Raises:
        ConfigError: its folder cannot be used.
    """
    own = _PROCESS.get("own")
    if own is None:
        return _PROCESS.setdefault("own", RealtimeLogger())  # of two threads, one's is kept
    if own.is_shut_down:
        own = _PROCESS["own"] = RealtimeLogger()
    return own
