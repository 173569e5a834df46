"""The Redis stream between applications and the writer: append; lease, read, commit.

Everything of a shard carries its hash tag, so that one commit is one slot of a cluster. For shard 0:

    key                            type    meaning                                                          expiry
    tocsin:{0}:stream              stream  entries (producer, first, count, service, body, gaps); body is   none
                                           newline-delimited JSON, one line a record; gaps (gap.py) only
                                           where something was dropped on purpose
    tocsin:{0}:shard               hash    version: commits so far; bytes and records: what waits in the    none
                                           stream
    tocsin:{0}:lease               string  nonce|holder of the writer                                       lease
    tocsin:{0}:producer:<id>       hash    appended, committed, accepted: ordinals; dropped:<reason>:       30 days
                                           accepted, never written (`missing`: nobody said why);            once retired
                                           refused:<reason>; service, host, pid, durable,
                                           seen (Unix seconds), closed; base:<field>: what the sums hold
                                           of it already
    tocsin:{0}:producers           set     ids of the producers that are not retired                        none
    tocsin:{0}:retired             hash    sums over those that are                                         none

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

from logging_core.connection import info

if TYPE_CHECKING:  # 70 ms that an application need not pay when it imports us
    import redis

DEFAULT_REDIS_URL = "redis://127.0.0.1:6390/0"  #: where `tocsin up` puts its embedded server
DEFAULT_BUDGET = 256 * 1024 * 1024  #: bytes of bodies in a stream, where Redis has no `maxmemory`
GROUP, CONSUMER = "writer", "writer"
SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LUA = Path(__file__).parent


class LeaseLostError(Exception):
    """Another writer holds the shard, or the shard moved on: what is in hand must be loaded again."""


class Change(NamedTuple):
    """One step of what rides in a commit: `op` is add, set, once (if absent), min or max, on a field of a hash."""

    op: str
    key: str
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

    @property
    def last(self) -> int:
        """The last record's ordinal."""
        return self.first + self.count - 1


class Keys:
    """The names of one shard's keys."""

    def __init__(self, shard: int = 0) -> None:
        tag = f"tocsin:{{{shard}}}"
        self.stream = f"{tag}:stream"
        self.shard = f"{tag}:shard"
        self.lease = f"{tag}:lease"
        self.producers = f"{tag}:producers"
        self.retired = f"{tag}:retired"
        self._producer = f"{tag}:producer:"

    def producer(self, producer: str) -> str:
        """The hash of one producer."""
        return self._producer + producer


def script_text(path: Path) -> str:
    """A Lua script; a line `-- include changes` stands for the function that applies coded changes."""
    return path.read_text().replace("-- include changes\n", (_LUA / "changes.lua").read_text())


def coded(changes: Sequence[Change], first: int) -> tuple[list[str], bytes]:
    """The keys that the changes name, which come `first` among a script's KEYS, and the changes as its argument."""
    names = list(dict.fromkeys(change.key for change in changes))
    index = {name: number for number, name in enumerate(names, start=first)}
    return names, orjson.dumps([(c.op, index[c.key], c.field, str(c.value), c.expiry) for c in changes])


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
    """Bytes of bodies that may wait in a stream: half of the `maxmemory` of the server that holds it."""
    import redis.exceptions

    try:
        limit = int(info(client, "memory", Keys().stream).get("maxmemory", 0))
    except redis.exceptions.ResponseError:  # a user who may not ask
        limit = 0
    return limit // 2 or DEFAULT_BUDGET


# -- the writing side ----------------------------------------------------------------------------------------------


class Shard:
    """One shard as its writer sees it. Every method may raise what redis-py raises."""

    def __init__(self, client: "redis.Redis", number: int = 0) -> None:
        self._client = client
        self._keys = Keys(number)
        self._nonce = secrets.token_hex(8)
        self.holder = f"{socket.gethostname()}:{os.getpid()}"

    def lease(self, seconds: float) -> bool:
        """Take the lease, or renew it; False: another holds it."""
        value = f"{self._nonce}|{self.holder}"
        return bool(run_script(self._client, "lease", (self._keys.lease,), (value, int(seconds * 1000))))

    def give_up(self) -> None:
        """Let the lease go, if it is ours."""
        run_script(self._client, "lease", (self._keys.lease,), (f"{self._nonce}|{self.holder}", 0))

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
        producers = list(producers)
        pipe = self._client.pipeline(transaction=False)
        for producer in producers:
            pipe.hget(self._keys.producer(producer), "committed")
        return {producer: int(mark or 0) for producer, mark in zip(producers, pipe.execute(), strict=True)}

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
        return [_entry(id_, fields or {}) for _, entries in reply or () for id_, fields in entries]

    def commit(self, version: int, entries: Sequence[Entry], changes: Sequence[Change], lease: float) -> int:
        """In one step: acknowledge the entries, move the producers' marks, apply the changes, renew the lease.

        Returns the shard's new version.

        Raises:
            LeaseLostError: nothing was done.
        """
        marks = {entry.producer: entry.last for entry in entries if entry.producer}
        moved = [Change("set", self._keys.producer(producer), "committed", last) for producer, last in marks.items()]
        names, steps = coded([*moved, *changes], first=4)
        size, records = sum(len(entry.body) for entry in entries), sum(entry.count for entry in entries)
        reply = run_script(
            self._client,
            "commit",
            (self._keys.lease, self._keys.stream, self._keys.shard, *names),
            (
                f"{self._nonce}|{self.holder}",
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


def _entry(id_: bytes, fields: Mapping[bytes, bytes]) -> Entry:
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
        )
    except (KeyError, ValueError):
        return Entry(id=id_, producer="", first=1, count=0, service="invalid", body=b"")


def producers(client: "redis.Redis", keys: Keys) -> list[str]:
    """The ids of those that are not retired."""
    return sorted(raw.decode() for raw in cast("set[bytes]", client.smembers(keys.producers)))
