import pytest
from celery.utils.nodenames import worker_direct

from tasks import canary
from tasks.app import app
from tasks.heartbeat import Heart, Worker
from tests.waiting import wait_until


@pytest.fixture
def workers(redis):
    hearts = [Heart(Worker(name=name, pid=1, queues=("scan",), started=0.0), redis) for name in ("a@h", "b@h")]
    wait_until(lambda: redis.zcard("tocsin:workers") == 2)
    yield
    for heart in hearts:
        heart.stop()


def _waiting(worker: str) -> int:
    with app.connection_for_read() as connection:
        return connection.default_channel.queue_declare(worker_direct(worker).name).message_count


def test_each_living_worker_is_sent_its_own(redis, workers):
    canary.release(app, redis, 1000.0)
    assert (_waiting("a@h"), _waiting("b@h"), _waiting("dead@h")) == (1, 1, 0)
    assert redis.zrange(canary.SENT_KEY, 0, -1, withscores=True) == [(b"a@h", 1000.0), (b"b@h", 1000.0)]


def test_what_the_broker_does_not_take_is_not_sent(redis, workers, broker_away):
    canary.release(app, redis, 1000.0)
    assert not redis.exists(canary.SENT_KEY)
    broker_away()
    canary.release(app, redis, 1001.0)
    assert redis.zscore(canary.SENT_KEY, "a@h") == 1001.0


def test_without_workers_there_are_no_canaries(redis):
    canary.release(app, redis, 1000.0)
    assert not redis.exists(canary.SENT_KEY)
    assert canary.last_arrivals(redis, []) == {}


def test_what_is_old_is_forgotten(redis):
    redis.zadd(canary.SENT_KEY, {"old@h": 1000.0})
    redis.zadd(canary.ARRIVED_KEY, {"old@h": 1000.0, "new@h": 1001.0})
    canary.release(app, redis, 1000.5 + canary.FORGOTTEN)
    assert not redis.exists(canary.SENT_KEY)
    assert canary.last_arrivals(redis, ["old@h", "new@h"]) == {"new@h": 1001.0}
