"""What became of every record that applications handed over: the sum that must hold, from what stream.py keeps."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from logging_core.streams.connection import clock
from logging_core.streams.stream import Keys, producers, run_script, shards

if TYPE_CHECKING:
    import redis


class Account(NamedTuple):
    """accepted = written + waiting + sum(dropped) + unknown + lost, and lost is 0.

    Each number is counted where it happens, so `lost` is found and not defined. What was refused was never accepted.
    """

    accepted: int
    written: int
    waiting: int  #: in the buffers of applications, and in the stream
    dropped: dict[str, int]  #: by reason: accepted, and known to be gone
    refused: dict[str, int]  #: by reason: a buffer was full
    unknown: int  #: in a memory buffer that died with its process, or a spool that nobody found for two days
    lost: int
    lag: float  #: seconds since the oldest entry in the streams was appended
    shards: list["ShardPart"]  #: one at least


class ShardPart(NamedTuple):
    """One shard's part in it."""

    number: int
    waiting: int  #: records in its stream
    lag: float  #: seconds
    writer: str | None  #: host:pid of who holds the lease
    host: str  #: on whose disk it is written; empty: it never was


#: A producer that keeps its records in memory and has said nothing for so many seconds is dead.
SILENT = 30.0
#: One that keeps them in a spool, and has not been adopted either.
FORGOTTEN = 2 * 86_400.0
_DONE_AFTER = 86_400.0  #: seconds without a word, and nothing waiting


def account(client: "redis.Redis") -> Account:
    """What became of every record that applications handed over."""
    sums: Counter[str] = Counter()
    waiting, parts = 0, []
    for number in shards(client):
        shard_sums, in_buffers, part = _shard_account(client, number)
        sums.update(shard_sums)
        waiting += in_buffers + part.waiting
        parts.append(part)
    accepted, written, unknown = sums["accepted"], sums["written"], sums["unknown"]
    dropped = {name.removeprefix("dropped:"): n for name, n in sums.items() if name.startswith("dropped:") and n}
    refused = {name.removeprefix("refused:"): n for name, n in sums.items() if name.startswith("refused:") and n}
    lost = accepted - written - waiting - sum(dropped.values()) - unknown
    lag = max(part.lag for part in parts)
    return Account(accepted, written, waiting, dropped, refused, unknown, lost, lag, parts)


def _shard_account(client: "redis.Redis", number: int) -> tuple[Counter[str], int, ShardPart]:
    """Sums over one shard's producers, the records that are in their buffers, and its part."""
    keys = Keys(number)
    now = clock(client, keys.shard)
    listed, present = None, producers(client, keys)
    while listed != present:  # one that came or went in between would spoil the sum
        listed = present
        pipe = client.pipeline(transaction=True)
        for name in listed:
            pipe.hgetall(keys.producer(name))
        pipe.smembers(keys.producers)
        pipe.hgetall(keys.retired)
        pipe.hmget(keys.shard, "records", "host")
        pipe.xrange(keys.stream, count=1)
        pipe.get(keys.lease)
        *hashes, members, retired, (streamed, host), oldest, lease = pipe.execute()
        present = sorted(raw.decode() for raw in members)
    sums = Counter({field.decode(): int(value) for field, value in retired.items()})
    in_buffers = 0
    for fields in hashes:
        producer = Producer(fields, now)
        sums.update(producer.unfolded)
        in_buffers += producer.in_buffer
    lag = max(now - int(oldest[0][0].split(b"-")[0]) / 1000, 0.0) if oldest else 0.0
    writer = lease.decode().rpartition("|")[2] if lease else None
    return sums, in_buffers, ShardPart(number, int(streamed or 0), lag, writer, (host or b"").decode())


def retire(client: "redis.Redis") -> int:
    """Fold the producers that are done into sums: closed, or long silent, and nothing waiting. How many.

    One that speaks again all the same (its spool was found) goes on where it was, and is counted from there.
    """
    now = clock(client)
    retired = 0
    for keys in map(Keys, shards(client)):
        for name in producers(client, keys):
            fields = cast("dict[bytes, bytes]", client.hgetall(keys.producer(name)))
            producer = Producer(fields, now)
            if producer.is_done:
                pairs = [item for pair in producer.unfolded.items() for item in pair]
                names = (keys.producers, keys.producer(name), keys.retired)
                retired += run_script(client, "retire", names, (name, fields.get(b"seen", b""), *pairs))
    return retired


class Producer:
    """One producer's part of the account, from its hash."""

    def __init__(self, fields: Mapping[bytes, bytes], now: float) -> None:
        self._fields = {name.decode(): value for name, value in fields.items()}
        self._silence = now - self._number("seen")

    @property
    def in_buffer(self) -> int:
        """Records that its process, or its spool, still has to ship."""
        return 0 if self._is_gone else self._accepted - self._number("appended")

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to be expected of it."""
        waiting = self._accepted - self._number("committed") - self._unknown
        return waiting == 0 and ("closed" in self._fields or self._silence > _DONE_AFTER)

    @property
    def unfolded(self) -> dict[str, int]:
        """What the sums do not hold yet."""
        dropped = {name: self._number(name) for name in self._fields if name.startswith("dropped:")}
        sums = {
            "accepted": self._accepted,
            "written": self._number("committed") - sum(dropped.values()),
            "unknown": self._unknown,
            **dropped,
        }
        sums |= {name: self._number(name) for name in self._fields if name.startswith("refused:")}
        return {name: number - self._number(f"base:{name}") for name, number in sums.items()}

    @property
    def _accepted(self) -> int:
        return max(self._number("accepted"), self._number("appended"))

    @property
    def _is_gone(self) -> bool:
        if self._fields.get("durable") == b"0":
            return "closed" in self._fields or self._silence > SILENT
        return self._silence > FORGOTTEN

    @property
    def _unknown(self) -> int:
        return self._accepted - self._number("appended") if self._is_gone else 0

    def _number(self, name: str) -> int:
        return int(float(self._fields.get(name, b"0")))
