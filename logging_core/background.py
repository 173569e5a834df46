"""Between the thread that logs and a sink that may be slow: a bounded queue, and one daemon thread that empties it.

`put` takes no lock at all: `deque.append` is one step, so neither a signal handler, a finalizer nor a formatter that
logs can find one held, and a fork leaves none behind that nobody would release. A line stays in the queue until the
sink has taken it, so the queue's length is all that waits.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from logging_core.complaints import complain
from logging_core.forks import call_before_child_ends, renew_in_child
from logging_core.line_handler import LineHandler
from logging_core.record import Encoder
from logging_core.threads import begun

BATCH = 500  #: lines that a sink is given at once, at most
LINGER = 0.005  #: seconds between two batches, in which lines gather
DRAIN = 2.0  #: seconds that `flush` and `close` may take, by default
FIRST_PAUSE, LAST_PAUSE = 0.05, 2.0  #: seconds before a sink that failed is tried again: twice as long each time
_GRACE = 0.1  # seconds: to give up, and to close the sink
_NEARLY_FULL = 0.8  # of the queue: worth a warning
_RELIEVED = 0.5  # of the queue: the next time is worth another


class Line(NamedTuple):
    """A record as it leaves the thread that logged it."""

    level: int
    body: bytes  #: one JSON object and a newline


class Sink(Protocol):
    """Where lines go. It is called by one thread at a time."""

    def write(self, lines: Sequence[Line]) -> None:
        """Take lines, in their order.

        Raises:
            OSError: nothing of them was kept; the same sequence comes again, ever more slowly, for as long as it fails.
        """

    def close(self) -> None:
        """Let go of everything; nothing is written any more."""


class BackgroundHandler(LineHandler):
    """Queues each record's line, and hands the lines to a sink in a thread of its own.

    A queue that is full refuses the new line, and counts it. While the sink fails, lines wait in the queue. Nothing of
    this raises into the application, or has it wait. The thread begins with the first record of a process; a forked
    child begins anew, with an empty queue and counts of its own: what waited at the fork is the parent's to write.

    Args:
        sink: where lines go; `close` closes it.
        encoder: makes a line of a record.
        max_records: that may wait.
        level: as of any handler.
        on_nearly_full: called with the number of waiting lines when the queue has become 80 % full, in the thread that
            logs, and not again before it was half empty. By default a line on stderr says so.

    Raises:
        ValueError: no room for even one record.
    """

    def __init__(
        self,
        sink: Sink,
        encoder: Encoder,
        *,
        max_records: int = 10_000,
        level: int | str = logging.NOTSET,
        on_nearly_full: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(encoder, level)
        if max_records < 1:
            raise ValueError(f"max_records is at least 1, not {max_records}")
        self.sink = sink
        self.max_records = max_records
        self._mark = max(int(max_records * _NEARLY_FULL) - 1, 0)  # with so many waiting, one more is noticed
        self._on_nearly_full = on_nearly_full or self._warn
        self._closed = False
        self._begin()
        renew_in_child(self._begin)

    def _begin(self) -> None:
        """The state of a process that has logged nothing yet."""
        self.failing = False  #: the sink's last attempt failed
        self.errors.clear()
        self.own_threads.clear()
        self._queue: deque[tuple[int, bytes]] = deque()
        self._refused: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()  # by reason: accepted, and never written
        self._written = 0
        self._peak = 0
        self._nearly_full = False
        self._resting = True  # the thread sleeps until it is woken, or there is none
        self._stop_by: float | None = None  # monotonic seconds: what the sink has not taken then is lost
        self._lock = threading.RLock()  # of the counts and of the thread's beginning; never held for long
        self._bell = _new_bell()
        self._life = object()  # of this process: greenlets are copied by a fork, and live on
        self._thread: threading.Thread | None = None

    # -- in any thread ---------------------------------------------------------------------------------------------

    def put(self, line: bytes, level: int) -> bool:  # type: ignore[override]  # who asks may know
        """Queue a line, or count it as refused; whether it was queued."""
        queue = self._queue
        waiting = len(queue)
        if (waiting >= self._mark or self._closed) and not self._has_room(waiting):
            return False
        queue.append((level, line))
        if self._resting:
            self._wake()
        return True

    def _has_room(self, waiting: int) -> bool:
        if self._closed or waiting >= self.max_records:
            with self._lock:
                self._refused["closed" if self._closed else "queue_full"] += 1
            return False
        if not self._nearly_full:
            self._nearly_full = True
            try:
                self._on_nearly_full(waiting + 1)
            except Exception:  # noqa: BLE001, S110  # what a callback raises must not cost the record
                pass
        return True

    def _warn(self, waiting: int) -> None:
        complain(f"the queue of log records is nearly full: {waiting} of {self.max_records} wait for {self._place}")

    @property
    def _place(self) -> str:
        return type(self.sink).__name__

    def flush(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Wait until the sink has taken all that was queued so far.

        Args:
            timeout: seconds; by default two, or none at all while the sink is known to fail.

        Returns:
            Whether it has; what cannot be written any more is waited for no longer.
        """
        with self._lock:
            last = self._done + len(self._queue)
        if self._done >= last:
            return True
        if timeout is None:
            timeout = 0.0 if self.failing else DRAIN
        deadline = time.monotonic() + timeout
        self._wake()
        while self._done < last:
            if self._thread is None or time.monotonic() >= deadline or threading.get_ident() in self.own_threads:
                return False
            if self._resting:
                self._wake()
            time.sleep(0.001)
        return True

    def close(self, timeout: float = DRAIN) -> None:
        """Write what is left, for so many seconds at most, and close the sink; what comes later is refused."""
        if self.installed:
            self.flush()
            return
        with self._lock:
            first, self._closed = not self._closed, True
            self._stop_by = self._stop_by or time.monotonic() + timeout
            thread = self._thread
        if first and thread is None:
            self._run()  # there is nothing to write, or no thread was to be had
        elif thread is not None and thread.ident not in (None, threading.get_ident()):
            self._ring()
            thread.join(timeout + _GRACE)
        if first and (left := len(self._queue) + self._lost["closed"]):
            complain(f"{left} log records were not written: {self._place} did not take them in time")
        super().close()

    def stats(self) -> dict[str, Any]:
        """The counts of this process; a forked child counts anew.

        Returns:
            `accepted`: queued; `written`: taken by the sink; `waiting`: queued and not written; `dropped`: {reason: n},
            what was refused (`queue_full`, `closed`), what could not be encoded (`error`) and what the sink could never
            take (`sink`, `closed`); `missed`: {name: n}, lines that were written and are not in a place that repeats
            them, such as the console or `audit.log`; `depth` of the queue, and `max_depth` so far, in records;
            `nearly_full`: it has been 80 % full, and not half empty since.
        """
        with self._lock:
            waiting, done, written = len(self._queue), self._done, self._written
            dropped = dict(self.errors + self._refused + self._lost)
        return {
            "accepted": done + waiting,
            "written": written,
            "waiting": waiting,
            "dropped": dropped,
            "missed": dict(getattr(self.sink, "missed", {})),
            "depth": waiting,
            "max_depth": max(self._peak, waiting),
            "nearly_full": self._nearly_full,
        }

    @property
    def _done(self) -> int:
        with self._lock:
            return self._written + sum(self._lost.values())

    def _wake(self) -> None:
        """End the rest, or begin. Never blocks."""
        if self._thread is not None or self._start():
            self._ring()

    def _ring(self) -> None:
        self._resting = False
        try:
            self._bell.release()
        except RuntimeError:
            pass  # it rings already

    def _start(self) -> bool:
        """Begin; where that is impossible now, a later record tries again, or `close` writes."""
        with self._lock:
            if self._thread is None and not self._closed:
                self._bell = _new_bell()  # gevent may have patched since: its greenlets must not wait for a real lock
                self._thread = threading.Thread(target=self._run, name="tocsin-background", daemon=True)
                if begun(self._thread):
                    call_before_child_ends(self.flush)
                else:
                    self._thread = None
            return self._thread is not None

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        life = self._life
        self.own_threads.add(threading.get_ident())
        try:
            self._work(life)
            if self._life is life:
                self._finish()
        finally:
            if self._life is life:
                # Killed by what is no `Exception` (as by `gevent.killall`), it is begun again by the next record.
                self.own_threads.discard(threading.get_ident())
                self._thread, self._resting = None, True

    def _work(self, life: object) -> None:
        """Hand batches over until the handler is closed and the queue empty, or its time over."""
        pause, batch = FIRST_PAUSE, list[Line]()
        while self._life is life:
            batch = batch or self._next()
            if not batch:
                if self._stop_by is not None:
                    break
                self._rest()
            elif self._hand_over(batch):
                pause, batch = FIRST_PAUSE, []
                if len(self._queue) < BATCH and self._stop_by is None:
                    time.sleep(LINGER)
            elif not self._pause(pause):
                break
            else:
                pause = min(pause * 2, LAST_PAUSE)

    def _next(self) -> list[Line]:
        """What waited longest; it stays in the queue. By index, since somebody may append meanwhile."""
        queue = self._queue
        waiting = len(queue)
        if self._nearly_full and waiting <= self.max_records * _RELIEVED:
            self._nearly_full = False
        return [Line(*queue[index]) for index in range(min(waiting, BATCH))]

    def _hand_over(self, batch: list[Line]) -> bool:
        """Whether the sink has taken the batch, or never will."""
        life = self._life
        try:
            self.sink.write(batch)
        except OSError as error:
            if not self.failing:
                self.failing = True
                complain(f"log records cannot be written, and wait: {error}")
            return False
        except Exception as error:  # noqa: BLE001  # a sink's mistake: the same lines would meet it again
            if not self._lost["sink"]:
                complain(f"log records are lost in the sink: {type(error).__name__}: {error}")
            self._drop(len(batch), "sink")
            return True
        if self._life is not life:
            return True
        self.failing = False
        with self._lock:
            self._peak = max(self._peak, len(self._queue))
            self._take_out(len(batch))
            self._written += len(batch)
        return True

    def _drop(self, count: int, reason: str) -> None:
        with self._lock:
            self._take_out(count)
            self._lost[reason] += count

    def _take_out(self, count: int) -> None:
        self._peak = max(self._peak, len(self._queue))  # it has never been longer since lines were last taken out
        for _ in range(count):
            self._queue.popleft()

    def _pause(self, seconds: float) -> bool:
        """Wait for the next attempt, or less where somebody flushes; whether there may be one."""
        if self._stop_by is not None:
            seconds = min(seconds, self._stop_by - time.monotonic())
        if seconds > 0:
            self._bell.acquire(timeout=seconds)
        return seconds > 0

    def _rest(self) -> None:
        """Sleep until woken, or until repetitions are to be told of."""
        life, self._resting = self._life, True
        if not self._queue and self._stop_by is None:  # asked again after the flag: a line in between has rung
            self._bell.acquire(timeout=self.rest_until_repeated())
        if self._life is not life:
            return
        self._resting = False
        self.tell_repeated()

    def _finish(self) -> None:
        self._drop(len(self._queue), "closed")
        try:
            self.sink.close()
        except Exception as error:  # noqa: BLE001  # there is nobody left to whom it would matter
            complain(f"closing where log records go: {type(error).__name__}: {error}")


def _new_bell() -> threading.Lock:
    """A plain lock as bell, silent: to release it is one C call, safe in a signal handler."""
    bell = threading.Lock()
    bell.acquire()
    return bell
