"""Redis at its memory limit: commits and leases go on, shippers wait, and nothing is stuck for good."""

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario

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


SCENARIOS = (Scenario("Redis at its memory limit", run, slowest_ms=50, back_s=10),)
