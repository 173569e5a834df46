"""The Redis stream between applications and the writers: append; lease, read, commit.

Everything of a shard carries its hash tag, so that one commit is one slot of a cluster. For shard 0:

    key                            type    meaning                                                          expiry
    tocsin:{0}:stream              stream  entries (producer, first, count, service, body, waits, gaps);    none
                                           body is newline-delimited JSON, one line a record; waits: count
                                           and the gap before it; gaps (gap.py) only where something was
                                           dropped on purpose
    tocsin:{0}:shard               hash    version: commits so far; bytes and records: what waits in the    none
                                           stream; place, host: whose it is; led: when that place last
                                           led it (Unix seconds); left:<place>: the version at which
                                           another place took it over
    tocsin:{0}:lease               string  nonce|place|host:pid of the writer                               lease
    tocsin:{0}:producer:<id>       hash    appended, committed, accepted: ordinals; dropped:<reason>:       30 days
                                           accepted, never written (`missing`: nobody said why);            once retired
                                           refused:<reason>; service, host, pid, durable,
                                           seen (Unix seconds), closed; base:<field>: what the sums hold
                                           of it already
    tocsin:{0}:producers           set     ids of the producers that are not retired                        none
    tocsin:{0}:retired             hash    sums over those that are                                         none

and of all of them together:

    tocsin:shards                  hash    number of a shard -> 1: new producers may choose it; 0: it is    none
                                           only emptied

Only committed entries leave the stream; it is never trimmed by length.
"""

import hashlib
import os
import re
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from logging_core.connection import clock, info

if TYPE_CHECKING:  # 70 ms that an application need not pay when it imports us
    import redis

DEFAULT_REDIS_URL = "redis://127.0.0.1:6390/0"  #: where `tocsin up` puts its embedded server
DEFAULT_BUDGET = 256 * 1024 * 1024  #: bytes of bodies in a stream, where Redis has no `maxmemory`
#: Seconds after which another `LOG_DIR` of one host takes a shard: the old one is no longer in use.
SAME_HOST_PATIENCE = 5.0
GROUP, CONSUMER = "writer", "writer"
SHARDS = "tocsin:shards"
PRODUCER = "producer:"
SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LUA = Path(__file__).parent


class LeaseLostError(Exception):
    """Another writer holds the shard, or the shard moved on: what is in hand must be loaded again."""


class Change(NamedTuple):
    """One step of what rides in a commit: `op` is add, set, once (if absent), min or max, on a field of a hash."""

    op: str
    key: str  #: without the shard's part: see `shard_key`
    field: str
    value: int | float | str
    expiry: int = 0  #: seconds from now, of the whole key; 0: none


class Appended(NamedTuple):
    """What `append.lua` answers: `ok`, `seek` (send from appended + 1) or `full`; and the two marks."""

    status: str
    appended: int
    committed: int


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


def shard_key(shard: int, name: str) -> str:
    """A key of one shard."""
    return f"tocsin:{{{shard}}}:{name}"


class Keys:
    """The names of one shard's keys."""

    def __init__(self, shard: int = 0) -> None:
        self.number = shard
        self.stream = shard_key(shard, "stream")
        self.shard = shard_key(shard, "shard")
        self.lease = shard_key(shard, "lease")
        self.producers = shard_key(shard, "producers")
        self.retired = shard_key(shard, "retired")

    def producer(self, producer: str) -> str:
        """The hash of one producer."""
        return shard_key(self.number, PRODUCER + producer)


def script_text(path: Path) -> str:
    """A Lua script; a line `-- include changes` stands for the function that applies coded changes."""
    return path.read_text().replace("-- include changes\n", (_LUA / "changes.lua").read_text())


def coded(changes: Sequence[Change], first: int, shard: int = 0) -> tuple[list[str], bytes]:
    """The keys that the changes name, which come `first` among a script's KEYS, and the changes as its argument."""
    names = list(dict.fromkeys(change.key for change in changes))
    index = {name: number for number, name in enumerate(names, start=first)}
    steps = orjson.dumps([(c.op, index[c.key], c.field, str(c.value), c.expiry) for c in changes])
    return [shard_key(shard, name) for name in names], steps


def run_script(client: "redis.Redis", name: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
    """Run a script of this package by its digest, loading it where the server does not know it."""
    import redis.exceptions

    text, digest = _script(name)
    try:
        return client.evalsha(digest, len(keys), *keys, *args)
    except redis.exceptions.NoScriptError:
        return client.eval(text, len(keys), *keys, *args)


@cache
def _script(name: str) -> tuple[str, str]:
    text = script_text(_LUA / f"{name}.lua")
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


# -- the shards ----------------------------------------------------------------------------------------------------


def shards(client: "redis.Redis") -> list[int]:
    """The numbers of all shards that hold, or held, anything."""
    found = cast("list[bytes]", client.hkeys(SHARDS))
    return sorted(int(number) for number in found) or [0]


def open_shards(client: "redis.Redis", count: int, written: Iterable[int] = ()) -> None:
    """From now on new producers choose among so many shards; what others hold is still written.

    `written` are shards that were written here once: a Redis that came back empty knows nothing of them.
    """
    states = _states(client)
    wanted = {number: int(number < count) for number in {*range(count), *states, *written}}
    if wanted != states:
        client.hset(SHARDS, mapping={str(number): state for number, state in wanted.items()})


def choose_shard(client: "redis.Redis", producer: str) -> int:
    """The shard of a new producer: the same one for all who ask while the number of shards stays."""
    choice = sorted(number for number, state in _states(client).items() if state) or [0]
    return choice[int(producer, 16) % len(choice)]


def _states(client: "redis.Redis") -> dict[int, int]:
    found = cast("dict[bytes, bytes]", client.hgetall(SHARDS))
    return {int(number): int(state) for number, state in found.items()}


# -- the sending side ----------------------------------------------------------------------------------------------


def append(
    client: "redis.Redis",
    producer: str,
    service: str,
    *,
    first: int = 1,
    count: int = 0,
    body: bytes = b"",
    jump: bool = False,
    gaps: str = "",
    report: Mapping[str, str | int] | None = None,
    budget: int = DEFAULT_BUDGET,
    shard: int = 0,
) -> Appended:
    """Append one batch, if it is the producer's next; with no records: only ask and report.

    `jump` says that the records before `first` are no longer held, so the gap is taken, even with no record behind it;
    `gaps` says which of them were dropped on purpose.
    """
    keys = Keys(shard)
    pairs = [item for pair in (report or {}).items() for item in pair]
    status, appended, committed = run_script(
        client,
        "append",
        (keys.stream, keys.shard, keys.producer(producer), keys.producers),
        (producer, first, count, body, int(jump), budget, service, gaps, *pairs),
    )
    return Appended(status.decode(), appended, committed)


def budget(client: "redis.Redis") -> int:
    """Bytes of bodies that may wait in each stream: all together half of the `maxmemory` of a server that holds one."""
    import redis.exceptions

    try:
        limit = int(info(client, "memory", Keys().stream).get("maxmemory", 0))
    except redis.exceptions.ResponseError:  # a user who may not ask
        limit = 0
    return limit // 2 // len(shards(client)) or DEFAULT_BUDGET


# -- the writing side ----------------------------------------------------------------------------------------------


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


def producers(client: "redis.Redis", keys: Keys) -> list[str]:
    """The ids of those that are not retired."""
    return sorted(raw.decode() for raw in cast("set[bytes]", client.smembers(keys.producers)))
