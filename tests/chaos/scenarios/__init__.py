"""Every fault, the most important first."""

from tests.chaos.scenarios import (
    application_killed,
    crowds,
    disk_full,
    failover,
    forks,
    kill_writer,
    programs_killed,
    redis_away,
    redis_cluster,
    redis_memory,
    redis_older,
    rivals,
    rotation,
    writer_steps,
    writer_stopped,
)

ALL = (
    *kill_writer.SCENARIOS,
    *writer_steps.SCENARIOS,
    *rotation.SCENARIOS,
    *application_killed.SCENARIOS,
    *forks.SCENARIOS,
    *redis_away.SCENARIOS,
    *redis_older.SCENARIOS,
    *failover.SCENARIOS,
    *redis_cluster.SCENARIOS,
    *writer_stopped.SCENARIOS,
    *rivals.SCENARIOS,
    *disk_full.SCENARIOS,
    *redis_memory.SCENARIOS,
    *programs_killed.SCENARIOS,
    *crowds.SCENARIOS,
)
