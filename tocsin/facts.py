"""What `tocsin doctor` looks at, gathered in one go; tocsin/doctor.py judges it. Changes nothing."""

import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from kombu.exceptions import OperationalError
from redis import Redis, RedisError, ResponseError

from logging_core.buffers import claim
from logging_core.buffers.spool import spool_root
from logging_core.storage.journal import State
from logging_core.streams import stream
from logging_core.streams.connection import clock, connect, servers
from rules.errors import ConfigError
from tasks import checks, heartbeat, status, wiring
from tasks.app import app
from tasks.heartbeat import Worker
from tasks.settings import SCHEDULE_SCHEMES, Settings
from tasks.status import QUEUES, Status

BROKER_PATIENCE = 2.0  #: seconds


@dataclass(frozen=True, slots=True)
class Server:
    """A Redis, as it says that it is set up; None where it does not say."""

    version: tuple[int, ...]
    eviction: str | None  #: maxmemory-policy
    persistent: bool | None
    used_memory: int  #: bytes
    max_memory: int  #: bytes; 0: as much as there is


@dataclass(frozen=True, slots=True)
class Lease:
    """Who writes, as Redis has it."""

    shard: int
    holder: str  #: host:pid
    expires: float | None  #: seconds; None: never
    is_alive: bool  #: whether that process, or at least an ingest worker of its host, lives


@dataclass(frozen=True, slots=True)
class Spool:
    """Where the applications of this host and user keep what Redis does not have yet."""

    root: Path
    trouble: str | None  #: why an application could not keep its records there
    total: int  #: bytes, of its file system
    room: int  #: bytes: free, or taken by spools already
    producers: int
    orphans: dict[str, float]  #: producer of a folder that nobody holds -> seconds since it was made or took a segment


@dataclass(frozen=True, slots=True)
class Host:
    """What this host alone can tell."""

    mistakes: tuple[str, ...]  #: in the configuration files
    has_receivers: bool
    folders: dict[str, str]  #: setting -> why it cannot be written
    journals: dict[Path, str]  #: journal -> what cannot be read of it
    spool: Spool


@dataclass(frozen=True, slots=True)
class Answers:
    """What Redis and the broker tell."""

    servers: dict[str, Server]  #: name -> each that takes writes: one, or the masters of a cluster
    broker: Server | None  #: None: the same Redis, or no Redis, or it does not answer
    backlog: dict[str, int] | None  #: queue -> waiting tasks; None: the broker does not answer
    clock_apart: float  #: seconds that this host's clock is ahead of Redis'
    leases: list[Lease]  #: of the shards that somebody writes
    heard: dict[str, float]  #: producer whose spool nobody holds -> seconds since Redis heard of it
    status: Status


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the doctor judges."""

    host: Host
    answers: Answers | None
    silence: str = ""  #: why Redis does not answer


def gather(settings: Settings, redis: Redis) -> Facts:
    """How everything is now."""
    host = Host(
        mistakes=tuple(checks.mistakes(settings)),
        has_receivers=_has_receivers(settings),
        folders=_unwritable({"LOG_DIR": settings.log_dir, "TOCSIN__DATA_DIR": settings.data_dir}),
        journals=_unreadable_journals(settings.log_dir),
        spool=_spool(spool_root(settings.redis_url)),
    )
    try:
        return Facts(host, _ask(settings, redis, host.spool.orphans))
    except RedisError as error:
        return Facts(host, None, str(error))


def _ask(settings: Settings, redis: Redis, orphans: Iterable[str]) -> Answers:
    return Answers(
        servers={f"Redis at {name}" if name else "Redis": _server(each) for name, each in servers(redis).items()},
        broker=_broker(settings),
        backlog=_backlog(),
        clock_apart=_clock_apart(redis),
        leases=_leases(redis),
        heard=_silences(redis, orphans),
        status=status.gather(redis),
    )


def _has_receivers(settings: Settings) -> bool:
    try:
        return bool(wiring.receivers(settings))
    except ConfigError:
        return True  # one was meant, and what is wrong with it is among the mistakes


# -- this host -------------------------------------------------------------------------------------------------------


def _unwritable(folders: dict[str, Path]) -> dict[str, str]:
    found = {setting: _why_unwritable(folder) for setting, folder in folders.items()}
    return {setting: why for setting, why in found.items() if why}


def _why_unwritable(folder: Path) -> str | None:
    existing = _existing(folder)
    if not existing.is_dir():
        return f"{existing} is no folder"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"{existing} cannot be written"
    return None


def _existing(path: Path) -> Path:
    """The path, or the nearest above it that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if os.path.lexists(each))


def _unreadable_journals(log_dir: Path) -> dict[Path, str]:
    found = {}
    for journal in sorted(log_dir.glob(".tocsin/*.journal")):
        try:
            state, _ = State.load(journal)
        except OSError as error:
            found[journal] = error.strerror or str(error)
        else:
            if state.spoilt:
                found[journal] = f"{state.spoilt} records are spoilt"
    return found


def _spool(root: Path) -> Spool:
    trouble = _why_unwritable(root)
    if not trouble and root.exists() and not claim.is_private(root):
        trouble = f"{root} is not ours, or others can write to it"
    disk = shutil.disk_usage(_existing(root))
    segments = [_size(path) for path in root.glob("*/*.segment")]
    return Spool(
        root=root,
        trouble=trouble,
        total=disk.total,
        room=disk.free + sum(segments),
        producers=sum(1 for _ in root.glob("*/lock")),
        orphans=dict(_unclaimed(root)),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # shipped meanwhile
        return 0


def _unclaimed(root: Path) -> Iterator[tuple[str, float]]:
    """The folders that nobody holds, each held for a moment; stillborn ones are removed, as by every shipper."""
    for claimed in claim.unclaimed(root):
        claimed.let_go()
        try:
            yield claimed.folder.name, time.time() - claimed.folder.stat().st_mtime
        except FileNotFoundError:  # adopted meanwhile
            continue


# -- Redis and the broker --------------------------------------------------------------------------------------------


def _server(redis: Redis) -> Server:
    told = redis.info("everything")
    append_only = bool(told.get("aof_enabled"))
    return Server(
        version=tuple(int(part) for part in told["redis_version"].split(".")[:2]),
        eviction=told.get("maxmemory_policy"),
        persistent=True if append_only else _takes_snapshots(redis),
        used_memory=told["used_memory"],
        max_memory=told.get("maxmemory", 0),
    )


def _takes_snapshots(redis: Redis) -> bool | None:
    try:
        return bool(redis.config_get("save").get("save"))
    except ResponseError:  # hosted ones do not let us ask
        return None


def _broker(settings: Settings) -> Server | None:
    if settings.broker_url == settings.redis_url or not settings.broker_url.startswith(SCHEDULE_SCHEMES):
        return None
    try:
        with connect(settings.broker_url, connect_timeout=BROKER_PATIENCE, timeout=BROKER_PATIENCE) as redis:
            return _server(redis)
    except RedisError:
        return None


def _backlog() -> dict[str, int] | None:
    """Tasks that wait in each queue of the broker, whatever it is."""
    with app.connection_for_read() as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=BROKER_PATIENCE)
            return {queue: _waiting(connection.default_channel, queue) for queue in sorted(QUEUES)}
        except (OperationalError, RedisError):
            return None


def _waiting(channel: Any, queue: str) -> int:
    # Declared as workers declare it. A passive declaration never finds a queue: kombu 5.7 then asks Redis for the key
    # without its `global_keyprefix`.
    return int(app.amqp.queues[queue](channel).queue_declare().message_count)


def _clock_apart(redis: Redis) -> float:
    """Seconds that this host is ahead of Redis, at least: what the question took is in its favour."""
    asked = time.time()
    told = clock(redis)
    answered = time.time()
    apart = (asked + answered) / 2 - told
    doubt = (answered - asked) / 2
    return max(apart - doubt, 0.0) if apart > 0 else min(apart + doubt, 0.0)


def _leases(redis: Redis) -> list[Lease]:
    """Of the shards that somebody writes."""
    workers = heartbeat.workers(redis)
    found = []
    for number in stream.shards(redis):
        key = stream.Keys(number).lease
        pipeline = redis.pipeline(transaction=True)
        pipeline.get(key)
        pipeline.pttl(key)
        value, left = pipeline.execute()
        if value is not None:
            holder = value.decode().rpartition("|")[2]
            expires = left / 1000 if left >= 0 else None
            found.append(Lease(number, holder, expires, _is_alive(holder, workers)))
    return found


def _is_alive(holder: str, workers: Iterable[Worker]) -> bool:
    host, _, pid = holder.rpartition(":")
    if host == socket.gethostname() and pid.isdecimal():
        return psutil.pid_exists(int(pid))
    return any("ingest" in worker.queues and worker.name.partition("@")[2] == host for worker in workers)


def _silences(redis: Redis, producers: Iterable[str]) -> dict[str, float]:
    """Seconds since each was last heard of; of those that Redis knows."""
    now = clock(redis)
    held = stream.shards(redis)
    asked = [(each, redis.hget(stream.Keys(shard).producer(each), "seen")) for each in producers for shard in held]
    return {producer: now - float(at) for producer, at in asked if at is not None}
