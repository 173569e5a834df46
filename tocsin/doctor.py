"""`tocsin doctor`: what is wrong, and what to do. Each check is a decision about tocsin/facts.py's facts."""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from logging_core.buffers import segment
from logging_core.streams.connection import shown
from logging_core.streams.stream import Keys
from tasks.settings import Settings
from tasks.status import BEAT_SILENCE
from tocsin.facts import Answers, Facts, Host, Server, Spool

Severity = Literal["error", "warning"]

MIB = 2**20
OLDEST = (6, 2)  #: version of Redis
SMALL = 64 * MIB  #: bytes of a tmpfs
HOT_SET = 16 * segment.SIZE  #: bytes that one application process may come to keep
CLOCKS_APART = 1.0  #: seconds
FULL = 0.9  #: of maxmemory
LONG = 100  #: waiting tasks of one queue
NO_WRITER = 5.0  #: seconds that the stream may wait while nobody holds the lease
SLOW_WRITER = 60.0  #: seconds that the stream may wait for its writer
ORPHANED = 90.0  #: seconds; every minute the `maintain` worker looks for them
OWED = 6  #: canaries that a worker has not taken


class Finding(NamedTuple):
    """Something that is wrong."""

    severity: Severity  #: error: records or messages are lost or stand still, or soon will
    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.what}; {self.do}"


def findings(facts: Facts, settings: Settings) -> list[Finding]:
    """What is wrong, errors first; empty: nothing was found."""
    found = [*_host(facts.host), *_spool(facts.host.spool, facts.answers.heard if facts.answers else {})]
    if facts.answers is None:
        where = shown(settings.redis_url)
        start = "start it with `tocsin up`" if settings.embedded else "start it, or set REDIS_URL"
        found.append(Finding("error", f"Redis at {where} does not answer: {facts.silence}", start))
    else:
        for check in CHECKS:
            found += check(facts.answers, settings)
    return sorted(found, key=lambda finding: finding.severity)


def _host(host: Host) -> Iterator[Finding]:
    for mistake in host.mistakes:
        yield Finding("error", mistake, "mend it: no worker starts before")
    if not host.has_receivers:
        yield Finding("warning", "nobody is told of alerts", "set SLACK_WEBHOOK_URL, or alerts.config with receivers")
    for setting, why in host.folders.items():
        yield Finding("error", f"{setting}: {why}", f"let this user write there, or set {setting}")
    for journal, why in host.journals.items():
        do = "check the disk and its permissions; the writer keeps a copy before it mends it"
        yield Finding("error", f"the journal {journal} cannot be read: {why}", do)


def _spool(spool: Spool, heard: Mapping[str, float]) -> Iterator[Finding]:
    if spool.trouble:
        do = "make it a folder of this user that nobody else can write to; applications refuse records meanwhile"
        yield Finding("error", f"spool: {spool.trouble}", do)
    enlarge = "enlarge it (docker run --shm-size=256m)"
    processes = max(1, spool.producers)
    if spool.total < SMALL:
        yield Finding("warning", f"the file system of {spool.root} has only {spool.total / MIB:.0f} MiB", enlarge)
    elif spool.room < HOT_SET * processes:
        what = f"{spool.root} has room for {spool.room / MIB:.0f} MiB, and {processes} processes"
        yield Finding("warning", f"{what} may need {HOT_SET / MIB:.0f} MiB each", enlarge)
    silences = [heard.get(producer, age) for producer, age in spool.orphans.items()]
    if orphaned := [silence for silence in silences if silence > ORPHANED]:
        what = f"{len(orphaned)} dead processes left records in {spool.root}, the oldest {max(orphaned):.0f} s ago"
        yield Finding("warning", what, "start an application, or a `maintain` worker, as the user who owns them")


def _servers(answers: Answers, settings: Settings) -> Iterator[Finding]:
    for name, server in answers.servers.items():
        yield from _server(server, name)
        if server.persistent is False:
            yield Finding("error", f"{name} keeps nothing on disk: its restart loses records", "set its appendonly yes")
    if answers.broker:
        yield from _server(answers.broker, "the broker's Redis")
    if answers.backlog is None:
        where = shown(settings.broker_url)
        yield Finding("error", f"the broker at {where} does not answer", "start it, or set TOCSIN__REDIS__BROKER_URL")


def _server(server: Server, name: str) -> Iterator[Finding]:
    if server.version < OLDEST:
        version, oldest = (".".join(map(str, each)) for each in (server.version, OLDEST))
        yield Finding("error", f"{name} is version {version}", f"use {oldest} or newer, or Valkey")
    if server.eviction not in (None, "noeviction"):
        what = f"{name} deletes what it holds when memory is short (maxmemory-policy {server.eviction})"
        yield Finding("error", what, "set its maxmemory-policy noeviction")
    if server.max_memory and server.used_memory > FULL * server.max_memory:
        used = f"{server.used_memory / MIB:.0f} of {server.max_memory / MIB:.0f} MiB"
        yield Finding("error", f"{name} is nearly full ({used})", "raise its maxmemory, or find out what fills it")


def _clock(answers: Answers, _: Settings) -> Iterator[Finding]:
    apart = answers.clock_apart
    if abs(apart) > CLOCKS_APART:
        what = f"this host's clock is {abs(apart):.1f} s {'ahead of' if apart > 0 else 'behind'} Redis'"
        yield Finding("warning", what, "synchronise both by NTP: tasks expire by it")


def _beat(answers: Answers, settings: Settings) -> Iterator[Finding]:
    age = answers.status.beat_tick_age
    if age is None or age > BEAT_SILENCE:
        silent = "has never run" if age is None else f"has been silent for {age:.0f} s"
        yield Finding("error", f"beat {silent}", "start it (`tocsin up`, or `celery -A tasks beat`)")
        return
    for worker, silence in answers.status.canaries.items():
        if silence > OWED * settings.watchdog.canary:
            do = "restart it, unless it is merely busy; its watchdog does where that is sure"
            yield Finding("warning", f"{worker} has taken no canary for {silence:.0f} s", do)


def _queues(answers: Answers, _: Settings) -> Iterator[Finding]:
    unserved = answers.status.unserved
    for queue in unserved:
        do = f"start it (`tocsin up`, or `celery -A tasks worker -Q {queue}`)"
        yield Finding("error", f"no worker serves the queue {queue}", do)
    for queue, waiting in (answers.backlog or {}).items():
        if waiting > LONG and queue not in unserved:
            do = "give its worker more processes (-c), or start another one"
            yield Finding("warning", f"{waiting} tasks wait in the queue {queue}", do)


def _writer(answers: Answers, settings: Settings) -> Iterator[Finding]:
    delivery = answers.status.delivery
    for lease in answers.leases:
        if not lease.is_alive:
            over = f"DEL {Keys(lease.shard).lease}"
            if lease.expires is not None:
                over = f"it is over by itself in {lease.expires:.0f} s"
            severity: Severity = "error" if lease.expires is None else "warning"
            yield Finding(severity, f"the writer's lease is held by {lease.holder}, which is dead", over)
    if delivery.lost:
        yield Finding("error", f"{delivery.lost} records are lost", "this is a fault of Tocsin: please report it")
    for part in delivery.shards:
        which = f" of shard {part.number}" if len(delivery.shards) > 1 else ""
        if part.writer is None and part.lag > NO_WRITER:
            where = f"{part.host}: " if part.host else ""
            do = f"{where}see whether an ingest worker runs, and can write to {settings.log_dir}"
            yield Finding("error", f"records{which} wait for {part.lag:.0f} s, and nobody writes them", do)
        elif part.lag > SLOW_WRITER:
            do = f"see whether the disk of {settings.log_dir} is slow or full"
            yield Finding("warning", f"the writer{which} is {part.lag:.0f} s behind", do)


CHECKS: tuple[Callable[[Answers, Settings], Iterator[Finding]], ...] = (_servers, _clock, _beat, _queues, _writer)
