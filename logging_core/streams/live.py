"""What is in the stream and not yet in the files, read beside the writers and without a trace.

A record is in the stream until its writer has committed it, mostly for some milliseconds. So the stream alone shows
those that wait for a writer that stands still, and those whose writer is on another host, where some may go by unseen;
the files of this host show all that are written here. `Once` joins the two: a line that both bring is shown once.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from logging_core.streams.shard import entry_of
from logging_core.streams.stream import Keys, shards

if TYPE_CHECKING:
    import redis

MAX_WAITING = 64 * 1024 * 1024  #: bytes of bodies in hand; then the streams are not read on
MAX_KNOWN = 200_000  #: lines that one source brought and the other may still bring
_RETRY = 1.0  # seconds
_LOOK_FOR_SHARDS = 5.0  # seconds


class Batch(NamedTuple):
    """Lines of one service."""

    service: str
    body: bytes


class LiveStream:
    """Reads the streams of all shards, each in a thread, from what waits in them now."""

    def __init__(self, connect: Callable[[], "redis.Redis"], tell: Callable[[], object]) -> None:
        """Begin; `tell` is called from the threads, whenever Redis does not answer."""
        self._connect = connect
        self._tell = tell
        self._batches: SimpleQueue[Batch] = SimpleQueue()
        self._waiting = 0
        self._room = threading.Condition()
        self._read: set[int] = set()
        self._start(self._look_for_shards)

    def take(self, timeout: float) -> list[Batch]:
        """What has come, after waiting so many seconds at most for the first."""
        taken = []
        try:
            taken.append(self._batches.get(timeout=timeout))
            while True:
                taken.append(self._batches.get_nowait())
        except Empty:
            pass
        with self._room:
            self._waiting -= sum(len(batch.body) for batch in taken)
            self._room.notify_all()
        return taken

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=run, args=arguments, name="tocsin-live", daemon=True).start()

    def _look_for_shards(self) -> None:
        from redis.exceptions import RedisError

        client = self._connect()
        while True:
            try:
                for number in set(shards(client)) - self._read:
                    self._read.add(number)
                    self._start(self._follow, number)
                time.sleep(_LOOK_FOR_SHARDS)
            except RedisError:
                self._tell()
                time.sleep(_RETRY)

    def _follow(self, shard: int) -> None:
        from redis.exceptions import RedisError

        client, stream, last = self._connect(), Keys(shard).stream, b"0"
        while True:
            try:
                reply: Any = client.xread({stream: last}, count=32, block=1000)
            except RedisError:
                self._tell()
                time.sleep(_RETRY)
                continue
            for last, fields in (found for _, entries in reply or () for found in entries):
                entry = entry_of(last, fields)
                self._put(Batch(entry.service, entry.body))

    def _put(self, batch: Batch) -> None:
        with self._room:
            self._room.wait_for(lambda: self._waiting < MAX_WAITING)
            self._waiting += len(batch.body)
        self._batches.put(batch)


class Once:
    """Tells which lines of two sources were not shown yet; each source brings a line as often as it is there."""

    def __init__(self) -> None:
        self._balance: OrderedDict[int, int] = OrderedDict()  # hash -> how often more the file brought it

    def from_file(self, line: bytes) -> bool:
        """Whether a line that a file brings is new."""
        return self._is_new(hash(line), 1)

    def from_stream(self, line: bytes) -> bool:
        """Whether a line that the stream brings is new."""
        return self._is_new(hash(line), -1)

    def _is_new(self, code: int, sign: int) -> bool:
        balance = self._balance.pop(code, 0) + sign
        if balance:
            self._balance[code] = balance
        if len(self._balance) > MAX_KNOWN:
            self._balance.popitem(last=False)
        return balance * sign > 0
