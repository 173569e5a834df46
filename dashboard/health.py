"""Is the stack alive? A decision about a status."""

from tasks.status import Status

BEAT_SILENCE = 10.0  #: seconds without a tick after which beat counts as dead
QUEUES = frozenset({"ingest", "evaluate", "notify", "scan", "recover"})  #: each needs a living worker


def troubles(status: Status) -> list[str]:
    """What is wrong, in words; empty: nothing."""
    found = []
    age = status.beat_tick_age
    if age is None:
        found.append("beat has never ticked")
    elif age > BEAT_SILENCE:
        found.append(f"beat has been silent for {age:.0f} s")
    served = {queue for worker in status.workers for queue in worker.queues}
    if missing := sorted(QUEUES - served):
        found.append(f"no worker serves {', '.join(missing)}")
    return found
