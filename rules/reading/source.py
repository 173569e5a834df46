"""What bytes are read from, from its beginning to its end: a file, or a pipe."""

import os
import stat
from abc import ABC, abstractmethod
from typing import Self

from rules.siblings import identity


class SourceError(OSError):
    """Something cannot be read, or not to its end; the text names it and says why."""

    def __init__(self, name: str, reason: object) -> None:
        """Take the reason from the system's own error, where it is one."""
        text = reason.strerror if isinstance(reason, OSError) and reason.strerror else reason
        super().__init__(f"{name}: {text}")


class Source(ABC):
    """Bytes that are read forward; a context manager."""

    size: int | None = None  #: bytes in the file, packed as they are, when it was opened; None of a pipe
    modified: float | None = None  #: when it was last written to, Unix seconds; None of a pipe
    is_packed = False  #: whether what is read is not what lies in the file, so that it can be read forward only
    position = 0  #: bytes of the file that were read, packed as they are

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def read(self, memory: memoryview) -> int:
        """Put the next bytes there, and say how many: 0 at the end, which a file that grows may have again.

        Raises:
            SourceError: they cannot be read.
        """

    def seek(self, offset: int) -> None:
        """Go on at this offset.

        Raises:
            SourceError: it can be read forward only.
        """
        raise SourceError(self.name, f"no offset {offset} can be sought in it: it can be read forward only")

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


class File(Source):
    """A regular file, read by its offset."""

    def __init__(self, name: str, descriptor: int) -> None:
        """Take over a descriptor."""
        super().__init__(name)
        status = os.fstat(descriptor)
        self.descriptor = descriptor
        self.identity = identity(status)  #: `<device>:<inode>`
        self.size: int = status.st_size
        self.modified: float = status.st_mtime

    def read(self, memory: memoryview) -> int:
        """As `Source.read`; what is written meanwhile is read too."""
        try:
            count = os.preadv(self.descriptor, [memory], self.position)
        except OSError as error:
            raise SourceError(self.name, error) from error
        self.position += count
        return count

    def head(self, length: int) -> bytes:
        """Its first bytes; fewer where there are fewer.

        Raises:
            SourceError: they cannot be read.
        """
        try:
            return os.pread(self.descriptor, length, 0)
        except OSError as error:
            raise SourceError(self.name, error) from error

    def seek(self, offset: int) -> None:
        """Go on at this offset, which may lie behind the end."""
        self.position = offset

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


class Pipe(Source):
    """What comes from another program, as it comes."""

    def __init__(self, name: str, descriptor: int) -> None:
        """Take over a descriptor."""
        super().__init__(name)
        self._descriptor = descriptor
        self._head = b""  # was looked at, and not read yet

    def head(self, length: int) -> bytes:
        """Its first bytes, which are still read after that; fewer where there are fewer.

        Raises:
            SourceError: they cannot be read.
        """
        try:
            while len(self._head) < length and (more := os.read(self._descriptor, length - len(self._head))):
                self._head += more
        except OSError as error:
            raise SourceError(self.name, error) from error
        return self._head

    def read(self, memory: memoryview) -> int:
        """As `Source.read`; waits for at least one byte."""
        count = len(self._head[: len(memory)])
        if count:
            memory[:count] = self._head[:count]
            self._head = self._head[count:]
        else:
            try:
                count = os.readv(self._descriptor, [memory])
            except OSError as error:
                raise SourceError(self.name, error) from error
        self.position += count
        return count

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


def open_file(path: str) -> File:
    """A regular file; nothing else is waited for.

    Raises:
        SourceError: it is not there, not ours to read, or no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(path, error) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise SourceError(path, "is a directory" if stat.S_ISDIR(mode) else "is no regular file")
    return File(path, descriptor)
