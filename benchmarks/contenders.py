"""The ways that a record can take out of the thread that logs: ours, the standard library's, and none."""

import logging
import logging.handlers
import queue
import time
from pathlib import Path
from typing import Literal, Protocol

import redis
from pythonjsonlogger.json import JsonFormatter

from logging_core import RedisStreamHandler
from logging_core.streams.account import account

NAMES = ("NullHandler", "stdlib queue", "tocsin spool", "tocsin memory")
REFERENCE = "stdlib queue"  #: what the others are compared with

DRAIN = 60.0  #: seconds in which everything must have arrived
LINE = 1024  #: bytes of spool for a record, which needs some 350


class Contender(Protocol):
    """A way for records to take."""

    @property
    def handler(self) -> logging.Handler:
        """What the caller meets."""

    def settle(self) -> None:
        """Wait until all that was logged so far has arrived."""

    def drain(self) -> int:
        """Wait until everything has arrived, and let go; how many records have arrived."""


def contender(name: str, records: int, folder: Path, redis_url: str) -> Contender:
    """The contender of this name, with room for so many records."""
    match name:
        case "NullHandler":
            return Floor(records)
        case "stdlib queue":
            return Stdlib(folder)
        case "tocsin spool":
            return Tocsin("spool", records, folder, redis_url)
        case "tocsin memory":
            return Tocsin("memory", records, folder, redis_url)
    raise ValueError(f"no contender is named {name!r}")


class Floor:
    """No work at all: what is left is the price of `logging` itself."""

    def __init__(self, records: int) -> None:
        self.handler = logging.NullHandler()
        self._records = records

    def settle(self) -> None:
        """Nothing is on its way."""

    def drain(self) -> int:
        """Nothing is kept, so nothing can be missing."""
        return self._records


class Tocsin:
    """RedisStreamHandler, into the stream of a real server."""

    def __init__(self, buffer: Literal["spool", "memory"], records: int, folder: Path, redis_url: str) -> None:
        self.handler = RedisStreamHandler(
            redis_url,
            service="bench",
            buffer=buffer,
            spool_dir=folder,
            max_bytes=max(16 * 2**20, records * LINE),
            max_records=records,
        )
        self._redis = redis.Redis.from_url(redis_url)

    def settle(self) -> None:
        """Until it is in the writer's file."""
        self.handler.flush(DRAIN, written=True)

    def drain(self) -> int:
        """Flush to the writer's file, and ask Redis how many are there; fails if the handler has dropped anything."""
        self.handler.flush(DRAIN, written=True)
        dropped = self.handler.stats()["dropped"]
        self.handler.close()
        if dropped:
            raise RuntimeError(f"dropped: {dropped}")
        return account(self._redis).written


class Stdlib:
    """QueueHandler -> QueueListener -> RotatingFileHandler with python-json-logger, one JSON object a line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        fields = ["asctime", "levelname", "name", "message", "module", "funcName", "lineno"]
        ours = {
            "asctime": "timestamp",
            "levelname": "level",
            "name": "logger",
            "funcName": "function",
            "lineno": "line",
        }
        writer = logging.handlers.RotatingFileHandler(folder / "app.log", maxBytes=10 * 2**20, backupCount=1000)
        writer.setFormatter(JsonFormatter(fields, rename_fields=ours))
        records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self._records = records
        self.handler = logging.handlers.QueueHandler(records)
        self._listener = logging.handlers.QueueListener(records, writer)
        self._listener.start()

    def settle(self) -> None:
        """Until the listener has taken all from its queue."""
        while not self._records.empty():
            time.sleep(0.01)

    def drain(self) -> int:
        """Stop the listener, which empties its queue first, and count the lines."""
        self._listener.stop()
        for writer in self._listener.handlers:
            writer.close()
        return sum(path.read_bytes().count(b"\n") for path in self._folder.iterdir())
