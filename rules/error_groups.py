"""Error groups: what each one is, how often it came, and where its last line stands.

Of each shard, here 0; readers add them up.

| key                     | type | meaning                                                       | expiry |
|-------------------------|------|---------------------------------------------------------------|--------|
| `tocsin:{0}:group:<id>` | hash | service, error_type, template, count; first_seen, last_seen   | 7 days |
|                         |      | (Unix seconds); sample (a message), file, offset (its line's) |        |
| `tocsin:{0}:groups`     | hash | id -> last_seen; pruned                                       | 7 days |
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from logging_core.streams.stream import Change, shard_key, shards
from rules.fingerprint import Group
from rules.forgetting import forget

if TYPE_CHECKING:
    from redis import Redis

GROUP = "group:"
GROUPS = "groups"
EXPIRY = 7 * 86_400  #: seconds after the last error
SAMPLE_LIMIT = 500  #: characters


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record's line begins."""

    file: str
    offset: int  #: bytes; -1: not known, since the line was written before a crash

    def __str__(self) -> str:
        """For people; empty where it is not known."""
        return f"{self.file}:{self.offset}" if self.offset >= 0 else ""


NOWHERE = Place("", -1)


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """A group as it stands."""

    id: str
    service: str
    error_type: str
    template: str
    count: int
    first_seen: float
    last_seen: float
    sample: str
    place: Place


@dataclass(slots=True)
class Sighting:
    """What one batch saw of a group."""

    first_seen: float
    last_seen: float
    sample: str
    place: Place
    count: int = 1

    def again(self, at: float, sample: str, place: Place) -> None:
        """One more error, later in the batch."""
        self.count += 1
        self.first_seen, self.last_seen = min(self.first_seen, at), max(self.last_seen, at)
        self.sample, self.place = sample, place


def changes(group: Group, seen: Sighting) -> list[Change]:
    """The changes that add a sighting to its group."""
    key = f"{GROUP}{group.id}"
    return [
        Change("once", key, "service", group.service, EXPIRY),
        Change("once", key, "error_type", group.error_type, EXPIRY),
        Change("once", key, "template", group.template, EXPIRY),
        Change("add", key, "count", seen.count, EXPIRY),
        Change("min", key, "first_seen", seen.first_seen, EXPIRY),
        Change("max", key, "last_seen", seen.last_seen, EXPIRY),
        Change("set", key, "sample", seen.sample[:SAMPLE_LIMIT], EXPIRY),
        Change("set", key, "file", seen.place.file, EXPIRY),
        Change("set", key, "offset", seen.place.offset, EXPIRY),
        Change("max", GROUPS, group.id, seen.last_seen, EXPIRY),
    ]


def prune(redis: "Redis", now: float) -> int:
    """Take the groups whose hash is gone off the index; how many they were."""
    return sum(forget(redis, [shard_key(shard, GROUPS)], now - EXPIRY) for shard in shards(redis))


def services(redis: "Redis") -> dict[str, str]:
    """Of all groups that scans count, which are in shard 0: id -> service."""
    ids = cast("list[bytes]", redis.hkeys(shard_key(0, GROUPS)))
    pipeline = redis.pipeline(transaction=False)
    for each in ids:
        pipeline.hget(shard_key(0, GROUP + each.decode()), "service")
    found = cast("list[bytes | None]", pipeline.execute())
    return {each.decode(): service.decode() for each, service in zip(ids, found, strict=True) if service}


class ErrorGroups:
    """Reads the groups."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def get(self, group_id: str) -> ErrorGroup | None:
        """The group with this id, unless it is unknown or long gone."""
        return self._read([group_id])[0]

    def top(self, limit: int) -> list[ErrorGroup]:
        """The groups with the most errors, the largest first."""
        indexes = [self._redis.hkeys(shard_key(shard, GROUPS)) for shard in shards(self._redis)]
        ids = {id_.decode() for index in cast("list[list[bytes]]", indexes) for id_ in index}
        found = [group for group in self._read(sorted(ids)) if group]
        return sorted(found, key=lambda group: group.count, reverse=True)[:limit]

    def _read(self, ids: list[str]) -> list[ErrorGroup | None]:
        merged: list[ErrorGroup | None] = [None] * len(ids)
        for shard in shards(self._redis):
            pipeline = self._redis.pipeline(transaction=False)
            for group_id in ids:
                pipeline.hgetall(shard_key(shard, GROUP + group_id))
            parts = [_decoded(group_id, fields) for group_id, fields in zip(ids, pipeline.execute(), strict=True)]
            merged = [_together(one, other) for one, other in zip(merged, parts, strict=True)]
        return merged


def _together(one: ErrorGroup | None, other: ErrorGroup | None) -> ErrorGroup | None:
    """One group of what two shards know of it."""
    if one is None or other is None:
        return one or other
    later = max(one, other, key=lambda each: each.last_seen)
    return replace(later, count=one.count + other.count, first_seen=min(one.first_seen, other.first_seen))


def _decoded(group_id: str, fields: dict[bytes, bytes]) -> ErrorGroup | None:
    if not fields:
        return None
    text = {name.decode(): value.decode() for name, value in fields.items()}
    return ErrorGroup(
        id=group_id,
        service=text["service"],
        error_type=text["error_type"],
        template=text["template"],
        count=int(text["count"]),
        first_seen=float(text["first_seen"]),
        last_seen=float(text["last_seen"]),
        sample=text["sample"],
        place=Place(text["file"], int(text["offset"])),
    )
