"""SIGKILL of the writer right after each named step, and in the middle of a write; a disk that stands still."""

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario

STEPS = ("read", "torn", "write", "fdatasync", "torn-journal", "journal", "commit")
QUICK_STEPS = ("torn", "journal")


def killed(arena: Arena) -> None:
    arena.application(rate=1000)
    for step in QUICK_STEPS if arena.quick else STEPS:
        arena.stack.suffer(step)
        arena.rest(arena.dice.uniform(0.2, 0.8))
    arena.fault_over()
    arena.back()


def frozen(arena: Arena) -> None:
    arena.application(rate=1000)
    arena.writes_on()
    arena.stack.suffer("frozen")
    arena.rest(7)  # as long as it stands still: see injected/sitecustomize.py
    arena.fault_over()
    arena.back()


SCENARIOS = (
    Scenario("SIGKILL of the writer after each step", killed, quick=False, back_s=10),
    Scenario("the disk frozen for 7 s", frozen, quick=False, slowest_ms=50, back_s=10),
)
