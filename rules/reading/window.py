"""A window that moves over a text of any length: whole lines of it at a time, in memory of one fixed size.

    window = Window(source.read)
    while not window.ended:
        window.fill()
        window.consume(look_at(window.text, take_all=window.settled))

What is not consumed stays, moves to the front and is shown again with what follows it, so that something of several
lines can wait for its end. A line that is longer than the window is shown once, as far as the window goes; the rest of
it is dropped as it is read, its line end excepted, so that lines can be counted.
"""

import time
from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple

_BOM: Final = b"\xef\xbb\xbf"


class Patience(NamedTuple):
    """For how many seconds more is waited for, where there is none now."""

    lines: float = 0.0  #: until the lines that are there are settled
    half: float = 0.0  #: until a last line without its end is shown


AT_ONCE: Final = Patience()  #: for what does not grow


class Window:
    """What is seen of a text that can be read forward."""

    SIZE: ClassVar[int] = 1 << 20  #: bytes; stays in a core's second cache, so that scanning finds it there

    def __init__(self, read: Callable[[memoryview], int], start: int = 0, patience: Patience = AT_ONCE) -> None:
        """Begin with nothing.

        Args:
            read: puts bytes into the memory it is given and returns how many, 0 where there are no more now.
            start: the offset of the first byte that it will read; at 0, the mark of UTF-8 is left out.
            patience: with a text that grows; its time runs from the last byte that came.
        """
        self.patience = patience
        self._read = read
        self._grown_at = time.monotonic()
        self._buffer = bytearray(self.SIZE)
        self._memory = memoryview(self._buffer)
        self._begin = self._end = 0  # of the bytes that are there, shown or not
        self._failure: OSError | None = None
        #: Whole lines, good until the next `fill`; the last one may lack its end where `ended` or `skipping`.
        self.text = self._memory[:0]
        self.start = start  #: the offset of `text[0]`
        self.ended = False  #: whether there was no more to read, when it was last tried
        self.skipping = False  #: whether `text` is the beginning of a line whose rest is dropped
        self.settled = False  #: whether `text` will not go on: all of it should be consumed

    def fill(self) -> bool:
        """Read on, until the window is full or there is no more; False where nothing new came.

        Raises:
            OSError: from `read`; what came before it is shown first, and then the next `fill` raises it.
        """
        if self._failure:
            raise self._failure
        if self.skipping:
            self.consume(len(self.text))
        self._move_to_front()
        begun = self._end
        try:
            self._read_on()
        except OSError as error:
            if self._end == 0:
                raise
            self._failure = error
        grown = self._end > begun
        if self.skipping:
            self._drop()
        self._show(grown=grown)
        return grown

    def consume(self, count: int) -> None:
        """The first bytes of `text` are done with."""
        self.text = self.text[count:]
        self.start += count
        self._begin += count

    def _move_to_front(self) -> None:
        if self._begin:
            left = self._end - self._begin
            self._memory[:left] = self._memory[self._begin : self._end]
            self._begin, self._end = 0, left

    def _read_on(self) -> None:
        self.ended = False
        while self._end < self.SIZE:
            count = self._read(self._memory[self._end :])
            if not count:
                self.ended = True
                return
            self._end += count
            if self.start == 0 and self._buffer[: min(self._end, len(_BOM))] == _BOM:
                self.start = self._begin = len(_BOM)
                self._move_to_front()

    def _drop(self) -> None:
        """Leave out the rest of the long line, as far as it is there."""
        end = self._buffer.find(b"\n", 0, self._end)
        self.skipping = end < 0
        self._begin = self._end if self.skipping else end
        self.start += self._begin
        self._move_to_front()

    def _show(self, *, grown: bool) -> None:
        now = time.monotonic()
        if grown:
            self._grown_at = now
        waited = now - self._grown_at if self.ended else -1.0
        is_last = waited >= self.patience.half or self._failure is not None
        is_full = self._end == self.SIZE
        lines = self._end if is_last else self._buffer.rfind(b"\n", 0, self._end) + 1
        if is_full and not lines:
            self.skipping = True
            lines = self._end
        self.text = self._memory[:lines]
        self.settled = is_last or self.skipping or waited >= self.patience.lines or (is_full and not grown)
