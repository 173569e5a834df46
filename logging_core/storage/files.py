"""The JSON files, `LOG_DIR/<service>/app.log` and its like: one writer appends, a crash cuts them to the journal."""

import logging
import os
import stat
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from logging_core.storage.journal import HEAD, NO_FILE, Extent, Journal, sync_folder
from logging_core.storage.rotation import Rotation, moving, seal

_logger = logging.getLogger(__name__)

#: Descriptors that are kept from one commit to the next: a process may often have no more than 1024.
MAX_OPEN = 256


@dataclass(slots=True)
class _OpenFile:
    descriptor: int
    inode: int
    size: int  # with what is written and not yet in the journal
    head: bytes  # of it, `HEAD` bytes at most
    touched: bool = False
    patience: int = 0  # where it could not be sealed: bytes, from which on that is tried again

    @property
    def extent(self) -> Extent:
        return self.inode, self.size, zlib.crc32(self.head)


class FileStore:
    """Appends. Nothing is safe before `sync`; what the journal does not know is cut away when the store is opened.

    A rotation that had begun when the last writer died is finished then too.
    """

    def __init__(
        self,
        log_dir: Path,
        journal: Journal,
        rotation: Rotation | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Recover.

        Raises:
            OSError: the disk.
        """
        self._clock = clock
        self._period: float | None = None  # that was looked at for files of earlier ones
        self._log_dir = log_dir
        self._journal = journal
        self._rotation = rotation or Rotation()
        self._open: dict[str, _OpenFile] = {}
        for name, extent in journal.files.items():
            if not journal.is_spoilt:
                self._cut(name, extent)
            elif (log_dir / name).exists():
                self._file(name)  # whatever is in it counts as safe
        for name in sorted(journal.rotating):
            self._seal(name)
        self._seal_past()

    def append(self, name: str, data: bytes) -> int:
        """Append to a file by its name below `LOG_DIR`; the offset at which the data begins.

        Raises:
            OSError: a full disk, for one; the file is cut back when the store is opened again.
        """
        file = self._open.get(name) or self._file(name)
        file.touched = True
        start = file.size
        rest = memoryview(data)
        while rest:
            written = os.write(file.descriptor, rest)
            file.size += written
            rest = rest[written:]
        if len(file.head) < HEAD:
            file.head += data[: HEAD - len(file.head)]
        return start

    def sync(self) -> dict[str, Extent]:
        """fdatasync what was appended to; the extent of each, for the journal."""
        touched = {name: file for name, file in self._open.items() if file.touched}
        for file in touched.values():
            os.fdatasync(file.descriptor)
            file.touched = False
        return {name: file.extent for name, file in touched.items()}

    def rotate(self) -> None:
        """At a commit point: seal what is due. The next append begins a new file.

        Where a great many files are open, they are let go of: the next append opens its own again.

        Raises:
            OSError: of the journal; other trouble is logged, and the file goes on growing.
        """
        self._seal_past()
        for name, file in list(self._open.items()):
            grown = self._rotation.max_bytes and file.size >= max(self._rotation.max_bytes, file.patience)
            if grown and self._journal.files[name] == file.extent and not self._seal(name):
                file.patience = file.size + self._rotation.max_bytes // 16
        if len(self._open) > MAX_OPEN:
            self.close()

    def close(self) -> None:
        """Let go of the files."""
        for file in self._open.values():
            os.close(file.descriptor)
        self._open.clear()

    def _file(self, name: str) -> _OpenFile:
        path = self._log_dir / name
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        status = os.fstat(descriptor)
        head = os.pread(descriptor, HEAD, 0)
        file = self._open[name] = _OpenFile(descriptor, status.st_ino, status.st_size, head)
        if self._journal.files.get(name) != file.extent:
            # Its size goes into the journal before our first line, so that nobody's lines but ours are ever cut.
            sync_folder(path.parent)
            self._journal.record({name: file.extent}, {})
        return file

    def _seal_past(self) -> None:
        """Seal the files of a period that is over, also those for which nothing more comes."""
        interval = self._rotation.interval
        if interval is None or (period := self._clock() // interval) == self._period:
            return
        self._period = period
        for name, extent in list(self._journal.files.items()):
            with suppress(FileNotFoundError):
                status = (self._log_dir / name).stat(follow_symlinks=False)
                is_safe = name not in self._open or self._open[name].extent == extent
                if is_safe and self._rotation.is_due(status.st_size, status.st_mtime, self._clock()):
                    self._seal(name, patience=0.1)

    def _seal(self, name: str, patience: float = 0.0) -> bool:
        """Make a file the newest of its generations, and let go of it; False: not now."""
        path = self._log_dir / name
        with moving(self._log_dir, patience) as held:
            if not held:
                return False
            if name not in self._journal.rotating:
                self._journal.record({}, {}, rotating=[name])
            try:
                seal(path, self._journal.files[name][0], self._rotation.backups)
            except OSError as error:
                _logger.error("%s is not rotated: %s", path, error)
                return False
            self._journal.record({name: NO_FILE}, {})
        if name in self._open:
            os.close(self._open.pop(name).descriptor)
        return True

    def _cut(self, name: str, extent: Extent) -> None:
        """Cut a file to what is safe of it, also where somebody has renamed it; somebody else's is never cut."""
        inode, size, head = extent
        path = _with_inode(self._log_dir / name, inode)
        if path is None:
            return  # gone; the next append begins a new one
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            found = os.fstat(descriptor).st_size
            if found < size:
                _logger.error("%s is %d bytes, but %d were written: somebody cut it", path, found, size)
            elif found > size and zlib.crc32(os.pread(descriptor, min(size, HEAD), 0)) == head:
                os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)


def _with_inode(path: Path, inode: int) -> Path | None:
    """The regular file with this inode, at the path or else in its folder; the inode 0 is nobody's."""
    candidates = chain([path], path.parent.glob("*")) if inode else ()
    for each in candidates:
        with suppress(FileNotFoundError):
            status = each.stat(follow_symlinks=False)
            if status.st_ino == inode and stat.S_ISREG(status.st_mode):
                return each
    return None
