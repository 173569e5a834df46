"""Stored records as files: which there are, in which order, and their whole lines in blocks.

Records lie in `<folder>/app.log` and its like: of a service (`LOG_DIR/<service>/`), or flat in `LOG_DIR` itself. Each
file is the newest of a *series*: `app.log`, before it `app.log.1`, before that `app.log.2.gz`. A shard has a series of
its own (`app-1.log`), and files that are split by date are one series (`realtime_2026-02-19.jsonl`).

All files of a series are opened at once, so that a rotation meanwhile neither hides one nor shows one twice; what was
in them at that moment is read. Whoever imports this has `tocsin[server]`, which brings `isal`.
"""

import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from isal import isal_zlib

BLOCK = 1 << 20  #: bytes
PACKED = 1 << 16  #: bytes that are unpacked in one go
MAX_PIECE = 1 << 24  #: bytes; a longer line, which is no record of anybody's, comes in pieces

_NAME = re.compile(
    r"(?P<base>[^.].*?)(?P<day>[-_.]\d{4}-?\d\d-?\d\d)?(?P<type>\.(?:log|jsonl))"
    r"(?:[-._](?P<generation>\d[\d_.-]*?))?(?:\.(?:gz|zst))?"
)
_OF_A_SHARD = re.compile(r"(?P<base>.+)-[1-9]\d?")
_GZIP = 31  # what zlib calls a window of 32 KiB with gzip's header and trailer
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


class UnreadableError(Exception):
    """A file cannot be read, or not to its end; the text names it and says why."""


class Series(NamedTuple):
    """A file and its older generations, as they are named now."""

    name: str  #: `app.log`; `app-1.log` of a shard; `realtime.jsonl` of files split by date
    folder: Path
    service: str | None  #: whose folder it is; None: the records themselves say
    paths: tuple[Path, ...]  #: the oldest first

    @property
    def kind(self) -> str:
        """What is in it, whatever the shard: `app`, `errors`, or a channel."""
        base = self.name.rpartition(".")[0]
        shard = _OF_A_SHARD.fullmatch(base)
        return shard["base"] if shard else base


def series_below(folder: Path) -> list[Series]:
    """What lies in a folder and in those right below it, which bear the names of services.

    Raises:
        OSError: the folder cannot be listed.
    """
    found = series_in(folder, None)
    for each in sorted(folder.iterdir()):
        if each.is_dir() and not each.name.startswith("."):
            with suppress(PermissionError):
                found += series_in(each, each.name)
    return found


def series_in(folder: Path, service: str | None) -> list[Series]:
    """The series of one folder.

    Raises:
        OSError: it cannot be listed.
    """
    found: defaultdict[str, dict[tuple[int, str, int], Path]] = defaultdict(dict)
    for path in sorted(folder.iterdir()):  # a plain file comes before its compressed twin, which may be half written
        match = _NAME.fullmatch(path.name)
        if match and not path.is_dir():
            age = _age(match["day"] or "", match["generation"] or "")
            found[match["base"] + match["type"]].setdefault(age, path)
    return [
        Series(name, folder, service, tuple(files[age] for age in sorted(files)))
        for name, files in sorted(found.items())
    ]


def _age(day: str, generation: str) -> tuple[int, str, int]:
    """Orders the files of a series: those with a date first, then those with a number, then the file itself."""
    day = re.sub(r"\D", "", day)
    if generation.isdecimal() and len(generation) <= 3:  # longer ones are dates
        return (0 if day else 1), day, -int(generation)
    return (0 if day or generation else 2), day + generation, 0


class LogFile:
    """An open file: what is in it at this moment."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            UnreadableError: it is not there, not ours to read, or no regular file.
        """
        self.path = path
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise UnreadableError(f"{path}: {error.strerror}") from error
        status = os.fstat(self.descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(self.descriptor)
            raise UnreadableError(f"{path}: not a regular file")
        self.identity = status.st_dev, status.st_ino
        self.size = status.st_size
        self.modified = datetime.fromtimestamp(status.st_mtime, UTC)  #: as it was opened
        magic = os.pread(self.descriptor, 4, 0)
        self.packing = next((name for first, name in _MAGIC.items() if magic.startswith(first)), "")

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)

    def last_change(self) -> datetime:
        """When it was last written to, by now."""
        return datetime.fromtimestamp(os.fstat(self.descriptor).st_mtime, UTC)

    def keep_whole_lines(self) -> None:
        """Leave out a last line that is not finished: somebody reads on from here."""
        if not self.packing:
            self.size = next((start + block.rfind(b"\n") + 1 for start, block in self._back() if b"\n" in block), 0)

    def blocks(self, progress: Callable[[int], object] = lambda count: None) -> Iterator[bytes]:
        """Blocks of whole lines; `progress` is told how many bytes of the file were read for each.

        Raises:
            UnreadableError: the rest cannot be read.
        """
        rest = b""
        for block in self._pieces(progress):
            end = block.rfind(b"\n") + 1
            if end:
                yield rest + block[:end]
                rest = block[end:]
            else:
                rest += block
                if len(rest) > MAX_PIECE:
                    yield rest
                    rest = b""
        if rest:
            yield rest

    def blocks_backward(self, progress: Callable[[int], object] = lambda count: None) -> Iterator[bytes]:
        """The same blocks, the last one first; only where nothing is compressed.

        Raises:
            UnreadableError: the rest cannot be read.
        """
        rest = b""
        for start, block in self._back():
            progress(len(block))
            begin = block.find(b"\n") + 1 if start else 0
            if not start or begin or len(rest) > MAX_PIECE:
                yield block[begin:] + rest
                rest = block[:begin]
            else:
                rest = block + rest

    def first_bytes(self, length: int) -> bytes:
        """So many bytes of what is in it, or as many as there are; of a file that is damaged, none."""
        with suppress(UnreadableError):
            return next(self.blocks(), b"")[:length]
        return b""

    def first_line(self) -> bytes:
        """The first line, or the beginning of one that is very long."""
        return self.first_bytes(BLOCK).partition(b"\n")[0]

    def last_line(self) -> bytes:
        """The last whole line; nothing of a compressed file, or where the line is longer than a block."""
        for start, block in self._back() if not self.packing else ():
            end = block.rfind(b"\n")
            begin = block.rfind(b"\n", 0, max(end, 0))
            return block[begin + 1 : end] if end > 0 and (begin >= 0 or not start) else b""
        return b""

    def _back(self) -> Iterator[tuple[int, bytes]]:
        end = self.size
        while end:
            start = max(0, end - BLOCK)
            try:
                yield start, os.pread(self.descriptor, end - start, start)
            except OSError as error:
                raise UnreadableError(f"{self.path}: {error.strerror}") from error
            end = start

    def _pieces(self, progress: Callable[[int], object]) -> Iterator[bytes]:
        try:
            yield from self._unpacked(progress) if self.packing else self._plain(progress)
        except OSError as error:
            raise UnreadableError(f"{self.path}: {error.strerror}") from error

    def _plain(self, progress: Callable[[int], object], step: int = BLOCK) -> Iterator[bytes]:
        offset = 0
        while block := os.pread(self.descriptor, min(step, self.size - offset), offset):
            yield block
            offset += len(block)
            progress(len(block))

    def _unpacked(self, progress: Callable[[int], object]) -> Iterator[bytes]:
        begin, damage = self._unpacker()
        unpacker = begin()
        try:
            for packed in self._plain(progress, PACKED):
                while packed:
                    if unpacker.eof:  # several were joined, by somebody's `cat`
                        unpacker = begin()
                    yield unpacker.decompress(packed)
                    packed = unpacker.unused_data if unpacker.eof else b""
        except damage as error:
            raise UnreadableError(f"{self.path}: damaged: {error}") from error
        if not unpacker.eof:
            raise UnreadableError(f"{self.path}: damaged: it ends too early")

    def _unpacker(self) -> tuple[Callable[[], Any], Any]:
        """What begins to unpack, and what that raises when the file is damaged."""
        if self.packing == "gzip":
            return lambda: isal_zlib.decompressobj(wbits=_GZIP), isal_zlib.error
        try:
            import zstandard
        except ImportError:
            raise UnreadableError(f"{self.path}: compressed by zstd: pip install 'tocsin[zstd]'") from None
        return zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError
