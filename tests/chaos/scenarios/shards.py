"""Four shards with a writer each, several applications, and writers that are killed as they write."""

from functools import partial

import psutil

from tests.chaos.arena import Arena
from tests.chaos.chaos_stack import running_stack
from tests.chaos.scenario import Scenario
from tests.waiting import wait_until

SHARDS = 4


def run(arena: Arena) -> None:
    wait_until(lambda: len(writers(arena)) == SHARDS, within=30, what="a writer for each shard")
    for _ in range(8):
        arena.application(rate=300)
    for _ in range(2 if arena.quick else 12):
        arena.rest(arena.dice.uniform(0.2, 0.8))
        if found := writers(arena):
            try:
                arena.dice.choice(found).kill()
            except psutil.NoSuchProcess:
                pass  # its pool replaced it
    arena.fault_over()
    arena.back()
    parts = arena.stack.account()
    if parts and sum(part.host != "" for part in parts.shards) < SHARDS:
        arena.problem(f"not every shard has been written: {parts.shards}")


def writers(arena: Arena) -> list[psutil.Process]:
    """The processes that hold the leases."""
    found = arena.stack.account()
    holders = {part.writer for part in found.shards if part.writer} if found else set()
    return [psutil.Process(int(holder.rpartition(":")[2])) for holder in holders if _lives(holder)]


def _lives(holder: str) -> bool:
    return psutil.pid_exists(int(holder.rpartition(":")[2]))


SCENARIOS = (
    Scenario(
        "SIGKILL of writers of four shards",
        run,
        quick=False,
        fresh=True,
        opening=partial(running_stack, TOCSIN__INGEST__SHARDS=str(SHARDS)),
        back_s=10,
    ),
)
