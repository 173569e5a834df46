"""A file that several processes of a host append to and rotate: each worker of a web server, for one.

Whoever appends holds the file's lock meanwhile, and looks first whether the file still has its name: it is opened anew
where another process has sealed it, or somebody has moved or deleted it. So lines of two processes never mix, a write
that failed half-way is cut away without touching another's lines, and what is sealed is not written to any more.

A process that is stopped while it holds the lock holds the others up for `PATIENCE` seconds a batch: then they append
without it (one write, which the kernel does not mix with others), and leave rotation alone.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from logging_core.complaints import complain
from logging_core.storage.rotation import Rotation, moving, seal

PATIENCE = 0.5  #: seconds
_NO_LINKS = "symbolic links are not followed; for records on the console there is console_level"
_TRIES = 20  # to find the file where its name is


class SharedFile:
    """Appends lines; seals the file first when that is due. For one thread of a process."""

    def __init__(self, path: Path, rotation: Rotation, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.rotation = rotation
        self._clock = clock
        self._descriptor: int | None = None
        self._complained = False

    def open(self) -> None:
        """Make sure that it can be written to.

        Raises:
            OSError: it cannot; what is there is no file, for one.
        """
        self._opened()

    def append(self, lines: list[bytes]) -> bool:
        """Append lines, and take out of the list those that are in the file; whether a generation was sealed.

        Raises:
            OSError: of the lines that are still in the list, nothing is in the file.
        """
        sealed = False
        while lines:
            with self._turn() as (descriptor, held):
                status = os.fstat(descriptor)
                count = len(lines)
                if held:
                    if self.rotation.is_due(status.st_size, status.st_mtime, self._clock(), len(lines[0])):
                        if self._seal(status.st_ino):
                            sealed = True
                            continue
                    else:
                        count = self._fitting(lines, status.st_size)
                _write(descriptor, b"".join(lines[:count]), status.st_size)
            del lines[:count]
        return sealed

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _fitting(self, lines: list[bytes], size: int) -> int:
        """How many lines there is room for before the file is sealed; one at least."""
        if not self.rotation.max_bytes:
            return len(lines)
        for count, line in enumerate(lines):
            size += len(line)
            if count and size > self.rotation.max_bytes:
                return count
        return len(lines)

    @contextmanager
    def _turn(self) -> Iterator[tuple[int, bool]]:
        """The file that has the name now, and whether no other process writes to it meanwhile."""
        for _ in range(_TRIES):
            descriptor = self._opened()
            held = self._is_in_place(descriptor) and _locked(descriptor)
            try:
                if self._is_in_place(descriptor):
                    yield descriptor, held
                    return
            finally:
                if held:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child forked meanwhile has the descriptor, too
            self.close()
        raise OSError(f"{self.path} is moved away again and again")

    def _opened(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                self._descriptor = os.open(self.path, flags, 0o644)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                raise OSError(errno.ELOOP, _NO_LINKS, str(self.path)) from None
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                self.close()
                raise OSError(f"{self.path} is no regular file")
        return self._descriptor

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self.path.stat(follow_symlinks=False), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _seal(self, inode: int) -> bool:
        """Make this the newest generation; False: not now, the file goes on growing."""
        try:
            with moving(self.path.parent, patience=0.1) as held:
                if held:
                    seal(self.path, inode, self.rotation.backups)
                return held
        except OSError as error:
            if not self._complained:
                complain(f"{self.path} is not rotated: {error}")
            self._complained = True
        return False


def _locked(descriptor: int) -> bool:
    """Lock the file, with patience; whether we got it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.001)
        except OSError:  # a file system without locks
            return False
        else:
            return True


def _write(descriptor: int, data: bytes, start: int) -> None:
    """Write all of it behind `start`, or nothing.

    Raises:
        OSError: a full disk, for one; what was written of it is cut away, unless somebody has appended behind it.
    """
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        with suppress(OSError):
            if os.fstat(descriptor).st_size == start + len(data) - len(rest):
                os.ftruncate(descriptor, start)
        raise
