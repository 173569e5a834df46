"""Who was there in the last five minutes: distinct users, over all processes that share a folder.

A process notes whom it sees. With a folder (`PROMETHEUS_MULTIPROC_DIR`) it also writes a pair (hash of the user, time)
to a file of its own there, at most every ten seconds for each user; who asks for the number reads all files and counts
a user once, however many processes have seen him. The notes of a process that has died count until they are old.
"""

import os
import struct
import threading
import time
from hashlib import blake2b
from pathlib import Path

WINDOW = 300.0  #: seconds for which a user who was seen is active
_REFRESH = 10.0  #: seconds; so much may `WINDOW` be shorter for a user whom other processes saw
_MAX_USERS = 65_536  #: in one process; whoever comes on top of that is not counted
_NOTE = struct.Struct("<Qd")  #: hash of the user, Unix time
_PREFIX = "active-users-"


class ActiveUsers:
    """The users this process has seen, and those of its siblings."""

    def __init__(self, folder: Path | None = None, window: float = WINDOW) -> None:
        self._folder = folder
        self._window = window
        self._file: int | None = None
        self._start()
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        """A process begins with nobody, in a file of its own."""
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}  # user -> when it was noted, and in which slot of the file
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def saw(self, user_id: object) -> None:
        """Note a user; None is nobody."""
        if user_id is None:
            return
        user, now = str(user_id), time.time()
        noted = self._seen.get(user)
        if noted is None or not 0 <= now - noted[0] < _REFRESH:
            with self._lock:
                self._note(user, now)

    def count(self) -> int:
        """The number of distinct users, here and in the other processes."""
        since = time.time() - self._window
        with self._lock:
            active = {_hash(user) for user, (at, _) in self._seen.items() if at > since}
        for path in self._folder.glob(f"{_PREFIX}*") if self._folder else ():
            try:
                notes = path.read_bytes()
            except FileNotFoundError:
                continue
            theirs = {user for user, at in _NOTE.iter_unpack(notes[: len(notes) // 16 * 16]) if at > since}
            active |= theirs
            if not theirs and not _is_alive(path):
                path.unlink(missing_ok=True)
        return len(active)

    def _note(self, user: str, now: float) -> None:
        noted = self._seen.get(user)
        if noted is None and len(self._seen) >= _MAX_USERS and not self._forget(now):
            return
        slot = noted[1] if noted else len(self._seen)
        self._seen[user] = (now, slot)
        self._write(user, now, slot)

    def _forget(self, now: float) -> bool:
        """Drop who has gone, and write the others anew; whether that made room."""
        since = now - self._window
        kept = [(user, at) for user, (at, _) in self._seen.items() if at > since]
        if len(kept) >= _MAX_USERS:
            return False
        self._seen = {user: (at, slot) for slot, (user, at) in enumerate(kept)}
        if self._file is not None:
            try:
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, b"".join(_NOTE.pack(_hash(user), at) for user, at in kept), 0)
            except OSError:
                pass
        return True

    def _write(self, user: str, now: float, slot: int) -> None:
        if self._folder is None:
            return
        try:
            if self._file is None:
                path = self._folder / f"{_PREFIX}{os.getpid()}"
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            os.pwrite(self._file, _NOTE.pack(_hash(user), now), slot * _NOTE.size)
        except OSError:
            pass  # a disk that is full, or a folder that is gone: this process still counts its own


def _hash(user: str) -> int:
    return int.from_bytes(blake2b(user.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _is_alive(path: Path) -> bool:
    try:
        os.kill(int(path.name.removeprefix(_PREFIX)), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True
