"""Stream -> files: one writer a shard, every accepted record exactly once.

    lease and lock -> recover (cut the files to the journal) -> pending entries, then new ones:
    read -> decode -> append to the files, fdatasync -> journal -> commit (acknowledge, count, group) -> wake evaluation

Whatever fails in between, the next run begins with recovery. Positions are compared twice: at or below the journal's, a
record is not written again; at or below Redis's, it is not counted again.
"""

import errno
import logging
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import redis.exceptions
from celery.signals import celeryd_after_setup

from logging_core.files import FileStore
from logging_core.gap import explain
from logging_core.journal import Journal, evict, exclusive, journaled, place, uncommitted
from logging_core.stream import PRODUCER, Change, Entry, LeaseLostError, Shard, open_shards, shards
from rules import delivery
from rules.counters import ERROR_LEVELS, Bounds, Place, count_records
from rules.record import Record
from tasks import evaluate, settings, wiring
from tasks.app import app

_logger = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(Record)
_RENEW_EVERY = 1.0  #: seconds
_BOUNDS_FOR = 3600  #: seconds
_RETRY = 0.2  #: seconds, while Redis or the disk is away
_SLOW = 2.0  #: seconds; a batch whose way to the disk takes longer is a stall
_STALL_EVERY = 1.0  #: seconds between two stalls that are counted


@lru_cache(maxsize=1)
def _bounds(_period: int) -> Bounds:
    """The bounds in a period of `_BOUNDS_FOR`; loaded anew in the next one, without what was forgotten meanwhile."""
    return Bounds.load(wiring.redis_client())


@app.task(name="tasks.ingest.guard")
def guard() -> None:
    """Have every shard written: ours here, those of living hosts there, and one more that nobody else writes."""
    configured, client = settings.load(), wiring.redis_client()
    try:
        open_shards(client, configured.ingest.shards, journaled(configured.log_dir))
        _call_writers(client, _here(configured.log_dir), configured)
    except (redis.exceptions.RedisError, OSError) as error:
        _logger.warning("waiting: %s", error)


def _call_writers(client: redis.Redis, here: str, configured: settings.Settings) -> None:
    taken = False
    for number in shards(client):
        shard = Shard(client, number, here)
        _settle(shard, configured)
        if _is_done(shard, configured):
            continue
        owner = shard.ownership()
        if owner.place == here:
            with exclusive(configured.log_dir, number) as free:  # whoever holds the lease is dead
                if not free and owner.led:
                    continue
        elif owner.led:
            continue
        elif owner.may_be_taken(configured.ingest.move_after):
            if taken:  # one at a turn: other hosts want theirs
                continue
            taken = True
            owner = owner._replace(place=here)
        _send(number, owner.place)


@app.task(name="tasks.ingest.ingest")
def ingest(number: int = 0) -> None:
    """Write a shard for one budget, then leave a successor in the queue. Does nothing where another one writes."""
    configured = settings.load()
    here = _here(configured.log_dir)
    shard = Shard(wiring.redis_client(), number, here)
    while _lead(shard, configured):
        with suppress(redis.exceptions.RedisError):
            if _is_done(shard, configured):
                return
        if _send(number, here):
            return


def _is_done(shard: Shard, configured: settings.Settings) -> bool:
    """Whether it is one of those that are only emptied, and is empty: a process is not to be kept for it."""
    return shard.number >= configured.ingest.shards and shard.is_empty()


@cache
def _here(log_dir: Path) -> str:
    """The place that this worker serves, though somebody may remove the folder meanwhile."""
    return place(log_dir)


def queue_of(place: str) -> str:
    """The queue for what can be done in one `LOG_DIR` only."""
    return f"ingest.{place}"


def _send(number: int, place: str) -> bool:
    """Have somebody of this place write the shard; False: the broker takes nothing now."""
    try:
        ingest.apply_async((number,), queue=queue_of(place), retry=False)
    except Exception as error:  # noqa: BLE001  # kombu's own errors: a writer stays on, since nobody would come after it
        _logger.warning("no successor taken: %s", type(error).__name__)
        return False
    return True


@celeryd_after_setup.connect
def _serve_place(instance: Any, **_: object) -> None:
    """An ingest worker serves the queue of its `LOG_DIR` too."""
    queues = instance.app.amqp.queues
    if "ingest" in queues.consume_from:
        try:
            queues.select_add(queue_of(_here(settings.load().log_dir)))
        except OSError as error:
            sys.exit(f"LOG_DIR cannot be written to: {error}")


def _settle(shard: Shard, configured: settings.Settings) -> None:
    """Cut what we had not committed of a shard when another place took it; it is written there."""
    if shard.left() is None:
        return
    with exclusive(configured.log_dir, shard.number) as held:
        if held and (left := _left(shard, configured)) is not None:
            journal = Journal(configured.log_dir, time.time(), shard.number, left=left)
            try:
                FileStore(configured.log_dir, journal).close()
            finally:
                journal.close()
            shard.settle()


def _left(shard: Shard, configured: settings.Settings) -> int | None:
    """The version at which another place took the shard, if what we had journaled for it is to be cut.

    What was in the stream then is written there. What Redis does not know of is nowhere else: it had been committed,
    and Redis came back older. The lock is ours.
    """
    left = shard.left()
    if left is None:
        return None
    lasts = uncommitted(configured.log_dir, shard.number, left)
    known = shard.appended(lasts)
    if all(last <= known[producer] for producer, last in lasts.items()):
        return left
    _logger.error("shard %d came back to an older Redis; what is in its files here stays", shard.number)
    shard.settle()
    return None


def _lead(shard: Shard, configured: settings.Settings) -> bool:
    """Write for one budget, if the shard can be ours; whether it was. Lock and lease are free again at the end."""
    with exclusive(configured.log_dir, shard.number) as held:
        if held:
            return _write_and_give_up(shard, configured)
    try:
        if not shard.lease(configured.ingest.lease, patience=configured.ingest.move_after):
            return False  # another writer is at work
        _wait_for_lock(shard, configured)
    except redis.exceptions.RedisError:
        return False
    with exclusive(configured.log_dir, shard.number) as held:
        return held and _write_and_give_up(shard, configured)


def _wait_for_lock(shard: Shard, configured: settings.Settings) -> None:
    """The lease is ours and the lock is not: its holder is about to let go, or stands still, and is killed then."""
    deadline = time.monotonic() + configured.ingest.lease
    while time.monotonic() < deadline:
        with exclusive(configured.log_dir, shard.number) as held:
            if held:
                return
        time.sleep(_RETRY)
        shard.lease(configured.ingest.lease, patience=configured.ingest.move_after)
    if pid := evict(configured.log_dir, shard.number):
        _logger.error("killed writer %d, which held the lock and had lost its lease", pid)
        _note_stall("hung")
        time.sleep(_RETRY)


def _write_and_give_up(shard: Shard, configured: settings.Settings) -> bool:
    led = _write_for(shard, configured)
    if led:
        with suppress(redis.exceptions.RedisError):  # it expires by itself
            shard.give_up()
    return led


def _write_for(shard: Shard, configured: settings.Settings) -> bool:
    """Write through every failure, until the budget is spent; False: the shard is another place's. The lock is ours."""
    deadline = time.monotonic() + configured.ingest.budget
    while time.monotonic() < deadline:
        try:
            if not shard.lease(configured.ingest.lease, locked=True, patience=configured.ingest.move_after):
                return False
            writer = Writer(shard, configured)
            try:
                writer.run(deadline)
            finally:
                writer.close()
        except LeaseLostError as error:
            _logger.warning("reloading: %s", error)
        except (redis.exceptions.RedisError, OSError) as error:
            _logger.warning("waiting: %s", error)
            if isinstance(error, OSError):
                _note_stall("disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "disk_error")
            time.sleep(_RETRY)
    return True


_stalled_at = float("-inf")  # by the monotonic clock: when this process last counted a stall


def _note_stall(reason: str) -> None:
    """Count that the writer stands still, or did, and have the rules look at it."""
    global _stalled_at
    if time.monotonic() - _stalled_at < _STALL_EVERY:
        return
    try:
        changes = delivery.count_stall(wiring.redis_client(), reason, wiring.now())
    except redis.exceptions.RedisError:
        return  # then there is nobody to tell
    _stalled_at = time.monotonic()
    _wake(changes)


class Writer:
    """One run of a shard's writer, from recovery to the end of its budget."""

    def __init__(self, shard: Shard, configured: settings.Settings) -> None:
        self._shard = shard
        self._configured = configured
        self._version, left = shard.prepare(), _left(shard, configured)
        self._suffix = f"-{shard.number}" if shard.number else ""  # a file has one writer
        self._journal = Journal(configured.log_dir, time.time(), shard.number, self._version, left=left)
        try:
            self._files = FileStore(configured.log_dir, self._journal, configured.files.rotation)
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
            decoded, placed = self._append(entry, written)
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
            _note_stall("slow")
        changes = [
            Change("max", PRODUCER + id_, f"dropped:{reason}", number)
            for id_, numbers in dropped.items()
            for reason, number in numbers.items()
        ]
        changes += count_records(records, places, _bounds(int(now // _BOUNDS_FOR)), now)
        self._version = self._shard.commit(self._version, entries, changes, self._configured.ingest.lease)
        self._renewed = time.monotonic()
        _wake(changes)
        self._files.rotate()

    def _learn(self, producers: Collection[str]) -> None:
        """What is known of producers that this run has not met: by Redis, and by the journal of this place."""
        self._counted |= self._shard.committed(producers)
        for id_, numbers in self._shard.dropped(producers).items():
            self._dropped[id_] = Counter(numbers) | Counter(self._journal.dropped.get(id_, {}))

    def _append(self, entry: Entry, written: int) -> tuple[list[Record], dict[int, Place]]:
        """Append what is above the journal's mark; all records of the entry, and where its errors are, by index."""
        records = _decode(entry)
        skip = max(written - entry.first + 1, 0)
        if skip >= len(records):
            return records, {}
        name = f"{entry.service}/app{self._suffix}.log"
        failed = [index for index, record in enumerate(records) if record.level in ERROR_LEVELS and index >= skip]
        if not skip and not failed:  # nearly always: not a line of it is looked at
            self._files.append(name, entry.body)
            return records, {}
        lines = _lines(entry.body)[skip:]
        begins = [0, *accumulate(map(len, lines))]
        start = self._files.append(name, b"".join(lines))
        if failed:
            self._files.append(
                f"{entry.service}/errors{self._suffix}.log", b"".join(lines[index - skip] for index in failed)
            )
        return records, {index: Place(name, start + begins[index - skip]) for index in failed}


def _lines(body: bytes) -> list[bytes]:
    return [line + b"\n" for line in body.removesuffix(b"\n").split(b"\n")]


def _wake(changes: Sequence[Change]) -> None:
    """Have the rules looked at. The commit is done: no mistake in a rule, and no broker that is away, undoes it."""
    try:
        evaluate.wake_for(wiring.redis_client(), changes)
    except Exception as error:  # noqa: BLE001
        _logger.warning("nobody was woken to evaluate: %s", error)


def _decode(entry: Entry) -> list[Record]:
    """The entry's records, one a line."""
    try:
        records = _decoder.decode_lines(entry.body)
    except msgspec.DecodeError:
        records = []
    if len(records) != entry.count:
        records = [_decode_line(line) for line in _lines(entry.body)] if entry.count else []
    for record in records:
        record.service = entry.service
    return records


def _decode_line(line: bytes) -> Record:
    """What can be understood of a line, field by field; of one that is no JSON object, the line is the message."""
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        pass
    try:
        fields = msgspec.json.decode(line)
    except msgspec.DecodeError:
        fields = None
    record = Record(message=line.decode("utf-8", "replace"))
    for name in Record.__struct_fields__ if isinstance(fields, dict) else ():
        if name in fields:
            with suppress(msgspec.ValidationError):
                setattr(record, name, msgspec.convert(fields[name], Record.__annotations__[name]))
    return record
