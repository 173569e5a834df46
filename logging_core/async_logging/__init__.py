"""A logger with a file of its own, written in the background: `setup_async_logging`.

logger -> DropQueueHandler -> thread -> file, rotated by time or by size -> (the console)
"""

import logging
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logging_core.async_logging.config import (
    AsyncLoggingConfig,
    AsyncLoggingConfigLoader,
    Rotate,
    level_number,
    mistake_in,
)
from logging_core.async_logging.config_loader import ConfigLoader
from logging_core.async_logging.queue_metrics import register_queue_metrics
from logging_core.background import DRAIN, BackgroundHandler, Sink
from logging_core.complaints import complain
from logging_core.console import ConsoleSink, Tee
from logging_core.default_encoder import default_encoder
from logging_core.errors import ConfigError
from logging_core.line_handler import LineHandler
from logging_core.storage.file_sink import FileSink, Route
from logging_core.storage.rotation import Rotation

__all__ = [
    "AsyncLoggingConfig",
    "AsyncLoggingConfigLoader",
    "ConfigLoader",
    "DropQueueHandler",
    "QueueListener",
    "register_queue_metrics",
    "sample_queue_metrics",
    "setup_async_logging",
]

_logger = logging.getLogger(__name__)


class DropQueueHandler(BackgroundHandler):
    """A bounded queue that drops what comes when it is full, and counts it; a thread empties it.

    When it has become 80 % full it says so, once, as a warning of the logger `logging_core.async_logging`.
    """

    def __init__(self, logger_name: str, make_sink: Callable[[], Sink], *, queue_max: int = 10_000) -> None:
        self.logger_name = logger_name
        self._make_sink = make_sink
        super().__init__(make_sink(), default_encoder(), max_records=queue_max, on_nearly_full=self._warn_of)

    def _begin(self) -> None:
        self._before: Counter[str] = Counter()  # dropped before it was opened again
        self._depth_before = 0
        super()._begin()

    @property
    def drops(self) -> int:
        """Records that were dropped so far, for whatever reason."""
        return sum(self.stats()["dropped"].values())

    @property
    def max_depth(self) -> int:
        """The most records that have waited at once."""
        return int(self.stats()["max_depth"])

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record; the warning that the queue is full does not go into the queue."""
        if record.name != __name__:
            super().emit(record)

    def stats(self) -> dict[str, Any]:
        """What `BackgroundHandler.stats` says; what was dropped counts on when it is opened again."""
        stats = super().stats()
        stats["dropped"] = dict(self._before + Counter(stats["dropped"]))
        full = self.max_records if stats["dropped"].get("queue_full") else 0
        stats["max_depth"] = max(stats["max_depth"], self._depth_before, full)
        return stats

    def open(self) -> None:
        """Begin again after `close`; nothing, where it is open.

        Raises:
            OSError: the file cannot be written to.
        """
        if not self._closed:
            return
        if self._thread is not None:
            self._thread.join(DRAIN)
            if self._thread.is_alive():
                complain(f"the file of {self.logger_name} is still being closed: it is not opened again")
                return
        stats = self.stats()
        self.sink = self._make_sink()
        self._begin()
        self._before, self._depth_before = Counter(stats["dropped"]), stats["max_depth"]
        self._closed = False

    def _warn_of(self, waiting: int) -> None:
        _logger.warning(
            "the log queue of %s is nearly full: %d of %d records wait", self.logger_name, waiting, self.max_records
        )


class QueueListener:
    """The thread behind a `DropQueueHandler`."""

    def __init__(self, handler: DropQueueHandler) -> None:
        self._handler = handler

    def start(self) -> None:
        """Begin, or begin again after `stop`; the counts go on."""
        self._handler.open()

    def stop(self, timeout: float = DRAIN) -> None:
        """Write what waits, for so many seconds at most, and let go of the file; what comes later is dropped."""
        self._handler.close(timeout)


def setup_async_logging(
    name: str,
    log_path: str | os.PathLike[str],
    rotate: Rotate = "interval",
    rotate_sec: float = 60,
    max_bytes: int = 5_000_000,
    backups: int = 7,
    level: int | str = logging.INFO,
    queue_max: int = 10_000,
    to_console: bool = True,  # noqa: FBT001, FBT002  # callers name it
    *,
    propagate: bool = False,
) -> tuple[logging.Logger, QueueListener, DropQueueHandler]:
    """Give a logger a file of JSON lines, written in the background; the listener has begun.

    Called again for the same name it replaces what it set up before, which first writes what it holds. Handlers that
    others hung on the logger stay.

    Args:
        name: of the logger.
        log_path: the file; its folder is made.
        rotate: "interval" seals the file each `rotate_sec` seconds (counted from 1970, so every minute begins a file),
            "size" when it has `max_bytes`. `app.log.1` is the newest sealed file.
        rotate_sec: seconds, at least 1.
        max_bytes: bytes.
        backups: sealed files that are kept, 1 to 999.
        level: of the logger, a number or a name.
        queue_max: records that may wait; when it is full, new ones are dropped and counted.
        to_console: readable lines on stderr, too.
        propagate: whether records go on to the handlers of the loggers above, such as those of `init_logging`.

    Raises:
        ValueError: an argument cannot be used; it is named.
        ConfigError: the file cannot be written to.
    """
    _check(
        rotate=rotate,
        rotate_sec=rotate_sec,
        max_bytes=max_bytes,
        backups=backups,
        level=level,
        queue_max=queue_max,
        to_console=to_console,
    )
    path = Path(log_path)
    by_time = rotate == "interval"
    rotation = Rotation(0 if by_time else max_bytes, backups, rotate_sec if by_time else None)

    def make_sink() -> Sink:
        file = FileSink(path.parent, [Route(path.name, rotation=rotation)])
        return Tee([file, ConsoleSink()]) if to_console else file

    try:
        handler = DropQueueHandler(name, make_sink, queue_max=queue_max)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror or error}"]) from error
    logger = logging.getLogger(name)
    _replace(logger, handler)
    logger.setLevel(level_number(level))
    logger.propagate = propagate
    return logger, QueueListener(handler), handler


def sample_queue_metrics(handler: LineHandler) -> dict[str, int]:
    """The state of a handler's queue now.

    Returns:
        `depth`: records that wait; `max_depth`: the most that ever did; `drops`: dropped so far, a running total.
    """
    stats = handler.stats()
    return {"depth": stats["depth"], "max_depth": stats["max_depth"], "drops": sum(stats["dropped"].values())}


def _check(**arguments: Any) -> None:
    for name, value in arguments.items():
        if message := mistake_in(name, value):
            raise ValueError(f"{name}: {message}")


def _replace(logger: logging.Logger, handler: DropQueueHandler) -> None:
    """In one step, so that no record is written twice or by nobody."""
    old = [each for each in logger.handlers if isinstance(each, DropQueueHandler)]
    logger.handlers = [*(each for each in logger.handlers if each not in old), handler]
    for each in old:
        each.close()
