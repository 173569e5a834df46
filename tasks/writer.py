"""One run of a shard's writer, stream -> files, every accepted record exactly once.

    recover (cut the files to the journal) -> pending entries, then new ones:
    read -> decode -> append to the files, fdatasync -> journal -> commit (acknowledge, count, group) -> wake evaluation

Whatever fails in between, the next run begins with recovery. Positions are compared twice: at or below the journal's, a
record is not written again; at or below Redis's, it is not counted again.
"""

import logging
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from logging_core.buffers.gap import explain
from logging_core.storage.files import FileStore
from logging_core.storage.journal import Journal
from logging_core.streams.shard import Entry, LeaseLostError, Shard
from logging_core.streams.stream import PRODUCER, Change
from rules.bounds import Bounds
from rules.counters import Place, count_records
from tasks import decoding, evaluate, stalls, takeover, wiring
from tasks.record_files import RecordFiles
from tasks.settings import Settings

if TYPE_CHECKING:
    from rules.record import Record

_logger = logging.getLogger(__name__)
_RENEW_EVERY = 1.0  #: seconds
_BOUNDS_FOR = 3600  #: seconds
_SLOW = 2.0  #: seconds; a batch whose way to the disk takes longer is a stall


@lru_cache(maxsize=1)
def _bounds(_period: int) -> Bounds:
    """The bounds in a period of `_BOUNDS_FOR`; loaded anew in the next one, without what was forgotten meanwhile."""
    return Bounds.load(wiring.redis_client())


class Writer:
    """One run of a shard's writer, from recovery to the end of its budget."""

    def __init__(self, shard: Shard, configured: Settings) -> None:
        self._shard = shard
        self._configured = configured
        self._version, left = shard.prepare(), takeover.left(shard, configured)
        self._journal = Journal(configured.log_dir, time.time(), shard.number, self._version, left=left)
        try:
            self._files = FileStore(configured.log_dir, self._journal, configured.files.rotation)
            self._record_files = RecordFiles(self._files, self._journal, shard.number)
            if self._journal.is_spoilt:
                self._mend_journal()
            if left is not None:
                shard.settle()
        except BaseException:  # raised again: whoever cannot begin must not keep the descriptor
            self._journal.close()
            raise
        self._counted: dict[str, int] = {}  # producer -> the last ordinal that Redis counted
        self._dropped: dict[str, Mapping[str, int]] = {}  # producer -> records that never came, by reason
        self._renewed = time.monotonic()

    def run(self, deadline: float) -> None:
        """What is pending first, then what comes, until the deadline.

        Raises:
            LeaseLostError, redis.RedisError, OSError: load again.
        """
        self.run_through()
        while (remaining := deadline - time.monotonic()) > 0:
            entries = self._shard.read(min(self._configured.ingest.block, remaining))
            if entries:
                self._write(entries)
            elif time.monotonic() - self._renewed > _RENEW_EVERY:
                if not self._shard.lease(self._configured.ingest.lease, patience=self._configured.ingest.move_after):
                    raise LeaseLostError("the lease is not ours")
                self._renewed = time.monotonic()

    def run_through(self) -> None:
        """What is pending, then what is there already, without waiting for more."""
        while pending := self._shard.pending():
            self._write(pending)
        while entries := self._shard.read(0.001):
            self._write(entries)

    def _mend_journal(self) -> None:
        """What the journal no longer knows of producers, Redis may: what it has acknowledged is in the files."""
        now = time.time()
        known = self._shard.all_committed().items()
        self._journal.record({}, {id_: (max(mark, self._journal.position(id_)), now) for id_, mark in known})
        self._journal.rewrite(now)

    def close(self) -> None:
        """Let go of the files."""
        self._files.close()
        self._journal.close()

    def _write(self, entries: Sequence[Entry]) -> None:
        self._files.rotate()  # since the last commit a new period may have begun
        unknown = {entry.producer for entry in entries} - self._counted.keys()
        self._learn(unknown)
        now = wiring.now()
        known = {entry.producer: self._dropped[entry.producer] for entry in entries}
        dropped = dict(known)
        positions = {entry.producer: self._journal.position(entry.producer) for entry in entries}
        records: list[Record] = []
        places: dict[int, Place] = {}
        began = time.monotonic()
        for entry in entries:
            written, counted = positions[entry.producer], self._counted[entry.producer]
            # The shipper said that it no longer has them, and they are not in the files either.
            if gap := explain(entry.gaps, max(written, counted), entry.first):
                _logger.error("%d records of %s will never come: %s", gap.total(), entry.service, dict(gap))
                dropped[entry.producer] = gap + Counter(dropped[entry.producer])
            decoded = decoding.records(entry)
            skip = max(written - entry.first + 1, 0)  # what is written already
            placed = self._record_files.append(entry, decoded, skip) if skip < len(decoded) else {}
            skipped = max(counted - entry.first + 1, 0)
            places |= {len(records) + index - skipped: place for index, place in placed.items() if index >= skipped}
            records += decoded[skipped:]
            positions[entry.producer] = max(written, entry.last)
            self._counted[entry.producer] = max(counted, entry.last)
        files = self._files.sync()
        if files or dropped != known:
            marks = {producer: (last, now) for producer, last in positions.items()}
            # What was dropped too: a crash before the commit must not make it look written.
            told = {id_: numbers for id_, numbers in dropped.items() if numbers}
            self._journal.record(files, marks, dropped=told, version=self._version)
            self._dropped |= dropped
        if time.monotonic() - began > _SLOW:
            stalls.note("slow")
        changes = [
            Change("max", PRODUCER + id_, f"dropped:{reason}", number)
            for id_, numbers in dropped.items()
            for reason, number in numbers.items()
        ]
        changes += count_records(records, places, _bounds(int(now // _BOUNDS_FOR)), now)
        self._version = self._shard.commit(self._version, entries, changes, self._configured.ingest.lease)
        self._renewed = time.monotonic()
        evaluate.try_to_wake_for(changes)
        self._files.rotate()

    def _learn(self, producers: Collection[str]) -> None:
        """What is known of producers that this run has not met: by Redis, and by the journal of this place."""
        self._counted |= self._shard.committed(producers)
        for id_, numbers in self._shard.dropped(producers).items():
            self._dropped[id_] = Counter(numbers) | Counter(self._journal.dropped.get(id_, {}))
