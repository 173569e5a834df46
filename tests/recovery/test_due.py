"""Due steps wait in Redis, one for all the errors that ask for it."""

from redis import Redis

from logging_core.streams.stream import shard_key
from recovery import due
from recovery.model import Cause, Plan, Step

ON_EVERY_REDIS = True  # see tests/conftest.py


def planned(offset: int) -> Plan:
    why = Cause("DiskSpace", "shop", "/var/log/app.log", offset)
    return Plan(why, (Step("clean_cache", "thumbs", why),))


def queue(redis: Redis, plan: Plan) -> None:
    for change in due.changes(plan):
        assert change.op == "once"
        redis.hsetnx(shard_key(0, change.key), change.field, change.value)


def test_many_errors_ask_for_one_step_and_the_first_is_its_cause(redis: Redis) -> None:
    queue(redis, planned(1))
    queue(redis, planned(2))
    assert due.steps(redis) == list(planned(1).steps)


def test_a_step_that_was_taken_is_no_longer_due(redis: Redis) -> None:
    queue(redis, planned(1))
    assert not due.is_empty(redis)
    due.done(redis, planned(1).steps[0])
    assert due.is_empty(redis)
