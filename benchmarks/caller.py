"""What one `logger.info` with five extra fields costs the thread that calls it: `python -m benchmarks.caller`.

RedisStreamHandler with both of its buffers, beside the chain that the standard library offers for the same end: a
QueueHandler, and a QueueListener that writes a RotatingFileHandler with python-json-logger's JsonFormatter. Both write
timestamp, level, logger, message, module, function, line and the five extra fields. A NullHandler shows the part of the
price that is `logging`'s own. Two paces: bursts of 20 records and a rest, 2,000 records a second, as in a busy web
process; and flat out, where whatever happens in the background competes with the caller.

Every contender runs in a process of its own, in interleaved rounds, so that a noisy machine hurts all alike; the
percentiles are those of all its calls together, after a warm-up. Nothing may be dropped: Tocsin's records are counted in
the stream, the chain's in its files, and the run fails if one is missing.

Caveats:
    - One thread logs. More threads share the interpreter's lock with each other and with the background thread.
    - Tocsin's files are written by a worker, in another process, which does not run here; the chain formats and writes
      in the application's own process. That is the design, but the machine pays for both.
    - The chain's queue is unbounded and flat out it grows: its p50 is then the price of putting off the work. Our buffers
      are sized to hold a round.
    - A call is timed by `perf_counter_ns`, which adds some 0.05 us, and the call site builds its dict inside the call.
    - Garbage collection is on, as in an application.
"""

import argparse
import json
import logging
import logging.handlers
import multiprocessing
import queue
import shutil
import subprocess
import tempfile
import time
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import redis
from pythonjsonlogger.json import JsonFormatter

from logging_core import RedisStreamHandler
from logging_core.stream import Keys
from tocsin import embedded_redis

ROUNDS = 5
WARM_UP = 500  #: records of each process that are not counted
DRAIN = 60.0  #: seconds in which everything must have arrived
LINE = 1024  #: bytes of spool for a record; it needs some 350
TMPFS = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Pace:
    """How the records of one round follow each other."""

    name: str
    burst: int  #: records without a rest; 0: all of them
    rest: float  #: seconds
    share: int  #: one in so many of the records asked for


PACES = (Pace("bursts", burst=20, rest=0.01, share=10), Pace("flat out", burst=0, rest=0.0, share=1))


class Chain(Protocol):
    """A way for records to take: `handler` is what the caller meets."""

    handler: logging.Handler

    def drain(self) -> int:
        """Wait until everything has arrived; how many records have."""


class Floor:
    """No work at all."""

    def __init__(self, records: int) -> None:
        self.handler = logging.NullHandler()
        self._records = records

    def drain(self) -> int:
        """Nothing is kept, so nothing is missing."""
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

    def drain(self) -> int:
        """Flush, and count what the stream holds."""
        self.handler.flush(DRAIN)
        dropped = self.handler.stats()["dropped"]
        assert not dropped, f"dropped: {dropped}"
        self.handler.close()
        return sum(int(fields[b"count"]) for _, fields in self._redis.xrange(Keys(0).stream))


class Stdlib:
    """QueueHandler -> QueueListener -> RotatingFileHandler, one JSON object a line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names = {"asctime": "timestamp", "levelname": "level", "name": "logger", "funcName": "function"}
        fields = "{asctime}{levelname}{name}{message}{module}{funcName}{lineno}"
        writer = logging.handlers.RotatingFileHandler(folder / "app.log", maxBytes=10 * 2**20, backupCount=100)
        writer.setFormatter(JsonFormatter(fields, style="{", rename_fields=names | {"lineno": "line"}))
        records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self.handler = logging.handlers.QueueHandler(records)
        self._listener = logging.handlers.QueueListener(records, writer)
        self._listener.start()

    def drain(self) -> int:
        """Stop the listener, which empties its queue, and count the lines."""
        self._listener.stop()
        return sum(path.read_bytes().count(b"\n") for path in self._folder.iterdir())


CONTENDERS = ("NullHandler", "stdlib queue", "tocsin spool", "tocsin memory")


def chain(name: str, records: int, folder: Path, redis_url: str) -> Chain:
    """The contender of this name, ready to take so many records."""
    return {
        "NullHandler": partial(Floor, records),
        "stdlib queue": partial(Stdlib, folder),
        "tocsin spool": partial(Tocsin, "spool", records, folder, redis_url),
        "tocsin memory": partial(Tocsin, "memory", records, folder, redis_url),
    }[name]()


def measure(name: str, pace: Pace, records: int, folder: Path, redis_url: str) -> "array[int]":
    """One round, in a process of its own: the nanoseconds of each call."""
    contender = chain(name, records + WARM_UP, folder, redis_url)
    logger = logging.getLogger("bench.orders")
    logger.setLevel(logging.INFO)
    logger.addHandler(contender.handler)
    logger.propagate = False
    calls(logger, WARM_UP, pace)
    spent = calls(logger, records, pace)
    arrived = contender.drain()
    assert arrived == records + WARM_UP, f"{name}: {records + WARM_UP} records were logged, {arrived} arrived"
    return spent


def calls(logger: logging.Logger, records: int, pace: Pace) -> "array[int]":
    """Log so many records at this pace; the nanoseconds of each call."""
    clock = time.perf_counter_ns
    spent = array("q", bytes(8 * records))
    for number in range(records):
        if pace.burst and number % pace.burst == 0:
            time.sleep(pace.rest)
        user, order = f"user_{number % 997}", f"order-{number}"
        start = clock()
        logger.info(
            "order placed",
            extra={"event": "order", "endpoint": "/orders", "user_id": user, "order_id": order, "amount": 41.5},
        )
        spent[number] = clock() - start
    return spent


def percentile(ordered: Sequence[int], percent: int) -> float:
    """Of ordered nanoseconds, in microseconds, rounded to hundredths."""
    return round(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] / 1000, 2)


@contextmanager
def server() -> Iterator[str]:
    """A Redis as `tocsin up` starts it, on a port of its own; its URL."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        port = 16390
        process = subprocess.Popen(embedded_redis.command(port, Path(name)), stdout=subprocess.DEVNULL)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()
