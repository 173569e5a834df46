"""The writer's own checkpoint, beside the files: what is fsynced, said in `LOG_DIR` and nowhere else.

    LOG_DIR/.tocsin/<shard>.lock      flock of the writer: only one on this host
    LOG_DIR/.tocsin/<shard>.journal   one record a line: crc32 of the rest in hex, a space, JSON:
                                      {"files": {name: [inode, size]}, "producers": {id: [last ordinal, Unix seconds]}}

A record holds what changed; the state is all of them, one after the other. A torn last record is cut away: what it
spoke of was never committed. After a crash the files are cut to the journal and never to what Redis says, since Redis
may come back older than the files.
"""

import fcntl
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

#: Compacted when opened at more than so many bytes.
COMPACT_AT = 1024 * 1024
#: A producer that has written nothing for so long is forgotten by compaction: no spool keeps records that long.
FORGET_AFTER = 7 * 86_400


@contextmanager
def exclusive(log_dir: Path, shard: int = 0) -> Iterator[bool]:
    """Hold the shard's lock in `LOG_DIR`; yields whether we got it. A stopped holder keeps it, a dead one does not."""
    folder = log_dir / ".tocsin"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{shard}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


class Journal:
    """What is safe on this disk: sizes of files, and the last ordinal of each producer."""

    def __init__(self, log_dir: Path, now: float, shard: int = 0) -> None:
        """Read the journal, and cut away what a crash left torn at its end.

        Raises:
            OSError: the folder or the disk.
        """
        self._path = log_dir / ".tocsin" / f"{shard}.journal"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.files: dict[str, tuple[int, int]] = {}  #: name -> (inode, size)
        self.producers: dict[str, tuple[int, float]] = {}  #: id -> (last ordinal, Unix seconds)
        size = self._load()
        if size > COMPACT_AT:
            self._compact(now)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._descriptor, self._path.stat().st_size if size > COMPACT_AT else size)
        sync_folder(self._path.parent)

    def position(self, producer: str) -> int:
        """The last ordinal of a producer that is in the files."""
        return self.producers.get(producer, (0, 0.0))[0]

    def record(self, files: Mapping[str, tuple[int, int]], producers: Mapping[str, tuple[int, float]]) -> None:
        """Append one record and fdatasync it: from now on the files are cut no shorter.

        Raises:
            OSError: nothing is recorded; what was half written is cut away by the next opening.
        """
        line = _coded(files, producers)
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fdatasync(self._descriptor)
        self.files.update(files)
        self.producers.update(producers)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _load(self) -> int:
        size = 0
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        for line in data.splitlines(keepends=True):
            checksum, _, body = line.partition(b" ")
            if not body.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(body):
                break
            state = orjson.loads(body)
            self.files.update({name: (inode, length) for name, (inode, length) in state["files"].items()})
            self.producers.update({id_: (last, at) for id_, (last, at) in state["producers"].items()})
            size += len(line)
        return size

    def _compact(self, now: float) -> None:
        self.producers = {id_: (last, at) for id_, (last, at) in self.producers.items() if now - at < FORGET_AFTER}
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(_coded(self.files, self.producers))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._path)


def _coded(files: Mapping[str, tuple[int, int]], producers: Mapping[str, tuple[int, float]]) -> bytes:
    body = orjson.dumps({"files": files, "producers": producers}, option=orjson.OPT_APPEND_NEWLINE)
    return b"%08x " % zlib.crc32(body) + body


def sync_folder(folder: Path) -> None:
    """Make a create or a rename in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
