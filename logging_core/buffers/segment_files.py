"""Segments that are read back from files, in order: spilled ones, and those of a dead process."""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from logging_core.buffers import segment
from logging_core.buffers.buffer import Batch
from logging_core.buffers.segment import Found


class SegmentFiles:
    """Files by ordinal, with gaps where some were dropped; one of them in memory at a time. For one thread."""

    def __init__(self, found: Iterable[Found] = ()) -> None:
        self._files: deque[Found] = deque()
        self.size = 0  #: bytes
        self._next = 0
        self._loaded: Found | None = None
        self._data, self._position = b"", segment.HEADER
        for each in sorted(found, key=lambda each: (each.first, -each.last)):
            if each.last > self.last:  # a process that died while it moved a segment left it twice
                self.add(each)

    def __len__(self) -> int:
        return len(self._files)

    @property
    def oldest(self) -> Found | None:
        """The first of them."""
        return self._files[0] if self._files else None

    @property
    def last(self) -> int:
        """The last ordinal in them."""
        return self._files[-1].last if self._files else 0

    @property
    def unread(self) -> bool:
        """Whether something is left to take."""
        return bool(self._files) and self._next <= self.last

    def add(self, found: Found) -> None:
        """One more, behind the others."""
        self._files.append(found)
        self.size += found.end

    def take(self, max_bytes: int) -> Batch | None:
        """The next records.

        Raises:
            OSError: the disk; the next call tries again.
        """
        found = self._to_read()
        if found is None:
            return None
        end = segment.cut(self._data, self._position, found.end, max_bytes)
        body = self._data[self._position : end]
        batch = Batch(self._next, body.count(b"\n"), body)
        self._position, self._next = end, self._next + batch.count
        return batch

    def seek(self, ordinal: int) -> int:
        """Go to this record, or past a gap to what comes behind it; which one it is."""
        following = next((each for each in self._files if each.last >= ordinal), None)
        self._next = max(ordinal, following.first) if following else self.last + 1
        self._loaded = None
        return self._next

    def release(self, committed: int) -> None:
        """Delete the files that hold nothing above this mark and are read to their end."""
        while self._files and self._files[0].last <= min(committed, self._next - 1):
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Delete the first file."""
        dropped = self._files.popleft()
        self.size -= dropped.end
        with suppress(OSError):  # what stays behind is known by its ordinals
            dropped.path.unlink()

    def _to_read(self) -> Found | None:
        """The file that holds the next record, in memory."""
        while following := next((each for each in self._files if each.last >= self._next), None):
            if following is self._loaded:
                return following
            self._next = max(self._next, following.first)
            try:
                self._data = segment.read_bytes(following.path)
            except FileNotFoundError:  # taken away by hand: the writer will find it missing
                self._files.remove(following)
                self.size -= following.end
                continue
            self._position = segment.skip(self._data, self._next - following.first)
            self._loaded = following
        self._loaded, self._data = None, b""
        return None


def read_folder(folder: Path, producer: bytes) -> list[Found]:
    """What a folder holds of a producer's records.

    Raises:
        OSError: it cannot be read.
    """
    found = [Found.read(path, producer) for path in folder.glob("*.segment")]
    return [each for each in found if each]
