"""Every fault, as the table lists them."""

from itertools import chain

from tests.chaos.scenarios import (
    application_killed,
    crowds,
    disk_full,
    failover,
    forks,
    hostile_records,
    kill_writer,
    programs_killed,
    redis_away,
    redis_cluster,
    redis_memory,
    redis_older,
    rivals,
    rotation,
    shards,
    writer_steps,
    writer_stopped,
)

#: What the faults of a part have in common -> its scenarios.
TABLE = {
    "the ingest worker": (*kill_writer.SCENARIOS, *writer_steps.SCENARIOS, *rotation.SCENARIOS, *shards.SCENARIOS),
    "the application": (*application_killed.SCENARIOS, *forks.SCENARIOS),
    "Redis": (
        *redis_away.SCENARIOS,
        *redis_older.SCENARIOS,
        *failover.SCENARIOS,
        *redis_cluster.SCENARIOS,
        *redis_memory.SCENARIOS,
    ),
    "two of them": (*writer_stopped.SCENARIOS, *rivals.SCENARIOS),
    "the disk": disk_full.SCENARIOS,
    "the programs": programs_killed.SCENARIOS,
    "what is logged": (*hostile_records.SCENARIOS, *crowds.SCENARIOS),
}
ALL = tuple(chain.from_iterable(TABLE.values()))
