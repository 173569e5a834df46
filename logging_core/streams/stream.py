"""The Redis stream between applications and the writers: its keys, its shards, and the sending side; see shard.py.

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
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from logging_core.streams.connection import info

if TYPE_CHECKING:  # 70 ms that an application need not pay when it imports us
    import redis

DEFAULT_REDIS_URL = "redis://127.0.0.1:6390/0"  #: where `tocsin up` puts its embedded server
DEFAULT_BUDGET = 256 * 1024 * 1024  #: bytes of bodies in a stream, where Redis has no `maxmemory`
SHARDS = "tocsin:shards"
PRODUCER = "producer:"
SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LUA = Path(__file__).parent


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


def producers(client: "redis.Redis", keys: Keys) -> list[str]:
    """The ids of those that are not retired."""
    return sorted(raw.decode() for raw in cast("set[bytes]", client.smembers(keys.producers)))
