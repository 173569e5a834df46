"""A shard as its writer sees it: lease, read, commit. The keys are described in stream.py."""

import os
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from logging_core.streams.connection import clock
from logging_core.streams.stream import PRODUCER, SERVICE_NAME, Change, Keys, coded, producers, run_script

if TYPE_CHECKING:
    import redis

#: Seconds after which another `LOG_DIR` of one host takes a shard: the old one is no longer in use.
SAME_HOST_PATIENCE = 5.0
GROUP, CONSUMER = "writer", "writer"


class LeaseLostError(Exception):
    """Another writer holds the shard, or the shard moved on: what is in hand must be loaded again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A batch as the writer reads it."""

    id: bytes
    producer: str
    first: int
    count: int
    service: str
    body: bytes
    gaps: str = ""  #: what the producer dropped on purpose before it: see gap.py
    waits: int = 0  #: ordinals that wait for it to be written: its own, and those of the gap before it

    @property
    def last(self) -> int:
        """The last record's ordinal."""
        return self.first + self.count - 1


class Ownership(NamedTuple):
    """Whose a shard is: of the folder, on the host, whose journal knows what is written of it."""

    place: str  #: empty: nobody's
    idle: float  #: seconds since its writer last gave a sign
    same_host: bool  #: as ours
    led: bool  #: somebody holds the lease

    def may_be_taken(self, patience: float) -> bool:
        """Whether nobody's, or its place is gone: after so many seconds, or sooner where it is on our host."""
        return not self.place or self.idle > (min(patience, SAME_HOST_PATIENCE) if self.same_host else patience)


class Shard:
    """One shard as its writer sees it. Every method may raise what redis-py raises."""

    def __init__(self, client: "redis.Redis", number: int = 0, place: str = "") -> None:
        self._client = client
        self.number = number
        self.place = place
        self._keys = Keys(number)
        self._host = socket.gethostname()
        self.holder = f"{self._host}:{os.getpid()}"
        self._lease = f"{secrets.token_hex(8)}|{place}|{self.holder}"

    def lease(self, seconds: float, *, locked: bool = False, patience: float = 0.0) -> bool:
        """Take the lease, or renew it; False: another holds it, or the shard is another place's.

        Args:
            seconds: until it runs out.
            locked: we hold the lock of our place, so whoever has the lease there is dead: it is ours at once.
            patience: seconds without a sign of its writer after which we take the shard of another place; or fewer,
                where that is on our host.
        """
        here = min(patience, SAME_HOST_PATIENCE)
        arguments = (self._lease, int(seconds * 1000), self.place, self._host, int(locked), patience, here)
        return bool(run_script(self._client, "lease", (self._keys.lease, self._keys.shard), arguments))

    def give_up(self) -> None:
        """Let the lease go, if it is ours."""
        run_script(self._client, "release", (self._keys.lease,), (self._lease,))

    def ownership(self) -> Ownership:
        """Whose it is now."""
        now = clock(self._client, self._keys.shard)
        fields = self._client.hmget(self._keys.shard, "place", "host", "led")
        place, host, led = cast("list[bytes | None]", fields)
        held = bool(self._client.exists(self._keys.lease))
        same = (host or b"").decode() == self._host
        return Ownership((place or b"").decode(), now - float(led or 0), same, held)

    def left(self) -> int | None:
        """The version at which another place took the shard over from ours; None: none did, or it is settled."""
        version = self._client.hget(self._keys.shard, f"left:{self.place}")
        return None if version is None else int(version)

    def appended(self, producers: Iterable[str]) -> dict[str, int]:
        """The last ordinal of each producer that Redis knows to have been in the stream."""
        return self._marks(producers, "appended")

    def is_empty(self) -> bool:
        """Whether nothing waits in the stream."""
        return not self._client.xlen(self._keys.stream)

    def settle(self) -> None:
        """Our place has cut what it had not committed when it left."""
        self._client.hdel(self._keys.shard, f"left:{self.place}")

    def prepare(self) -> int:
        """Make the stream and its consumer group where they are not; the shard's version."""
        import redis.exceptions

        try:
            # Asked first, since at the memory limit Redis refuses even to say that the group is there.
            groups: Any = self._client.xinfo_groups(self._keys.stream)
        except redis.exceptions.ResponseError:  # no such key
            groups = []
        if not groups:
            self._client.xgroup_create(self._keys.stream, GROUP, id="0", mkstream=True)
        return int(self._client.hget(self._keys.shard, "version") or 0)

    def committed(self, producers: Iterable[str]) -> dict[str, int]:
        """The last ordinal of each producer that Redis knows to be written."""
        return self._marks(producers, "committed")

    def _marks(self, producers: Iterable[str], mark: str) -> dict[str, int]:
        producers = list(producers)
        pipe = self._client.pipeline(transaction=False)
        for producer in producers:
            pipe.hget(self._keys.producer(producer), mark)
        return {producer: int(found or 0) for producer, found in zip(producers, pipe.execute(), strict=True)}

    def dropped(self, producers: Iterable[str]) -> dict[str, dict[str, int]]:
        """What Redis knows of each producer's records that never came, by reason."""
        producers = list(producers)
        pipe = self._client.pipeline(transaction=False)
        for producer in producers:
            pipe.hgetall(self._keys.producer(producer))
        hashes = zip(producers, pipe.execute(), strict=True)
        return {
            producer: {
                name.decode().removeprefix("dropped:"): int(number)
                for name, number in fields.items()
                if name.startswith(b"dropped:")
            }
            for producer, fields in hashes
        }

    def all_committed(self) -> dict[str, int]:
        """The same of every producer that is not retired."""
        return self.committed(producers(self._client, self._keys))

    def pending(self, after: bytes = b"0", limit: int = 32) -> list[Entry]:
        """Entries that were read and not committed, by whoever wrote before us."""
        return self._read(after, limit, None)

    def read(self, block: float, limit: int = 32) -> list[Entry]:
        """New entries; waits up to `block` seconds for the first."""
        return self._read(b">", limit, max(int(block * 1000), 1))

    def _read(self, start: bytes, limit: int, block: int | None) -> list[Entry]:
        reply: Any = self._client.xreadgroup(GROUP, CONSUMER, {self._keys.stream: start}, count=limit, block=block)
        return [entry_of(id_, fields or {}) for _, entries in reply or () for id_, fields in entries]

    def commit(self, version: int, entries: Sequence[Entry], changes: Sequence[Change], lease: float) -> int:
        """In one step: acknowledge the entries, move the producers' marks, apply the changes, renew the lease.

        Returns the shard's new version.

        Raises:
            LeaseLostError: nothing was done.
        """
        marks = {entry.producer: entry.last for entry in entries if entry.producer}
        moved = [Change("set", PRODUCER + producer, "committed", last) for producer, last in marks.items()]
        names, steps = coded([*moved, *changes], first=4, shard=self.number)
        size, records = sum(len(entry.body) for entry in entries), sum(entry.waits for entry in entries)
        reply = run_script(
            self._client,
            "commit",
            (self._keys.lease, self._keys.stream, self._keys.shard, *names),
            (
                self._lease,
                version,
                int(lease * 1000),
                GROUP,
                size,
                records,
                steps,
                *(e.id for e in entries),
            ),
        )
        if isinstance(reply, bytes):
            raise LeaseLostError(reply.decode())
        return int(reply)


def entry_of(id_: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    """An entry as its producer meant it; of what is none of ours, or was deleted by hand, only the id."""
    try:
        service = fields[b"service"].decode("utf-8", "replace")
        return Entry(
            id=id_,
            producer=fields[b"producer"].decode(),
            first=int(fields[b"first"]),
            count=int(fields[b"count"]),
            service=service if SERVICE_NAME.fullmatch(service) else "invalid",
            body=fields[b"body"],
            gaps=fields.get(b"gaps", b"").decode("ascii", "replace"),
            waits=int(fields[b"waits"]),
        )
    except (KeyError, ValueError):
        return Entry(id=id_, producer="", first=1, count=0, service="invalid", body=b"")
