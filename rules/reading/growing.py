"""One file as it grows: what is added to it, once, though it is renamed, copied, cut or written anew."""

import os
import time
from collections.abc import Iterator
from typing import Final

from rules.reading.source import File
from rules.reading.window import AT_ONCE, Patience, Window

PATIENCE: Final = Patience(lines=0.5, half=1.0)  #: a program writes a record at once, a slow one a line
MARK: Final = 256  #: bytes by which a text is known again: its first ones, and the last that were read
_FILLS: Final = 64  # windows of one file in a row, before others have their turn


class Growing:
    """What is read of one file that grows, whatever its name becomes."""

    def __init__(self, path: str, file: File, offset: int = 0) -> None:
        """Take over an open file, and go on at this offset."""
        self.path = path  #: as it was named when it was opened
        self.offset = offset  #: of the first byte that was not read
        self.window = Window(self._read, offset, PATIENCE)
        self.grown_at = time.monotonic()  #: when something last came
        self._is_used = False  # the window
        self._shown = (offset, False)  # where the text ended that was shown, and whether it was settled
        self._head = file.head(min(offset, MARK))
        self._last = os.pread(file.descriptor, min(offset, MARK), max(0, offset - MARK))  # that was read
        self._written_at = 0
        self._file: File | None = file
        file.seek(offset)

    def looks(self) -> Iterator["Growing"]:
        """Itself, each time its window has something new to show, or its lines have settled.

        Raises:
            SourceError: it cannot be read on; what came before was shown.
        """
        for _ in range(_FILLS):
            if self.window.fill():
                self.grown_at = time.monotonic()
                self._is_used = True
            shown = self.window.start + len(self.window.text), self.window.settled
            if self.window.text and shown != self._shown:
                self._shown = shown
                yield self
            if self.window.ended:
                break
        if self._is_used and self.window.start == self.offset:  # all is consumed
            self.window = Window(self._read, self.offset, PATIENCE)  # which takes no memory before it is used
            self._is_used = False

    def last_look(self) -> Iterator["Growing"]:
        """Itself, with all that is still there: nothing more is waited for."""
        self.window.patience = AT_ONCE
        yield from self.looks()

    def cut_to(self) -> int | None:
        """Where to go on, if somebody cut it, or wrote it anew; None if nobody did.

        Where it is shorter than what was read, but begins as it did, that is its end.
        """
        if self._file is None:
            return None
        size = os.fstat(self._file.descriptor).st_size
        head = self._file.head(MARK)
        if size >= self.offset and head.startswith(self._head):
            return None
        return size if self._head.startswith(head) and b"\n" in head else 0

    def is_in(self, other: File) -> bool:
        """Whether another file begins with what was read of this one, as far as its ends tell."""
        other.seek(self.offset - len(self._last))
        last = memoryview(bytearray(len(self._last)))
        return other.head(len(self._head)) == self._head and other.read(last) == len(last) and last == self._last

    def written_at(self) -> int:
        """When somebody last wrote to its file while it was open, by the clock of the file system, ns."""
        return os.fstat(self._file.descriptor).st_mtime_ns if self._file else self._written_at

    def anew(self, offset: int) -> "Growing":
        """Its file, read from this offset on; what is still in this window waits for its rest elsewhere."""
        if self._file is None:
            raise ValueError(f"{self.path} is closed")
        file, self._file = self._file, None
        return Growing(self.path, file, offset)

    def attach(self, copy: File) -> None:
        """Read on in a copy."""
        copy.seek(self.offset)
        self._file = copy

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._written_at = self.written_at()
            self._file.close()
            self._file = None

    def _read(self, memory: memoryview) -> int:
        if self._file is None:
            return 0
        count = self._file.read(memory)
        if self.offset < MARK:
            self._head += bytes(memory[: min(count, MARK - self.offset)])
        self._last = (self._last + bytes(memory[max(0, count - MARK) : count]))[-MARK:]
        self.offset += count
        return count
