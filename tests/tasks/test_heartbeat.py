import msgspec
import pytest
import redis as redis_py
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks import heartbeat
from tasks.heartbeat import Heart, Worker
from tests.waiting import wait_until

WORKER = Worker(name="ingest@a", pid=7, queues=("ingest",), started=1.5)


def _until_seen(client: redis_py.Redis) -> list[Worker]:
    while not (found := heartbeat.workers(client)):  # the timeout of the test ends it
        pass
    return found


def test_a_worker_is_seen_while_its_heart_beats(redis):
    heart = Heart(WORKER, redis)
    assert _until_seen(redis) == [WORKER]
    heart.stop()
    assert heartbeat.workers(redis) == []


def test_a_worker_that_dies_without_a_word_is_forgotten(redis):
    heart = Heart(WORKER, redis)
    _until_seen(redis)
    heart._stopped.set()
    heart._thread.join()
    (sign,) = redis.zrange(heartbeat.KEY, 0, -1)
    redis.zincrby(heartbeat.KEY, -heartbeat.LIFETIME, sign)
    assert heartbeat.workers(redis) == []
    other = Heart(Worker(name="scan@a", pid=8, queues=("scan",), started=2.5), redis)
    _until_seen(redis)
    assert redis.zcard(heartbeat.KEY) == 1
    other.stop()


def test_a_worker_that_was_killed_and_started_again_is_one(redis):
    before = Heart(msgspec.structs.replace(WORKER, pid=6, started=0.5), redis)
    _until_seen(redis)
    before._stopped.set()
    before._thread.join()
    heart = Heart(WORKER, redis)
    wait_until(lambda: redis.zcard(heartbeat.KEY) == 2)
    assert heartbeat.workers(redis) == [WORKER]
    heart.stop()


def test_the_workers_are_found_without_a_look_at_other_keys(redis):
    heart = Heart(WORKER, redis)
    _until_seen(redis)
    redis.config_resetstat()
    heartbeat.workers(redis)
    assert not {"cmdstat_scan", "cmdstat_keys"} & redis.info("commandstats").keys()
    heart.stop()


def test_a_heart_goes_on_after_redis_was_away(redis, monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.01)
    client = redis_py.Redis.from_url("redis://127.0.0.1:1", protocol=2, retry=Retry(NoBackoff(), 0))
    heart = Heart(WORKER, client)
    client.connection_pool = redis.connection_pool  # Redis is back
    assert _until_seen(redis) == [WORKER]
    heart.stop()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_workers_are_listed_by_name(redis, count):
    hearts = [Heart(Worker(name=f"w{n}", pid=n, queues=(), started=0.0), redis) for n in range(count)]
    while len(found := heartbeat.workers(redis)) < count:
        pass
    assert [worker.name for worker in found] == [f"w{n}" for n in range(count)]
    for heart in hearts:
        heart.stop()
