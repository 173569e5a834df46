"""An application under fault: it logs, and keeps a ledger outside Tocsin of every record that was accepted.

    python application.py URL SERVICE LEDGER_FOLDER OPTIONS(JSON)

It hears commands on stdin, one a line: `go` (start to log), `fork N` (a child logs N records and ends as it should),
`fork N abrupt` (... and ends without a flush), `burst N` (log N records from a thread each), `stop`, `end`.

    <ledger>/<pid>.<thread>.ids     one id of WIDTH characters a line, written after the call that was accepted
    <ledger>/<pid>.expected         what must be true of each hostile record's line; see tests/hostile.py
    <ledger>/<pid>.result           JSON: the slowest call and what went wrong, once the process ended by itself

A process that is killed between a call and its line leaves an accepted record that is not in its ledger: one a thread,
at most.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from logging_core import RedisStreamHandler
from logging_core.buffers.buffer import MemoryBuffer
from logging_core.buffers.spool import SPILL_DIR, SpoolBuffer

ERROR_EVERY = 10  #: each such record of a thread is an error
WIDTH = 7 + 1 + 3 + 1 + 8  #: of an id: pid, thread, number
_last = threading.local()  # .accepted: what the buffer answered to this thread's last record


@dataclass(frozen=True)
class Options:
    """How the application logs."""

    threads: int = 1
    rate: float = 500.0  #: records a second, of each thread
    loggers: int = 1  #: of as many names
    size: int = 0  #: characters in each message
    hostile: tuple[int, int] | None = None  #: seed and number: hostile records instead, from one thread
    spool_dir: str | None = None
    spill_dir: str | None = SPILL_DIR


@dataclass
class Tally:
    """What one process saw."""

    slowest: float = 0.0  #: seconds of a call
    slowest_own: float = 0.0  #: less those in which its thread could have run, and had no core
    raised: list[str] = field(default_factory=list)


class Application:
    """Handler, loggers and ledger of this process."""

    def __init__(self, url: str, service: str, ledger: Path, options: Options) -> None:
        self.options = options
        self.ledger = ledger
        self.handler = RedisStreamHandler(url, service, spool_dir=options.spool_dir, spill_dir=options.spill_dir)
        self.loggers = [logging.getLogger(f"{service}.{number}") for number in range(options.loggers)]
        for logger in self.loggers:
            logger.setLevel(logging.INFO)
            logger.addHandler(self.handler)
        self.tally = Tally()
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self.numbers = count()

    def start(self, limit: int | None = None, threads: int | None = None) -> None:
        """Log from some threads, until told to stop or to the limit of each."""
        for _ in range(threads or self.options.threads):
            log = self._log_hostile if self.options.hostile else self._log
            thread = threading.Thread(target=log, args=(next(self.numbers), limit))
            thread.start()
            self.threads.append(thread)

    def finish(self) -> None:
        """Wait for the threads and the files, and say what was seen."""
        for thread in self.threads:
            thread.join()
        flushed = self.handler.flush(90, written=True)
        self.handler.close()
        stats = self.handler.stats()
        result = {**asdict(self.tally), "flushed": flushed, **stats}
        (self.ledger / f"{os.getpid()}.result").write_text(json.dumps(result))

    def fork(self, number: int, *, abrupt: bool) -> None:
        """A child that logs so many records."""
        if os.fork():
            return
        self.tally, self.threads, self.stopping = Tally(), [], threading.Event()
        try:
            self.start(number, 1)
            if abrupt:
                self.threads[0].join()
            else:
                self.finish()
        finally:
            os._exit(0)

    def _log(self, thread: int, limit: int | None) -> None:
        pid, pause, text = os.getpid(), 1 / self.options.rate, "x" * self.options.size
        with (self.ledger / f"{pid}.{thread}.ids").open("ab", buffering=0) as ids:
            began = time.monotonic()
            for number in count():
                if self.stopping.is_set() or number == limit:
                    return
                id_ = _id(pid, thread, number)
                logger = self.loggers[number % len(self.loggers)]
                if self._accepts(logger.log, _level(number), "record %s", text, extra={"id": id_}):
                    ids.write(f"{id_}\n".encode())
                ahead = began + number * pause - time.monotonic()
                if ahead > 0.01:
                    time.sleep(ahead)

    def _log_hostile(self, thread: int, _: int | None) -> None:
        from tests import hostile  # hypothesis takes a second to import

        assert self.options.hostile
        pid, numbers = os.getpid(), count()
        paths = [self.ledger / f"{pid}.{thread}.ids", self.ledger / f"{pid}.expected"]
        with paths[0].open("ab", buffering=0) as ids, paths[1].open("w") as expected:

            def log(parts: hostile.Parts) -> None:
                number = next(numbers)
                id_ = _id(pid, thread, number)
                record = parts.record(id_)
                if _level(number) == logging.ERROR:
                    record.levelno = logging.ERROR
                if self._accepts(self.handler.handle, record):
                    ids.write(f"{id_}\n".encode())
                expected.write(f"{parts.expected}\n")

            hostile.for_each(*self.options.hostile, log)

    def _accepts(self, call: Callable[..., object], *arguments: Any, **named: Any) -> bool:
        """Make a call that logs one record; whether it was accepted."""
        _last.accepted = False
        began, kept = time.perf_counter(), _kept_waiting()
        try:
            call(*arguments, **named)
        except BaseException as error:  # noqa: BLE001  # the very thing that must not happen
            self.tally.raised.append(repr(error))
        took = time.perf_counter() - began
        self.tally.slowest = max(self.tally.slowest, took)
        if took > self.tally.slowest_own:
            self.tally.slowest_own = max(self.tally.slowest_own, took - (_kept_waiting() - kept))
        return bool(_last.accepted)


def _kept_waiting() -> float:
    """Seconds that this thread could have run in, and had no core."""
    try:
        with Path("/proc/thread-self/schedstat").open() as schedstat:
            return int(schedstat.read().split()[1]) / 1e9
    except FileNotFoundError:  # a kernel that does not tell
        return 0.0


def _id(pid: int, thread: int, number: int) -> str:
    return f"{pid:07d}.{thread:03d}.{number:08d}"


def _level(number: int) -> int:
    return logging.INFO if number % ERROR_EVERY else logging.ERROR


def _noting(put: Callable[[Any, bytes], bool]) -> Callable[[Any, bytes], bool]:
    """`Buffer.put`, whose answer is the only word on whether this very record was accepted."""

    def noted(buffer: Any, line: bytes) -> bool:
        accepted = _last.accepted = put(buffer, line)
        return accepted

    return noted


def main() -> None:
    """Do as told on stdin."""
    url, service, ledger, options = sys.argv[1:]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for kind in (SpoolBuffer, MemoryBuffer):
        setattr(kind, "put", _noting(kind.put))  # noqa: B010  # mypy: a method is not assigned to
    application = Application(url, service, Path(ledger), Options(**json.loads(options)))
    print("ready", flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "go":
            application.start()
        elif command == "burst":
            application.start(1, int(words[0]))
        elif command == "fork":
            application.fork(int(words[0]), abrupt="abrupt" in words)
        elif command == "stop":
            application.stopping.set()
        else:
            break
    application.stopping.set()
    application.finish()


if __name__ == "__main__":
    main()
