"""What all handlers of ours have in common: a record becomes a line on the caller's thread, and is put somewhere.

Here is the one list of what happens to a record before it leaves the thread that logs it:

    sample (may drop it, counted) -> encode: context, fields, exception -> redact -> put
"""

import logging
from collections import Counter
from collections.abc import Mapping
from contextvars import Context
from threading import TIMEOUT_MAX, get_ident
from typing import TYPE_CHECKING, Any

from logging_core import context
from logging_core.call import CallKey
from logging_core.complaints import complain
from logging_core.record import Encoder

if TYPE_CHECKING:  # most applications keep all records
    from logging_core.sampling import Sampler


#: What these loggers, and those below them, say of the work of our own threads is never put: it would never end.
_OURS = frozenset({"logging_core", "redis", "requests", "urllib3", "opentelemetry"})


class LineHandler(logging.Handler):
    """Encodes a record and puts the line. It never raises and never waits for what is slow.

    Subclasses say where lines go: `put`.
    """

    def __init__(self, encoder: Encoder, level: int | str = logging.NOTSET, sampler: "Sampler | None" = None) -> None:
        super().__init__(level)
        self.encoder = encoder
        self.sampler = sampler
        self.front: LineHandler | None = None  #: who samples for this one: a `Fanout`
        self.own_threads: set[int | None] = set()  #: the threads that work for this handler; see `is_ours`
        #: By `init_logging`: until it is not, `close` only flushes. `logging.config` closes all handlers there are, and
        #: leaves those of the root logger where they are.
        self.installed = False
        self.errors: Counter[str] = Counter()

    def put(self, line: bytes, level: int) -> None:
        """Take a line, with its newline, of a record of this level; count it where it cannot be taken."""
        raise NotImplementedError

    def flush(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Wait until what was put has gone where lines go, for so many seconds; whether it has."""
        return True

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
            if record.thread in self.own_threads and is_ours(record.name):
                return
            if self.sampler is None or self._is_kept(
                self.sampler, record.levelno, record.name, record.msg, record.__dict__
            ):
                self.put(self.encoder.encode(record), record.levelno)
        except Exception as error:  # noqa: BLE001  # the application must never notice
            self.count_error(error)

    def emit_call(self, call: CallKey, message: object, args: tuple[Any, ...], fields: Mapping[str, Any]) -> None:
        """Take a call of `UnifiedLogger`, without a record of the standard library's in between."""
        try:
            if get_ident() in self.own_threads and is_ours(call[1]):
                return
            if self.sampler is None or self._is_kept(self.sampler, call[0], call[1], message, fields):
                self.put(self.encoder.encode_call(call, message, args, fields), call[0])
        except Exception as error:  # noqa: BLE001  # as above
            self.count_error(error)

    def tell_repeated(self, *, at_once: bool = False) -> None:
        """Put one record for all those that sampling has held back as repetitions of one message, where it is time.

        Any thread may be the one that finds out, so the record has nothing of its context.
        """
        teller = self.front or self
        if teller.sampler is None:
            return
        try:
            for each in teller.sampler.due(at_once=at_once):
                record = logging.LogRecord(each.logger, each.levelno, "", 0, each.message, (), None)
                record.repeated = each.repeated
                teller.put(Context().run(teller.encoder.encode, record), each.levelno)
        except Exception as error:  # noqa: BLE001  # as above
            self.count_error(error)

    def rest_until_repeated(self) -> float:
        """Seconds after which whoever sleeps should `tell_repeated`, as a lock takes them: -1 if there is no need."""
        sampler = (self.front or self).sampler
        seconds = sampler.seconds_until_due() if sampler is not None else None
        return -1 if seconds is None else min(seconds, TIMEOUT_MAX)

    def count_error(self, error: Exception) -> None:
        """Count a record that was lost in here, and say so once."""
        self.errors["error"] += 1
        if self.errors["error"] == 1:
            complain(f"a log record was lost in the handler: {type(error).__name__}")

    def stats(self) -> dict[str, Any]:
        """The counts of this process."""
        raise NotImplementedError

    def _is_kept(self, sampler: "Sampler", level: int, logger: str, message: object, fields: Mapping[str, Any]) -> bool:
        self.tell_repeated()
        known = fields if sampler.key in fields else _known_here(sampler.key)
        return sampler.keep(level, logger, message, known)


def _known_here(key: str | None) -> Mapping[str, Any]:
    """Where a record without this field of its own gets it from: the span, which wins, or the context."""
    if context.span_source is not None and (span := context.span_source()) is not None and key in span:
        return span
    return context.fields()


def is_ours(logger: str) -> bool:
    """Whether it tells of our work. What else is logged in our threads is the application's: in finalizers, for one."""
    return logger.partition(".")[0] in _OURS
