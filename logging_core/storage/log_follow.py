"""Files that grow: each line that is added to a series once, through rotation, truncation and recovery.

A file is read by its inode, whatever its name has become. When the name stands for another file, those that came
behind ours are read one after the other, the one before them for a while longer, since a process may still hold it
open. A file that is cut is read on from where it was cut; of what a writer cuts away as it recovers, and writes again,
nothing comes twice.
"""

import os
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress

from logging_core.storage.log_files import BLOCK, MAX_PIECE, LogFile, Series, UnreadableError, series_in

LINGER = 2.0  #: seconds for which a file that was rotated away is still looked at
HEAD = 256  #: bytes by which a file is known again
REMEMBERED = 10_000  #: lines of a file that are known again when it is cut and written anew
_DATED = b'{"timestamp":"'  # how lines begin of which no two are alike


class SeriesTail:
    """The end of one series, and what is added to it."""

    def __init__(self, series: Series, current: LogFile | None = None) -> None:
        """Begin behind what was read of an open file, which becomes ours, else at the start of all that is there."""
        self._series = series
        self._tails = [_FileTail(current, current.size)] if current else []
        self._moved = 0.0  # by the monotonic clock: when the name was last seen to be another file's

    def blocks(self) -> Iterator[bytes]:
        """The whole lines that were added, in blocks.

        Raises:
            UnreadableError: of one of its files; the next call goes on behind it.
        """
        self._take_up()
        for tail in list(self._tails):
            yield from tail.blocks()
        if len(self._tails) > 1 and time.monotonic() - self._moved > LINGER:
            for tail in self._tails[:-1]:
                tail.file.close()
            del self._tails[:-1]

    def close(self) -> None:
        """Let go of its files."""
        for tail in self._tails:
            tail.file.close()
        self._tails.clear()

    def look_again(self, series: Series) -> None:
        """How its files are named now: the newest of those that are split by date has another name each day."""
        self._series = series

    def _take_up(self) -> None:
        """Open what came behind the file that is read."""
        path = self._series.paths[-1]
        try:
            status = path.stat()
        except OSError:
            return  # rotated away, and no new one yet
        if self._tails and self._tails[-1].file.identity == (status.st_dev, status.st_ino):
            return
        self._moved = time.monotonic()
        opened = self._opened()
        known = self._known(opened)
        for file in opened[:known]:
            file.close()
        self._tails += [_FileTail(file, 0) for file in opened[known:]]

    def _opened(self) -> list[LogFile]:
        """The files as they stand now, the oldest first; what cannot be opened moved on, or was told of before."""
        series = self._series
        with suppress(OSError):
            series = next((s for s in series_in(series.folder, series.service) if s.name == series.name), series)
        files = []
        for path in series.paths:
            with suppress(UnreadableError):
                files.append(LogFile(path))
        return files

    def _known(self, files: list[LogFile]) -> int:
        """How many of the files, the oldest first, come no later than the one that is read."""
        if not self._tails:
            return 0
        ours = self._tails[-1]
        for number, file in enumerate(files, start=1):
            if file.identity == ours.file.identity:
                return number
        for number, file in enumerate(files, start=1):
            if file.packing and (head := ours.head()) and file.first_bytes(HEAD) == head:
                return number
        return sum(file.modified < ours.file.last_change() for file in files)


class _FileTail:
    """The end of one file."""

    def __init__(self, file: LogFile, offset: int) -> None:
        self.file = file
        self._offset = offset  # of the first line that was not read
        self._size = -1  # bytes in it when it was last looked at
        self._head = b""
        self._recent: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)  # (where it begins, hash) of lines
        self._again: Counter[int] = Counter()  # hashes of lines that were cut away, and may come twice
        if offset and not file.packing:
            self._head = self.head()[:offset]
            begin = max(0, offset - BLOCK)
            self._remember(os.pread(file.descriptor, offset - begin, begin), begin)

    def head(self) -> bytes:
        """Its first bytes, as they are now."""
        return os.pread(self.file.descriptor, HEAD, 0)

    def blocks(self) -> Iterator[bytes]:
        if self.file.packing:  # compressed before it was seen, so it grows no more
            if not self._offset:
                self._offset = self.file.size
                yield from self.file.blocks()
            return
        size = os.fstat(self.file.descriptor).st_size
        if size == self._size:
            return
        self._size = size
        head = self.head()
        if size < self._offset or not head.startswith(self._head):
            self._cut(size if size < self._offset else 0)
        self._head = head[: self._offset]
        while block := self._whole_lines(size):
            start, self._offset = self._offset, self._offset + len(block)
            yield self._without_repeats(block, start)

    def _whole_lines(self, size: int) -> bytes:
        left = size - self._offset
        block = os.pread(self.file.descriptor, min(BLOCK, left), self._offset)
        if b"\n" not in block and len(block) == BLOCK:
            block = os.pread(self.file.descriptor, min(MAX_PIECE, left), self._offset)
            if len(block) == MAX_PIECE and b"\n" not in block:
                return block
        return block[: block.rfind(b"\n") + 1]

    def _cut(self, size: int) -> None:
        """Somebody cut it to this size, or wrote it anew."""
        self._again = Counter(code for begin, code in self._recent if begin >= size)
        while self._recent and self._recent[-1][0] >= size:
            self._recent.pop()
        self._offset = size

    def _without_repeats(self, block: bytes, start: int) -> bytes:
        self._remember(block, start)
        if not self._again:
            return block
        return b"".join(line for line in block.splitlines(keepends=True) if not self._is_repeat(line))

    def _is_repeat(self, line: bytes) -> bool:
        code = hash(line.rstrip(b"\n"))
        if self._again[code] > 0:
            self._again[code] -= 1
            return True
        return False

    def _remember(self, block: bytes, start: int) -> None:
        for line in block.split(b"\n"):
            if line.startswith(_DATED):
                self._recent.append((start, hash(line)))
            start += len(line) + 1
