"""Steps that wait to be taken. They come in with the scan's own commit, so a crash neither loses nor repeats one.

Keys:
    tocsin:{0}:recovery:due  hash  step id (`<action>:<target>`) -> the first `Step` that asked for it, as JSON; none
"""

import msgspec
import redis

from logging_core.stream import Change
from recovery.model import Plan, Step

KEY = "tocsin:{0}:recovery:due"


def changes(plan: Plan) -> list[Change]:
    """What puts the steps of a plan among those due; a step that already waits is not added again."""
    return [Change("once", KEY, step.id, msgspec.json.encode(step).decode()) for step in plan.steps]


def steps(client: redis.Redis) -> list[Step]:
    """The steps that are due, in the order of their ids."""
    return [msgspec.json.decode(text, type=Step) for _, text in sorted(client.hgetall(KEY).items())]


def is_empty(client: redis.Redis) -> bool:
    """Whether nothing is due."""
    return not client.exists(KEY)


def done(client: redis.Redis, step: Step) -> None:
    """The step was taken, or refused."""
    client.hdel(KEY, step.id)
