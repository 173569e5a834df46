"""Sentinels put a replica in a dead master's place; what that replica had not been told of is gone from Redis."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from logging_core.streams.stream import Keys
from tests.chaos.arena import Arena
from tests.chaos.chaos_stack import ChaosStack, running_stack
from tests.chaos.scenario import Scenario
from tests.servers import Sentinels, Server

NOWHERE = ("127.0.0.1", 1)


@contextmanager
def watched_over(folder: Path) -> Iterator[ChaosStack]:
    """A stack, its broker and schedule included, whose Redis is what Sentinels say."""
    with Sentinels(folder / "redis") as servers, running_stack(folder, servers) as stack:
        yield stack


def promoted(arena: Arena) -> None:
    servers = _servers(arena)
    arena.application(rate=1000)
    arena.application(rate=300)
    arena.writes_on(1000)
    servers.master.kill()
    arena.fault_over()
    arena.back()
    servers.master.start()  # it is made a replica, and forgets what it alone knows
    arena.writes_on(1000)


def frozen(arena: Arena) -> None:
    servers = _servers(arena)
    arena.application(rate=500)
    arena.application(rate=300)
    arena.writes_on(1000)
    servers.master.process.send_signal(signal.SIGSTOP)
    arena.rest(20)
    servers.master.process.send_signal(signal.SIGCONT)  # it takes itself for the master, until a Sentinel tells it
    arena.fault_over()
    arena.back()
    arena.writes_on(1000)


def behind(arena: Arena) -> None:
    servers = _servers(arena)
    arena.application(rate=1000)
    arena.application(rate=300)
    arena.writes_on(1000)
    servers.replica.client.replicaof(*NOWHERE)  # from here on it learns nothing
    arena.writes_on(2000)  # appended, written, committed, released, and all of it unknown to the next master
    if not _commits(servers.master) > _commits(servers.replica):
        arena.problem("the replica did not lag behind")
    servers.master.kill()
    arena.fault_over()
    arena.back()
    arena.writes_on(1000)


def _commits(server: Server) -> int:
    return int(server.client.hget(Keys().shard, "version") or 0)


def _servers(arena: Arena) -> Sentinels:
    assert isinstance(arena.stack.servers, Sentinels)
    return arena.stack.servers


SCENARIOS = (
    Scenario(
        "failover to a replica",
        promoted,
        quick=False,
        fresh=True,
        opening=watched_over,
        slowest_ms=50,
        beside=True,
        back_s=10,
    ),
    Scenario(
        "failover while the master is frozen",
        frozen,
        quick=False,
        fresh=True,
        opening=watched_over,
        slowest_ms=50,
        beside=True,
        back_s=10,
    ),
    Scenario(
        "failover to a replica that lags behind",
        behind,
        fresh=True,
        opening=watched_over,
        slowest_ms=50,
        beside=True,
        back_s=10,
    ),
)
