"""A file mapped into memory, for who asks for it.

It is not the default: it is slower than reading into a buffer that stays in the cache, since each page is entered into
the process's tables first; and where somebody cuts the file meanwhile, the system kills whoever touches what is gone,
which no program can catch. So only files that nobody seems to write to are mapped, and what is left of the danger is
the moment between looking at the size and copying.
"""

import mmap
import os
import time
from typing import Final

from rules.reading.source import File

SEALED_FOR: Final = 60.0  #: seconds for which a file was not written to, so that nobody seems to write to it


class MappedFile(File):
    """A file of which what was in it when it was opened is mapped."""

    def __init__(self, name: str, descriptor: int) -> None:
        """Take over the descriptor of a file that is not empty."""
        super().__init__(name, descriptor)
        self._map = mmap.mmap(descriptor, self.size, access=mmap.ACCESS_READ)
        self._map.madvise(mmap.MADV_SEQUENTIAL)
        self._pages = memoryview(self._map)

    def read(self, memory: memoryview) -> int:
        """As `Source.read`; from a file that was cut, nothing more."""
        left = min(self.size, os.fstat(self.descriptor).st_size) - self.position
        count = max(0, min(len(memory), left))
        memory[:count] = self._pages[self.position : self.position + count]
        self.position += count
        return count

    def close(self) -> None:
        """Unmap and close it."""
        self._pages.release()
        self._map.close()
        super().close()


def may_be_mapped(file: File) -> bool:
    """Whether there is something in it, and nobody seems to write to it."""
    return file.size > 0 and time.time() - file.modified > SEALED_FOR
