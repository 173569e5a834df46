"""Reading ahead: a thread unpacks what comes next while what came before is looked at."""

from queue import Queue
from threading import Event, Thread
from typing import Final

from rules.reading.source import Source

BLOCK: Final = 1 << 19  #: bytes that are read at once
_BLOCKS = 3  # that wait to be taken


class Ahead:
    """What a source holds, read by a thread of its own, which waits while enough lies ready; a context manager.

    Unpacking and matching leave Python alone for most of their time, so they go on two cores.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ready: Queue[memoryview | OSError] = Queue(_BLOCKS)
        self._block = memoryview(b"")
        self._failure: OSError | None = None
        self._ended = False
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="tocsin-ahead", daemon=True)

    def __enter__(self) -> "Ahead":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            if not self._ready.empty():
                self._ready.get()
            self._thread.join(0.01)

    def read(self, memory: memoryview) -> int:
        """As `Source.read`."""
        if self._failure:
            raise self._failure
        if not self._block and not self._ended:
            ready = self._ready.get()
            if isinstance(ready, OSError):
                self._failure = ready
                raise ready
            self._block, self._ended = ready, not ready
        count = min(len(memory), len(self._block))
        memory[:count] = self._block[:count]
        self._block = self._block[count:]
        return count

    def _run(self) -> None:
        while not self._stopped.is_set():
            memory = memoryview(bytearray(BLOCK))
            try:
                count = self._source.read(memory)
            except OSError as error:
                self._ready.put(error)
                return
            self._ready.put(memory[:count])
            if not count:
                return
