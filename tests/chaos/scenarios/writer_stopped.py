"""The writer's process stopped by SIGSTOP past its lease, and continued when another has taken over."""

import time

import psutil

from tests.chaos.arena import FAILURES, Arena
from tests.chaos.scenario import Scenario

LEASE = 5.0  #: seconds, as configured


def run(arena: Arena) -> None:
    arena.application(rate=500)
    arena.writes_on()
    writer = arena.stack.writer()
    assert writer
    since = time.monotonic()
    writer.suspend()
    try:
        arena.rest(LEASE + 1)
        arena.fault_over()
        arena.back(within=15)
    except FAILURES:
        arena.problem(f"nobody took over from a writer that was stopped {LEASE + 16:.0f} s ago")
    finally:
        try:
            writer.resume()
        except psutil.NoSuchProcess:
            pass  # its successor killed it
    arena.back()
    arena.alert("WriterStalled", since, reason="hung")


SCENARIOS = (
    Scenario("the writer stopped past its lease", run, quick=False, back_s=10, alert="WriterStalled", beside=True),
)
