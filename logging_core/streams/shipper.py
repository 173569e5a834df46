"""Buffer -> stream: one daemon thread a process ships its own records, and those of dead processes beside it.

The thread is woken by the first record after a rest, then gathers for `LINGER` seconds between batches. While Redis is
away it tries again, ever more slowly, up to each second; nothing it does can reach the thread that logs.
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from logging_core.buffers.adoption import orphans
from logging_core.buffers.buffer import Buffer
from logging_core.buffers.spill import SpillPlace
from logging_core.complaints import complain
from logging_core.streams import stream
from logging_core.streams.connection import connect_to_ship, shown
from logging_core.streams.feed import REPORT_EVERY, Feed
from logging_core.threads import begun

if TYPE_CHECKING:
    import redis

LINGER = 0.02  #: seconds
ADOPT_EVERY = 5.0  #: seconds
ADOPT_AT_ONCE = 4  #: dead producers


class Shipper:
    """The thread. It holds the only connection to Redis that a handler has."""

    def __init__(
        self,
        buffer: Buffer,
        redis_url: str,
        spool_root: Path | None,
        spill: SpillPlace | None,
        own_threads: set[int | None],
        tell_repeated: Callable[[], None],
    ) -> None:
        """The thread begins when it is woken. While it lives its identity is among `own_threads`.

        After each rest it calls `tell_repeated`, which may put records and never raises.
        """
        self._own_threads = own_threads
        self._tell_repeated = tell_repeated
        self._url = redis_url
        self._root, self._spill = spool_root, spill
        self.feed = Feed(buffer)
        self.failing = False  #: the last attempt did not reach Redis
        self.resting = True  #: the thread sleeps until it is woken
        self.max_depth = 0
        self._adopted: list[Feed] = []
        self._next_adoption = time.monotonic() + random.uniform(0, ADOPT_EVERY)
        self._client: redis.Redis | None = None
        self._budget = stream.DEFAULT_BUDGET
        self._bell = threading.Lock()  # a plain lock as bell: to release it is one C call, safe in a signal handler
        self._bell.acquire()
        self._moved = threading.Condition()
        self._waiting = 0  # threads inside `wait`
        self._stopping = self._abandoned = False
        self.alive = False  #: there is a thread, and nothing has killed it
        self._beginning = threading.RLock()
        self._thread: threading.Thread | None = None
        self._told = False

    def wake(self) -> None:
        """End the rest, or begin; also again, where something has killed the thread. Never blocks."""
        if not self.alive and not self._begin():
            return
        self.resting = False
        try:
            self._bell.release()
        except RuntimeError:
            pass  # it rings already

    def _begin(self) -> bool:
        with self._beginning:
            if not self.alive:
                self.alive = True
                self._thread = threading.Thread(target=self._run, name="tocsin-shipper", daemon=True)
                self.alive = begun(self._thread)
            return self.alive

    def wait(self, ordinal: int, timeout: float, *, written: bool) -> bool:
        """Until this record is in the stream (`written`: fsynced in the files), or the time is over."""
        deadline = time.monotonic() + timeout

        def reached() -> bool:
            return (self.feed.committed if written else self.feed.appended) >= ordinal

        with self._moved:
            self._waiting += 1
        try:
            while not reached():
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self.wake()
                with self._moved:
                    self._moved.wait(min(remaining, 0.05))
            return True
        finally:
            with self._moved:
                self._waiting -= 1

    def stop(self, timeout: float) -> None:
        """Ship what can be shipped within the time, then let go of the buffers."""
        self._stopping = True
        self.wake()
        if self.alive and self._thread is not None:
            self._thread.join(timeout)
        else:
            self.feed.source.close(self.feed.committed)  # a spool is adopted by others

    def abandon(self) -> None:
        """In a forked child: a greenlet is copied by a fork, and must not live on with the parent's connection."""
        self._stopping = self._abandoned = True
        self._disconnect()

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._own_threads.add(threading.get_ident())
        try:
            self._work()
            if not self._abandoned:
                self._finish()
        except BaseException:  # raised again: what is no `Exception` ends the thread (as `gevent.killall` does)
            self._client = None
            self.alive, self.resting = False, True
            raise
        finally:
            self._own_threads.discard(threading.get_ident())

    def _work(self) -> None:
        pause = LINGER
        while not self._stopping:
            try:
                busy = self._round()
                self.failing, pause = False, LINGER
            except Exception as error:  # noqa: BLE001  # Redis away, or anything else: no reason to ever end this thread
                if self._abandoned:
                    break
                if not self.failing:
                    complain(f"log records wait for {shown(self._url)}: {type(error).__name__}: {error}")
                busy, self.failing = False, True
                self._disconnect()
                pause = min(pause * 2, 1.0)
                try:
                    self._bide(pause * random.uniform(0.5, 1.0))
                except Exception:  # noqa: BLE001  # a disk that fails too
                    time.sleep(pause)
            self._tell_refused()
            if not busy:
                self._rest()

    def _tell_refused(self) -> None:
        refused = self.feed.source.refused
        if refused and not self._told:
            self._told = True
            complain(f"log records are refused: {', '.join(refused)}")

    def _round(self) -> bool:
        """Ship a batch of every feed; whether more may be waiting at once."""
        self.max_depth = max(self.max_depth, self.feed.waiting)
        now = time.monotonic()
        if self._root and now >= self._next_adoption:
            self._next_adoption = now + ADOPT_EVERY
            # A few at a time: the application should not pay for a whole fleet that died.
            found = orphans(self._root, self._spill)
            self._adopted += [Feed(spool) for spool in islice(found, ADOPT_AT_ONCE - len(self._adopted))]
        busy = self._serve(self.feed, now)
        for feed in list(self._adopted):
            try:
                busy = self._serve(feed, now) or busy
            except OSError:  # a dead process's file that cannot be read must not hold up the living
                self._adopted.remove(feed)
                feed.source.close(0)  # which deletes nothing
        for feed in [feed for feed in self._adopted if feed.done]:
            feed.ask(self._connected(), closed=True)
            self._adopted.remove(feed)
            with suppress(OSError):  # a folder that cannot be removed is looked at again by the next adopter
                feed.source.close(feed.committed)
        with self._moved:
            self._moved.notify_all()
        return busy

    def _serve(self, feed: Feed, now: float) -> bool:
        """Ship a batch, or ask; whether more may be waiting at once."""
        busy = False
        if feed.waiting > 0 and feed.ship(self._connected(), self._budget):
            busy = feed.waiting > 500
        elif feed.due(now, 0.01 if self._waiting else REPORT_EVERY):
            feed.ask(self._connected())
        return feed.source.relieve(stalled=feed.stalled) or busy

    def _bide(self, seconds: float) -> None:
        """Redis is away: until the next attempt, move to the disk what would soon be in the way."""
        deadline = time.monotonic() + seconds
        while not self._stopping and (remaining := deadline - time.monotonic()) > 0:
            feeds = (self.feed, *self._adopted)
            if not sum(feed.source.relieve(stalled=True) for feed in feeds):
                time.sleep(min(remaining, LINGER))

    def _rest(self) -> None:
        """Linger; then, if nothing came, sleep until woken."""
        time.sleep(0.005 if self._waiting else LINGER)
        if self.feed.waiting > 0 or self._waiting or self._stopping:
            return
        self.resting = True
        if self.feed.waiting <= 0:  # asked again after the flag: a record in between has rung
            self._bell.acquire(timeout=REPORT_EVERY)
        self.resting = False
        self._tell_repeated()

    def _connected(self) -> "redis.Redis":
        if self._client is None:
            self._client = connect_to_ship(self._url, connect_timeout=1, timeout=5)  # from here on `abandon` finds it
            self._budget = stream.budget(self._client)
        if self._client is None:
            raise ConnectionError("abandoned")
        return self._client

    def _disconnect(self) -> None:
        if self._client is not None:
            with suppress(Exception):  # it is gone already
                self._client.close()
            self._client = None

    def _finish(self) -> None:
        feed = self.feed
        try:
            while feed.waiting > 0 and not self.failing and feed.ship(self._connected(), self._budget):
                pass
            if feed.source.accepted:
                feed.ask(self._connected(), closed=feed.done or not feed.source.durable)
        except Exception:  # noqa: BLE001, S110  # Redis away: a durable buffer is adopted by others
            pass
        for each in (feed, *self._adopted):
            each.source.close(each.committed)
        self._disconnect()


def ship_orphans(client: "redis.Redis", root: Path, spill: SpillPlace | None = None) -> int:
    """Ship what dead processes left under `root` and on the disk, for a host where no application may live to do it.

    Returns how many records. What is shipped and not yet committed is left where it is, for the next time.
    """
    shipped = 0
    budget = stream.budget(client)
    for spool in orphans(root, spill):
        feed = Feed(spool)
        try:
            feed.ask(client)
            spool.seek(feed.appended + 1)
            before = feed.appended
            while feed.waiting > 0 and feed.ship(client, budget):
                pass
            shipped += feed.appended - before
            if feed.done:
                feed.ask(client, closed=True)
        except OSError:  # a folder that cannot be read must not hold up the others
            feed.committed = 0
        finally:
            spool.close(feed.committed)
    return shipped
