"""What dead processes left, on tmpfs and on disk: shipped under their own producer's id by whoever finds it.

A producer's two folders name each other by links, and are adopted together; the lock of the spool's folder is the first
to be taken. A spill whose spool is gone (a reboot clears tmpfs) is adopted by itself.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from logging_core.buffers.buffer import Batch
from logging_core.buffers.claim import Claim, is_private, unclaimed
from logging_core.buffers.gap import Gap, Gaps
from logging_core.buffers.segment import Found
from logging_core.buffers.segment_files import SegmentFiles, read_folder
from logging_core.buffers.spill import MAX_AGE, SpillPlace, expire


class AdoptedSpool:
    """A dead process's records: read only, and one file in memory at a time."""

    durable = True

    def __init__(self, claims: Sequence[Claim], found: Sequence[Found], max_age: float) -> None:
        """Of its one or two folders; the last one takes the declarations of what is dropped from now on."""
        self.producer = claims[0].folder.name
        self.service = found[0].service
        self.shard = next((claim.shard for claim in claims if claim.shard is not None), None)
        self.refused: Counter[str] = Counter()
        self._files = SegmentFiles(found)
        self.accepted = self._files.last
        self._claims = claims
        self._gaps = [Gaps(claim.folder / "gaps") for claim in claims]
        self._max_age = max_age
        self._appended = 0
        self._told = False

    def assign(self, shard: int) -> None:
        """Noted in the folders, for adopters."""
        for claim in self._claims:
            claim.assign(shard)
        self.shard = shard

    def take(self, max_bytes: int) -> Batch | None:
        """The next records; where the last ones were dropped, an empty batch behind them."""
        batch = self._files.take(max_bytes)
        if batch is None and not self._told and self._files.last < self.accepted:
            self._told = True
            return Batch(self.accepted + 1, 0, b"")
        return batch

    def seek(self, ordinal: int) -> int:
        """Move the next record to take, past a gap to what comes behind it."""
        self._told = False
        return self._files.seek(ordinal)

    def release(self, appended: int, committed: int) -> None:
        """Delete what is committed, file by file."""
        self._appended = appended
        self._files.release(committed)

    def relieve(self, *, stalled: bool) -> bool:
        """Drop what is too old, while it cannot be shipped."""
        if stalled:
            expire(self._files, self._gaps[-1], self._appended, time.time() - self._max_age)
        return False

    def gaps(self, after: int, before: int) -> list[Gap]:
        """What was dropped on purpose between two ordinals."""
        return [gap for gaps in self._gaps for gap in gaps.between(after, before)]

    def close(self, committed: int) -> None:
        """Remove the folders where everything is committed; otherwise leave them for others."""
        for claim in reversed(self._claims):
            if committed >= self.accepted:
                claim.remove()
            else:
                claim.let_go()


def orphans(root: Path, spill: SpillPlace | None = None) -> Iterator[AdoptedSpool]:
    """What nobody holds, adopted one producer at a time; a folder that cannot be read is left alone."""
    max_age = spill.max_age if spill else MAX_AGE
    for claims in chain(_spools(root), _spills(spill.root) if spill else ()):
        with ExitStack() as held:
            for claim in claims:
                held.callback(claim.let_go)
            producer = bytes.fromhex(claims[0].folder.name)
            try:
                found = [each for claim in claims for each in read_folder(claim.folder, producer)]
            except OSError:
                continue
            if found:
                adopted = AdoptedSpool(claims, found, max_age)
                held.pop_all()
                yield adopted
            else:
                for claim in reversed(claims):
                    claim.remove()


def _spools(root: Path) -> Iterator[list[Claim]]:
    """Folders of spools, each with the spill that it names."""
    for claim in unclaimed(root):
        other = _linked(claim.folder / "spill")
        if other is None:
            yield [claim]
        elif spilled := Claim.take(other):
            yield [claim, spilled]
        else:  # looked at by somebody else this very moment
            claim.let_go()


def _spills(root: Path) -> Iterator[list[Claim]]:
    """Folders of spills whose spool is gone."""
    for claim in unclaimed(root):
        if _linked(claim.folder / "spool"):
            claim.let_go()  # adopted with its spool
        else:
            yield [claim]


def _linked(link: Path) -> Path | None:
    """The folder of the same producer that a link names, if there is one and it is ours."""
    try:
        folder = link.readlink()
        ours = folder.name == link.parent.name and folder.is_dir() and is_private(folder.parent)
    except OSError:
        return None
    return folder if ours else None
