"""Sealed segments on a disk, for as long as Redis is away: the spool's own tmpfs is small.

    <spill_dir>/<redis>/<producer>/lock                  held as the spool's is
    <spill_dir>/<redis>/<producer>/spool                 link to the folder of the spool
    <spill_dir>/<redis>/<producer>/shard                 as the spool's
    <spill_dir>/<redis>/<producer>/<ordinal>.segment     up to four consecutive segments, by their first record
    <spill_dir>/<redis>/<producer>/gaps                  what was dropped from here, and why
    <spool_dir>/<redis>/<producer>/spill                 link to the folder here

Everything here is for the shipper's thread: a disk may stand still, and no caller waits for one.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from logging_core.buffers import segment
from logging_core.buffers.claim import Claim
from logging_core.buffers.gap import Gaps
from logging_core.buffers.segment import Found
from logging_core.buffers.segment_files import SegmentFiles

MAX_BYTES = 1024**3
MAX_AGE = 86_400.0  #: seconds
_REST = 1.0  #: seconds without another try after the disk refused


@dataclass(frozen=True, slots=True)
class SpillPlace:
    """Where the producers of one Redis spill, and how much each may."""

    root: Path
    max_bytes: int = MAX_BYTES
    max_age: float = MAX_AGE  #: seconds


class Spill:
    """One producer's folder, made with the first segment that is spilled."""

    def __init__(self, place: SpillPlace, producer: str, service: str, spool: Path) -> None:
        self._place = place
        self._producer, self._service, self._spool = producer, service, spool
        self._claim: Claim | None = None
        self._shard: int | None = None
        self._had_folder = False
        self._rests_until = 0.0
        self.files = SegmentFiles()
        self.gaps = Gaps()

    @property
    def rests(self) -> bool:
        """Whether the disk refused a moment ago."""
        return time.monotonic() < self._rests_until

    def assign(self, shard: int) -> None:
        """Note in the folder, also in one that is made later, which shard the records go to."""
        self._shard = shard
        if self._claim:
            self._claim.assign(shard)

    def make_room(self, size: int, *, appended: int, drop: bool) -> bool:
        """Whether so many bytes more are within the cap; with `drop`, after the oldest files have gone."""
        most = self._place.max_bytes - size
        while drop and self.files.oldest and 0 <= most < self.files.size:
            drop_oldest(self.files, self.gaps, appended, "drop_oldest")
        return self.files.size <= most

    def expire(self, appended: int) -> None:
        """Drop what is too old."""
        expire(self.files, self.gaps, appended, time.time() - self._place.max_age)

    def keep(self, first: int, count: int, bodies: Sequence[bytes]) -> None:
        """Write consecutive segments to one file, synced and in its place when this returns.

        The folder is not synced: power that fails now takes the tmpfs too, from which these could have been read.

        Raises:
            OSError: nothing is kept; the disk has a rest.
        """
        parts = segment.spilled(bytes.fromhex(self._producer), self._service, first, count, bodies)
        with self._resting_when_refused():
            try:
                path = self._folder() / f"{first:018d}.segment"
                end = _write(path, parts)
            except FileNotFoundError:  # somebody who cleans up has taken the folder
                self._let_go()
                path = self._folder() / f"{first:018d}.segment"
                end = _write(path, parts)
        self.files.add(Found(path, self._service, first, count, end, time.time()))

    def prepare(self) -> None:
        """Make the folder, before there is a hurry."""
        if self._claim is None and not self.rests:
            with suppress(OSError), self._resting_when_refused():
                self._folder()

    def close(self, *, done: bool) -> None:
        """Remove the folder, or leave it to others."""
        if self._claim and done:
            self._claim.remove()
        self._let_go()

    @contextmanager
    def _resting_when_refused(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._rests_until = time.monotonic() + _REST
            raise

    def _folder(self) -> Path:
        if self._claim is None:
            claim = Claim.create(self._place.root, self._producer)
            try:
                (self._spool / "spill").unlink(missing_ok=True)
                (claim.folder / "spool").symlink_to(self._spool.absolute())
                if self._shard is not None:
                    claim.assign(self._shard)
                (self._spool / "spill").symlink_to(claim.folder.absolute())
            except OSError:
                (self._spool / "spill").unlink(missing_ok=True)
                claim.remove()
                raise
            self._claim = claim
            if not self._had_folder:
                self._had_folder, self.gaps = True, Gaps(claim.folder / "gaps")
        return self._claim.folder

    def _let_go(self) -> None:
        if self._claim:
            self._claim.let_go()
            self._claim = None


def expire(files: SegmentFiles, gaps: Gaps, appended: int, before: float) -> None:
    """Drop the files written before a moment (Unix seconds)."""
    while files.oldest and files.oldest.written < before:
        drop_oldest(files, gaps, appended, "spill_expired")


def drop_oldest(files: SegmentFiles, gaps: Gaps, appended: int, reason: str) -> None:
    """Drop the first file; what is not in the stream of it is declared."""
    if files.oldest and files.oldest.last > appended:
        gaps.declare(max(files.oldest.first, appended + 1), files.oldest.last, reason)
    files.drop_oldest()


def _write(path: Path, parts: list[bytes]) -> int:
    """A file with these bytes, synced, and under its name only when it is whole; how many bytes."""
    fresh = path.with_suffix(".segment-new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        size = sum(map(len, parts))
        if os.writev(descriptor, parts) != size:
            raise OSError(f"{fresh} could not be written whole")
        os.fsync(descriptor)
        fresh.rename(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return size
