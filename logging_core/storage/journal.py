"""The writer's own checkpoint, beside the files: what is fsynced, said in `LOG_DIR` and nowhere else.

    LOG_DIR/.tocsin/<shard>.lock      flock of the writer: only one on this host; its pid and when that process began
    LOG_DIR/.tocsin/<shard>.journal   one record a line: crc32 of the rest in hex, a space, JSON:
                                      {"files": {name: [inode, size, crc32 of its first 256 bytes]},
                                       "producers": {id: [last ordinal, Unix seconds]}, "rotating": [name, ...],
                                       "dropped": {id: {reason: records that never came}},
                                       "version": the shard's, which the commit of this moves on}
    LOG_DIR/.tocsin/place             whose journals these are: hex digits

A record holds what changed; the state is all of them, one after the other. A torn last record is cut away: what it
spoke of was never committed. A spoilt one before the last is another thing (a disk that lies): then nothing is cut, and
a copy of the journal is kept. After a crash the files are cut to the journal and never to what Redis says, since Redis
may come back older than the files. A rotation begins with a record of its own, and is done when the name has another
inode; the inode 0 stands for no file.

A shard may move to another place. What was journaled here and not committed is then written there; so this place, when
it comes back, cuts it away: the last records of the version at which the shard left.
"""

import fcntl
import logging
import os
import secrets
import shutil
import signal
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

_logger = logging.getLogger(__name__)

#: Compacted when opened at more than so many bytes.
COMPACT_AT = 1024 * 1024
#: A producer that has written nothing for so long is forgotten by compaction: no spool keeps records that long.
FORGET_AFTER = 7 * 86_400
#: One generation of a file: its inode, the bytes in it, crc32 of the first `HEAD`, since an inode is soon used again.
Extent = tuple[int, int, int]
HEAD = 256
NO_FILE: Extent = (0, 0, 0)


def exclusive(log_dir: Path, shard: int = 0) -> AbstractContextManager[bool]:
    """Hold the shard's lock in `LOG_DIR`; yields whether we got it. A stopped holder keeps it, a dead one does not."""
    return locked(log_dir, str(shard))


@contextmanager
def locked(log_dir: Path, what: str) -> Iterator[bool]:
    """Hold one of the locks in `LOG_DIR`; yields whether we got it, at once."""
    folder = log_dir / ".tocsin"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{what}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            holder = os.getpid()
            try:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{holder} {_began(holder)}".encode())
                yield True
            finally:
                if os.getpid() == holder:  # a child that was forked meanwhile has the descriptor too, and keeps it open
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def evict(log_dir: Path, shard: int = 0) -> int | None:
    """Kill the process of this host that holds the shard's lock; its pid, or None where there is no such process."""
    try:
        pid, began = (log_dir / ".tocsin" / f"{shard}.lock").read_text().split()
        if _began(int(pid)) != began:
            return None
        os.kill(int(pid), signal.SIGKILL)
    except (OSError, ValueError):
        return None
    return int(pid)


def place(log_dir: Path) -> str:
    """The identity of `LOG_DIR`: other than that of any folder that was copied from it.

    Raises:
        OSError: it cannot be read or made.
    """
    folder = log_dir / ".tocsin"
    path = folder / "place"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        fresh = folder / f"place-{secrets.token_hex(8)}"
        fresh.write_text(secrets.token_hex(8))
        with suppress(FileExistsError):
            path.hardlink_to(fresh)  # whoever is first
        fresh.unlink()
    return f"{path.read_text()}{path.stat().st_ino:x}"


def journaled(log_dir: Path) -> list[int]:
    """The shards that have a journal here."""
    return sorted(int(path.stem) for path in (log_dir / ".tocsin").glob("*.journal") if path.stem.isdecimal())


def _began(pid: int) -> str:
    """When a process began, in the kernel's ticks: with the pid it names a process and no later one."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


@dataclass(slots=True)
class State:
    """What the records of a journal say together."""

    files: dict[str, Extent] = field(default_factory=dict)
    producers: dict[str, tuple[int, float]] = field(default_factory=dict)  #: id -> (last ordinal, Unix seconds)
    rotating: set[str] = field(default_factory=set)  #: files of which a rotation has begun
    dropped: dict[str, Mapping[str, int]] = field(default_factory=dict)  #: id -> records that never came, by reason
    version: int | None = None  #: of the shard, which the commit of the last record moves on
    spoilt: int = 0  #: records that cannot be read, with readable ones behind them

    @classmethod
    def load(cls, path: Path, left: int | None = None) -> tuple["State", int]:
        """The state that a journal holds, and the bytes up to its last whole record: beyond them it is torn.

        With `left`, without what was never committed of that version of the shard.
        """
        state = cls()
        records, size, state.spoilt = _records(path)
        tail = _tail(records, left)
        # What they say of files that were new to us stays.
        for record in (*records[:tail], *(each for each in records[tail:] if "version" not in each)):
            state.add(
                {name: (inode, length, head) for name, (inode, length, head) in record["files"].items()},
                {id_: (last, at) for id_, (last, at) in record["producers"].items()},
                record.get("rotating", ()),
                record.get("dropped", {}),
            )
            state.version = record.get("version", state.version)
        return state, size

    def add(
        self,
        files: Mapping[str, Extent],
        producers: Mapping[str, tuple[int, float]],
        rotating: Collection[str] = (),
        dropped: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
    ) -> None:
        """What one more record says."""
        self.rotating -= {name for name in self.rotating & files.keys() if files[name][0] != self.files[name][0]}
        self.rotating |= set(rotating)
        self.files.update(files)
        self.producers.update(producers)
        self.dropped.update(dropped)

    def coded(self) -> bytes:
        """As one record of a journal."""
        record: dict[str, object] = {"files": self.files, "producers": self.producers}
        if self.rotating:
            record["rotating"] = sorted(self.rotating)
        if self.dropped:
            record["dropped"] = self.dropped
        if self.version is not None:
            record["version"] = self.version
        body = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        return b"%08x " % zlib.crc32(body) + body


def _records(path: Path) -> tuple[list[dict[str, Any]], int, int]:
    """The records of a journal, the bytes up to the last whole one, and how many before it are spoilt."""
    records: list[dict[str, Any]] = []
    size = spoilt = bad = offset = 0
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0, 0
    for line in data.splitlines(keepends=True):
        checksum, _, body = line.partition(b" ")
        offset += len(line)
        if not body.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(body):
            bad += 1
            continue
        records.append(orjson.loads(body))
        size, spoilt = offset, bad
    return records, size, spoilt


def _tail(records: list[dict[str, Any]], left: int | None) -> int:
    """Where the records begin that are of this version of the shard and have no other behind them."""
    tail = len(records)
    while tail and left is not None and records[tail - 1].get("version", left) == left:
        tail -= 1
    return tail


def uncommitted(log_dir: Path, shard: int, left: int) -> dict[str, int]:
    """What was journaled for the version at which a shard left and, it seems, never committed: id -> last ordinal."""
    records, _, _ = _records(log_dir / ".tocsin" / f"{shard}.journal")
    tail = records[_tail(records, left) :]
    return {id_: last for record in tail for id_, (last, _) in record["producers"].items()}


class Journal:
    """What is safe on this disk: sizes of files, the last ordinal of each producer, rotations that have begun."""

    def __init__(self, log_dir: Path, now: float, shard: int = 0, version: int = 0, *, left: int | None = None) -> None:
        """Read the journal, and cut away what a crash left torn at its end.

        Args:
            log_dir: where the files are.
            now: Unix seconds.
            shard: its number.
            version: the shard's: what was journaled for it may not be committed, and is not compacted yet.
            left: the version at which another place took the shard; what was not committed then is forgotten here.

        Raises:
            OSError: the folder or the disk.
        """
        self._path = log_dir / ".tocsin" / f"{shard}.journal"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._state, size = State.load(self._path, left)
        settled = self._state.version is None or self._state.version < version
        if self.is_spoilt:
            kept = self._path.with_suffix(f".spoilt-{int(now)}")
            shutil.copyfile(self._path, kept)
            _logger.error(
                "%s: %d records cannot be read; nothing is cut, a copy is %s", self._path, self._state.spoilt, kept
            )
        if left is not None or (size > COMPACT_AT and settled):
            self._compact(now)
            size = self._path.stat().st_size
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._descriptor, size)
        sync_folder(self._path.parent)

    @property
    def files(self) -> Mapping[str, Extent]:
        """What is safe of each file, by name."""
        return self._state.files

    @property
    def producers(self) -> Mapping[str, tuple[int, float]]:
        """Id -> (last ordinal, Unix seconds)."""
        return self._state.producers

    @property
    def is_spoilt(self) -> bool:
        """Whether what it says of files and producers may be older than the truth."""
        return self._state.spoilt > 0

    @property
    def dropped(self) -> Mapping[str, Mapping[str, int]]:
        """Id -> records that never came, by reason."""
        return self._state.dropped

    @property
    def rotating(self) -> Collection[str]:
        """Names of files of which a rotation has begun."""
        return self._state.rotating

    def position(self, producer: str) -> int:
        """The last ordinal of a producer that is in the files."""
        return self.producers.get(producer, (0, 0.0))[0]

    def record(
        self,
        files: Mapping[str, Extent],
        producers: Mapping[str, tuple[int, float]],
        rotating: Collection[str] = (),
        dropped: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
        version: int | None = None,
    ) -> None:
        """Append one record and fdatasync it: from now on the files are cut no shorter.

        `version` is the shard's, where a commit follows that moves it on.

        Raises:
            OSError: nothing is recorded; what was half written is cut away by the next opening.
        """
        line = State(dict(files), dict(producers), set(rotating), dict(dropped), version).coded()
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fdatasync(self._descriptor)
        self._state.add(files, producers, rotating, dropped)

    def rewrite(self, now: float) -> None:
        """Say all of it again in one record, in a file of its own.

        Raises:
            OSError: the old one stands.
        """
        self._compact(now)
        os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        sync_folder(self._path.parent)
        self._state.spoilt = 0

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _compact(self, now: float) -> None:
        kept = {id_: (last, at) for id_, (last, at) in self.producers.items() if now - at < FORGET_AFTER}
        self._state.producers = kept
        self._state.dropped = {id_: numbers for id_, numbers in self.dropped.items() if id_ in kept}
        self._state.version = None
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(self._state.coded())
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._path)


def sync_folder(folder: Path) -> None:
    """Make a create or a rename in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
