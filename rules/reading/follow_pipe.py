"""What another program writes to us, live: `kubectl logs -f shop | tocsin analyze --follow -`."""

import select
from collections.abc import Callable, Iterator
from typing import Final

from rules.reading.growing import PATIENCE
from rules.reading.packed import HEAD, is_archive
from rules.reading.source import Pipe, SourceError
from rules.reading.window import AT_ONCE, Window

PAUSE: Final = 0.15  #: seconds for which something new is waited for before `stop` is asked again


class LivePipe:
    """A pipe, of which what is there is shown at once."""

    def __init__(self, pipe: Pipe) -> None:
        """Read a pipe that its owner closes."""
        self.path = pipe.name
        self.window = Window(self._read, 0, PATIENCE)
        self._pipe = pipe
        self._is_over = False  # the other program has closed its end

    def looks(self, stop: Callable[[], bool] = lambda: False) -> Iterator["LivePipe"]:
        """Itself, each time there is something new in its window, until its end, or until told to stop.

        Raises:
            SourceError: it cannot be read, or is an archive.
        """
        shown = (0, False)
        while not (self._is_over or stop()):
            self.window.fill()
            self._refuse_archive()
            if self.window.text and shown != (
                shown := (self.window.start + len(self.window.text), self.window.settled)
            ):
                yield self
            if self.window.ended and not self._is_over:
                select.select([self._pipe.descriptor], [], [], PAUSE)
        self.window.patience = AT_ONCE
        self.window.fill()  # what is there when it is told to stop comes too, as far as the window goes
        self._refuse_archive()
        if self.window.text:
            yield self

    def _refuse_archive(self) -> None:
        if self.window.start == 0 and is_archive(bytes(self.window.text[:HEAD])):
            raise SourceError(self.path, "is an archive, which does not grow; it is not followed")

    def _read(self, memory: memoryview) -> int:
        if self._is_over or not select.select([self._pipe.descriptor], [], [], 0)[0]:
            return 0
        count = self._pipe.read(memory)
        self._is_over = count == 0
        return count
