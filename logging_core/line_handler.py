"""What all handlers of ours have in common: a record becomes a line on the caller's thread, and is put somewhere.

Here is the one list of what happens to a record before it leaves the thread that logs it:

    sample (may drop it, counted) -> encode: context, extra fields, exception -> redact -> put
"""

import logging
from collections import Counter
from typing import Any

from logging_core.record import Encoder
from logging_core.shipper import complain


class LineHandler(logging.Handler):
    """Encodes a record and puts the line. It never raises and never waits for what is slow.

    Subclasses say where lines go: `put`.
    """

    def __init__(self, encoder: Encoder, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self.encoder = encoder
        self.own_threads: set[int | None] = set()  #: what these threads log is never put: it would never end
        self.errors: Counter[str] = Counter()

    def put(self, line: bytes, level: int) -> None:
        """Take a line, with its newline, of a record of this level; count it where it cannot be taken."""
        raise NotImplementedError

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit, without the handler's I/O lock: what is behind `put` has its own."""
        if not self.filters:
            self.emit(record)
            return True
        kept = self.filter(record)
        if kept:
            self.emit(record if kept is True else kept)  # newer Pythons let a filter replace the record
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record, in microseconds, or count it."""
        try:
            if record.thread not in self.own_threads:
                self.put(self.encoder.encode(record), record.levelno)
        except Exception as error:  # noqa: BLE001  # the application must never notice
            self.count_error(error)

    def count_error(self, error: Exception) -> None:
        """Count a record that was lost in here, and say so once."""
        self.errors["error"] += 1
        if self.errors["error"] == 1:
            complain(f"a log record was lost in the handler: {type(error).__name__}")

    def stats(self) -> dict[str, Any]:
        """The counts of this process."""
        raise NotImplementedError
