"""Compression of sealed generations: `app.log.1` becomes `app.log.1.gz`, beside the writer and never in its way.

A generation is compressed into `.app.log.part`, which takes the place of the plain file in one rename, and then its
own name in another. So at each moment, and wherever this ends, each line is in exactly one file; a part that was not
finished is begun again, and a compressed file that still has the plain name is given its own.

What a writer may still append to is never touched: no journal has the inode of a sealed file, and no process of those
that share a file (shared_file.py) holds its lock. Nor is what was written to a moment ago, since scanners and shippers
of logs first read a plain file to its end.
"""

import fcntl
import logging
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from logging_core.storage.journal import State, locked, sync_folder
from logging_core.storage.packing import CHUNK, Format, format_named, installed
from logging_core.storage.rotation import COMPRESSED, generations, moving

_logger = logging.getLogger(__name__)


class InUse(NamedTuple):
    """What the writers of all shards know."""

    names: set[str]
    inodes: set[int]


def compress_sealed(
    log_dir: Path,
    now: float,
    *,
    min_age: float,
    packed: Format | None = None,
    names: Collection[str] | None = None,
) -> int:
    """Compress the generations that were last written to `min_age` seconds ago; how many. One run at a time.

    Args:
        log_dir: where the files are.
        now: Unix seconds.
        min_age: seconds.
        packed: the format; by default gzip.
        names: of the files below `log_dir` whose generations they are; by default those that the journals name.
    """
    packed = packed or format_named("gzip")
    with locked(log_dir, "compression") as held:
        if not held:
            return 0
        found = list(_plain(log_dir, in_use(log_dir).names if names is None else names))
        return sum(_compress(log_dir, log_dir / name, each, now - min_age, packed) for name, each in found)


def _plain(log_dir: Path, names: Collection[str]) -> Iterator[tuple[str, Path]]:
    """(name, path) of each generation that is not compressed, of the files that are ours."""
    for name in sorted(names):
        if not (log_dir / name).parent.is_dir():
            continue
        for _, files in sorted(generations(log_dir / name).items()):
            if len(files) == 1 and files[0].suffix not in COMPRESSED:  # else somebody else compresses, too
                yield name, files[0]


def _compress(log_dir: Path, path: Path, generation: Path, before: float, packed: Format) -> bool:
    """Compress one generation of the file at `path`; whether it was done."""
    part = path.with_name(f".{path.name}.part")
    try:
        with os.fdopen(_opened(generation, os.O_RDONLY), "rb") as plain:
            status = os.fstat(plain.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_ino in in_use(log_dir).inodes:
                return False
            for each in installed():
                if each.holds(plain):
                    return _rename(log_dir, path, plain, each.suffix, part=None)
            if status.st_mtime > before or not _is_left(plain):
                return False
            try:
                _write(plain, part, status, packed)
                return _rename(log_dir, path, plain, packed.suffix, part=part)
            finally:
                fcntl.flock(plain, fcntl.LOCK_UN)  # a child that was forked meanwhile has the descriptor too
    except FileNotFoundError:
        return False  # moved on meanwhile: the next run finds it
    except OSError as error:
        _logger.warning("%s is not compressed: %s", generation, error)
        return False
    finally:
        part.unlink(missing_ok=True)


def _is_left(plain: IO[bytes]) -> bool:
    """Whether no process is writing to it; if so, none will any more, since each looks first whether it was sealed."""
    try:
        fcntl.flock(plain, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write(plain: IO[bytes], part: Path, status: os.stat_result, packed: Format) -> None:
    """Compress into a part, fsynced, with the times and the mode of the plain file."""
    plain.seek(0)
    packer = packed.packer()
    with os.fdopen(_opened(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        while chunk := plain.read(CHUNK):
            file.write(packer.compress(chunk))
        file.write(packer.flush())
        file.flush()
        os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
        os.utime(file.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(file.fileno())


def _rename(log_dir: Path, path: Path, plain: IO[bytes], suffix: str, *, part: Path | None) -> bool:
    """Put a part in the place of the plain file, wherever that has been moved to, and give it its own name.

    `plain` being open, its inode is nobody else's meanwhile.
    """
    with moving(log_dir) as held:
        status = os.fstat(plain.fileno())
        grown = part is not None and status.st_size != plain.tell()
        if not held or grown or status.st_ino in in_use(log_dir).inodes:
            return False
        for files in generations(path).values():
            if len(files) == 1 and files[0].stat(follow_symlinks=False).st_ino == status.st_ino:
                if part:
                    part.rename(files[0])
                files[0].rename(files[0].with_name(files[0].name + suffix))
                sync_folder(path.parent)
                return True
        return False  # it was the oldest, and is gone


def in_use(log_dir: Path) -> InUse:
    """The names and inodes of all files that the journals in `LOG_DIR` know."""
    names, inodes = set[str](), set[int]()
    for journal in (log_dir / ".tocsin").glob("*.journal"):
        state, _ = State.load(journal)
        names |= state.files.keys()
        inodes |= {inode for inode, *_ in state.files.values()}
    return InUse(names, inodes)


def _opened(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
