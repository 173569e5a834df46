"""Redis at its memory limit, the stream at its budget: commits and leases go on, shippers wait, nothing is stuck."""

import time

from logging_core.streams.stream import Keys
from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario
from tests.waiting import wait_until

ROOM = 64 * 1024  #: bytes above what is in use: a shipper fills that at once


def run(arena: Arena) -> None:
    redis = arena.stack.redis
    arena.application(rate=500)
    arena.application(rate=500)
    arena.writes_on()
    try:
        redis.config_set("maxmemory", int(redis.info("memory")["used_memory"]) + ROOM)
        arena.rest(8, 4)
        if redis.xlen("tocsin:{0}:stream") > 50:
            arena.problem("the stream was not drained at the memory limit")
    finally:
        redis.config_set("maxmemory", 0)
    arena.fault_over()
    arena.back()


def budget(arena: Arena) -> None:
    """Nobody writes, applications log more than the stream and their spools can hold, and have no disk to go to."""
    redis, limit = arena.stack.redis, 32 * 2**20
    redis.config_set("maxmemory", limit)
    stopped = arena.stack.tree("ingest")
    try:
        for process in stopped:
            process.suspend()
        since = time.monotonic()
        for _ in range(2):
            arena.application(rate=1000, size=4000, spill_dir=None)
        wait_until(lambda: arena.refused > 1000, within=60, what="full spools")
        held = int(redis.hget(Keys().shard, "bytes") or 0)
        if not limit // 2 * 0.9 < held <= limit // 2:
            arena.problem(f"the stream holds {held} bytes of a budget of {limit // 2}")
        arena.alert("RecordsRefused", since)
        for process in stopped:
            process.resume()
        arena.fault_over()
        arena.back()
    finally:
        for process in stopped:
            process.resume()
        redis.config_set("maxmemory", 0)


SCENARIOS = (
    Scenario("Redis at its memory limit", run, slowest_ms=50, back_s=10),
    Scenario("the stream at its budget", budget, quick=False, slowest_ms=50, back_s=10, alert="RecordsRefused"),
)
