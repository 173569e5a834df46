"""Redis stopped by SIGSTOP, stopped for good and started again, killed."""

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario


def frozen(arena: Arena) -> None:
    arena.application(rate=300)
    arena.application(rate=300)
    arena.writes_on()
    redis = arena.stack.program("redis")
    assert redis
    redis.suspend()
    arena.rest(120, 3)
    redis.resume()
    arena.fault_over()
    arena.back()


def stopped(arena: Arena) -> None:
    arena.application(rate=300)
    arena.application(rate=300)
    arena.writes_on()
    arena.stack.switch("redis", on=False)
    arena.rest(20, 3)
    arena.fault_over()
    arena.stack.switch("redis", on=True)
    arena.back()


def killed(arena: Arena) -> None:
    arena.application(rate=1000)
    for _ in range(1 if arena.quick else 4):
        arena.writes_on()
        arena.stack.kill("redis")
    arena.fault_over()
    arena.back()


SCENARIOS = (
    Scenario("Redis frozen for 120 s", frozen, slowest_ms=50, back_s=10, beside=True),
    Scenario("Redis stopped for 20 s", stopped, quick=False, slowest_ms=50, back_s=10, beside=True),
    Scenario("Redis killed", killed, quick=False, slowest_ms=50, back_s=10, beside=True),
)
