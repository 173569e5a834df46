"""The JSON files, `LOG_DIR/<service>/app.log` and its like: one writer appends, a crash cuts them to the journal."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from logging_core.journal import Journal, sync_folder

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _OpenFile:
    descriptor: int
    inode: int
    size: int  # with what is written and not yet in the journal
    touched: bool = False


class FileStore:
    """Appends. Nothing is safe before `sync`; what the journal does not know is cut away when the store is opened."""

    def __init__(self, log_dir: Path, journal: Journal) -> None:
        self._log_dir = log_dir
        self._journal = journal
        self._open: dict[str, _OpenFile] = {}
        for name, (inode, size) in journal.files.items():
            self._cut(name, inode, size)

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
        return start

    def sync(self) -> dict[str, tuple[int, int]]:
        """fdatasync what was appended to; (inode, size) of each, for the journal."""
        touched = {name: file for name, file in self._open.items() if file.touched}
        for file in touched.values():
            os.fdatasync(file.descriptor)
            file.touched = False
        return {name: (file.inode, file.size) for name, file in touched.items()}

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
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        status = os.fstat(descriptor)
        file = self._open[name] = _OpenFile(descriptor, status.st_ino, status.st_size)
        if self._journal.files.get(name) != (status.st_ino, status.st_size):
            # Its size goes into the journal before our first line, so that nobody's lines but ours are ever cut.
            sync_folder(path.parent)
            self._journal.record({name: (status.st_ino, status.st_size)}, {})
        return file

    def _cut(self, name: str, inode: int, size: int) -> None:
        path = self._log_dir / name
        try:
            status = path.stat()
        except FileNotFoundError:
            return  # rotated away by somebody; the next append begins a new one
        if status.st_ino != inode:
            return
        if status.st_size < size:
            _logger.error("%s is %d bytes, but %d were written: somebody cut it", path, status.st_size, size)
        elif status.st_size > size:
            os.truncate(path, size)
