"""200 threads, 10,000 loggers, a record of 10 MB."""

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario


def threads(arena: Arena) -> None:
    arena.application(threads=200, rate=20)
    arena.rest(6, 3)
    arena.fault_over()
    arena.back()


def loggers(arena: Arena) -> None:
    arena.application(loggers=10_000, rate=4000)
    arena.rest(6, 3)
    arena.fault_over()
    arena.back()


def large(arena: Arena) -> None:
    arena.application(size=10_000_000, rate=2)
    arena.application(rate=500)
    arena.rest(6, 3)
    arena.fault_over()
    arena.back()


SCENARIOS = (
    Scenario("200 threads", threads, quick=False, back_s=10),
    Scenario("10,000 loggers", loggers, quick=False, back_s=10),
    Scenario("records of 10 MB", large, back_s=10),
)
