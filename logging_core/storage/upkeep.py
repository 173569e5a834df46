"""What becomes of sealed files where an application writes its own: a thread compresses and removes them.

It is not the thread that writes, so that the queue of records keeps moving. Of several processes that share a folder
one works at a time. What a process leaves undone, since it ended or was killed, the next one finishes.
"""

import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from logging_core.complaints import complain
from logging_core.storage.compression import compress_sealed
from logging_core.storage.packing import Compression, format_named
from logging_core.storage.retention import Retention, retain
from logging_core.threads import begun

PACE = 60.0  #: seconds between two looks at the folder
COMPRESSED_AFTER = 60.0  #: seconds since the last line of a sealed file: whoever follows it reads it to its end first


class Upkeep:
    """Compresses and removes what is sealed in one folder.

    Raises:
        ValueError: what the compression needs is not installed.
    """

    def __init__(
        self,
        log_dir: Path,
        names: Callable[[], Collection[str]],
        compress: Compression,
        retention: Retention,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log_dir = log_dir
        self._names = names
        self._packed = None if compress == "none" else format_named(compress)
        self._retention = retention
        self._clock = clock
        self._complained = False
        self.begin_anew()

    def begin_anew(self) -> None:
        """In a forked child, which has no thread yet."""
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look now, and from time to time; once."""
        if self._thread is not None or (self._packed is None and self._retention.is_endless):
            return
        thread = threading.Thread(target=self._run, name="tocsin-upkeep", daemon=True)
        if begun(thread):
            self._thread = thread

    def close(self) -> None:
        """Look no more; a file that is just being compressed is compressed by the next process."""
        self._ending.set()

    def tidy(self, min_age: float = COMPRESSED_AFTER) -> None:
        """Compress what was last written to `min_age` seconds ago, and remove what is expired.

        Raises:
            OSError: the folder.
        """
        names, now = self._names(), self._clock()
        if self._packed is not None:
            compress_sealed(self._log_dir, now, min_age=min_age, packed=self._packed, names=names)
        retain(self._log_dir, names, self._retention, now)

    def _run(self) -> None:
        ending = self._ending
        while True:
            try:
                self.tidy()
            except Exception as error:  # noqa: BLE001  # a folder that is gone, or full: it is looked at again
                if not self._complained:
                    complain(f"{self._log_dir} is not tidied up: {type(error).__name__}: {error}")
                self._complained = True
            if ending.wait(PACE):
                return
