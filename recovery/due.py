"""Steps that wait to be taken. They come in with the scan's own commit, so a crash neither loses nor repeats one.

Keys:
    tocsin:{0}:recovery:due  hash  step id (`<action>:<target>`) -> the first `Step` that asked for it, as JSON; none
"""

import msgspec
import redis

from logging_core.streams.stream import Change, shard_key
from recovery.model import Plan, Step

_NAME = "recovery:due"  # of shard 0, whose series and positions move in the same step
KEY = shard_key(0, _NAME)


def changes(plan: Plan) -> list[Change]:
    """What puts the steps of a plan among those due; a step that already waits is not added again."""
    return [Change("once", _NAME, step.id, msgspec.json.encode(step).decode()) for step in plan.steps]


def steps(client: redis.Redis) -> list[Step]:
    """The steps that are due, in the order of their ids."""
    return [msgspec.json.decode(text, type=Step) for _, text in sorted(client.hgetall(KEY).items())]


def is_empty(client: redis.Redis) -> bool:
    """Whether nothing is due."""
    return not client.exists(KEY)


def done(client: redis.Redis, step: Step) -> None:
    """The step was taken, or refused."""
    client.hdel(KEY, step.id)
