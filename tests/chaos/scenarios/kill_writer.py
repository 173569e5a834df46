"""SIGKILL of the ingest worker's processes, main or pool, at any moment."""

import psutil

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario


def run(arena: Arena) -> None:
    for _ in range(2):
        arena.application(rate=1000)
    kills, wanted = 0, 5 if arena.quick else 100
    while kills < wanted:
        arena.rest(arena.dice.uniform(0.02, 0.6))
        processes = arena.stack.tree("ingest")
        if len(processes) > 1:
            # A killed main process costs seconds until the next can be killed: most kills go to the pool.
            chosen = processes[0] if arena.dice.random() < 0.08 else arena.dice.choice(processes[1:])
            try:
                chosen.kill()
                kills += 1
            except psutil.NoSuchProcess:
                pass  # it died of an earlier kill
    arena.fault_over()
    arena.back()


SCENARIOS = (Scenario("SIGKILL of the ingest worker at random", run, quick=False, back_s=10),)
