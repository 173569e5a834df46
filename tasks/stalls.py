"""Writers that stand still, or did: counted, so that a rule tells of them."""

import time

import redis.exceptions

from rules import delivery
from tasks import evaluate, wiring

_EVERY = 1.0  #: seconds between two stalls that are counted
_counted_at = float("-inf")  # by the monotonic clock: when this process last counted one


def note(reason: str) -> None:
    """Count that the writer stands still, or did, and have the rules look at it."""
    global _counted_at
    if time.monotonic() - _counted_at < _EVERY:
        return
    try:
        changes = delivery.count_stall(wiring.redis_client(), reason, wiring.now())
    except redis.exceptions.RedisError:
        return  # then there is nobody to tell
    _counted_at = time.monotonic()
    evaluate.try_to_wake_for(changes)
