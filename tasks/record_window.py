"""The records of a file that may be growing: those that are complete, and where the first one begins that is not."""

import os
import time
from math import inf
from typing import cast

from rules.event import Event
from rules.file_marks import MARK, tail_at
from rules.layouts import Layouts, Times
from rules.reading.source import Source
from rules.reading.window import Window
from rules.records import LOOK, Records, is_alone
from rules.scanner import FileScan, Found, Scanner
from rules.tracebacks import line_end

SETTLED = 2.0  #: seconds without a write, after which the last record of a file is taken for complete
ABANDONED = 60.0  #: seconds without a write, after which a line without an end is, too
_LINE_BREAK = ord("\n")
_PIECE = 1 << 18  # bytes of an archive that are unpacked at once to get where it goes on


class RecordScan:
    """Finds the failures of one file, window after window."""

    def __init__(self, scanner: Scanner, name: str, source: str, times: Times) -> None:
        self._layouts = Layouts(times)
        self._scan = FileScan(scanner, name, self._layouts, service=source)
        self._records = Records(self._layouts)

    def look_at(self, window: Window, length: int, *, final: bool) -> Found:
        """What the first bytes of a window hold; unless they are final, a record that may go on is left."""
        text = cast("bytearray", window.text.obj)
        final = final or self._is_alone(text, length)
        if not length or not (final or self._is_several(text, length)):
            return Found(0)
        found = self._scan.window(text, length, window.start, final=final)
        is_all = found.consumed == length and found.events and found.events[-1].offset == window.start
        return found if final or not is_all else Found(0)

    def _is_alone(self, text: bytearray, length: int) -> bool:
        """Whether the last line is a whole record, whatever follows: JSON that no container runtime has written."""
        start = text.rfind(b"\n", 0, max(0, length - 1)) + 1
        line = bytes(text[start : min(length, start + LOOK)])
        if not line.endswith(b"\n") or self._layouts.unwrap(line):
            return False
        header = self._layouts.header(line)
        return header is not None and is_alone(header)

    def _is_several(self, text: bytearray, length: int) -> bool:
        """Whether there is more than one record, as far as headers tell."""
        is_wrapped = self._layouts.unwrap(bytes(text[: line_end(text, 0, min(length, LOOK))])) is not None
        return self._records.last(text, length, is_wrapped=is_wrapped) > 0


class RecordWindow:
    """Reads a text from an offset on, to its end or to an offset where a record begins."""

    def __init__(
        self, scan: RecordScan, source: Source, fd: int, offset: int, *, is_cut: bool = False, end: int | None = None
    ) -> None:
        """Begin at an offset, which is inside a line whose rest is skipped if `is_cut`.

        Raises:
            OSError: an archive cannot be unpacked as far as that.
        """
        _go_to(source, offset)
        self._scan = scan
        self._source = source
        self._fd = fd
        self._left = None if end is None else end - offset
        self._window = Window(self._read, offset)
        self._window.skipping = is_cut
        self._last = b""  # of what was read before `offset`, as far as it is known
        self.is_cut = is_cut  #: whether `offset` is inside a line whose rest is to be skipped

    @property
    def offset(self) -> int:
        """What lies before it is done with."""
        return self._window.start

    @property
    def ended(self) -> bool:
        """Whether there is no more to read now."""
        return self._window.ended

    def tail(self) -> bytes | None:
        """The last bytes before `offset`, as the file has them; None where they are not those that were read."""
        tail = tail_at(self._fd, self.offset)
        return tail if tail.endswith(self._last) else None

    def step(self) -> list[Event]:
        """The failures in what comes next.

        Raises:
            OSError: it cannot be read.
        """
        window, begun = self._window, self.offset
        window.fill()
        if self.offset != begun:  # the rest of a long line was dropped
            self._last = b""
        length, final = self._complete()
        found = self._scan.look_at(window, length, final=final)
        # What follows a line that has no end, and was taken nevertheless, is nothing of its own.
        self.is_cut = 0 < found.consumed == length and window.text[length - 1] != _LINE_BREAK
        if found.consumed:
            self._last = bytes(window.text[max(0, found.consumed - MARK) : found.consumed])
        window.consume(found.consumed)
        self.is_cut = self.is_cut or (window.skipping and not len(window.text))
        return found.events

    def _read(self, memory: memoryview) -> int:
        if self._left is None:
            return self._source.read(memory)
        count = self._source.read(memory[: self._left])
        self._left -= count
        return count

    def _complete(self) -> tuple[int, bool]:
        """How much of a window may be looked at, and whether all of that is complete: the last record may go on."""
        window, size = self._window, len(self._window.text)
        if not window.ended:
            return size, window.settled
        if self._source.is_packed or self._left == 0:
            return size, True
        seconds = idle(self._fd)
        if seconds >= ABANDONED:
            return size, True
        return bytes(window.text).rfind(b"\n") + 1, seconds >= SETTLED


def idle(fd: int) -> float:
    """Seconds since a file was written to; a time that is still to come tells nothing, so it counts as long ago."""
    seconds = time.time() - os.fstat(fd).st_mtime
    return seconds if seconds >= -1 else inf


def _go_to(source: Source, offset: int) -> None:
    """Go on at an offset of the text; an archive is unpacked up to there."""
    if not source.is_packed:
        source.seek(offset)
        return
    memory = memoryview(bytearray(_PIECE))
    while offset and (count := source.read(memory[:offset])):
        offset -= count
